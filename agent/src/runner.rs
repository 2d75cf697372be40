//! The runner: what works in a TRE's controlled zone.
//!
//! It polls the relay's link and speaks to nobody else. For each job that is signed off it checks the packet again, runs the
//! workflow behind the sandbox, weighs the outputs and says so; it sends outputs only once people have cleared them. Every
//! step is a file in its spool before it is an event, so that a runner that was killed goes on where it was.
//!
//! What it says before a release are closed codes and salted commitments, at times cut to the TRE's step and in the step
//! after the one in which it became true: neither how long a run took nor what it found can be read from the log.

mod advance;
mod attempt;
pub(crate) mod config;
mod doctor;
mod images;
mod outcome;
mod release;
pub mod rules;
mod set;
mod status;
mod stop;
mod take;
mod work;

use thiserror::Error;
use uuid::Uuid;

pub use self::config::{Config, EngineConfig, RelayTable};
pub use self::doctor::examine;
pub use self::images::ImagesConfig;
pub use self::outcome::Outcome;
pub(crate) use self::outcome::output;
pub use self::set::{OutputSet, SetFile};
pub use self::status::Status;
pub use self::work::run;
use crate::datasets::DatasetError;
use crate::engine::RunError;
use crate::link::LinkError;
use crate::retrieve::RetrieveError;
use crate::spool::SpoolError;

/// A step of a job could not be done now.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] RunError),
    /// A dataset's credentials.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// An image that the relay has not retrieved.
    #[error(
        "the relay has not retrieved the image {0:?}: its `[retrieve] images` must fetch what this runner's engine is to use"
    )]
    NoImage(String),
    /// What the relay handed over is not that image.
    #[error("an image from the relay")]
    Image(#[from] RetrieveError),
    /// The relay's view of the job is not what the rules make.
    #[error("the relay's view of the job lacks {0:?}")]
    View(&'static str),
    /// Something that is in the spool no longer fits.
    #[error("the spool of job {0} lacks {1}; it was changed by hand")]
    Lost(Uuid, &'static str),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
}

impl RunnerError {
    /// Whether the same step may succeed later without anybody doing something.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Link(error) => error.is_passing() || error.code() == "on-hold",
            Self::Spool(error) => error.is_full(),
            _ => false,
        }
    }
}
