//! Appending: many callers, one sequencer, one transaction for all that waits.

mod ahead;
mod batch;
mod door;
mod gate;
mod intake;
mod rehearsal;
mod restore;
mod sequencer;
mod write;

use daybook_core::constitution::Breach;
use daybook_core::event::Event;
use daybook_core::key::KeyError;
use daybook_core::sealed::Opening;
use daybook_core::{Hash, id};
use daybook_rules::Refusal;
use thiserror::Error;

pub use self::gate::{Gate, Pace};
pub use self::intake::{Appender, Batch, Offered};
pub use self::rehearsal::Rehearsal;
pub(crate) use self::rehearsal::Stage;
pub use self::restore::{RestoreError, Restoring};
pub(crate) use self::sequencer::{Sequencer, Start, Stop};
use crate::StoreError;

/// Events that one transaction takes at most.
pub const MAX_BATCH: usize = 512;
/// Events that may wait.
pub const MAX_WAITING: usize = 4096;
/// Bytes of events and openings that may wait.
pub const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// How far an author's clock may be ahead of the hub's, in seconds. An admission rule: it is never judged again.
pub const MAX_AHEAD: i64 = 300;

/// An event that asks to be appended, with the openings that travel beside it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The event.
    pub event: Event,
    /// Openings of its sealed fields.
    pub openings: Vec<Opening>,
}

impl Candidate {
    pub(crate) fn bytes(&self) -> usize {
        self.event.as_str().len()
            + self
                .openings
                .iter()
                .map(|opening| opening.as_str().len())
                .sum::<usize>()
    }
}

/// Where an event stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Whether it stood there before.
    pub is_repeat: bool,
}

/// An event was not appended, or nobody knows yet.
#[derive(Debug, Error)]
pub enum AppendError {
    /// Dated too far ahead.
    #[error(
        "`iat` is {ahead} seconds ahead of the hub's clock; at most {MAX_AHEAD} are allowed. Check the author's clock"
    )]
    Ahead {
        /// By how much.
        ahead: i64,
    },
    /// A key that nobody registered.
    #[error(
        "the key {0} is not registered; if the event that registers it was sent just now, send this one again"
    )]
    UnknownKey(Hash),
    /// A signature that does not verify.
    #[error("the signature")]
    Signature(#[from] KeyError),
    /// A checkpoint that this hub never published.
    #[error("`seen` names a tree of size {0} with a root that this hub did not publish")]
    SeenUnknown(u64),
    /// Another event of the same author has that id.
    #[error("the author {0} has already used this `jti` for another event")]
    Conflict(id::Actor),
    /// The rules say no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Too much waits already.
    #[error("the hub has as much waiting as it takes; send the same bytes again after a pause")]
    Busy,
    /// An event before it in the same batch was not taken in.
    #[error(
        "an event before this one in the batch was not taken in; send that one and all after it again, in order"
    )]
    Cut,
    /// The caller's patience ended before the database answered.
    #[error("it is not known yet whether the event was appended; send the same bytes again")]
    OutcomeUnknown,
    /// The author sends faster than its pace allows.
    #[error("the author sends faster than this hub takes from one author")]
    TooFast {
        /// How long to wait.
        wait: std::time::Duration,
    },
    /// The hub has stopped writing.
    #[error("the hub has stopped writing: {0}")]
    Stopped(String),
    /// The database failed.
    #[error("the database")]
    Store(#[from] StoreError),
}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<Breach> for AppendError {
    fn from(breach: Breach) -> Self {
        Self::Refused(Box::new(Refusal::from(breach)))
    }
}
