//! Withdrawals of approvals that come into the log behind what jobs did later.
//!
//! While a hub withholds an `approval-withdrawn`, nobody but its author can tell. When it does come, its date and those of
//! the jobs' events tell what went on meanwhile.

use std::collections::BTreeMap;

use daybook_core::event::Claims;
use daybook_core::id::Actor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::finding::{Finding, Kind, Report};

/// Jobs that are kept of each approval, those that did something last: all that is kept stays in memory.
const MAX_JOBS: usize = 4;
/// Seconds by which a withdrawal may be dated before what stands ahead of it: one TRE's services sign on machines whose
/// clocks differ, and send at the same time.
const TOGETHER: i64 = 600;

/// By approval and job, the latest date of an event for which the approval had to stand.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rested(BTreeMap<String, BTreeMap<String, i64>>);

impl Rested {
    /// Takes up an event of a job: it names what it rests on, wherever approvals are asked again.
    pub(crate) fn take(&mut self, job: &str, claims: &Claims) {
        let Actor::Tre(tre, _) = &claims.iss else { return };
        for subject in ["project", "workflow", "member"] {
            let Some(id) = claims.data.get(subject).and_then(Value::as_str) else {
                continue;
            };
            let jobs = self
                .0
                .entry(format!("approval/{tre}/{subject}/{id}"))
                .or_default();
            let latest = jobs.entry(job.to_owned()).or_default();
            *latest = claims.iat.max(*latest);
            if jobs.len() > MAX_JOBS {
                let oldest = jobs.iter().min_by_key(|(_, at)| **at).map(|(job, _)| job.clone());
                if let Some(oldest) = oldest {
                    jobs.remove(&oldest);
                }
            }
        }
    }

    /// An approval is withdrawn: tells which jobs went on after the date of that.
    pub(crate) fn withdrawn(&mut self, index: u64, claims: &Claims, report: &mut Report) {
        let approval = claims.sub.to_string();
        let jobs = self.0.remove(&approval).unwrap_or_default();
        let later: Vec<(&str, i64)> = jobs
            .iter()
            .map(|(job, at)| (job.as_str(), at - claims.iat))
            .filter(|(_, after)| *after > TOGETHER)
            .collect();
        let Some(last) = later.iter().map(|(_, after)| after).max() else {
            return;
        };
        let names: Vec<&str> = later.iter().map(|(job, _)| *job).collect();
        let words = format!(
            "{approval}: its withdrawal stands behind what jobs did up to {last} s after its date, the last of them {}",
            names.join(", ")
        );
        report.add(Finding::at(Kind::WithdrawalLate, index, words));
    }
}
