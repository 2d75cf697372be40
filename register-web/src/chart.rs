//! Charts as SVG, written by templates. Each stands beside a table that says the same; small numbers are drawn as nothing.

/// Units of the picture's width, and of what is left of the bars for their names.
const WIDTH: i64 = 640;
const LEFT: i64 = 170;
/// Units that are left for a number behind a bar.
const BEHIND: i64 = 90;
/// Height of a row.
const ROW: i64 = 46;

/// A bar: where it is, how long, and what stands behind it.
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
    pub(crate) fn of(rows: Vec<(String, [i64; 2])>, legend: [String; 2]) -> Self {
        let most = rows
            .iter()
            .flat_map(|(_, both)| both)
            .copied()
            .max()
            .unwrap_or_default();
        let (mut names, mut drawn) = (Vec::new(), Vec::new());
        let mut top = 0;
        for (name, both) in rows {
            names.push(Name {
                y: top + 24,
                text: name,
            });
            for (at, n) in (0..).zip(both) {
                if n > 0 {
                    drawn.push(Bar {
                        y: top + 4 + at * 18,
                        width: scaled(n, most),
                        label: crate::words::thousands(n.unsigned_abs()),
                        is_second: at == 1,
                    });
                }
            }
            top += ROW;
        }
        Self {
            height: top + 4,
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
                y: at * ROW + 20,
                name,
                most: LEFT + scaled(most, top),
                median: LEFT + scaled(median, top),
                label: format!("{said} – {also}"),
            };
        let rows: Vec<SpreadRow> = (0..).zip(rows).map(row).collect();
        Self {
            height: i64::try_from(rows.len()).unwrap_or_default() * ROW + 4,
            rows,
        }
    }
}

fn scaled(n: i64, most: i64) -> i64 {
    (n.saturating_mul(WIDTH - LEFT - BEHIND) / most.max(1)).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_numbers_and_nothing_is_drawn_of_none() {
        let rows = vec![("2025".to_owned(), [1000, 0]), ("2026".to_owned(), [500, 250])];
        let bars = Bars::of(rows, [String::new(), String::new()]);
        let widths: Vec<i64> = bars.drawn.iter().map(|bar| bar.width).collect();
        assert_eq!(widths, [380, 190, 95]);
        assert_eq!(bars.drawn[0].label, "1,000");
        assert!(
            Bars::of(Vec::new(), [String::new(), String::new()])
                .drawn
                .is_empty()
        );
    }
}
