//! What should have happened and has not, or looks odd: nothing that a rule forbids, and what a person should look at.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::constitution::State as StreamState;
use daybook_core::event::{Event, POLICY_ADOPTED};
use daybook_core::id::{Actor, Stream};
use daybook_rules::{Table as Rules, words};
use daybook_store::audit::scratch::{Scratch, Table};
use daybook_store::audit::states;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::counts::{Counted, Counts};
use crate::finding::{Finding, Kind, Report};
use crate::state::StateError;
use crate::withdrawals::Rested;

const DAY: i64 = 24 * 60 * 60;
/// Seconds by which an author's clock may be ahead of the log's newest mark: five minutes between marks, and five more.
const MAX_AHEAD: i64 = 600;
/// Seconds after which an event that comes into the log is late.
const LATE: i64 = DAY;
/// Seconds for which a cancellation may be open.
const CANCELLATION: i64 = 7 * DAY;
/// Seconds for which a TRE may say nothing while a job waits for it.
const SILENT: i64 = 14 * DAY;
/// Seconds between two reports of a TRE.
const REPORTS: i64 = 35 * DAY;
/// States in which outputs are under review.
const REVIEW: [&str; 4] = ["assessed", "changes-requested", "cleared", "staged"];
/// Rows of the streams that are read at once.
const PAGE: usize = 1_000;

/// What is kept of each service and office, and of things that are open. Members are not followed one by one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lookout {
    actors: BTreeMap<String, Authored>,
    /// The newest time mark.
    mark: i64,
    /// Jobs with outputs under review.
    review: BTreeSet<String>,
    /// When the cancellation of a job was asked for.
    cancellations: BTreeMap<String, i64>,
    /// Keys in doubt of which the owner has said what holds.
    settled: BTreeSet<String>,
    /// What TREs count of themselves.
    #[serde(default)]
    counts: Counts,
    /// Which jobs last rested on each approval.
    #[serde(default)]
    rested: Rested,
}

/// What one actor has written.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Authored {
    entries: u64,
    /// Of these, the ones in streams of jobs.
    #[serde(default)]
    of_jobs: u64,
    newest: i64,
    late: u64,
    latest: i64,
    skewed: bool,
}

impl Lookout {
    /// Looks at an entry that the rules allow, with the state of its stream after it.
    pub(crate) fn see(
        &mut self,
        index: u64,
        event: &Event,
        state: Option<&StreamState>,
        rules: &Rules,
        report: &mut Report,
    ) {
        let claims = event.claims();
        let kind = claims.kind.as_str();
        if !matches!(claims.iss, Actor::Member { .. }) {
            self.author(index, event, report);
        }
        let text = |name: &str| claims.data.get(name).and_then(Value::as_str);
        match (&claims.sub, kind) {
            (Stream::Log, "time-marked") | (Stream::Federation, "time-corrected") => {
                self.mark = claims.iat;
                self.ahead(index, report);
            }
            (Stream::Federation, POLICY_ADOPTED) if !self.review.is_empty() => {
                let words = format!("{} jobs have outputs under review", self.review.len());
                report.add(Finding::at(Kind::RulesChangedMidReview, index, words));
            }
            (Stream::Submission(_), "cancellation-requested") => {
                if let Some(job) = text("job") {
                    self.cancellations.insert(job.to_owned(), claims.iat);
                }
            }
            (_, "key-doubts-settled" | "role-doubts-settled" | "member-doubts-settled") => {
                let key = text("kid").unwrap_or_default().to_owned();
                if text("rest") == Some("in-doubt") {
                    self.settled.remove(&key);
                } else {
                    self.settled.insert(key);
                }
            }
            (Stream::Approval(..), "approval-withdrawn") => self.rested.withdrawn(index, claims, report),
            (Stream::Tre(tre), "tre-reported") => self.reported(index, tre.as_str(), event, report),
            (Stream::Job(job), _) => {
                if let Actor::Tre(tre, _) = &claims.iss {
                    self.counts.came(tre.as_str());
                }
                self.rested.take(&job.to_string(), claims);
                self.job(index, &job.to_string(), kind, state, rules, report);
            }
            _ => {}
        }
    }

    fn author(&mut self, index: u64, event: &Event, report: &mut Report) {
        let claims = event.claims();
        let known = self.actors.entry(claims.iss.to_string()).or_default();
        known.entries += 1;
        known.of_jobs += u64::from(matches!(claims.sub, Stream::Job(_)));
        // Without a mark nothing is known of the time. Marks stop while nothing comes, so that a long pause is no skew.
        let late = self.mark - claims.iat;
        if late > LATE {
            known.late += 1;
            known.latest = known.latest.max(late);
        }
        let back = known.newest - claims.iat;
        if !known.skewed && back > MAX_AHEAD && late <= LATE {
            known.skewed = true;
            let words = format!(
                "{} dates an event {back} s before one that it signed earlier",
                claims.iss
            );
            report.add(Finding::at(Kind::ClockSkew, index, words));
        }
        known.newest = known.newest.max(claims.iat);
    }

    /// Whoever has dated an event after what the log's clock says now was ahead of it.
    fn ahead(&mut self, index: u64, report: &mut Report) {
        for (actor, known) in &mut self.actors {
            let ahead = known.newest - self.mark;
            if !known.skewed && ahead > MAX_AHEAD {
                known.skewed = true;
                let words =
                    format!("{actor} has dated an event {ahead} s after the log's clock, which came later");
                report.add(Finding::at(Kind::ClockSkew, index, words));
            }
        }
    }

    /// A TRE's own counts, which are of its jobs, against what the log holds of them.
    fn reported(&mut self, index: u64, tre: &str, event: &Event, report: &mut Report) {
        let number = |name: &str| event.claims().data.get(name).and_then(Value::as_u64).unwrap_or(0);
        let counted = Counted {
            index,
            // Marks stop while nothing comes, and a TRE's clock is its own.
            time: self.mark.max(event.claims().iat),
            made: number("made"),
            acknowledged: number("acknowledged"),
            waiting: number("waiting"),
        };
        let prefix = format!("tre/{tre}/");
        let of_tre = self.actors.iter().filter(|(actor, _)| actor.starts_with(&prefix));
        let there = of_tre.map(|(_, authored)| authored.of_jobs).sum();
        self.counts.take(tre, there, &counted, report);
    }

    fn job(
        &mut self,
        index: u64,
        job: &str,
        kind: &str,
        state: Option<&StreamState>,
        rules: &Rules,
        report: &mut Report,
    ) {
        let Some(state) = state else { return };
        let word = state.get("state").and_then(Value::as_str).unwrap_or_default();
        if REVIEW.contains(&word) {
            self.review.insert(job.to_owned());
        } else {
            self.review.remove(job);
        }
        if rules.is_end("job", word) {
            self.cancellations.remove(job);
        }
        if kind == "job-released" {
            let due = rules.limit("reviews").unwrap_or(0);
            match words::reviewers(state) {
                0 => report.add(Finding::at(
                    Kind::ReleasedByRuleAlone,
                    index,
                    format!("job {job}"),
                )),
                1 if due > 1 => {
                    let words =
                        format!("job {job}: one person reviewed, and {due} is the number of the rules");
                    report.add(Finding::at(Kind::OneReviewer, index, words));
                }
                _ => {}
            }
        }
    }

    /// Looks at all streams at the end of a run: what is open, and for how long. `now` is the auditor's clock.
    pub(crate) fn end(
        &self,
        scratch: &Scratch,
        rules: &Rules,
        now: i64,
        report: &mut Report,
    ) -> Result<(), StateError> {
        let mut ends = Ends {
            lookout: self,
            scratch,
            now,
            waiting: BTreeMap::new(),
        };
        let mut after: Option<Vec<u8>> = None;
        report.streams = 0;
        loop {
            let page = scratch.page(Table::Heads, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (name, value) in &page {
                let Some(states::Stored {
                    head,
                    state: Some(state),
                }) = states::row(value)
                else {
                    continue;
                };
                report.streams += u64::from(head.is_some());
                let Ok(stream) = String::from_utf8_lossy(name).parse::<Stream>() else {
                    continue;
                };
                ends.stream(&stream, &state, rules, report)?;
            }
        }
        ends.tres(report);
        self.counts.end(now, report);
        for (actor, authored) in &self.actors {
            if authored.late > 0 {
                let words = format!(
                    "{actor}: {} events, the latest by {} h",
                    authored.late,
                    authored.latest / 3_600
                );
                report.add(Finding::new(Kind::Late, words));
            }
        }
        if self.mark > 0 && now - self.mark > DAY && !ends.waiting.is_empty() {
            let words = format!(
                "the log marked the time last {} h ago, and jobs are open",
                (now - self.mark) / 3_600
            );
            report.add(Finding::new(Kind::CheckpointStale, words));
        }
        Ok(())
    }
}

/// The end of a run.
struct Ends<'a> {
    lookout: &'a Lookout,
    scratch: &'a Scratch,
    now: i64,
    /// Open jobs of each TRE.
    waiting: BTreeMap<String, u64>,
}

impl Ends<'_> {
    fn stream(
        &mut self,
        stream: &Stream,
        state: &StreamState,
        rules: &Rules,
        report: &mut Report,
    ) -> Result<(), StateError> {
        let word = state.get("state").and_then(Value::as_str).unwrap_or_default();
        for (kid, from) in state
            .get("doubts")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if !self.lookout.settled.contains(kid) {
                let words = format!("the key {kid} of {stream}: what it signed from {from} entries on");
                report.add(Finding::new(Kind::InDoubt, words));
            }
        }
        let Stream::Job(job) = stream else { return Ok(()) };
        if rules.is_end("job", word) {
            return Ok(());
        }
        let tre = state.get("tre").and_then(Value::as_str).unwrap_or_default();
        *self.waiting.entry(tre.to_owned()).or_default() += 1;
        if let Some(asked) = self.lookout.cancellations.get(&job.to_string())
            && self.now - asked > CANCELLATION
        {
            let words = format!(
                "job {job}: asked for {} days ago, and {tre} has not said that it stopped",
                (self.now - asked) / DAY
            );
            report.add(Finding::new(Kind::CancellationOpen, words));
        }
        if word == "running" {
            for subject in ["project", "workflow", "member"] {
                self.approval(&job.to_string(), tre, subject, state, report)?;
            }
        }
        Ok(())
    }

    fn approval(
        &self,
        job: &str,
        tre: &str,
        subject: &str,
        state: &StreamState,
        report: &mut Report,
    ) -> Result<(), StateError> {
        let Some(id) = state.get(subject).and_then(Value::as_str) else {
            return Ok(());
        };
        let name = format!("approval/{tre}/{subject}/{id}");
        let row = self.scratch.get(Table::Heads, name.as_bytes())?;
        let Some(approval) = row.and_then(|row| states::row(&row)?.state) else {
            return Ok(());
        };
        let until = approval.get("until").and_then(Value::as_i64).unwrap_or(i64::MAX);
        let withdrawn = approval.get("state").and_then(Value::as_str) == Some("withdrawn");
        if withdrawn || until < self.now {
            let how = if withdrawn { "was withdrawn" } else { "has ended" };
            let words = format!("job {job} runs at {tre}, and the approval of its {subject} {how}");
            report.add(Finding::new(Kind::ApprovalLapsed, words));
        }
        Ok(())
    }

    fn tres(&self, report: &mut Report) {
        for (tre, open) in &self.waiting {
            let prefix = format!("tre/{tre}/");
            let of_tre = self
                .lookout
                .actors
                .iter()
                .filter(|(actor, _)| actor.starts_with(&prefix));
            let newest = of_tre.map(|(_, authored)| authored.newest).max().unwrap_or(0);
            if self.now - newest > SILENT {
                let words = format!(
                    "{tre} said nothing for {} days while {open} jobs are open there",
                    (self.now - newest) / DAY
                );
                report.add(Finding::new(Kind::TreSilent, words));
            }
            let Ok(Some(row)) = self.scratch.get(Table::Heads, format!("tre/{tre}").as_bytes()) else {
                continue;
            };
            let reported = states::row(&row).and_then(|row| row.state?.get("reported")?.as_i64());
            if let Some(reported) = reported.filter(|reported| self.now - reported > REPORTS) {
                let words = format!(
                    "{tre} reported its counts last {} days ago",
                    (self.now - reported) / DAY
                );
                report.add(Finding::new(Kind::ReportGap, words));
            }
        }
    }
}
