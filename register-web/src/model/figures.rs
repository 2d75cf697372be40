//! Statistics as pages show them: small numbers are not told, and nothing is ranked.

use std::collections::BTreeMap;

use daybook_rules::stops::FAMILIES;
use daybook_views::Statistics;
use daybook_views::statistics::{STAGES, quantile};

use crate::chart::{Bars, Spread};
use crate::frame::Frame;

/// Numbers below this are not told: with few cases a number may say something about somebody.
pub(crate) const SMALLEST: i64 = 5;
/// What is counted, in the order in which it is shown.
pub(crate) const COUNTED: [&str; 7] = [
    "submitted",
    "started",
    "released",
    "withheld",
    "refused",
    "cancelled",
    "abandoned",
];
/// Years that a page shows.
const YEARS: usize = 5;
/// Years over which times are taken together: the last in which anything happened, and the one before.
const SPAN_YEARS: i64 = 2;

/// A number as it may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It, or that there is none.
    Number(i64),
    /// From one to four.
    Few,
}

impl Told {
    fn of(n: i64) -> Self {
        if (1..SMALLEST).contains(&n) {
            Self::Few
        } else {
            Self::Number(n)
        }
    }

    /// The number, where it is told.
    fn number(self) -> Option<i64> {
        match self {
            Self::Number(n) => Some(n),
            Self::Few => None,
        }
    }
}

/// What happened in a year, in the order of [`COUNTED`].
pub(crate) struct YearRow {
    pub(crate) year: i64,
    pub(crate) told: Vec<(&'static str, Told)>,
}

/// How often nothing came of analyses for reasons of one family.
pub(crate) struct StopRow {
    pub(crate) family: &'static str,
    /// Years as in [`Figures::years`].
    pub(crate) told: Vec<(i64, Told)>,
}

/// How long a stage took.
pub(crate) struct StageRow {
    pub(crate) stage: &'static str,
    pub(crate) n: Told,
    /// The median and the 90th percentile in minutes, where there are enough.
    pub(crate) minutes: Option<(i64, i64)>,
}

/// The figures of one TRE, or of all together.
pub(crate) struct Figures {
    /// The last year first.
    pub(crate) years: Vec<YearRow>,
    /// Every family of reasons; empty where something came of every analysis.
    pub(crate) stops: Vec<StopRow>,
    pub(crate) stages: Vec<StageRow>,
    /// The first and the last year from which the times are.
    pub(crate) since: i64,
    pub(crate) until: i64,
}

impl Figures {
    pub(crate) fn of(statistics: &Statistics) -> Self {
        let mut years: Vec<i64> = statistics.volumes.keys().map(|(year, _)| *year).collect();
        years.dedup();
        let until = years.last().copied().unwrap_or_default();
        let since = until - SPAN_YEARS + 1;
        let year = |year: i64| YearRow {
            year,
            told: COUNTED
                .iter()
                .map(|what| {
                    let n = statistics.volumes.get(&(year, (*what).to_owned()));
                    (*what, Told::of(n.copied().unwrap_or_default()))
                })
                .collect(),
        };
        let shown: Vec<i64> = years.iter().rev().take(YEARS).copied().collect();
        Self {
            stops: stop_rows(&shown, statistics),
            years: shown.into_iter().map(year).collect(),
            stages: STAGES
                .iter()
                .map(|stage| stage_row(stage, statistics, since))
                .collect(),
            since,
            until,
        }
    }

    /// Whether there is nothing to show at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.years.is_empty()
    }

    /// What was asked for and what was sent in each year, as a picture; the first year first.
    pub(crate) fn bars(&self, frame: &Frame) -> Bars {
        let rows = self.years.iter().rev().map(|row| {
            let of = |what| {
                let told = row.told.iter().find(|(known, _)| *known == what);
                told.map_or(Some(0), |(_, told)| told.number())
            };
            (row.year.to_string(), [of("submitted"), of("released")])
        });
        let names = ["submitted", "released"].map(|what| frame.code("counted", what).to_owned());
        Bars::of(rows.collect(), names, &frame.told(&Told::Few))
    }

    /// Why nothing came of analyses in the last two years, as a picture; what did not happen is left out.
    pub(crate) fn stop_bars(&self, frame: &Frame) -> Bars {
        let rows = self.stops.iter().filter_map(|row| {
            let nth = |nth: usize| row.told.get(nth).map_or(Some(0), |(_, told)| told.number());
            let both = [nth(0), nth(1)];
            let is_told = both.iter().flatten().any(|n| *n > 0);
            is_told.then(|| (frame.code("stop", row.family).to_owned(), both))
        });
        let year = |nth: usize| self.years.get(nth).map(|row| row.year.to_string());
        let names = [0, 1].map(|nth| year(nth).unwrap_or_default());
        Bars::of(rows.collect(), names, &frame.told(&Told::Few))
    }

    /// How long the stages took, as a picture.
    pub(crate) fn spread(&self, frame: &Frame) -> Spread {
        let rows = self.stages.iter().filter_map(|row| {
            let (median, most) = row.minutes?;
            let name = frame.code("stage", row.stage).to_owned();
            Some((name, median, most, frame.span(median), frame.span(most)))
        });
        Spread::of(rows.collect())
    }
}

fn stop_rows(years: &[i64], statistics: &Statistics) -> Vec<StopRow> {
    if statistics.stops.is_empty() {
        return Vec::new();
    }
    let row = |family: &'static str| StopRow {
        family,
        told: years
            .iter()
            .map(|year| {
                let n = statistics.stops.get(&(*year, family.to_owned()));
                (*year, Told::of(n.copied().unwrap_or_default()))
            })
            .collect(),
    };
    FAMILIES.into_iter().map(row).collect()
}

fn stage_row(stage: &'static str, statistics: &Statistics, since: i64) -> StageRow {
    let mut steps: BTreeMap<i64, i64> = BTreeMap::new();
    let own = statistics
        .spans
        .iter()
        .filter(|((year, known), _)| known == stage && *year >= since);
    for (step, n) in own.flat_map(|(_, steps)| steps) {
        *steps.entry(*step).or_default() += n;
    }
    let steps: Vec<(i64, i64)> = steps.into_iter().collect();
    let n: i64 = steps.iter().map(|(_, n)| n).sum();
    StageRow {
        stage,
        n: Told::of(n),
        minutes: (n >= SMALLEST)
            .then(|| quantile(&steps, 50).zip(quantile(&steps, 90)))
            .flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_not_told_and_few_times_have_no_median() {
        let mut statistics = Statistics::default();
        let mut put = |year: i64, what: &str, n: i64| {
            statistics.volumes.insert((year, what.to_owned()), n);
        };
        put(2025, "submitted", 1200);
        put(2026, "submitted", 4);
        put(2026, "refused", 5);
        statistics
            .spans
            .insert((2025, "run".to_owned()), vec![(10, 3), (60, 1)]);
        statistics.spans.insert((2026, "run".to_owned()), vec![(20, 1)]);
        statistics
            .spans
            .insert((2024, "check".to_owned()), vec![(20, 90)]);
        statistics.spans.insert((2026, "check".to_owned()), vec![(20, 4)]);
        let figures = Figures::of(&statistics);
        let told = |row: &YearRow, what: &str| row.told.iter().find(|(known, _)| *known == what).unwrap().1;
        assert_eq!(
            figures.years.iter().map(|row| row.year).collect::<Vec<_>>(),
            [2026, 2025]
        );
        assert_eq!(told(&figures.years[0], "submitted"), Told::Few);
        assert_eq!(told(&figures.years[0], "refused"), Told::Number(5));
        assert_eq!(told(&figures.years[0], "released"), Told::Number(0));
        assert_eq!(told(&figures.years[1], "submitted"), Told::Number(1200));
        let stage = |name| figures.stages.iter().find(|row| row.stage == name).unwrap();
        assert_eq!(stage("run").minutes, Some((10, 60)), "two years together");
        assert_eq!((stage("check").n, stage("check").minutes), (Told::Few, None));
        assert_eq!((figures.since, figures.until), (2025, 2026));
    }
}
