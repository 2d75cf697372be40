//! Kinds of clear fields.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::canonical::MAX_INTEGER;
use daybook_core::id::{Slug, random_id};
use daybook_core::key::{KeyUse, PublicKey};
use serde_json::{Map, Value};

use super::{code_list, count, is_bytes, joined, numbers};
use crate::table::Table;

/// The latest time that an event may name: the end of the year 9999.
const LAST_TIME: i64 = 253_402_300_799;

/// What a clear field may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClearKind {
    /// A random UUID in its one spelling.
    Uuid,
    /// A registered short name.
    Slug,
    /// 32 bytes in base64url; the word says of what: `leaf`, `commitment`, `digest`, `root`, `tag` or `thumbprint`.
    Digest(String),
    /// A public key as JWK member `x`.
    Key,
    /// 64 bytes in base64url.
    Signature,
    /// An integer within limits.
    Int(i64, i64),
    /// True or false.
    Bool,
    /// True.
    Yes,
    /// Seconds since 1970.
    Time,
    /// One of a closed list, named.
    Code(String, BTreeSet<String>),
    /// Keys with proofs of possession, of exactly the form that the constitution reads.
    Keys,
    /// Different items of one kind: at least, at most, which.
    List(usize, usize, Box<ClearKind>),
    /// TREs, each with a fresh job id and datasets: at most so many TREs, at most so many datasets each.
    Jobs(usize, usize),
    /// At most so many witness cosignatures (C2SP cosignature/v1), one a key: key id, key, time, signature.
    Cosignatures(usize),
    /// Events by leaf hash, each with digests: at most so many events, at most so many digests each.
    Erasures(usize, usize),
    /// A rule table.
    Table,
}

impl ClearKind {
    pub(crate) fn parse(text: &str, codes: &BTreeMap<String, BTreeSet<String>>) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let (first, rest) = words.split_first()?;
        let kind = match (*first, rest) {
            ("uuid", []) => Self::Uuid,
            ("slug", []) => Self::Slug,
            ("leaf" | "commitment" | "digest" | "root" | "tag" | "thumbprint", []) => {
                Self::Digest((*first).to_owned())
            }
            ("key", []) => Self::Key,
            ("signature", []) => Self::Signature,
            ("bool", []) => Self::Bool,
            ("yes", []) => Self::Yes,
            ("time", []) => Self::Time,
            ("keys", []) => Self::Keys,
            ("table", []) => Self::Table,
            ("code", [name]) => Self::Code((*name).to_owned(), code_list(name, codes)?),
            ("int", rest) => {
                let [from, to] = numbers(rest)?;
                (from <= to && from >= -MAX_INTEGER && to <= MAX_INTEGER).then_some(Self::Int(from, to))?
            }
            ("list", [from, to, item @ ..]) => {
                let [least] = numbers(&[from])?;
                let item = Self::parse(&item.join(" "), codes).filter(Self::is_plain)?;
                Self::List(usize::try_from(least).ok()?, count(&[to])?, Box::new(item))
            }
            ("jobs", [tres, datasets]) => Self::Jobs(count(&[tres])?, count(&[datasets])?),
            ("cosignatures", most) => Self::Cosignatures(count(most)?),
            ("erasures", [events, digests]) => Self::Erasures(count(&[events])?, count(&[digests])?),
            _ => return None,
        };
        Some(kind)
    }

    /// Whether it may be an item of a list.
    fn is_plain(&self) -> bool {
        matches!(self, Self::Uuid | Self::Slug | Self::Digest(_))
    }

    /// Whether a value is of this kind.
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Uuid => is_uuid(value),
            Self::Slug => value.as_str().is_some_and(is_slug),
            Self::Digest(_) => is_digest(value),
            Self::Key => value.as_str().is_some_and(|x| PublicKey::from_x(x).is_ok()),
            Self::Signature => value.as_str().is_some_and(|text| is_bytes(text, 64)),
            Self::Int(from, to) => value.as_i64().is_some_and(|n| (*from..=*to).contains(&n)),
            Self::Bool => value.is_boolean(),
            Self::Yes => *value == Value::Bool(true),
            Self::Time => value.as_i64().is_some_and(|n| (0..=LAST_TIME).contains(&n)),
            Self::Code(_, codes) => value.as_str().is_some_and(|code| codes.contains(code)),
            Self::Keys => items(value, 1, 4).is_some_and(|keys| keys.iter().all(is_key)),
            Self::List(from, to, item) => {
                items(value, *from, *to).is_some_and(|list| differ(list) && list.iter().all(|v| item.fits(v)))
            }
            Self::Jobs(tres, datasets) => is_jobs(value, *tres, *datasets),
            Self::Cosignatures(most) => {
                let keys = |list: &[Value]| {
                    list.iter()
                        .filter_map(|one| one.get("key").cloned())
                        .collect::<Vec<_>>()
                };
                items(value, 0, *most)
                    .is_some_and(|list| list.iter().all(is_cosignature) && differ(&keys(list)))
            }
            Self::Erasures(events, digests) => {
                items(value, 1, *events).is_some_and(|list| list.iter().all(|v| is_erasure(v, *digests)))
            }
            Self::Table => Table::from_value(value).is_ok(),
        }
    }

    /// The kind in words, for a refusal and for `docs/EVENTS.md`.
    pub fn describe(&self) -> String {
        match self {
            Self::Uuid => "a random UUID (version 4, lower case)".to_owned(),
            Self::Slug => "a slug: 2 to 32 of a-z, 0-9 and single hyphens".to_owned(),
            Self::Digest(of) => format!("a {of}: 32 bytes in base64url (43 characters)"),
            Self::Key => "an Ed25519 public key in base64url (43 characters)".to_owned(),
            Self::Signature => "an Ed25519 signature in base64url (86 characters)".to_owned(),
            Self::Int(from, to) if *to == MAX_INTEGER => format!("an integer from {from}"),
            Self::Int(from, to) => format!("an integer from {from} to {to}"),
            Self::Bool => "true or false".to_owned(),
            Self::Yes => "true, and nothing else".to_owned(),
            Self::Time => "a time in seconds since 1970".to_owned(),
            Self::Code(name, codes) => format!("a code of the list {name}: {}", joined(codes)),
            Self::Keys => "1 to 4 keys, each exactly `proof`, `use` (event or access) and `x`".to_owned(),
            Self::List(from, to, item) => format!(
                "a list of {from} to {to} different items, each {}",
                item.describe()
            ),
            Self::Jobs(tres, datasets) => format!(
                "an object of 1 to {tres} TREs, each with exactly `job` (a fresh random UUID) and `datasets` (1 to {datasets} UUIDs)"
            ),
            Self::Cosignatures(most) => format!(
                "a list of at most {most} cosignatures of different keys, each exactly `id` (8 hexadecimal digits), `key` (43 characters), `signature` (86) and `time`"
            ),
            Self::Erasures(events, digests) => format!(
                "a list of 1 to {events} events, each exactly `event` (a leaf hash) and `digests` (1 to {digests} different digests)"
            ),
            Self::Table => "a rule table of version 1".to_owned(),
        }
    }
}

fn items(value: &Value, from: usize, to: usize) -> Option<&Vec<Value>> {
    value.as_array().filter(|list| (from..=to).contains(&list.len()))
}

fn differ(list: &[Value]) -> bool {
    let texts: BTreeSet<&str> = list.iter().filter_map(Value::as_str).collect();
    texts.len() == list.len()
}

fn is_uuid(value: &Value) -> bool {
    value.as_str().is_some_and(|text| random_id(text).is_ok())
}

fn is_slug(text: &str) -> bool {
    text.parse::<Slug>().is_ok()
}

fn is_digest(value: &Value) -> bool {
    value.as_str().is_some_and(|text| is_bytes(text, 32))
}

fn is_digests(value: &Value, most: usize) -> bool {
    items(value, 1, most).is_some_and(|list| differ(list) && list.iter().all(is_digest))
}

/// An object of exactly these members.
fn exactly<'a, const N: usize>(value: &'a Value, names: [&str; N]) -> Option<[&'a Value; N]> {
    let object: &Map<String, Value> = value.as_object().filter(|object| object.len() == N)?;
    let members: Option<Vec<&Value>> = names.iter().map(|name| object.get(*name)).collect();
    members?.try_into().ok()
}

fn is_key(value: &Value) -> bool {
    exactly(value, ["proof", "use", "x"]).is_some_and(|[proof, usage, x]| {
        let usage = usage.as_str();
        proof.as_str().is_some_and(|text| is_bytes(text, 64))
            && [KeyUse::Event, KeyUse::Access]
                .iter()
                .any(|known| usage == Some(known.as_str()))
            && is_digest(x)
    })
}

fn is_cosignature(value: &Value) -> bool {
    exactly(value, ["id", "key", "signature", "time"]).is_some_and(|[id, key, signature, time]| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        id.as_str()
            .is_some_and(|id| id.len() == 8 && id.bytes().all(is_hex))
            && is_digest(key)
            && signature.as_str().is_some_and(|text| is_bytes(text, 64))
            && ClearKind::Time.fits(time)
    })
}

fn is_erasure(value: &Value, most: usize) -> bool {
    exactly(value, ["digests", "event"])
        .is_some_and(|[digests, event]| is_digests(digests, most) && is_digest(event))
}

fn is_jobs(value: &Value, tres: usize, datasets: usize) -> bool {
    let Some(jobs) = value.as_object() else {
        return false;
    };
    let mut ids = BTreeSet::new();
    (1..=tres).contains(&jobs.len())
        && jobs.iter().all(|(tre, job)| {
            is_slug(tre)
                && exactly(job, ["datasets", "job"]).is_some_and(|[list, id]| {
                    let list = items(list, 1, datasets);
                    is_uuid(id)
                        && ids.insert(id.as_str())
                        && list.is_some_and(|list| differ(list) && list.iter().all(is_uuid))
                })
        })
}
