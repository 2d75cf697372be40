//! The claims of an event's payload.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::FormError;
use crate::Hash;
use crate::canonical::MAX_INTEGER;
use crate::id::{Actor, IdError, Stream, random_id};
use crate::sealed::{is_reserved, reserved_within};

/// Characters of `aud`, the log's origin.
const MAX_ORIGIN: usize = 128;
/// Characters of `type`.
const MAX_TYPE: usize = 40;

const NAMES: [&str; 11] = [
    "aud", "data", "iat", "iss", "jti", "prev", "seen", "seq", "sub", "type", "v",
];

/// The largest published checkpoint that an author has itself verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The root of that tree.
    pub root: Hash,
    /// Its number of entries, from 1.
    pub size: u64,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// The origin of the log for which the event is meant.
    pub aud: String,
    /// The type's own fields; sealed ones as digests in `_sd`.
    pub data: Map<String, Value>,
    /// The author's own statement of the time, in seconds since 1970.
    pub iat: i64,
    /// The author.
    pub iss: Actor,
    /// A random id, unique for each author: an append of the same bytes is the same append.
    pub jti: Uuid,
    /// The leaf hash of the event before it in its stream.
    pub prev: Option<Hash>,
    /// What the author has seen of the log.
    pub seen: Option<Seen>,
    /// The position in the stream, from 1.
    pub seq: u64,
    /// The stream.
    pub sub: Stream,
    /// The event's type, such as `job-checked`.
    pub kind: String,
    /// The version of the type, from 1.
    pub version: u16,
}

impl Claims {
    /// The digests in `data._sd`; none where there is no such member.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        self.data
            .get("_sd")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    pub(super) fn from_members(mut members: Map<String, Value>) -> Result<Self, FormError> {
        if let Some(name) = members.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(FormError::Unknown(name.clone()));
        }
        let data = match members.remove("data") {
            Some(Value::Object(data)) => data,
            Some(_) => {
                return Err(FormError::Claim {
                    name: "data",
                    expected: "an object",
                });
            }
            None => return Err(FormError::Missing("data")),
        };
        check_data(&data)?;
        let members = Members(&members);
        let claims = Self {
            aud: origin(members.text("aud")?)?,
            data,
            iat: members.integer("iat", "seconds since 1970, from 0 to 2^53 − 1", 0, MAX_INTEGER)?,
            iss: id("iss", members.text("iss")?.parse())?,
            jti: id("jti", random_id(members.text("jti")?))?,
            prev: members
                .optional("prev")
                .map(|value| hash("prev", value))
                .transpose()?,
            seen: members.optional("seen").map(seen).transpose()?,
            seq: members
                .integer("seq", "an integer from 1", 1, MAX_INTEGER)?
                .unsigned_abs(),
            sub: id("sub", members.text("sub")?.parse())?,
            kind: kind(members.text("type")?)?,
            version: members
                .integer("v", "an integer from 1 to 999", 1, 999)?
                .try_into()
                .unwrap_or_default(),
        };
        if claims.prev.is_some() == (claims.seq == 1) {
            return Err(FormError::Prev);
        }
        Ok(claims)
    }

    pub(super) fn to_members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("aud", self.aud.as_str().into());
        put("data", Value::Object(self.data.clone()));
        put("iat", self.iat.into());
        put("iss", self.iss.to_string().into());
        put("jti", self.jti.to_string().into());
        if let Some(prev) = &self.prev {
            put("prev", prev.to_base64url().into());
        }
        if let Some(seen) = &self.seen {
            put(
                "seen",
                serde_json::json!({ "root": seen.root.to_base64url(), "size": seen.size }),
            );
        }
        put("seq", self.seq.into());
        put("sub", self.sub.to_string().into());
        put("type", self.kind.as_str().into());
        put("v", self.version.into());
        members
    }
}

struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn optional(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    fn required(&self, name: &'static str) -> Result<&'a Value, FormError> {
        self.optional(name).ok_or(FormError::Missing(name))
    }

    fn text(&self, name: &'static str) -> Result<&'a str, FormError> {
        self.required(name)?.as_str().ok_or(FormError::Claim {
            name,
            expected: "a string",
        })
    }

    fn integer(
        &self,
        name: &'static str,
        expected: &'static str,
        from: i64,
        to: i64,
    ) -> Result<i64, FormError> {
        let number = self.required(name)?.as_i64().filter(|n| (from..=to).contains(n));
        number.ok_or(FormError::Claim { name, expected })
    }
}

fn id<T>(name: &'static str, result: Result<T, IdError>) -> Result<T, FormError> {
    result.map_err(|source| FormError::Id { name, source })
}

fn hash(name: &'static str, value: &Value) -> Result<Hash, FormError> {
    let expected = "a SHA-256 digest in unpadded base64url (43 characters)";
    value
        .as_str()
        .and_then(Hash::from_base64url)
        .ok_or(FormError::Claim { name, expected })
}

fn seen(value: &Value) -> Result<Seen, FormError> {
    let expected = "an object of exactly `root` (a digest) and `size` (an integer from 1)";
    let error = || FormError::Claim {
        name: "seen",
        expected,
    };
    let object = value
        .as_object()
        .filter(|object| object.len() == 2)
        .ok_or_else(error)?;
    let root = hash("seen", object.get("root").ok_or_else(error)?)?;
    let size = object
        .get("size")
        .and_then(Value::as_u64)
        .filter(|size| *size >= 1)
        .ok_or_else(error)?;
    Ok(Seen { root, size })
}

/// An origin as C2SP's checkpoints allow it, and no longer than [`MAX_ORIGIN`].
fn origin(text: &str) -> Result<String, FormError> {
    let expected = "the log's origin: 1 to 128 characters of a-z, 0-9, full stop, hyphen and slash";
    let good = (1..=MAX_ORIGIN).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-/".contains(&b));
    if good {
        Ok(text.to_owned())
    } else {
        Err(FormError::Claim {
            name: "aud",
            expected,
        })
    }
}

fn kind(text: &str) -> Result<String, FormError> {
    let expected = "an event type: 3 to 40 of a-z and single inner hyphens";
    let good = (3..=MAX_TYPE).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--");
    if good {
        Ok(text.to_owned())
    } else {
        Err(FormError::Claim {
            name: "type",
            expected,
        })
    }
}

fn check_data(data: &Map<String, Value>) -> Result<(), FormError> {
    if let Some(list) = data.get("_sd") {
        let digests: Option<Vec<&str>> = list
            .as_array()
            .and_then(|l| l.iter().map(Value::as_str).collect());
        let digests = digests.ok_or(FormError::Digests)?;
        let good = digests.windows(2).all(|pair| pair[0] < pair[1])
            && digests
                .iter()
                .all(|digest| Hash::from_base64url(digest).is_some());
        if !good || digests.is_empty() {
            return Err(FormError::Digests);
        }
    }
    data.iter().try_for_each(|(name, value)| match name.as_str() {
        "_sd" => Ok(()),
        other if is_reserved(other) => Err(FormError::Reserved(name.clone())),
        // Below the top of `data` nothing is sealed, so that a reader needs to look in one place only.
        _ => reserved_within(value).map_or(Ok(()), |name| Err(FormError::Reserved(name.to_owned()))),
    })
}
