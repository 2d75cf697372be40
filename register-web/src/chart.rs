//! Charts as SVG, written by templates. Each stands beside a table that says the same; small numbers are named and not drawn.
//! Names stand above what is drawn, so that a picture is narrow and its words are as large as others on any screen.

/// Units of the picture's width.
const WIDTH: i64 = 360;
/// Units that are left for a number behind a bar.
const BEHIND: i64 = 64;
/// Height of a row: a name and two bars, or a name, a line and what it says.
const ROW: i64 = 70;
/// Where a row's name stands in it, and where its first bar begins.
const NAME: i64 = 16;
const FIRST: i64 = 23;
/// Height of a bar with the space after it.
const BAR: i64 = 18;
/// Units that a dot reaches to each side.
const DOT: i64 = 6;

/// A bar: where it is, how long, and what stands behind it. Of a small number there is only what it says.
pub(crate) struct Bar {
    pub(crate) y: i64,
    pub(crate) width: i64,
    pub(crate) label: String,
    /// Whether it is the first or the second of its row.
    pub(crate) is_second: bool,
}

/// A row's name and where it stands.
pub(crate) struct Name {
    pub(crate) y: i64,
    pub(crate) text: String,
}

/// Two numbers for each row.
pub(crate) struct Bars {
    pub(crate) height: i64,
    pub(crate) names: Vec<Name>,
    pub(crate) drawn: Vec<Bar>,
    /// What the first and the second bar of a row are.
    pub(crate) legend: [String; 2],
}

impl Bars {
    /// Rows of a name and two numbers, those that are too small to be told missing; and what is said of these.
    pub(crate) fn of(rows: Vec<(String, [Option<i64>; 2])>, legend: [String; 2], few: &str) -> Self {
        let most = rows
            .iter()
            .flat_map(|(_, both)| both)
            .copied()
            .flatten()
            .max()
            .unwrap_or_default();
        let (mut names, mut drawn) = (Vec::new(), Vec::new());
        let mut top = 0;
        for (name, both) in rows {
            names.push(Name {
                y: top + NAME,
                text: name,
            });
            for (at, n) in (0..).zip(both) {
                let (width, label) = match n {
                    Some(0) => continue,
                    Some(n) => (
                        scaled(n, most, WIDTH - BEHIND),
                        crate::words::thousands(n.unsigned_abs()),
                    ),
                    None => (0, few.to_owned()),
                };
                drawn.push(Bar {
                    y: top + FIRST + at * BAR,
                    width,
                    label,
                    is_second: at == 1,
                });
            }
            top += ROW;
        }
        Self {
            height: top,
            names,
            drawn,
            legend,
        }
    }
}

/// A median and a 90th percentile for each row.
pub(crate) struct Spread {
    pub(crate) height: i64,
    pub(crate) rows: Vec<SpreadRow>,
}

pub(crate) struct SpreadRow {
    /// Where the row begins.
    pub(crate) y: i64,
    pub(crate) name: String,
    /// Where the line to the 90th percentile ends, and where the median is.
    pub(crate) most: i64,
    pub(crate) median: i64,
    pub(crate) label: String,
}

impl Spread {
    /// Rows of a name, the two numbers, and the two in words.
    pub(crate) fn of(rows: Vec<(String, i64, i64, String, String)>) -> Self {
        let top = rows.iter().map(|row| row.2).max().unwrap_or_default();
        let row =
            |(at, (name, median, most, said, also)): (i64, (String, i64, i64, String, String))| SpreadRow {
                y: at * ROW,
                name,
                most: DOT + scaled(most, top, WIDTH - 2 * DOT),
                median: DOT + scaled(median, top, WIDTH - 2 * DOT),
                label: format!("{said} – {also}"),
            };
        let rows: Vec<SpreadRow> = (0..).zip(rows).map(row).collect();
        Self {
            height: i64::try_from(rows.len()).unwrap_or_default() * ROW,
            rows,
        }
    }
}

fn scaled(n: i64, most: i64, width: i64) -> i64 {
    (n.saturating_mul(width) / most.max(1)).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_numbers_and_nothing_is_drawn_of_none() {
        let rows = vec![
            ("2025".to_owned(), [Some(1000), Some(0)]),
            ("2026".to_owned(), [Some(500), Some(250)]),
            ("2027".to_owned(), [None, Some(0)]),
        ];
        let bars = Bars::of(rows, [String::new(), String::new()], "few");
        let widths: Vec<i64> = bars.drawn.iter().map(|bar| bar.width).collect();
        assert_eq!(widths, [296, 148, 74, 0]);
        assert_eq!(
            (bars.drawn[0].label.as_str(), bars.drawn[3].label.as_str()),
            ("1,000", "few")
        );
        assert!(
            Bars::of(Vec::new(), [String::new(), String::new()], "few")
                .drawn
                .is_empty()
        );
    }
}
