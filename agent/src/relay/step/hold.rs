//! Holding, resuming and cancelling.

use anyhow::Result;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Next, fact, waits};
use crate::link::wire::JobView;
use crate::random;
use crate::relay::{DeskError, Relay};

/// States before the runner has taken the job: the relay ends it then.
const BEFORE_RUNNER: [&str; 4] = ["submitted", "collected", "checked", "signed-off"];
/// Codes of a hold that is over once what the job rests on stands again.
const RENEWABLE: [&str; 3] = ["approval-lapsed", "dataset-withdrawn", "suspended"];

/// What the message about a job is called whose event the hub has refused.
pub(in crate::relay) fn refused(job: Uuid) -> String {
    format!("refused {job}")
}

/// Seconds that a job stays on hold at least, after so many times.
fn pause(resumed: usize) -> i64 {
    match resumed {
        0 => 0,
        times => (5_i64 << times.min(10)).min(3600),
    }
}

impl Relay {
    /// Holds what is open while everything is held, and lets go of it afterwards.
    pub(super) async fn hold_or_resume(&self, view: &JobView) -> Result<Option<Next>> {
        if view.is_ended {
            return Ok(None);
        }
        let by_all = self.desk.notes(view.id)?.held_by_all;
        let is_held = view.state == "on-hold";
        match self.desk.hold() {
            Some(hold) if !is_held => {
                self.note_held(view.id, true)?;
                self.say(view.id, "job-held", json!({ "code": hold.code }))
                    .await?;
                Ok(Some(Next::Again))
            }
            Some(_) => Ok(Some(waits(
                "everything is held: `daybook relay resume --all` ends that",
            ))),
            None if by_all && is_held => {
                self.say(view.id, "job-resumed", Value::Object(Map::new()))
                    .await?;
                self.note_held(view.id, false)?;
                Ok(Some(Next::Again))
            }
            None if by_all => {
                self.note_held(view.id, false)?;
                Ok(Some(Next::Again))
            }
            None => Ok(None),
        }
    }

    /// Holds one job.
    pub(in crate::relay) async fn hold(&self, job: Uuid, code: &str, text: &str) -> Result<(), DeskError> {
        let sealed = vec![("text", text.into())];
        self.say_sealed(job, "job-held", json!({ "code": code }), sealed)
            .await
            .map(drop)
    }

    /// on-hold → where it was, once what had lapsed stands again.
    pub(super) async fn wait_on_hold(&self, view: &JobView) -> Result<Next> {
        let code = fact(view, "held");
        if !RENEWABLE.contains(&code) {
            return Ok(waits("it is on hold: `daybook review resume` goes on"));
        }
        // Where the hub's rules see it otherwise than this relay, it is not tried again and again.
        let resumed = view
            .events
            .iter()
            .filter(|event| event.kind == "job-resumed")
            .count();
        let since = self.desk.time_of(view.id, "job-held").unwrap_or(0);
        if random::now().saturating_sub(since) < pause(resumed) {
            return Ok(waits("it is on hold until what had lapsed stands again"));
        }
        let gate = self.desk.gate(view.id).await?;
        if gate.lapsed.is_some_and(|lapse| lapse.code == code) || !gate.is_fresh {
            return Ok(waits("it is on hold until what had lapsed stands again"));
        }
        self.say(view.id, "job-resumed", Value::Object(Map::new()))
            .await?;
        self.health.clear(&refused(view.id));
        Ok(Next::Again)
    }

    /// Ends a job that nobody has begun to run, where somebody wants it to stop.
    pub(super) async fn cancel(&self, view: &JobView) -> Result<Option<Next>> {
        let was = if view.state == "on-hold" {
            fact(view, "resume")
        } else {
            view.state.as_str()
        };
        if view.cancellation.is_none() || view.is_ended || !BEFORE_RUNNER.contains(&was) {
            return Ok(None);
        }
        let clear = json!({ "began": false, "destroyed": true, "stopped": true });
        self.say(view.id, "job-cancelled", clear).await?;
        Ok(Some(Next::Again))
    }

    fn note_held(&self, job: Uuid, by_all: bool) -> Result<(), DeskError> {
        self.desk.note(job, |notes| {
            notes.held_by_all = by_all;
            Ok(())
        })
    }
}
