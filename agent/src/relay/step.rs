//! What the relay does with each open job: the next step that is its own to take.
//!
//! A step looks at the job's files and state alone, so that it does not matter whether the process before it was killed.

mod check;
mod collect;
mod end;
mod hold;
mod release;
mod retrieve;
mod sign_off;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) use self::hold::refused;
use super::patience::Patience;
use super::{DeskError, RefusalNote, Relay};
use crate::author::Draft;
use crate::link::wire::JobView;
use crate::packet::Refused;

/// How many jobs are worked on at once.
const AT_ONCE: usize = 4;
/// How often a job is looked at that nothing has moved.
const LOOK: Duration = Duration::from_secs(5);
/// The first and the longest pause of a job whose step has failed.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// What a step has come to.
pub(super) enum Next {
    /// Something was done: there may be more to do.
    Again,
    /// It is somebody else's turn, for the reason in a sentence.
    Waits(String),
}

/// Waits for the reason in a sentence.
pub(super) fn waits(text: &str) -> Next {
    Next::Waits(text.to_owned())
}

/// When a job is looked at again after a failure.
struct Later {
    at: Instant,
    patience: Patience,
}

/// When a job was looked at.
struct Look {
    /// Grows with each look at any job, so that the one that was looked at longest ago comes first.
    turn: u64,
    at: Instant,
    /// What had changed by then.
    version: u64,
}

pub(super) async fn run(relay: Arc<Relay>, stop: CancellationToken) {
    let mut version = relay.desk.version();
    let mut busy: BTreeSet<Uuid> = BTreeSet::new();
    let mut later: BTreeMap<Uuid, Later> = BTreeMap::new();
    let mut looks: BTreeMap<Uuid, Look> = BTreeMap::new();
    let mut turn = 0;
    let mut work: JoinSet<(Uuid, Result<()>)> = JoinSet::new();
    loop {
        let now = *version.borrow_and_update();
        let mut jobs = relay.desk.jobs();
        looks.retain(|job, _| jobs.contains(job));
        // Jobs that only wait must not keep the others from their turn.
        jobs.sort_by_key(|job| looks.get(job).map_or(0, |look| look.turn));
        for job in jobs {
            let is_early = match (later.get(&job), looks.get(&job)) {
                (Some(later), _) => later.at > Instant::now(),
                (None, Some(look)) => look.version == now && look.at.elapsed() < LOOK,
                (None, None) => false,
            };
            if busy.len() < AT_ONCE && !is_early && busy.insert(job) {
                turn += 1;
                let look = Look {
                    turn,
                    at: Instant::now(),
                    version: now,
                };
                looks.insert(job, look);
                let relay = relay.clone();
                work.spawn(async move { (job, relay.advance(job).await) });
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = work.join_next() => {
                // A task that broke down has its job looked at again with the next round of a new process.
                let Ok((job, outcome)) = ended else { continue };
                busy.remove(&job);
                relay.note_outcome(job, outcome, &mut later);
            }
            _ = version.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    // What is under way ends by itself, or is taken up again by the next process.
    work.shutdown().await;
}

impl Relay {
    fn note_outcome(&self, job: Uuid, outcome: Result<()>, later: &mut BTreeMap<Uuid, Later>) {
        let about = job.to_string();
        match outcome {
            Ok(()) => {
                later.remove(&job);
                self.health.clear(&about);
            }
            Err(error) => {
                let entry = later.entry(job).or_insert_with(|| Later {
                    at: Instant::now(),
                    patience: Patience::new(FIRST, LONGEST),
                });
                entry.at = Instant::now() + entry.patience.pause();
                self.health.say(&about, format!("{error:#}"));
            }
        }
    }

    /// Does what there is to do for a job now.
    async fn advance(&self, job: Uuid) -> Result<()> {
        loop {
            let view = self.desk.view(job)?;
            match self.step(&view).await? {
                Next::Again => {}
                Next::Waits(text) => {
                    // It may wait for weeks, and is quickly taken apart again.
                    self.forget_checked(job);
                    // It may have been archived.
                    if self.desk.view(job).is_ok_and(|view| view.waits_for != text) {
                        self.desk.note(job, |notes| {
                            notes.waits_for = text;
                            Ok(())
                        })?;
                    }
                    return Ok(());
                }
            }
        }
    }

    async fn step(&self, view: &JobView) -> Result<Next> {
        if let Some(next) = self.hold_or_resume(view).await? {
            return Ok(next);
        }
        if let Some(next) = self.cancel(view).await? {
            return Ok(next);
        }
        match view.state.as_str() {
            "submitted" => self.collect(view).await,
            "collected" => self.check(view).await,
            "checked" if !view.facts.contains_key("retrieved") => self.retrieve(view).await,
            "checked" => self.sign_off(view).await,
            "signed-off" => {
                self.refuse_or(view, "the runner takes it into the controlled zone")
                    .await
            }
            "admitted" => Ok(waits("the runner starts it")),
            "running" => Ok(waits("it runs")),
            "failed" => Ok(waits("the runner tries again, or ends it")),
            "ran" => Ok(waits("the runner weighs the outputs")),
            "assessed" => Ok(waits("people decide on the outputs: `daybook review list`")),
            "changes-requested" => Ok(waits("the team answers, or the runner offers another set")),
            "cleared" => self.stage(view).await,
            "staged" => self.release(view).await,
            "on-hold" => self.wait_on_hold(view).await,
            _ => self.end(view).await,
        }
    }

    /// Says something about a job as the relay.
    pub(super) async fn say(&self, job: Uuid, kind: &str, clear: Value) -> Result<Event, DeskError> {
        self.say_sealed(job, kind, clear, Vec::new()).await
    }

    /// The same with sealed fields.
    pub(super) async fn say_sealed(
        &self,
        job: Uuid,
        kind: &str,
        clear: Value,
        sealed: Vec<(&str, Value)>,
    ) -> Result<Event, DeskError> {
        let draft = Draft {
            stream: Stream::Job(job),
            kind,
            clear,
            sealed,
        };
        let event = self.desk.say(&draft).await?;
        tracing::info!(%job, "{kind}");
        Ok(event)
    }

    /// Decides that a job is refused: written down first, said by the next step.
    pub(super) fn decide_refusal(&self, job: Uuid, refused: &Refused) -> Result<Next> {
        self.desk.note(job, |notes| {
            notes.refusal = Some(RefusalNote {
                code: refused.code.as_str().to_owned(),
                text: refused.text.clone(),
            });
            Ok(())
        })?;
        Ok(Next::Again)
    }

    /// Says that a job is refused, if that is decided.
    pub(super) async fn refuse(&self, view: &JobView) -> Result<Option<Next>> {
        let Some(refusal) = self.desk.notes(view.id)?.refusal else {
            return Ok(None);
        };
        let sealed = vec![("reason", refusal.code.into()), ("text", refusal.text.into())];
        self.say_sealed(
            view.id,
            "job-refused",
            Value::Object(serde_json::Map::new()),
            sealed,
        )
        .await?;
        self.desk.note(view.id, |notes| {
            notes.refusal = None;
            Ok(())
        })?;
        Ok(Some(Next::Again))
    }

    async fn refuse_or(&self, view: &JobView, text: &str) -> Result<Next> {
        Ok(self.refuse(view).await?.unwrap_or_else(|| waits(text)))
    }
}

/// A member of a job's facts that is text; empty where there is none.
pub(super) fn fact<'a>(view: &'a JobView, name: &str) -> &'a str {
    view.facts.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The fields that events at a gate name, with some more.
pub(super) fn at_gate(view: &JobView, more: Value) -> Value {
    let names = ["project", "workflow", "member", "datasets"];
    let mut clear: serde_json::Map<String, Value> = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), view.facts.get(*name)?.clone())))
        .collect();
    if let Value::Object(more) = more {
        clear.extend(more);
    }
    Value::Object(clear)
}
