//! Whether an author may go on as fast as it does.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use daybook_core::id::Actor;

use super::AppendError;

/// Counts authors' events.
pub trait Pace: Send + Sync {
    /// Counts an event of an author whose signature has verified: pass, or how long to wait.
    fn take(&self, author: &Actor) -> Result<(), Duration>;

    /// Counts it no more.
    fn give_back(&self, author: &Actor);
}

/// Keeps authors to a pace, once somebody has set one. Cheap to clone.
#[derive(Clone, Default)]
pub struct Gate(Arc<OnceLock<Box<dyn Pace>>>);

/// An event that was counted. Unless it is kept, it was not its author's doing, and is given back when this is dropped.
///
/// The log is public: anybody can send what an author once signed, signature and all, as often as they like. What stands
/// in the log already must use up nothing, or anybody could silence anybody.
#[derive(Default)]
pub(crate) struct Counted(Option<(Gate, Actor)>);

impl Gate {
    /// Sets the pace, once; a second one changes nothing.
    pub fn set(&self, pace: Box<dyn Pace>) {
        drop(self.0.set(pace));
    }

    /// Called with an author that the signature has proved.
    pub(crate) fn pass(&self, author: &Actor) -> Result<Counted, AppendError> {
        let Some(pace) = self.0.get() else {
            return Ok(Counted::default());
        };
        let taken = pace.take(author);
        taken.map_err(|wait| AppendError::TooFast { wait })?;
        Ok(Counted(Some((self.clone(), author.clone()))))
    }
}

impl Counted {
    /// The event is news of its author's, taken or refused.
    pub(crate) fn keep(&mut self) {
        self.0 = None;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some((gate, author)) = self.0.take()
            && let Some(pace) = gate.0.get()
        {
            pace.give_back(&author);
        }
    }
}
