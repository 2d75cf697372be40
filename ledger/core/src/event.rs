//! An event: the bytes that an actor signs, which are the entry of the log.
//!
//! A compact JWS (RFC 7515) by Ed25519 (RFC 8037, RFC 9864) whose payload is an SD-JWT payload (RFC 9901). There is one
//! spelling of each: the header is compared, not parsed; the payload must be its own canonical form ([`crate::canonical`]);
//! base64url has no padding and no spare bits. A breach is refused at the door and is a finding in every verifier.

mod claims;

use serde_json::Value;
use thiserror::Error;

pub use self::claims::{Claims, Seen};
use crate::canonical::CanonicalError;
use crate::id::IdError;
use crate::key::{KeyError, PublicKey, SecretKey};
use crate::{Hash, base64url, canonical};

/// Bytes of an event.
pub const MAX_EVENT: usize = 16 * 1024;
/// Bytes of a `policy-adopted` event, which holds the whole rule table.
pub const MAX_POLICY_EVENT: usize = 48 * 1024;
/// The one type that may be longer than [`MAX_EVENT`].
pub const POLICY_ADOPTED: &str = "policy-adopted";

const HEADER_START: &str = r#"{"alg":"Ed25519","kid":""#;
const HEADER_END: &str = r#"","typ":"daybook-event+jwt"}"#;

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
    /// Not three parts.
    #[error("an event is a compact JWS: header, payload and signature joined by two full stops")]
    Parts,
    /// A part is not strict base64url.
    #[error("the {0} is not unpadded base64url with zero spare bits")]
    Base64(&'static str),
    /// Another header.
    #[error(
        r#"the header is not exactly {{"alg":"Ed25519","kid":"<thumbprint>","typ":"daybook-event+jwt"}}"#
    )]
    Header,
    /// Not 64 bytes.
    #[error("the signature is not 64 bytes")]
    SignatureLength,
    /// The payload's bytes.
    #[error("the payload")]
    Payload(#[from] CanonicalError),
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
    signed: usize,
    kid: Hash,
    signature: [u8; 64],
    leaf: Hash,
    claims: Claims,
}

impl Event {
    /// Reads the bytes of an entry.
    pub fn parse(text: &str) -> Result<Self, FormError> {
        too_long(text.len(), MAX_POLICY_EVENT)?;
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(FormError::Parts);
        };
        let kid = read_header(header)?;
        let payload = base64url::decode(payload).ok_or(FormError::Base64("payload"))?;
        let signed = text.len() - signature.len() - 1;
        let signature = base64url::decode(signature).ok_or(FormError::Base64("signature"))?;
        let signature = signature.try_into().map_err(|_| FormError::SignatureLength)?;
        let claims = Claims::from_members(canonical::parse_object(&payload)?)?;
        if claims.kind != POLICY_ADOPTED {
            too_long(text.len(), MAX_EVENT)?;
        }
        Ok(Self {
            leaf: Hash::leaf(text.as_bytes()),
            text: text.to_owned(),
            signed,
            kid,
            signature,
            claims,
        })
    }

    /// Signs some claims. The same claims and key always give the same bytes.
    pub fn sign(claims: &Claims, key: &SecretKey) -> Result<Self, FormError> {
        let header = format!("{HEADER_START}{}{HEADER_END}", key.public().thumbprint());
        let payload = canonical::text(&Value::Object(claims.to_members()));
        let input = format!(
            "{}.{}",
            base64url::encode(header.as_bytes()),
            base64url::encode(payload.as_bytes())
        );
        let signature = base64url::encode(&key.sign(input.as_bytes()));
        Self::parse(&format!("{input}.{signature}"))
    }

    /// Verifies the author's signature. Whose key it is, and whether at this index, is the constitution's question.
    pub fn verify(&self, key: &PublicKey) -> Result<(), KeyError> {
        if key.thumbprint() != self.kid {
            return Err(KeyError::Signature);
        }
        key.verify(&self.text.as_bytes()[..self.signed], &self.signature)
    }

    /// The entry: exactly the bytes that the author signed, with the signature.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The thumbprint of the key that is said to have signed.
    pub fn kid(&self) -> &Hash {
        &self.kid
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

fn read_header(part: &str) -> Result<Hash, FormError> {
    let header = base64url::decode(part).ok_or(FormError::Base64("header"))?;
    std::str::from_utf8(&header)
        .ok()
        .and_then(|header| header.strip_prefix(HEADER_START)?.strip_suffix(HEADER_END))
        .and_then(Hash::from_base64url)
        .ok_or(FormError::Header)
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
