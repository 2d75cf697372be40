//! `daybook review`: what a TRE's people decide about jobs and outputs.
//!
//! It works inside the controlled zone, reads the outputs in the runner's spool, and signs with the key of the TRE's review
//! service. Nobody's name leaves: the log holds a tag for each person and job, an HMAC under a secret of the TRE's, so that
//! two tags prove two people and link nothing across jobs. Who they were, and what they said, is sealed for the issuer alone
//! and stays in the spool.
//!
//! As many people as the set says must agree on the very same files before anything is signed: the first approval is a file
//! in the spool, and the event follows the last one.

mod acts;
mod config;
mod look;
mod person;
mod proposal;

use std::path::PathBuf;

use daybook_core::note::VerifierKey;
use thiserror::Error;
use uuid::Uuid;

pub use self::acts::{Approved, Ask, Refusal};
pub use self::config::Config;
pub use self::look::{Waiting, look, waiting};
pub use self::person::{Person, create_secret, read_secret};
pub use self::proposal::{Agreement, Proposal};
use crate::link::{LinkClient, LinkError, Voice};
use crate::spool::{JobFolder, SpoolError};

/// A decision was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The runner's spool has nothing of the job.
    #[error("the runner's spool holds no outputs of the job {0}; `spool` must be the runner's own")]
    NoOutputs(Uuid),
    /// Not now.
    #[error("the job is {state:?}: {what} is possible while it is {needs}")]
    State {
        /// Its state.
        state: String,
        /// What was asked.
        what: &'static str,
        /// In which states that is possible.
        needs: &'static str,
    },
    /// A name that is none of the set's files.
    #[error("{0:?} is no file of this set; `daybook review show` lists them")]
    NoFile(String),
    /// The outputs changed since they were weighed.
    #[error("the file {0:?} in the spool is not the one that was weighed; find out who changed it")]
    Changed(String),
    /// The same person again.
    #[error("this person has agreed to these files already; somebody else has to look too")]
    Again,
    /// What rules found needs a reason.
    #[error("the rules found something in these files; say with --exception why they may leave all the same")]
    NeedsException,
    /// A word that is none.
    #[error("{0:?} is none of: {1}")]
    Word(String, String),
    /// A text that events do not take.
    #[error("a text has 1 to {0} characters and no control characters")]
    Text(usize),
    /// The secret cannot be used.
    #[error("{0}")]
    Secret(String),
    /// Another decision is being taken.
    #[error("somebody else decides on this job right now; look again in a moment")]
    Busy,
    /// What the job rests on does not stand.
    #[error("what the job rests on does not stand: {0}")]
    Lapsed(String),
}

/// The review service at work.
pub struct Desk {
    client: LinkClient,
    voice: Voice,
    spool: PathBuf,
    secret: [u8; 32],
}

impl Desk {
    /// Opens the desk: keys, secret, link.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let (keys, key): (_, VerifierKey) = (config.keys()?, config.verifier()?);
        let client = config.relay.client(keys)?;
        let kept = config.memory.join("checkpoint");
        std::fs::create_dir_all(&config.memory)?;
        let voice = Voice::new(client.clone(), key, kept, config.time_step.seconds())?;
        Ok(Self {
            client,
            voice,
            spool: config.spool.clone(),
            secret: read_secret(&config.secret)?,
        })
    }

    /// Puts a desk together from its parts.
    pub fn new(client: LinkClient, voice: Voice, spool: PathBuf, secret: [u8; 32]) -> Self {
        Self {
            client,
            voice,
            spool,
            secret,
        }
    }

    /// The link.
    pub fn client(&self) -> &LinkClient {
        &self.client
    }

    /// How long until the TRE's step ends, at which decisions are sent.
    pub fn until_step(&self) -> std::time::Duration {
        self.voice.until_step()
    }

    /// A job's folder in the runner's spool.
    pub fn folder(&self, job: Uuid) -> JobFolder {
        JobFolder::beside(&self.spool, job)
    }
}
