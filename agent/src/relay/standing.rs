//! What stands in the log, as the relay holds it: the folded states of the streams that a job rests on.
//!
//! The hub is asked for what is new, and not believed: every entry must follow the one before it in its stream, the newest
//! of each stream must be proved to be in the log, and what the TRE itself is said to have decided must be signed by a key
//! that the TRE's root has lent. What a hub can do is to show less than there is. While it is away, what it last showed
//! goes on to count.

mod follow;
mod gate;
mod known;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daybook_core::Hash;
use daybook_core::constitution::{self, Facts, State};
use daybook_core::event::Event;
use daybook_core::id::{Actor, Slug, Stream};
use daybook_core::key::{KeyUse, PublicKey};
use daybook_core::note::VerifierKey;
use daybook_rules::{Refusal, Table, judge, reads};
use thiserror::Error;

pub(crate) use self::gate::{Rests, hold_code};
use self::known::Known;
use crate::client::{Client, ClientError};
use crate::outbox::Place;
use crate::spool::SpoolError;

/// For how long the hub is not asked again after it was found to be away, where only freshness is at stake.
const REST: Duration = Duration::from_secs(5);

/// How long whoever waits for an answer waits for the hub.
const PATIENCE: Duration = Duration::from_secs(8);

/// What stands could not be learnt.
#[derive(Debug, Error)]
pub enum StandingError {
    /// The hub does not answer, or not well.
    #[error("the hub does not say what stands")]
    Hub(#[from] ClientError),
    /// The hub takes too long.
    #[error("the hub does not say in time what stands")]
    Slow,
    /// The hub was away a moment ago.
    #[error("the hub was away a moment ago")]
    Resting,
    /// An entry is newer than the newest checkpoint.
    #[error("the newest entry of {0} is not published yet")]
    NotPublished(Stream),
    /// What the hub shows contradicts itself, or what the relay has seen before.
    #[error("the hub shows a history of {stream} that does not hold: {why}")]
    DoesNotHold {
        /// The stream.
        stream: Stream,
        /// Why.
        why: String,
    },
    /// The disk.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl StandingError {
    /// Whether asking again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Hub(error) => error.is_passing(),
            Self::Slow | Self::Resting | Self::NotPublished(_) => true,
            Self::DoesNotHold { .. } | Self::Spool(_) => false,
        }
    }
}

/// What a relay knows of the log.
pub struct Standing {
    folder: PathBuf,
    client: Client,
    log: VerifierKey,
    tre: Slug,
    /// The thumbprint of the TRE's root key, where the configuration pins it.
    root: Option<Hash>,
    streams: BTreeMap<Stream, Known>,
    /// The rule table in force.
    table: Arc<Table>,
    away: Option<Instant>,
}

impl Standing {
    /// Begins with what was kept in a folder.
    pub fn open(
        folder: PathBuf,
        client: Client,
        log: VerifierKey,
        tre: Slug,
        root: Option<Hash>,
    ) -> Result<Self, StandingError> {
        let streams = known::read_all(&folder)?;
        let mut standing = Self {
            folder,
            client,
            log,
            tre,
            root,
            streams,
            table: Arc::new(Table::v1().clone()),
            away: None,
        };
        standing.read_table()?;
        Ok(standing)
    }

    /// The folded state of a stream; nothing where it has none, or where the hub was never asked for it.
    pub fn state(&self, stream: &Stream) -> Option<&State> {
        self.streams.get(stream).and_then(Known::state)
    }

    /// Position and leaf hash of the last event of a stream, as far as it was followed.
    pub fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.streams.get(stream)?.head()
    }

    /// The rule table in force.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The key of that name with which an actor may sign events now.
    pub fn event_key(&self, actor: &Actor, kid: &Hash) -> Option<PublicKey> {
        constitution::valid_key(self.state(&actor.home()), actor, kid, KeyUse::Event)
    }

    /// The streams that an event is judged by, without the job's own and without what only marks the time.
    pub fn needed(&self, event: &Event) -> Vec<Stream> {
        let mut streams: Vec<Stream> = reads(&self.table, event).into_iter().collect();
        streams.retain(|stream| !matches!(stream, Stream::Job(_) | Stream::Log | Stream::Submission(_)));
        streams
    }

    /// Judges an event as the hub will, by what is known; `job` is the state of its own stream and `place` its next place.
    ///
    /// Nothing is said against it where something that it rests on was never seen: the hub decides then.
    pub fn judge(&self, event: &Event, job: &State, place: Place) -> Result<(), Refusal> {
        let is_known = |stream: &Stream| self.streams.contains_key(stream);
        if !self.needed(event).iter().all(is_known) {
            return Ok(());
        }
        let scene = Scene {
            standing: self,
            stream: &event.claims().sub,
            job,
            place,
        };
        judge(&self.table, self.log.name().as_str(), &scene, event).map(drop)
    }
}

/// What an event of a job is judged by.
struct Scene<'a> {
    standing: &'a Standing,
    stream: &'a Stream,
    job: &'a State,
    place: Place,
}

impl Facts for Scene<'_> {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        if stream == self.stream {
            return Some((self.place.seq.checked_sub(1)?, self.place.prev?));
        }
        self.standing.streams.get(stream)?.head()
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        if stream == self.stream {
            return Some(self.job);
        }
        self.standing.state(stream)
    }

    fn key_was_registered(&self, _: &Hash) -> bool {
        false
    }

    fn seen(&self, _: &Actor) -> u64 {
        // The outbox keeps the order of what is stated.
        0
    }
}
