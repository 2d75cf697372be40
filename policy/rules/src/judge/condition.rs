//! The closed list of conditions that a rule table may name.

use std::fmt;

use serde_json::Value;

use super::named::{NAMED, Named};
use super::{Scene, word};
use crate::refusal::Refusal;
use crate::source::Source;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// One condition. A field is a clear field of the event, a member one of the state of its stream, an alias the name in
/// `reads` of other streams; a condition on an alias must hold for each of its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `same SOURCE MEMBER`: equal.
    Same(Source, String),
    /// `next FIELD MEMBER`: one more than the member, or 1.
    Next(String, String),
    /// `most FIELD LIMIT`: at most the limit.
    Most(String, String),
    /// `grows FIELD MEMBER`: larger than the member.
    Grows(String, String),
    /// `clock MEMBER`: `iat` is not before the member.
    Clock(String),
    /// `has MEMBER FIELD`: the object has that entry.
    Has(String, String),
    /// `lacks MEMBER FIELD`: it has not.
    Lacks(String, String),
    /// `present MEMBER`.
    Present(String),
    /// `absent MEMBER`.
    Absent(String),
    /// `fresh FIELD MEMBER`: where the field is there, it neither equals the member nor stands in it.
    Fresh(String, String),
    /// `future FIELD LIMIT`: after `iat`, by at most so many days.
    Future(String, String),
    /// `other ALIAS STATE…`: in one of these states.
    Other(String, Vec<String>),
    /// `quotes SOURCE ALIAS MEMBER`: equal to that member of the other state.
    Quotes(Source, String, String),
    /// `mine ALIAS`: written by the author's organisation.
    Mine(String),
    /// `past MEMBER`: the member, where there is one, is not after now.
    Past(String),
    /// `unexpired ALIAS`: its `until` is after now.
    Unexpired(String),
    /// A condition of this list without arguments.
    Named(Named),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(from, member) => write!(f, "same {from} {member}"),
            Self::Next(field, member) => write!(f, "next {field} {member}"),
            Self::Most(field, limit) => write!(f, "most {field} {limit}"),
            Self::Grows(field, member) => write!(f, "grows {field} {member}"),
            Self::Clock(member) => write!(f, "clock {member}"),
            Self::Has(member, field) => write!(f, "has {member} {field}"),
            Self::Lacks(member, field) => write!(f, "lacks {member} {field}"),
            Self::Present(member) => write!(f, "present {member}"),
            Self::Absent(member) => write!(f, "absent {member}"),
            Self::Fresh(field, member) => write!(f, "fresh {field} {member}"),
            Self::Future(field, limit) => write!(f, "future {field} {limit}"),
            Self::Other(alias, states) => write!(f, "other {alias} {}", states.join(" ")),
            Self::Quotes(from, alias, member) => write!(f, "quotes {from} {alias} {member}"),
            Self::Mine(alias) => write!(f, "mine {alias}"),
            Self::Past(member) => write!(f, "past {member}"),
            Self::Unexpired(alias) => write!(f, "unexpired {alias}"),
            Self::Named(named) => f.write_str(named.entry().map_or("", |entry| entry.0)),
        }
    }
}

impl Condition {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        if words.iter().any(|word| word.is_empty()) {
            return None;
        }
        let name = |text: &str| text.to_owned();
        let condition = match words.as_slice() {
            ["same", from, member] => Self::Same(Source::parse(from)?, name(member)),
            ["next", field, member] => Self::Next(name(field), name(member)),
            ["most", field, limit] => Self::Most(name(field), name(limit)),
            ["grows", field, member] => Self::Grows(name(field), name(member)),
            ["clock", member] => Self::Clock(name(member)),
            ["has", member, field] => Self::Has(name(member), name(field)),
            ["lacks", member, field] => Self::Lacks(name(member), name(field)),
            ["present", member] => Self::Present(name(member)),
            ["absent", member] => Self::Absent(name(member)),
            ["fresh", field, member] => Self::Fresh(name(field), name(member)),
            ["future", field, limit] => Self::Future(name(field), name(limit)),
            ["other", alias, states @ ..] if !states.is_empty() => {
                Self::Other(name(alias), states.iter().map(|state| name(state)).collect())
            }
            ["quotes", from, alias, member] => Self::Quotes(Source::parse(from)?, name(alias), name(member)),
            ["mine", alias] => Self::Mine(name(alias)),
            ["past", member] => Self::Past(name(member)),
            ["unexpired", alias] => Self::Unexpired(name(alias)),
            [only] => Self::Named(NAMED.iter().find(|entry| entry.0 == *only)?.1),
            _ => return None,
        };
        Some(condition)
    }

    /// The names in `reads` on which it depends.
    pub(crate) fn aliases(&self) -> Vec<&str> {
        match self {
            Self::Other(alias, _)
            | Self::Quotes(_, alias, _)
            | Self::Mine(alias)
            | Self::Unexpired(alias) => {
                vec![alias]
            }
            Self::Named(named) => named.entry().map_or_else(Vec::new, |entry| entry.2.to_vec()),
            _ => Vec::new(),
        }
    }

    /// The clear fields on which it depends.
    pub(crate) fn fields(&self) -> Vec<&str> {
        match self {
            Self::Next(field, _)
            | Self::Most(field, _)
            | Self::Grows(field, _)
            | Self::Has(_, field)
            | Self::Lacks(_, field)
            | Self::Fresh(field, _)
            | Self::Future(field, _) => vec![field],
            Self::Named(named) => named.entry().map_or_else(Vec::new, |entry| entry.3.to_vec()),
            _ => Vec::new(),
        }
    }

    /// Where it takes a value from.
    pub(crate) fn sources(&self) -> Vec<&Source> {
        match self {
            Self::Same(from, _) | Self::Quotes(from, ..) => vec![from],
            _ => Vec::new(),
        }
    }

    /// The limit on which it depends.
    pub(crate) fn limit(&self) -> Option<&str> {
        match self {
            Self::Most(_, limit) | Self::Future(_, limit) => Some(limit),
            Self::Named(Named::Reviewed) => Some("reviews"),
            Self::Named(Named::MaterialEnd) => Some("project-days"),
            _ => None,
        }
    }

    /// What the conditions of the second kind say, by name.
    pub(crate) fn glossary() -> impl Iterator<Item = (&'static str, &'static str)> {
        NAMED.iter().map(|entry| (entry.0, entry.4))
    }

    pub(crate) fn check(&self, scene: &Scene<'_>) -> Result<(), Refusal> {
        let state = scene.state;
        match self {
            Self::Same(from, member) => equal(
                from.value(scene.event, scene.was).as_ref(),
                from,
                state.get(member),
                || format!("the stream's state has as {member:?}"),
            ),
            Self::Next(field, member) => {
                let expected = integer(state.get(member)).saturating_add(1);
                must(integer(scene.field(field)) == expected, || Refusal::NotNext {
                    field: field.clone(),
                    expected,
                })
            }
            Self::Most(field, limit) => {
                let most = scene.table.limit(limit).unwrap_or(0);
                must(integer(scene.field(field)) <= most, || Refusal::OverLimit {
                    field: field.clone(),
                    limit: limit.clone(),
                    most,
                })
            }
            Self::Grows(field, member) => {
                let before = integer(state.get(member));
                must(integer(scene.field(field)) > before, || Refusal::Backwards {
                    what: field.clone(),
                    before,
                })
            }
            Self::Clock(member) => {
                let before = integer(state.get(member));
                must(scene.event.claims().iat >= before, || Refusal::Backwards {
                    what: "iat".to_owned(),
                    before,
                })
            }
            Self::Has(member, field) => entry(scene, member, field, true),
            Self::Lacks(member, field) => entry(scene, member, field, false),
            Self::Present(member) => must(state.contains_key(member), || Refusal::NotYet {
                member: member.clone(),
            }),
            Self::Absent(member) => must(!state.contains_key(member), || Refusal::Already {
                member: member.clone(),
            }),
            Self::Fresh(field, member) => {
                let Some(value) = scene.field(field) else {
                    return Ok(());
                };
                let is_known = state.get(member).is_some_and(|known| {
                    known == value || known.as_array().is_some_and(|list| list.contains(value))
                });
                must(!is_known, || Refusal::SamePerson {
                    field: field.clone(),
                    member: member.clone(),
                })
            }
            Self::Future(field, limit) => future(scene, field, limit),
            Self::Other(alias, states) => others(scene, alias, states),
            Self::Quotes(from, alias, member) => {
                let value = from.value(scene.event, scene.was);
                scene.streams(alias).iter().try_for_each(|stream| {
                    let known = scene.facts.state(stream).and_then(|state| state.get(member));
                    equal(value.as_ref(), from, known, || {
                        format!("{stream} has as {member:?}")
                    })
                })
            }
            Self::Mine(alias) => scene.streams(alias).iter().try_for_each(|stream| {
                let author = scene
                    .facts
                    .state(stream)
                    .and_then(|state| state.get("author")?.as_str());
                let own = scene.event.claims().iss.organisation().to_string();
                must(author == Some(own.as_str()), || Refusal::NotYours {
                    stream: stream.clone(),
                    organisation: own.clone(),
                })
            }),
            Self::Past(member) => {
                let until = integer(state.get(member));
                must(until <= scene.now(), || Refusal::TooEarly { until })
            }
            Self::Unexpired(alias) => scene.streams(alias).iter().try_for_each(|stream| {
                let until = integer(scene.facts.state(stream).and_then(|state| state.get("until")));
                must(until > scene.now(), || Refusal::Expired {
                    stream: stream.clone(),
                    until,
                })
            }),
            Self::Named(named) => named.check(scene),
        }
    }
}

fn future(scene: &Scene<'_>, field: &str, limit: &str) -> Result<(), Refusal> {
    let days = scene.table.limit(limit).unwrap_or(0);
    let (time, stated) = (integer(scene.field(field)), scene.event.claims().iat);
    let latest = stated.saturating_add(days.saturating_mul(DAY));
    must(time > stated && time <= latest, || Refusal::NotAhead {
        field: field.to_owned(),
        days,
    })
}

pub(super) fn must(holds: bool, refusal: impl FnOnce() -> Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal()) }
}

pub(super) fn integer(value: Option<&Value>) -> i64 {
    value.and_then(Value::as_i64).unwrap_or(0)
}

fn equal(
    value: Option<&Value>,
    from: &Source,
    known: Option<&Value>,
    of: impl FnOnce() -> String,
) -> Result<(), Refusal> {
    must(value.is_some() && value == known, || Refusal::NotEqual {
        field: from.name(),
        of: of(),
        expected: known.map_or_else(|| "nothing".to_owned(), Value::to_string),
    })
}

fn entry(scene: &Scene<'_>, member: &str, field: &str, expected: bool) -> Result<(), Refusal> {
    let key = scene.field(field).and_then(Value::as_str).unwrap_or_default();
    let entries = scene.state.get(member).and_then(Value::as_object);
    let found = entries.is_some_and(|entries| entries.contains_key(key));
    must(found == expected, || {
        let (field, value, member) = (field.to_owned(), key.to_owned(), member.to_owned());
        if expected {
            Refusal::NotKnown { field, value, member }
        } else {
            Refusal::Known { field, value, member }
        }
    })
}

fn others(scene: &Scene<'_>, alias: &str, states: &[String]) -> Result<(), Refusal> {
    scene.streams(alias).iter().try_for_each(|stream| {
        let found = scene.facts.state(stream).map_or(crate::table::NONE, word);
        must(states.iter().any(|state| state == found), || {
            Refusal::OtherState {
                stream: stream.clone(),
                state: found.to_owned(),
                allowed: states.join(", "),
            }
        })
    })
}
