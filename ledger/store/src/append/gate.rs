//! Whether an author may go on as fast as it does.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use daybook_core::id::Actor;

use super::AppendError;

/// What is asked for each event of an author whose signature has verified: pass, or how long to wait.
pub type Pace = Box<dyn Fn(&Actor) -> Result<(), Duration> + Send + Sync>;

/// Keeps authors to a pace, once somebody has set one. Cheap to clone.
#[derive(Clone, Default)]
pub struct Gate(Arc<OnceLock<Pace>>);

impl Gate {
    /// Sets the pace, once; a second one changes nothing.
    pub fn set(&self, pace: Pace) {
        drop(self.0.set(pace));
    }

    /// Called with an author that the signature has proved: nobody can use up what is somebody else's.
    pub(crate) fn pass(&self, actor: &Actor) -> Result<(), AppendError> {
        match self.0.get() {
            Some(pace) => pace(actor).map_err(|wait| AppendError::TooFast { wait }),
            None => Ok(()),
        }
    }
}
