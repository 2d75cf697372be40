//! What `daybook relay status` shows: written by the relay that runs, read by whoever asks.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::health::Message;
use super::{Config, Hold, Relay};
use crate::random;
use crate::spool::write_whole;

/// The file with the status.
const STATUS: &str = "status.json";
/// How often it is written at least, so that it says whether the relay runs.
const PERIOD: Duration = Duration::from_secs(2);
/// After how many seconds without news a relay is taken for ended.
const SILENT: i64 = 15;

/// How the relay fares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// When this was written, in seconds since 1970.
    pub at: i64,
    /// Whether nothing leaves.
    pub is_shadow: bool,
    /// Why everything is held, if it is.
    pub hold: Option<Hold>,
    /// Entries of the log that the relay has verified.
    pub seen: Option<u64>,
    /// The relay as a witness, where it is one.
    #[serde(default)]
    pub witness: Option<WitnessStatus>,
    /// Events that wait to be sent.
    pub unsent: usize,
    /// Events that were sent and are not proved yet.
    pub unproved: usize,
    /// What an operator should know.
    pub messages: Vec<Message>,
    /// The open jobs.
    pub jobs: Vec<JobStatus>,
}

/// The relay as a witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessStatus {
    /// Its verifier key.
    pub key: String,
    /// Entries of the tree that it cosigned last; `None` before the first.
    pub size: Option<u64>,
}

/// One open job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The job.
    pub id: Uuid,
    /// Its state in the rules' word.
    pub state: String,
    /// What is waited for.
    pub waits_for: String,
    /// How many of its events were taken.
    pub events: usize,
    /// How many of these the log has proved.
    pub proved: usize,
}

impl Status {
    /// What a relay that ran lately has written; nothing where none has.
    pub fn read(config: &Config) -> Result<Option<Self>> {
        let path = config.folder().join(STATUS);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut status: Self =
            serde_json::from_slice(&bytes).context("the status is not what a relay writes")?;
        // A hold counts from when it is written, whether a relay runs or not.
        status.hold = read_hold(&config.folder());
        Ok(Some(status))
    }

    /// Whether the relay that wrote it still runs, as far as its silence can tell.
    pub fn is_running(&self) -> bool {
        random::now().saturating_sub(self.at) <= SILENT
    }
}

fn read_hold(folder: &Path) -> Option<Hold> {
    let bytes = fs::read(folder.join(super::desk::HOLD)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

pub(super) async fn run(relay: Arc<Relay>, stop: CancellationToken) {
    loop {
        let status = relay.status().await;
        let written =
            serde_json::to_vec_pretty(&status).map(|text| write_whole(&relay.desk.file(STATUS), &text));
        match written {
            Ok(Ok(())) => relay.health.clear("disk"),
            Ok(Err(error)) if error.is_full() => {
                relay.health.say(
                    "disk",
                    format!("{error}. No new work is taken until then; nothing is lost."),
                );
            }
            Ok(Err(error)) => relay.health.say("disk", format!("{error}")),
            Err(_) => {}
        }
        // A hold is a file that others write: jobs are looked at when it comes or goes.
        relay.desk.look_at_hold();
        if stop
            .run_until_cancelled(tokio::time::sleep(PERIOD))
            .await
            .is_none()
        {
            return;
        }
    }
}

impl Relay {
    /// How the relay fares now.
    pub async fn status(&self) -> Status {
        let seen = self.desk.log().lock().await.seen().map(|seen| seen.size);
        let list = self.desk.list();
        let (unsent, unproved) = self
            .desk
            .with_outbox(|outbox| (outbox.unsent().len(), outbox.unproved().len()));
        let jobs = list.jobs.into_iter().map(|job| JobStatus {
            id: job.id,
            state: job.state,
            waits_for: job.waits_for,
            proved: job.events.iter().filter(|event| event.is_proved).count(),
            events: job.events.len(),
        });
        let origin = self.desk.identity().origin();
        let witness = self.witness.as_ref().map(|witness| witness.standing(origin));
        Status {
            witness: witness.map(|(key, size)| WitnessStatus { key, size }),
            at: random::now(),
            is_shadow: self.is_shadow(),
            hold: self.desk.hold(),
            seen,
            unsent,
            unproved,
            messages: self.health.messages(),
            jobs: jobs.collect(),
        }
    }
}
