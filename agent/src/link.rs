//! The link between a TRE's zones: how the runner and the review service speak to the relay.
//!
//! The relay listens, on an internal address; runner and review call it, and nobody calls them. Each side knows the other's
//! key from its own configuration. A call carries a signed [`token`] over method, path, query and the body's digest; the
//! answer is signed over that very call, its status and its body. So what lies between the zones can neither speak for one
//! of them nor change a word, and a call that is sent twice does no more than once: see [`wire`].
//!
//! [`Server`] is the relay's side over a [`Desk`](crate::relay::Desk), [`LinkClient`] the caller's, and [`Voice`] signs
//! events at the places that the relay gives.

mod answer;
mod client;
mod guard;
mod routes;
mod serve;
pub mod token;
mod voice;
pub mod wire;

use std::path::PathBuf;

use daybook_core::id::Actor;
use daybook_core::key::PublicKey;
use serde::Deserialize;
use thiserror::Error;

pub(crate) use self::answer::chain;
pub use self::client::{LinkClient, LinkServer};
pub use self::serve::{Server, Tls};
pub use self::token::TokenError;
pub use self::voice::{Said, Voice};
use self::wire::Problem;

/// A call over the link did not do what was asked.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The relay cannot be reached, or broke off.
    #[error("the relay at {0} cannot be reached")]
    Transport(String, #[source] reqwest::Error),
    /// The answer is not the relay's own.
    #[error("the answer from {0} is not signed by the relay's key for this call; somebody may stand between")]
    NotTheRelay(String, #[source] TokenError),
    /// The relay says no.
    #[error("{}", .0.detail)]
    Problem(Problem),
    /// The relay's answer is of another form.
    #[error("the relay answered with something else than was asked for")]
    Answer(#[source] serde_json::Error),
    /// The relay shows a log that does not hold.
    #[error("the log that the relay shows does not hold: {0}")]
    Log(String),
    /// The caller's own side.
    #[error("{0}")]
    Own(String),
    /// The caller's spool.
    #[error(transparent)]
    Spool(#[from] crate::spool::SpoolError),
}

impl LinkError {
    /// Whether the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Transport(..) => true,
            Self::Problem(problem) => problem.is_passing(),
            _ => false,
        }
    }

    /// The relay's code, such as `not-next`; empty where it did not answer.
    pub fn code(&self) -> &str {
        match self {
            Self::Problem(problem) => &problem.code,
            _ => "",
        }
    }
}

/// One side of the link, as the other knows it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Who it is.
    pub actor: Actor,
    /// Signs its calls or answers.
    pub access: PublicKey,
    /// Signs its events.
    pub event: PublicKey,
}

/// A peer as a configuration file has it: what `daybook keys show` prints.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// The public key for access, 43 characters.
    pub access: String,
    /// The public key for events, 43 characters.
    pub event: String,
}

impl PeerConfig {
    /// The peer, or what is wrong with one of its keys.
    pub fn peer(&self, actor: Actor) -> Result<Peer, daybook_core::key::KeyError> {
        Ok(Peer {
            actor,
            access: PublicKey::from_x(&self.access)?,
            event: PublicKey::from_x(&self.event)?,
        })
    }
}

/// Certificate and key in PEM form.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate with its chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}
