//! Access tokens: how an actor shows who it is where it signs no event.
//!
//! A JWT of at most five minutes, signed with a key that is registered for access, bound to one method and path.

use serde_json::{Value, json};
use thiserror::Error;

use crate::Hash;
use crate::id::{Actor, IdError};
use crate::jws::{self, Jws, JwsError};
use crate::key::{KeyError, PublicKey, SecretKey};

/// The token's `typ`.
const TYP: &str = "daybook-access+jwt";
/// How long a token may live, in seconds.
pub const MAX_LIFE: i64 = 300;
/// Characters of a token.
const MAX_TOKEN: usize = 4096;

/// A token cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    /// Too long to be one.
    #[error("a token is at most {MAX_TOKEN} bytes")]
    TooLong,
    /// Not a JWS of the form.
    #[error(transparent)]
    Form(#[from] JwsError),
    /// A claim that is missing or of another shape.
    #[error("the claim {0:?} is missing or not of its form")]
    Claim(&'static str),
    /// A claim that nobody knows.
    #[error("the claim {0:?} is not one of a token's")]
    Unknown(String),
    /// Not an actor.
    #[error("the claim \"iss\"")]
    Actor(#[from] IdError),
    /// For another log.
    #[error("the token is for another log")]
    OtherLog,
    /// For another request.
    #[error("the token is for another method or path")]
    OtherRequest,
    /// Not now.
    #[error(
        "the token has ended, lives longer than {MAX_LIFE} seconds, or is dated ahead of the hub's clock"
    )]
    Time,
    /// Not by that key.
    #[error("the signature")]
    Signature(#[from] KeyError),
}

/// What a token says.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// The log's origin.
    pub aud: String,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// Who asks.
    pub iss: Actor,
    /// The HTTP method that it is for.
    pub method: String,
    /// The path that it is for, without the query.
    pub path: String,
}

/// A well-formed token whose signature is not yet verified.
#[derive(Clone, Debug)]
pub struct Presented {
    token: AccessToken,
    jws: Jws,
    text: String,
}

impl AccessToken {
    /// Signs a token.
    pub fn sign(&self, key: &SecretKey) -> String {
        let payload = json!({
            "aud": self.aud, "exp": self.exp, "htm": self.method, "htu": self.path, "iat": self.iat,
            "iss": self.iss.to_string(),
        });
        jws::sign(TYP, &payload, key)
    }
}

impl Presented {
    /// Reads a token.
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        if text.len() > MAX_TOKEN {
            return Err(AccessError::TooLong);
        }
        let jws = Jws::parse(text, TYP)?;
        let known = ["aud", "exp", "htm", "htu", "iat", "iss"];
        if let Some(name) = jws.members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(AccessError::Unknown(name.clone()));
        }
        let string = |name| {
            jws.members
                .get(name)
                .and_then(Value::as_str)
                .ok_or(AccessError::Claim(name))
        };
        let integer = |name| {
            jws.members
                .get(name)
                .and_then(Value::as_i64)
                .ok_or(AccessError::Claim(name))
        };
        let token = AccessToken {
            aud: string("aud")?.to_owned(),
            iat: integer("iat")?,
            exp: integer("exp")?,
            iss: string("iss")?.parse()?,
            method: string("htm")?.to_owned(),
            path: string("htu")?.to_owned(),
        };
        Ok(Self {
            token,
            jws,
            text: text.to_owned(),
        })
    }

    /// The thumbprint of the key that is said to have signed.
    pub fn kid(&self) -> &Hash {
        &self.jws.kid
    }

    /// Who is said to ask.
    pub fn actor(&self) -> &Actor {
        &self.token.iss
    }

    /// Verifies that the token is by that key, for this log, this request and this moment; answers with who asks.
    pub fn verify(
        &self,
        key: &PublicKey,
        origin: &str,
        method: &str,
        path: &str,
        now: i64,
    ) -> Result<&Actor, AccessError> {
        let token = &self.token;
        self.jws.verify(&self.text, key)?;
        if token.aud != origin {
            return Err(AccessError::OtherLog);
        }
        if token.method != method || token.path != path {
            return Err(AccessError::OtherRequest);
        }
        let life = token.exp.saturating_sub(token.iat);
        if !(1..=MAX_LIFE).contains(&life) || now >= token.exp || token.iat > now.saturating_add(60) {
            return Err(AccessError::Time);
        }
        Ok(&token.iss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> AccessToken {
        AccessToken {
            aud: "log.example".to_owned(),
            iat: 1000,
            exp: 1060,
            iss: "tre/wessex/relay".parse().unwrap(),
            method: "GET".to_owned(),
            path: "/v1/packets/x".to_owned(),
        }
    }

    #[test]
    fn a_token_fits_one_key_log_request_and_time() {
        let key = SecretKey::from_seed(&[3; 32]);
        let presented = Presented::parse(&token().sign(&key)).unwrap();
        let check = |key: &SecretKey, origin, method, path, now| {
            presented
                .verify(&key.public(), origin, method, path, now)
                .cloned()
        };
        let path = "/v1/packets/x";
        assert_eq!(check(&key, "log.example", "GET", path, 1001), Ok(token().iss));
        assert_eq!(
            check(&key, "other", "GET", path, 1001),
            Err(AccessError::OtherLog)
        );
        assert_eq!(
            check(&key, "log.example", "PUT", path, 1001),
            Err(AccessError::OtherRequest)
        );
        assert_eq!(
            check(&key, "log.example", "GET", "/v1/packets/y", 1001),
            Err(AccessError::OtherRequest)
        );
        assert_eq!(
            check(&key, "log.example", "GET", path, 1060),
            Err(AccessError::Time)
        );
        assert_eq!(
            check(&key, "log.example", "GET", path, 900),
            Err(AccessError::Time)
        );
        let other = SecretKey::from_seed(&[4; 32]);
        assert!(matches!(
            check(&other, "log.example", "GET", path, 1001),
            Err(AccessError::Signature(_))
        ));
    }

    #[test]
    fn a_long_life_is_refused() {
        let key = SecretKey::from_seed(&[3; 32]);
        for exp in [1000, 1301, i64::MAX >> 11] {
            let text = AccessToken { exp, ..token() }.sign(&key);
            let presented = Presented::parse(&text).unwrap();
            let outcome = presented.verify(&key.public(), "log.example", "GET", "/v1/packets/x", 1001);
            assert_eq!(outcome, Err(AccessError::Time), "{exp}");
        }
    }

    #[test]
    fn an_event_is_no_token() {
        let key = SecretKey::from_seed(&[3; 32]);
        let text = jws::sign("daybook-event+jwt", &json!({}), &key);
        assert_eq!(
            Presented::parse(&text).err(),
            Some(AccessError::Form(JwsError::Header(TYP)))
        );
    }
}
