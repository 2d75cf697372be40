//! Times as people and machines keep them.

/// Seconds of a minute, an hour, a day.
pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
/// The step in which events of a controlled zone are dated.
pub(crate) const STEP: i64 = 600;

const OPENS: i64 = 9 * HOUR;
const CLOSES: i64 = 17 * HOUR;

/// The first time from `at` on at which somebody is at work: nine to five from Monday to Friday. Who comes at the door when
/// it is shut is served some time during the next day.
pub(crate) fn at_work(at: i64) -> i64 {
    let (mut day, second) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    if is_weekday(day) && (OPENS..CLOSES).contains(&second) {
        return at;
    }
    day += i64::from(second >= CLOSES);
    while !is_weekday(day) {
        day += 1;
    }
    day * DAY + OPENS + at.wrapping_mul(7_919).rem_euclid(CLOSES - OPENS)
}

fn is_weekday(day: i64) -> bool {
    // 1 January 1970 was a Thursday, the fourth day after a Sunday.
    !matches!((day + 4).rem_euclid(7), 0 | 6)
}

/// The start of the step in which a time lies.
pub(crate) fn step_of(at: i64) -> i64 {
    at.div_euclid(STEP) * STEP
}

/// The day of a time, `YYYY-MM-DD`.
pub(crate) fn date(at: i64) -> String {
    let time = jiff::Timestamp::from_second(at).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

/// The time of the `done`th of `all` things, of which the last year sees most: nine of ten begin after the first tenth.
pub(crate) fn growing(begin: i64, end: i64, done: usize, all: usize) -> i64 {
    const UNIT: u128 = 1_000_000;
    let (done, all) = (done as u128, all.max(1) as u128);
    // As many by the share x of the time as (x + 2x²) / 3.
    let root = (UNIT * UNIT * (all + 24 * done) / all).isqrt();
    let share = i64::try_from((root - UNIT) / 4).unwrap_or(0);
    begin + (end - begin) * share / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_works_at_night_or_on_a_sunday() {
        // Friday 5 June 2026 12:00, 22:00 and the Saturday after, in Coordinated Universal Time.
        let noon = 1_780_660_800;
        assert_eq!(date(noon), "2026-06-05");
        assert_eq!(at_work(noon), noon);
        for late in [noon + 10 * HOUR, noon + DAY, noon + 2 * DAY] {
            let served = at_work(late);
            assert_eq!(date(served), "2026-06-08");
            assert!((OPENS..CLOSES).contains(&served.rem_euclid(DAY)));
        }
    }

    #[test]
    fn things_become_more_from_year_to_year_and_end_with_the_end() {
        let times: Vec<i64> = (0..=100).map(|n| growing(1_000, 301_000, n, 100)).collect();
        assert!(times.is_sorted());
        assert_eq!((times[0], times[100]), (1_000, 301_000));
        let before = |at: i64| times.iter().filter(|time| **time < at).count();
        assert!(before(101_000) < 25 && before(201_000) < 60, "{times:?}");
    }
}
