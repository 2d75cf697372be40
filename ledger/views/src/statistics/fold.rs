//! How entries change statistics.

use std::collections::BTreeMap;

use daybook_core::id::Stream;
use daybook_rules::stops;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::{EVERYWHERE, Span, Stop, Timed, Volume, span};
use crate::jobs::opened;

/// What is counted of a job, by the type of the entry that says it.
fn counted(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "run-started" => "started",
        "job-released" => "released",
        "disclosure-refused" => "withheld",
        "job-refused" => "refused",
        "job-cancelled" => "cancelled",
        "job-abandoned" => "abandoned",
        "release-recalled" => "recalled",
        _ => return None,
    })
}

/// The stage that an entry of this type may end.
fn ended(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "job-signed-off" => "decide",
        "run-started" => "start",
        "run-completed" => "run",
        "disclosure-approved" | "disclosure-refused" => "check",
        "job-released" => "whole",
        _ => return None,
    })
}

/// How far a job has come after an entry of this type, as far as that matters for why it ends.
fn stands(kind: &str, before: &str) -> Option<&'static str> {
    Some(match kind {
        "job-checked" => "checked",
        "job-signed-off" => "signed-off",
        "job-admitted" => "admitted",
        "outputs-assessed" => "assessed",
        // One that was refused is checked again; one that was withheld is looked at again.
        "decision-overturned" if before != "assessed" => "collected",
        _ => return None,
    })
}

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    jobs: Rows<Timed>,
    spans: Rows<Span>,
    volumes: Rows<Volume>,
    stops: Rows<Stop>,
    /// What this batch adds to spans: by TRE, year and stage; steps with how many jobs took as long.
    gathered: BTreeMap<(String, i64, String), BTreeMap<i64, i64>>,
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let year = year(entry.at);
        let both = |tre: &str| [EVERYWHERE.to_owned(), tre.to_owned()];
        if entry.kind == "job-submitted" {
            for (tre, ..) in opened(entry)? {
                for tre in both(tre) {
                    self.volumes.want((tre, year, "submitted".to_owned()));
                }
            }
            return Ok(());
        }
        let Stream::Job(job) = entry.stream else {
            return Ok(());
        };
        if is_idle(&entry.kind) {
            return Ok(());
        }
        self.jobs.want((job,));
        for tre in both(entry.tre()?.as_str()) {
            if let Some(what) = counted(&entry.kind) {
                self.volumes.want((tre.clone(), year, what.to_owned()));
            }
            if let Some(stage) = ended(&entry.kind) {
                self.spans.want((tre.clone(), year, stage.to_owned()));
            }
            for family in stops::families_of(&entry.kind) {
                self.stops.want((tre.clone(), year, family.to_owned()));
            }
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if entry.kind == "job-submitted" {
            for (tre, job, _) in opened(entry)? {
                self.jobs.put(Timed {
                    job,
                    submitted: entry.at,
                    signed_off: None,
                    started: None,
                    assessed: None,
                    decided: None,
                    released: None,
                    stood: "collected".to_owned(),
                    failure: None,
                });
                self.count(tre, entry.at, "submitted");
            }
            return Ok(());
        }
        match entry.stream {
            Stream::Job(job) if !is_idle(&entry.kind) => self.step(job, entry),
            _ => Ok(()),
        }
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        self.settle();
        vec![
            &mut self.jobs,
            &mut self.spans,
            &mut self.volumes,
            &mut self.stops,
        ]
    }
}

/// Whether an entry of a job's stream changes nothing here.
fn is_idle(kind: &str) -> bool {
    counted(kind).is_none() && ended(kind).is_none() && stands(kind, "").is_none() && kind != "run-failed"
}

impl Changes {
    fn step(&mut self, job: Uuid, entry: &Entry) -> Result<(), FoldError> {
        let tre = entry.tre()?.to_string();
        let at = entry.at;
        // From when on the stage that ends here is reckoned; a second time is not.
        let mut since = None;
        let mut is_first = true;
        let mut family = None;
        self.jobs.change(&(job,), entry, |row| {
            match entry.kind.as_str() {
                "job-signed-off" if row.signed_off.is_none() => {
                    row.signed_off = Some(at);
                    since = Some(row.submitted);
                }
                "run-started" => {
                    is_first = row.started.is_none();
                    since = row.signed_off.filter(|_| is_first);
                    row.started = Some(at);
                }
                "run-completed" => since = row.started,
                "outputs-assessed" => drop(row.assessed.get_or_insert(at)),
                "disclosure-approved" | "disclosure-refused" if row.decided.is_none() => {
                    row.decided = Some(at);
                    since = row.assessed;
                }
                "job-released" => {
                    is_first = row.released.is_none();
                    since = Some(row.submitted).filter(|_| is_first);
                    row.released.get_or_insert(at);
                }
                "run-failed" => row.failure = entry.maybe_text("code"),
                _ => {}
            }
            let by = match (entry.kind.as_str(), &row.failure) {
                ("job-abandoned", Some(code)) => code.as_str(),
                _ => row.stood.as_str(),
            };
            family = stops::family(&entry.kind, by);
            if let Some(stood) = stands(&entry.kind, &row.stood) {
                stood.clone_into(&mut row.stood);
            }
            Ok(())
        })?;
        if let Some(family) = family {
            self.stop(&tre, at, family);
        }
        if let (Some(since), Some(stage)) = (since, ended(&entry.kind)) {
            for tre in [EVERYWHERE, &tre] {
                let key = (tre.to_owned(), year(at), stage.to_owned());
                let steps = self.gathered.entry(key).or_default();
                *steps.entry(span::step_of(at - since)).or_default() += 1;
            }
        }
        if let (Some(what), true) = (counted(&entry.kind), is_first) {
            self.count(&tre, at, what);
        }
        Ok(())
    }

    /// Brings what was gathered of the stages into their rows, once for each row and batch.
    fn settle(&mut self) {
        for (key, steps) in std::mem::take(&mut self.gathered) {
            let mut row = self.spans.get(&key).cloned().unwrap_or_else(|| Span {
                tre: key.0,
                year: key.1,
                stage: key.2,
                n: 0,
                steps: Vec::new(),
            });
            row.n += steps.values().sum::<i64>();
            row.steps = span::sum(&row.steps, &steps);
            self.spans.put(row);
        }
    }

    fn count(&mut self, tre: &str, at: i64, what: &str) {
        for tre in [EVERYWHERE, tre] {
            let key = (tre.to_owned(), year(at), what.to_owned());
            let n = self.volumes.get(&key).map_or(0, |row| row.n) + 1;
            self.volumes.put(Volume {
                tre: key.0,
                year: key.1,
                what: key.2,
                n,
            });
        }
    }

    fn stop(&mut self, tre: &str, at: i64, family: &str) {
        for tre in [EVERYWHERE, tre] {
            let key = (tre.to_owned(), year(at), family.to_owned());
            let n = self.stops.get(&key).map_or(0, |row| row.n) + 1;
            self.stops.put(Stop {
                tre: key.0,
                year: key.1,
                family: key.2,
                n,
            });
        }
    }
}

/// The year of a time, in Coordinated Universal Time.
pub(crate) fn year(at: i64) -> i64 {
    Timestamp::from_second(at).map_or(1970, |time| i64::from(time.to_zoned(TimeZone::UTC).year()))
}
