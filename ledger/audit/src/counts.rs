//! What TREs count of their own events (`tre-reported`), held against what the log has of them.
//!
//! A TRE reports while it works, so that some of what it has made is still on its way. That is no gap, however much it is:
//! what counts is for how long it stands, see [`IN_FLIGHT`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Kind, Report};

const DAY: i64 = 24 * 60 * 60;
/// Seconds for which what a TRE has made may be on its way: a TRE, a hub or the network between them that was away over a
/// long weekend.
pub(crate) const IN_FLIGHT: i64 = 3 * DAY;

/// One report.
pub(crate) struct Counted {
    pub(crate) index: u64,
    /// When, in seconds since 1970.
    pub(crate) time: i64,
    pub(crate) made: u64,
    pub(crate) acknowledged: u64,
    pub(crate) waiting: u64,
}

/// What the reports of each TRE leave open.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts(BTreeMap<String, Open>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Open {
    /// Events of its jobs that the log holds.
    there: u64,
    /// How many the log has to hold once all has come that was on its way.
    awaited: Steps,
    /// How many the TRE has made and neither sees in the log nor sends any more.
    unaccounted: Steps,
}

/// Numbers that rise, each with the first report from which on no report has named less.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Steps(Vec<Step>);

#[derive(Debug, Serialize, Deserialize)]
struct Step {
    number: u64,
    index: u64,
    since: i64,
}

impl Steps {
    /// The newest report names this number.
    fn take(&mut self, number: u64, report: &Counted) {
        let mut first = Step {
            number,
            index: report.index,
            since: report.time,
        };
        while let Some(higher) = self.0.pop_if(|last| last.number >= number) {
            (first.index, first.since) = (higher.index, higher.since);
        }
        self.0.push(first);
    }

    /// Nothing up to this number is open any more.
    fn close(&mut self, number: u64) {
        self.0.retain(|step| step.number > number);
    }

    /// The highest number that has stood for too long.
    fn overdue(&self, now: i64) -> Option<&Step> {
        self.0.iter().rev().find(|step| now - step.since > IN_FLIGHT)
    }
}

impl Counts {
    /// A TRE reports, and the log holds so many events of its jobs before that entry.
    pub(crate) fn take(&mut self, tre: &str, there: u64, counted: &Counted, report: &mut Report) {
        let known = counted.acknowledged.saturating_add(counted.waiting);
        // Not given any time: the TRE held a proof of each before it counted.
        if counted.acknowledged > there {
            let words = format!(
                "{tre} counts {} acknowledged events of its jobs, and the log holds {there}",
                counted.acknowledged
            );
            report.add(Finding::at(Kind::AcknowledgedMissing, counted.index, words));
        }
        let open = self.0.entry(tre.to_owned()).or_default();
        open.awaited.take(known, counted);
        open.unaccounted.take(counted.made.saturating_sub(known), counted);
        open.unaccounted.close(0);
        open.holds(there);
    }

    /// One more event by a TRE about a job of its own.
    pub(crate) fn came(&mut self, tre: &str) {
        if let Some(open) = self.0.get_mut(tre) {
            open.holds(open.there + 1);
        }
    }

    /// What has stood for too long, by the auditor's clock.
    pub(crate) fn end(&self, now: i64, report: &mut Report) {
        for (tre, open) in &self.0 {
            if let Some(step) = open.awaited.overdue(now) {
                let words = format!(
                    "{tre} counted {} events of its jobs as in the log or on their way, and {} days later the log holds {}",
                    step.number,
                    (now - step.since) / DAY,
                    open.there
                );
                report.add(Finding::at(Kind::ReportGap, step.index, words));
            }
            if let Some(step) = open.unaccounted.overdue(now) {
                let words = format!(
                    "{tre} has made {} events of its jobs that it neither sees in the log nor sends any more, for {} days",
                    step.number,
                    (now - step.since) / DAY
                );
                report.add(Finding::at(Kind::ReportGap, step.index, words));
            }
        }
    }
}

impl Open {
    fn holds(&mut self, there: u64) {
        self.there = there;
        self.awaited.close(there);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports on some days: the day, what is there, what was made, acknowledged and waits.
    fn counts(reports: &[(i64, u64, [u64; 3])]) -> Counts {
        let mut counts = Counts::default();
        for (index, (day, there, [made, acknowledged, waiting])) in (0..).zip(reports) {
            let counted = Counted {
                index,
                time: day * DAY,
                made: *made,
                acknowledged: *acknowledged,
                waiting: *waiting,
            };
            let mut report = Report::default();
            counts.take("wessex", *there, &counted, &mut report);
            assert_eq!(report.counts.len(), usize::from(acknowledged > there));
        }
        counts
    }

    fn found(counts: &Counts, day: i64) -> Vec<Option<u64>> {
        let mut report = Report::default();
        counts.end(day * DAY, &mut report);
        assert!(report.findings.iter().all(|found| found.kind == Kind::ReportGap));
        report.findings.iter().map(|found| found.index).collect()
    }

    #[test]
    fn what_waits_is_given_time_however_much_it_is() {
        let mut counts = counts(&[(10, 5, [905, 5, 900])]);
        assert!(found(&counts, 13).is_empty());
        assert_eq!(found(&counts, 14), [Some(0)]);
        (5..904).for_each(|_| counts.came("wessex"));
        assert_eq!(found(&counts, 14), [Some(0)]);
        counts.came("wessex");
        assert!(found(&counts, 14).is_empty());
    }

    #[test]
    fn a_busy_tre_of_which_something_always_waits_leaves_no_gap() {
        let mut counts = counts(&[(0, 5, [8, 5, 3]), (7, 20, [22, 20, 2]), (14, 40, [41, 40, 1])]);
        assert!(found(&counts, 16).is_empty());
        counts.came("wessex");
        assert!(found(&counts, 100).is_empty());
    }

    #[test]
    fn what_is_given_up_is_told_once_it_has_stood_and_its_growth_too() {
        assert!(found(&counts(&[(0, 5, [6, 5, 0])]), 3).is_empty());
        assert_eq!(found(&counts(&[(0, 5, [6, 5, 0])]), 4), [Some(0)]);
        // Counted while it moved: the next report knows of no gap.
        assert!(found(&counts(&[(0, 5, [6, 5, 0]), (7, 9, [9, 9, 0])]), 8).is_empty());
        let grown = counts(&[(0, 5, [6, 5, 0]), (7, 9, [12, 9, 0])]);
        assert_eq!(found(&grown, 8), [Some(0)], "one stands since the first report");
        assert_eq!(found(&grown, 11), [Some(1)], "three since the second");
    }

    #[test]
    fn what_waited_and_was_then_given_up_is_told_once() {
        let counts = counts(&[(0, 5, [6, 5, 1]), (7, 5, [6, 5, 0])]);
        assert!(found(&counts, 8).is_empty());
        assert_eq!(found(&counts, 11), [Some(1)]);
    }
}
