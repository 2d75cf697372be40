//! How long something took: in steps, and what lies in the middle of many.

use std::collections::BTreeMap;

/// The stages of a job of which times are told: a code each.
///
/// `decide` from asking to signing off, `start` from there to the first run, `run` a run, `check` from the first look at
/// outputs to the first decision about them, `whole` from asking to the first release.
pub const STAGES: [&str; 5] = ["decide", "start", "run", "check", "whole"];

const MINUTE: i64 = 60;

/// The step of so many seconds: whole minutes, of which two digits are kept. Less than nothing counts as nothing, since
/// two clocks may differ.
pub fn step_of(seconds: i64) -> i64 {
    let minutes = (seconds / MINUTE).max(0);
    let mut unit = 1;
    while minutes / unit >= 100 {
        unit *= 10;
    }
    minutes / unit * unit
}

/// Steps as a row holds them, with more of some.
pub(super) fn sum(steps: &[String], more: &BTreeMap<i64, i64>) -> Vec<String> {
    let mut all: BTreeMap<i64, i64> = read(steps).into_iter().collect();
    for (step, n) in more {
        *all.entry(*step).or_default() += n;
    }
    all.iter().map(|(step, n)| format!("{step}={n}")).collect()
}

/// Steps with how many there are of each, the shortest first.
pub(super) fn read(steps: &[String]) -> Vec<(i64, i64)> {
    let pair = |text: &String| {
        let (step, n) = text.split_once('=')?;
        Some((step.parse().ok()?, n.parse().ok()?))
    };
    steps.iter().filter_map(pair).collect()
}

/// The smallest step, in minutes, that at least so many per cent do not exceed; `None` of nothing.
pub fn quantile(steps: &[(i64, i64)], per_cent: i64) -> Option<i64> {
    let all: i64 = steps.iter().map(|(_, n)| n).sum();
    let mut seen = 0;
    let found = steps.iter().find(|(_, n)| {
        seen += n;
        seen * 100 >= all * per_cent
    });
    found.map(|(step, _)| *step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_two_digits_of_minutes() {
        for (seconds, step) in [
            (-5, 0),
            (59, 0),
            (60, 1),
            (99 * 60, 99),
            (100 * 60, 100),
            (109 * 60, 100),
            (119 * 60 + 59, 110),
            (12_345 * 60, 12_000),
        ] {
            assert_eq!(step_of(seconds), step, "{seconds}");
        }
    }

    #[test]
    fn the_middle_is_a_value_that_was_there() {
        let before = ["3=1".to_owned(), "5=1".to_owned()];
        let steps = sum(&before, &BTreeMap::from([(1, 1), (3, 1), (100, 1)]));
        assert_eq!(steps, ["1=1", "3=2", "5=1", "100=1"]);
        let steps = read(&steps);
        assert_eq!((quantile(&steps, 50), quantile(&steps, 90)), (Some(3), Some(100)));
        assert_eq!(quantile(&[], 50), None);
        assert_eq!(quantile(&[(7, 1)], 90), Some(7));
    }
}
