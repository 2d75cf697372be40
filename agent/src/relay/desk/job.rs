//! One open job in memory: what its files say.

use std::collections::BTreeMap;

use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_rules::{State, Table, refold};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::DeskError;
use crate::link::wire::{Answer, Cancellation, Image, Lease, OutputsRequest, Thing};
use crate::outbox::Outbox;
use crate::spool::JobFolder;

/// The packet that goes back.
pub(crate) const RESULT: &str = "result.zip";
/// The file with which a job begins.
pub(super) const COLLECTED: &str = "job.json";
/// The file with what else is known of it.
const NOTES: &str = "notes.json";
/// Entries of the job's stream that others than this relay have appended.
const FOREIGN: &str = "foreign";

/// A job, as it was found in the TRE's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collected {
    /// The job.
    pub job: Uuid,
    /// The bytes of the `job-submitted` that names it, whose leaf hash the queue states.
    pub entry: String,
    /// Its index in the log.
    pub index: u64,
    /// When it was found, in seconds since 1970.
    pub found: i64,
}

/// What is known of a job besides its events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notes {
    /// The request, once it was fetched.
    pub packet: Option<Thing>,
    /// The workflow, once it was retrieved.
    pub workflow: Option<Thing>,
    /// Its images.
    pub images: Vec<Image>,
    /// Why it is to stop.
    pub cancellation: Option<Cancellation>,
    /// What the team has answered.
    pub answer: Option<Answer>,
    /// Who works on it.
    pub lease: Option<Lease>,
    /// The cleared outputs that come.
    pub outputs: Option<OutputsRequest>,
    /// Why the job is refused, once that is decided and until it is said.
    pub refusal: Option<Refusal>,
    /// Whether it is held because everything is.
    pub held_by_all: bool,
    /// The packet that goes back, once it is made.
    pub result: Option<ResultPacket>,
    /// Since when the job has its end and all of it is proved, in seconds since 1970.
    pub settled: Option<i64>,
    /// What the relay waits for.
    pub waits_for: String,
}

/// Why a job is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// A code of the rule table's list `refusal`.
    pub code: String,
    /// What the researcher reads.
    pub text: String,
}

/// A packet that goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultPacket {
    /// Its random id at the hub.
    pub packet: Uuid,
    /// Its bytes.
    pub file: Thing,
    /// The commitment of the outputs in it; nothing where it holds none.
    #[serde(default)]
    pub outputs: Option<String>,
    /// Whether the hub has it.
    pub is_uploaded: bool,
}

/// An open job.
pub(super) struct Job {
    pub(super) folder: JobFolder,
    pub(super) collected: Collected,
    pub(super) state: State,
    pub(super) notes: Notes,
}

impl Job {
    /// Reads a job's folder; nothing where nothing was begun in it.
    pub(super) fn read(folder: JobFolder, outbox: &Outbox) -> Result<Option<Self>, DeskError> {
        let Some(collected) = folder.read_json::<Collected>(COLLECTED)? else {
            return Ok(None);
        };
        let notes = folder.read_json(NOTES)?.unwrap_or_default();
        let mut job = Self {
            folder,
            collected,
            state: State::new(),
            notes,
        };
        job.fold(outbox)?;
        Ok(Some(job))
    }

    /// Folds the submission, and the events that the log has or will have, into the job's state.
    pub(super) fn fold(&mut self, outbox: &Outbox) -> Result<(), DeskError> {
        let stream = Stream::Job(self.collected.job);
        let mut events: BTreeMap<u64, Event> = BTreeMap::new();
        for name in self.folder.names(FOREIGN)? {
            let bytes = self
                .folder
                .read(&format!("{FOREIGN}/{name}"))?
                .unwrap_or_default();
            let event = parse(&String::from_utf8_lossy(&bytes))?;
            events.insert(event.claims().seq, event);
        }
        let own = outbox.events(&stream).iter();
        events.extend(own.map(|item| (item.event.claims().seq, item.event.clone())));
        let mut states = BTreeMap::new();
        refold(Table::v1(), &mut states, &parse(&self.collected.entry)?)?;
        for event in events.values() {
            refold(Table::v1(), &mut states, event)?;
        }
        let none = || DeskError::NotHere(format!("the submission names no job {}", self.collected.job));
        self.state = states.remove(&stream).ok_or_else(none)?;
        Ok(())
    }

    /// Folds one more event, which the outbox has taken.
    pub(super) fn apply(&mut self, event: &Event) -> Result<(), DeskError> {
        let stream = Stream::Job(self.collected.job);
        let mut states = BTreeMap::from([(stream.clone(), self.state.clone())]);
        refold(Table::v1(), &mut states, event)?;
        self.state = states.remove(&stream).unwrap_or_default();
        Ok(())
    }

    /// Keeps an entry that somebody else has appended to the job's stream.
    pub(super) fn keep_foreign(&self, event: &Event) -> Result<(), DeskError> {
        let name = format!("{FOREIGN}/{:06}.jws", event.claims().seq);
        Ok(self.folder.write(&name, event.as_str().as_bytes())?)
    }

    pub(super) fn write_notes(&mut self, notes: Notes) -> Result<(), DeskError> {
        if notes != self.notes {
            self.folder.write_json(NOTES, &notes)?;
            self.notes = notes;
        }
        Ok(())
    }

    /// The state's word.
    pub(super) fn word(&self) -> &str {
        self.fact("state")
    }

    /// A member of the state that is text; empty where it has none.
    pub(super) fn fact(&self, name: &str) -> &str {
        self.state
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
    }
}

fn parse(text: &str) -> Result<Event, DeskError> {
    Event::parse(text).map_err(|error| DeskError::NotHere(format!("an entry is no event: {error}")))
}
