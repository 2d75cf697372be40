//! An event: the bytes that an actor signs, which are the entry of the log.
//!
//! A compact JWS (RFC 7515) by Ed25519 (RFC 8037, RFC 9864) whose payload is an SD-JWT payload (RFC 9901). There is one
//! spelling of each: the header is compared, not parsed; the payload must be its own canonical form ([`crate::canonical`]);
//! base64url has no padding and no spare bits. A breach is refused at the door and is a finding in every verifier.

mod claims;

use serde_json::Value;
use thiserror::Error;

pub use self::claims::{Claims, Seen};
use crate::id::IdError;
use crate::jws::{self, Jws, JwsError};
use crate::key::{KeyError, PublicKey, SecretKey};
use crate::{Hash, canonical};

/// Bytes of an event.
pub const MAX_EVENT: usize = 16 * 1024;
/// Bytes of a `policy-adopted` event, which holds the whole rule table.
pub const MAX_POLICY_EVENT: usize = 48 * 1024;
/// The one type that may be longer than [`MAX_EVENT`].
pub const POLICY_ADOPTED: &str = "policy-adopted";

/// The event's `typ`.
const TYP: &str = "daybook-event+jwt";

/// Some bytes are not an event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormError {
    /// Too long.
    #[error("an event is at most {limit} bytes, this one is {length}")]
    TooLong {
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not a JWS of the one form.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// A claim that must be there.
    #[error("the claim {0:?} is missing")]
    Missing(&'static str),
    /// A claim that nobody knows.
    #[error("the claim {0:?} is not one of an event's")]
    Unknown(String),
    /// A claim of another shape.
    #[error("the claim {name:?} is not {expected}")]
    Claim {
        /// Which.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A name within a claim.
    #[error("the claim {name:?}")]
    Id {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        source: IdError,
    },
    /// `seq` 1 with `prev`, or a later one without.
    #[error("`prev` stands in every event of a stream but the first")]
    Prev,
    /// A name that SD-JWT keeps for itself.
    #[error("the member {0:?} of `data` is reserved; digests stand in `data._sd` only")]
    Reserved(String),
    /// `data._sd`.
    #[error("`data._sd` is not a sorted array of different digests (43 characters each)")]
    Digests,
}

/// A well-formed event. Its signature is not yet verified: see [`Event::verify`].
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    text: String,
    jws: Jws,
    leaf: Hash,
    claims: Claims,
}

impl Event {
    /// Reads the bytes of an entry.
    pub fn parse(text: &str) -> Result<Self, FormError> {
        too_long(text.len(), MAX_POLICY_EVENT)?;
        let mut jws = Jws::parse(text, TYP)?;
        let claims = Claims::from_members(std::mem::take(&mut jws.members))?;
        if claims.kind != POLICY_ADOPTED {
            too_long(text.len(), MAX_EVENT)?;
        }
        Ok(Self {
            leaf: Hash::leaf(text.as_bytes()),
            text: text.to_owned(),
            jws,
            claims,
        })
    }

    /// Signs some claims. The same claims and key always give the same bytes.
    pub fn sign(claims: &Claims, key: &SecretKey) -> Result<Self, FormError> {
        let payload = Value::Object(claims.to_members());
        canonical::check(&payload, 1).map_err(JwsError::from)?;
        Self::parse(&jws::sign(TYP, &payload, key))
    }

    /// Verifies the author's signature. Whose key it is, and whether at this index, is the constitution's question.
    pub fn verify(&self, key: &PublicKey) -> Result<(), KeyError> {
        self.jws.verify(&self.text, key)
    }

    /// The entry: exactly the bytes that the author signed, with the signature.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The thumbprint of the key that is said to have signed.
    pub fn kid(&self) -> &Hash {
        &self.jws.kid
    }

    /// The leaf hash, which is also how other events name this one.
    pub fn leaf(&self) -> &Hash {
        &self.leaf
    }

    /// What the event says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

fn too_long(length: usize, limit: usize) -> Result<(), FormError> {
    if length > limit {
        Err(FormError::TooLong { length, limit })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
