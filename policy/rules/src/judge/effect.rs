//! What an accepted event writes into states.

use std::collections::BTreeMap;

use daybook_core::Hash;
use daybook_core::constitution::State;
use daybook_core::id::Stream;
use serde_json::{Map, Value, json};

use super::Scene;
use crate::source::Source;

/// One change of a state. A member is a name in the state of the event's own stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// `set MEMBER SOURCE`: the value, or nothing where the event has none.
    Set(String, Source),
    /// `setif FIELD MEMBER SOURCE`: only if the field is true.
    SetIf(String, String, Source),
    /// `unset MEMBER`.
    Unset(String),
    /// `put MEMBER KEY SOURCE`: one entry of an object.
    Put(String, Source, Source),
    /// `drop MEMBER KEY`.
    Drop(String, Source),
    /// `push MEMBER SOURCE`: at the end of a list, if the event has the value.
    Push(String, Source),
    /// `tell ALIAS MEMBER SOURCE`: a mark in the states of other streams.
    Tell(String, String, Source),
    /// `adopt MEMBER FIELD`: hash, leaf hash and position of a rule table.
    Adopt(String, String),
    /// `open-jobs`: the states of the jobs that a submission names.
    OpenJobs,
}

impl Effect {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let source = |text: &str| Source::parse(text);
        let name = |text: &str| text.to_owned();
        let effect = match words.as_slice() {
            ["set", member, from] => Self::Set(name(member), source(from)?),
            ["setif", field, member, from] => Self::SetIf(name(field), name(member), source(from)?),
            ["unset", member] => Self::Unset(name(member)),
            ["put", member, key, from] => Self::Put(name(member), source(key)?, source(from)?),
            ["drop", member, key] => Self::Drop(name(member), source(key)?),
            ["push", member, from] => Self::Push(name(member), source(from)?),
            ["tell", alias, member, from] => Self::Tell(name(alias), name(member), source(from)?),
            ["adopt", member, field] => Self::Adopt(name(member), name(field)),
            ["open-jobs"] => Self::OpenJobs,
            _ => return None,
        };
        let good =
            |member: &str| !member.is_empty() && member.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        effect.member().is_none_or(good).then_some(effect)
    }

    /// The member of a state that it writes.
    pub(crate) fn member(&self) -> Option<&str> {
        match self {
            Self::Set(member, _)
            | Self::SetIf(_, member, _)
            | Self::Unset(member)
            | Self::Put(member, ..)
            | Self::Drop(member, _)
            | Self::Push(member, _)
            | Self::Tell(_, member, _)
            | Self::Adopt(member, _) => Some(member),
            Self::OpenJobs => None,
        }
    }

    /// The name in `reads` of the streams that it marks.
    pub(crate) fn alias(&self) -> Option<&str> {
        match self {
            Self::Tell(alias, ..) => Some(alias),
            Self::OpenJobs => Some("job"),
            _ => None,
        }
    }

    /// Where it takes values from.
    pub(crate) fn sources(&self) -> Vec<Source> {
        match self {
            Self::Set(_, from) | Self::Push(_, from) | Self::Tell(_, _, from) | Self::Drop(_, from) => {
                vec![from.clone()]
            }
            Self::Put(_, key, from) => vec![key.clone(), from.clone()],
            Self::SetIf(field, _, from) => vec![Source::Field(field.clone()), from.clone()],
            Self::Adopt(_, field) => vec![Source::Field(field.clone())],
            Self::OpenJobs => ["jobs", "packet", "workflow"]
                .map(|field| Source::Field(field.to_owned()))
                .to_vec(),
            Self::Unset(_) => Vec::new(),
        }
    }

    pub(crate) fn apply(&self, scene: &Scene<'_>, own: &mut State, others: &mut BTreeMap<Stream, State>) {
        let value = |source: &Source| source.value(scene.event, scene.was);
        match self {
            Self::Set(member, from) => set(own, member, value(from)),
            Self::SetIf(field, member, from) => {
                if scene.field(field) == Some(&Value::Bool(true)) {
                    set(own, member, value(from));
                }
            }
            Self::Unset(member) => set(own, member, None),
            Self::Put(member, key, from) => {
                if let (Some(Value::String(key)), Some(value)) = (value(key), value(from)) {
                    let entries = own.entry(member.as_str()).or_insert_with(|| json!({}));
                    if let Some(entries) = entries.as_object_mut() {
                        entries.insert(key, value);
                    }
                }
            }
            Self::Drop(member, key) => {
                if let (Some(Value::String(key)), Some(Value::Object(entries))) =
                    (value(key), own.get_mut(member.as_str()))
                {
                    entries.remove(&key);
                }
            }
            Self::Push(member, from) => {
                if let Some(value) = value(from) {
                    let list = own.entry(member.as_str()).or_insert_with(|| json!([]));
                    if let Some(list) = list.as_array_mut() {
                        list.push(value);
                    }
                }
            }
            Self::Tell(alias, member, from) => {
                for stream in scene.streams(alias) {
                    if let Some(state) = scene.facts.state(&stream) {
                        let state = others.entry(stream).or_insert_with(|| state.clone());
                        set(state, member, value(from));
                    }
                }
            }
            Self::Adopt(member, field) => {
                let table = scene.field(field).map(daybook_core::canonical::text);
                let hash = Hash::of(table.unwrap_or_default().as_bytes());
                let policy = json!({
                    "hash": hash.to_base64url(), "leaf": scene.event.leaf().to_base64url(), "seq": scene.event.claims().seq,
                });
                set(own, member, Some(policy));
            }
            Self::OpenJobs => open_jobs(scene, others),
        }
    }
}

fn set(state: &mut State, member: &str, value: Option<Value>) {
    match value {
        Some(value) => state.insert(member.to_owned(), value),
        None => state.remove(member),
    };
}

/// Makes the state of each job that a submission names. Its author is the TRE named there, so that the constitution lets
/// nobody else write the job's stream.
fn open_jobs(scene: &Scene<'_>, others: &mut BTreeMap<Stream, State>) {
    let jobs: Map<String, Value> = scene
        .field("jobs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (tre, job) in jobs {
        let id = job.get("job").and_then(Value::as_str).unwrap_or_default();
        let Ok(stream) = format!("job/{id}").parse::<Stream>() else {
            continue;
        };
        let mut state = State::new();
        let mut put = |member: &str, value: Option<Value>| set(&mut state, member, value);
        let value = |source: Source| source.value(scene.event, scene.was);
        put("author", Some(format!("tre/{tre}").into()));
        put("cause", value(Source::Leaf));
        put("datasets", job.get("datasets").cloned());
        put("member", value(Source::Member));
        put("packet", scene.field("packet").cloned());
        put("project", value(Source::Project));
        put("state", Some("submitted".into()));
        put("submission", value(Source::Id));
        put("tre", Some(tre.into()));
        put("workflow", scene.field("workflow").cloned());
        others.insert(stream, state);
    }
}
