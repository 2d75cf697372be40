//! What authenticates a call over the link, and its answer.
//!
//! Both are compact JWS of types of their own, so that neither fits where the hub asks for a token, nor the other way round.
//! A call's token lives for a minute; whoever sends it again within that minute asks for the same thing once more, which
//! changes nothing.

use daybook_core::access::MAX_LIFE;
use daybook_core::id::{Actor, IdError};
use daybook_core::jws::{self, Jws, JwsError};
use daybook_core::key::{KeyError, PublicKey, SecretKey};
use daybook_core::{Hash, base64url};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// The `typ` of a call.
const CALL: &str = "daybook-link-call+jwt";
/// The `typ` of an answer.
const ANSWER: &str = "daybook-link-answer+jwt";
/// How long a call's token lives, in seconds.
const LIFE: i64 = 60;
/// How far two clocks of one TRE may be apart, in seconds.
const SKEW: i64 = 60;
/// Bytes of a token at most.
const MAX_TOKEN: usize = 4096;

/// A token is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// There is none.
    #[error("there is no token")]
    Missing,
    /// Too long.
    #[error("a token is at most {MAX_TOKEN} bytes")]
    TooLong,
    /// Not a JWS of the form.
    #[error("the token is not of its form")]
    Form(#[from] JwsError),
    /// A claim that is missing, unknown or of another shape.
    #[error("the claim {0:?} is missing, unknown or not of its form")]
    Claim(String),
    /// No actor's name.
    #[error("the claim \"iss\" names no actor")]
    Actor(#[from] IdError),
    /// For another relay, method, path or body.
    #[error("the token is for another {0}")]
    Other(&'static str),
    /// Not now.
    #[error("the token is not of this minute; compare the clocks of the two machines")]
    Time,
    /// Not by that key.
    #[error("the token is not signed by the key that the configuration names")]
    Signature(#[from] KeyError),
}

/// What a caller signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The relay's name.
    pub link: String,
    /// Who calls.
    pub caller: Actor,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// SHA-256 of the body.
    pub body: Hash,
}

/// A token of a call with its signature not yet verified.
#[derive(Clone, Debug)]
pub struct Presented {
    call: Call,
    iat: i64,
    exp: i64,
    jws: Jws,
    text: String,
}

impl Call {
    /// Signs the call; `nonce` makes every token another one.
    pub fn sign(&self, key: &SecretKey, now: i64, nonce: [u8; 16]) -> String {
        let payload = json!({
            "aud": self.link, "body": self.body.to_base64url(), "exp": now.saturating_add(LIFE), "htm": self.method,
            "htu": self.target, "iat": now, "iss": self.caller.to_string(), "nonce": base64url::encode(&nonce),
        });
        jws::sign(CALL, &payload, key)
    }
}

impl Presented {
    /// Reads a call's token.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let jws = read(text, CALL)?;
        let names = ["aud", "body", "exp", "htm", "htu", "iat", "iss", "nonce"];
        only(&jws.members, &names)?;
        string(&jws.members, "nonce")?;
        let call = Call {
            link: string(&jws.members, "aud")?.to_owned(),
            caller: string(&jws.members, "iss")?.parse()?,
            method: string(&jws.members, "htm")?.to_owned(),
            target: string(&jws.members, "htu")?.to_owned(),
            body: hash(&jws.members, "body")?,
        };
        Ok(Self {
            call,
            iat: integer(&jws.members, "iat")?,
            exp: integer(&jws.members, "exp")?,
            jws,
            text: text.to_owned(),
        })
    }

    /// Who is said to call.
    pub fn caller(&self) -> &Actor {
        &self.call.caller
    }

    /// The digest that the body is said to have.
    pub fn body(&self) -> &Hash {
        &self.call.body
    }

    /// Verifies that the token is by that key, for exactly this call, and of this moment.
    pub fn verify(&self, key: &PublicKey, expected: &Call, now: i64) -> Result<(), TokenError> {
        self.jws.verify(&self.text, key)?;
        let call = &self.call;
        let other = [
            ("relay", call.link != expected.link),
            ("caller", call.caller != expected.caller),
            ("method", call.method != expected.method),
            ("path", call.target != expected.target),
            ("body", call.body != expected.body),
        ];
        if let Some((what, _)) = other.into_iter().find(|(_, differs)| *differs) {
            return Err(TokenError::Other(what));
        }
        let life = self.exp.saturating_sub(self.iat);
        let is_now = now < self.exp.saturating_add(SKEW) && self.iat <= now.saturating_add(SKEW);
        if (1..=MAX_LIFE).contains(&life) && is_now {
            Ok(())
        } else {
            Err(TokenError::Time)
        }
    }
}

/// Signs an answer to the call with that token.
pub fn sign_answer(link: &str, call: &str, status: u16, body: &Hash, key: &SecretKey) -> String {
    jws::sign(ANSWER, &answer(link, call, status, body), key)
}

/// Verifies that an answer is by that key and to that call.
pub fn verify_answer(
    text: &str,
    link: &str,
    call: &str,
    status: u16,
    key: &PublicKey,
) -> Result<Hash, TokenError> {
    let jws = read(text, ANSWER)?;
    jws.verify(text, key)?;
    let body = hash(&jws.members, "body")?;
    let expected = answer(link, call, status, &body);
    if expected.as_object() == Some(&jws.members) {
        Ok(body)
    } else {
        Err(TokenError::Other("call"))
    }
}

fn answer(link: &str, call: &str, status: u16, body: &Hash) -> Value {
    json!({
        "body": body.to_base64url(), "call": Hash::of(call.as_bytes()).to_base64url(), "iss": link, "status": status,
    })
}

fn read(text: &str, typ: &'static str) -> Result<Jws, TokenError> {
    if text.len() > MAX_TOKEN {
        return Err(TokenError::TooLong);
    }
    Ok(Jws::parse(text, typ)?)
}

fn only(members: &Map<String, Value>, names: &[&str]) -> Result<(), TokenError> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(TokenError::Claim(name.chars().take(40).collect())),
        None => Ok(()),
    }
}

fn string<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, TokenError> {
    let text = members.get(name).and_then(Value::as_str);
    text.ok_or_else(|| TokenError::Claim(name.to_owned()))
}

fn integer(members: &Map<String, Value>, name: &str) -> Result<i64, TokenError> {
    let number = members.get(name).and_then(Value::as_i64);
    number.ok_or_else(|| TokenError::Claim(name.to_owned()))
}

fn hash(members: &Map<String, Value>, name: &str) -> Result<Hash, TokenError> {
    let hash = Hash::from_base64url(string(members, name)?);
    hash.ok_or_else(|| TokenError::Claim(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call {
            link: "link.wessex".to_owned(),
            caller: "tre/wessex/runner".parse().unwrap(),
            method: "POST".to_owned(),
            target: "/link/v1/events?x=1".to_owned(),
            body: Hash::of(b"body"),
        }
    }

    #[test]
    fn a_token_fits_its_own_call_alone() {
        let key = SecretKey::from_seed(&[1; 32]);
        let presented = Presented::parse(&call().sign(&key, 1000, [0; 16])).unwrap();
        assert_eq!(presented.verify(&key.public(), &call(), 1030), Ok(()));
        let changes: [fn(&mut Call); 5] = [
            |call| call.link = "link.mercia".to_owned(),
            |call| call.caller = "tre/wessex/review".parse().unwrap(),
            |call| call.method = "GET".to_owned(),
            |call| call.target = "/link/v1/events?x=2".to_owned(),
            |call| call.body = Hash::of(b"other"),
        ];
        for change in changes {
            let mut other = call();
            change(&mut other);
            let outcome = presented.verify(&key.public(), &other, 1030);
            assert!(matches!(outcome, Err(TokenError::Other(_))), "{other:?}");
        }
        let stranger = SecretKey::from_seed(&[2; 32]).public();
        assert!(matches!(
            presented.verify(&stranger, &call(), 1030),
            Err(TokenError::Signature(_))
        ));
        for now in [939, 1120] {
            assert_eq!(
                presented.verify(&key.public(), &call(), now),
                Err(TokenError::Time)
            );
        }
    }

    #[test]
    fn an_answer_is_to_one_call_with_one_status() {
        let key = SecretKey::from_seed(&[1; 32]);
        let body = Hash::of(b"answer");
        let text = sign_answer("link", "call", 200, &body, &key);
        let check = |link, call, status| verify_answer(&text, link, call, status, &key.public());
        assert_eq!(check("link", "call", 200), Ok(body));
        for (link, call, status) in [
            ("other", "call", 200),
            ("link", "other", 200),
            ("link", "call", 409),
        ] {
            assert_eq!(check(link, call, status), Err(TokenError::Other("call")));
        }
    }

    #[test]
    fn a_token_for_the_hub_is_none_for_the_link_nor_an_answer_a_call() {
        let key = SecretKey::from_seed(&[1; 32]);
        let hub = daybook_core::access::AccessToken {
            aud: "link.wessex".to_owned(),
            iat: 1000,
            exp: 1060,
            iss: call().caller,
            method: "POST".to_owned(),
            path: "/link/v1/events".to_owned(),
        };
        assert!(matches!(
            Presented::parse(&hub.sign(&key)),
            Err(TokenError::Form(_))
        ));
        let answer = sign_answer("link", "call", 200, &Hash::of(b""), &key);
        assert!(matches!(Presented::parse(&answer), Err(TokenError::Form(_))));
    }
}
