//! The one form of compact JWS (RFC 7515) that Daybook signs: a fixed header, canonical JSON, strict base64url.
//!
//! The header is compared, not parsed. Its `typ` keeps an event, an access token and a proof of possession apart, so
//! that a signature over one never fits another.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::canonical::CanonicalError;
use crate::key::{KeyError, PublicKey, SecretKey};
use crate::{Hash, base64url, canonical};

const HEADER_START: &str = r#"{"alg":"Ed25519","kid":""#;
const HEADER_MIDDLE: &str = r#"","typ":""#;
const HEADER_END: &str = r#""}"#;

/// Some text is not a JWS of the one form.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JwsError {
    /// Not three parts.
    #[error("a compact JWS is a header, a payload and a signature joined by two full stops")]
    Parts,
    /// A part is not strict base64url.
    #[error("the {0} is not unpadded base64url with zero spare bits")]
    Base64(&'static str),
    /// Another header.
    #[error(r#"the header is not exactly {{"alg":"Ed25519","kid":"<thumbprint>","typ":"{0}"}}"#)]
    Header(&'static str),
    /// Not 64 bytes.
    #[error("the signature is not 64 bytes")]
    SignatureLength,
    /// The payload's bytes.
    #[error("the payload")]
    Payload(#[from] CanonicalError),
}

/// A JWS taken apart. Its signature is not yet verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Jws {
    /// The thumbprint of the key that is said to have signed.
    pub kid: Hash,
    /// The members of the payload.
    pub members: Map<String, Value>,
    signature: [u8; 64],
    signed: usize,
}

impl Jws {
    /// Takes a JWS of one `typ` apart.
    pub fn parse(text: &str, typ: &'static str) -> Result<Self, JwsError> {
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::Parts);
        };
        let kid = read_header(header, typ)?;
        let payload = base64url::decode(payload).ok_or(JwsError::Base64("payload"))?;
        let signed = text.len() - signature.len() - 1;
        let signature = base64url::decode(signature).ok_or(JwsError::Base64("signature"))?;
        let signature = signature.try_into().map_err(|_| JwsError::SignatureLength)?;
        Ok(Self {
            kid,
            members: canonical::parse_object(&payload)?,
            signature,
            signed,
        })
    }

    /// Verifies the signature over `text`, which must be what this was parsed from.
    pub fn verify(&self, text: &str, key: &PublicKey) -> Result<(), KeyError> {
        let signed = text.as_bytes().get(..self.signed).ok_or(KeyError::Signature)?;
        if key.thumbprint() != self.kid {
            return Err(KeyError::Signature);
        }
        key.verify(signed, &self.signature)
    }
}

/// What a JWS signs: header and payload, encoded and joined.
pub fn signing_input(typ: &str, kid: &Hash, payload: &Value) -> String {
    let header = format!("{HEADER_START}{kid}{HEADER_MIDDLE}{typ}{HEADER_END}");
    format!(
        "{}.{}",
        base64url::encode(header.as_bytes()),
        base64url::encode(canonical::text(payload).as_bytes())
    )
}

/// Signs a payload. The same payload and key always give the same text.
pub fn sign(typ: &str, payload: &Value, key: &SecretKey) -> String {
    let input = signing_input(typ, &key.public().thumbprint(), payload);
    let signature = base64url::encode(&key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn read_header(part: &str, typ: &'static str) -> Result<Hash, JwsError> {
    let header = base64url::decode(part).ok_or(JwsError::Base64("header"))?;
    std::str::from_utf8(&header)
        .ok()
        .and_then(|header| {
            let rest = header
                .strip_prefix(HEADER_START)?
                .strip_suffix(HEADER_END)?
                .strip_suffix(typ)?;
            rest.strip_suffix(HEADER_MIDDLE)
        })
        .and_then(Hash::from_base64url)
        .ok_or(JwsError::Header(typ))
}
