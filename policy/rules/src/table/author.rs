//! The table as it is written: TOML by stream, with groups that stand for lists and sets of fields.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{RULES, TableError};

type Fields = BTreeMap<String, String>;

const COMMON: &str = include_str!("../../v1/common.toml");
const SOURCES: [(&str, &str); 11] = [
    ("federation", include_str!("../../v1/federation.toml")),
    ("log", include_str!("../../v1/log.toml")),
    ("tre", include_str!("../../v1/tre.toml")),
    ("dataset", include_str!("../../v1/dataset.toml")),
    ("workflow", include_str!("../../v1/workflow.toml")),
    ("project", include_str!("../../v1/project.toml")),
    ("approval", include_str!("../../v1/approval.toml")),
    ("submission", include_str!("../../v1/submission.toml")),
    ("job", include_str!("../../v1/job.toml")),
    ("register", include_str!("../../v1/register.toml")),
    ("erasure", include_str!("../../v1/erasure.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    limits: BTreeMap<String, i64>,
    classes: BTreeMap<String, i64>,
    codes: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    stream: String,
    states: Vec<String>,
    #[serde(default)]
    ends: Vec<String>,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    clear: BTreeMap<String, Fields>,
    #[serde(default)]
    sealed: BTreeMap<String, Fields>,
    #[serde(default)]
    reads: BTreeMap<String, Fields>,
    #[serde(default)]
    when: BTreeMap<String, Conditions>,
    events: BTreeMap<String, Event>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conditions {
    list: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    about: String,
    #[serde(default = "first")]
    v: u16,
    by: Vec<String>,
    from: Vec<String>,
    to: Value,
    include: Option<String>,
    #[serde(default)]
    clear: Fields,
    #[serde(default)]
    sealed: Fields,
    #[serde(default)]
    digests: usize,
    #[serde(default)]
    reads: Fields,
    #[serde(default)]
    when: Vec<String>,
    #[serde(default)]
    sets: Vec<String>,
}

fn first() -> u16 {
    1
}

/// The document of version 1.
pub(super) fn v1() -> Result<Value, TableError> {
    let common: Common = read("common", COMMON)?;
    let (mut streams, mut events) = (Map::new(), Map::new());
    for (name, text) in SOURCES {
        let source: Source = read(name, text)?;
        streams.insert(
            source.stream.clone(),
            json!({ "ends": source.ends, "states": source.states }),
        );
        for (kind, event) in &source.events {
            events.insert(kind.clone(), expand(&source, kind, event)?);
        }
    }
    Ok(json!({
        "classes": common.classes, "codes": common.codes, "events": events, "limits": common.limits, "rules": RULES,
        "streams": streams,
    }))
}

/// Each event type with its stream and what it is for in one sentence or two, in the order of the sources.
pub(crate) fn about() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (name, text) in SOURCES {
        let Ok(source) = read::<Source>(name, text) else {
            continue;
        };
        let mut kinds: Vec<(&String, &Event)> = source.events.iter().collect();
        kinds.sort_by_key(|(kind, _)| text.find(&format!("[events.{kind}]")));
        for (kind, event) in kinds {
            found.push((source.stream.clone(), kind.clone(), event.about.clone()));
        }
    }
    found
}

fn read<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<T, TableError> {
    toml::from_str(text).map_err(|error| TableError::Shape {
        at: format!("{name}.toml"),
        problem: error.to_string(),
    })
}

fn expand(source: &Source, kind: &str, event: &Event) -> Result<Value, TableError> {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        let is_empty = value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty)
            || value == json!(0);
        if !is_empty {
            object.insert(name.to_owned(), value);
        }
    };
    let fields = |own: &Fields, groups: &BTreeMap<String, Fields>| {
        let mut all = own.clone();
        if let Some(group) = event.include.as_ref().and_then(|name| groups.get(name)) {
            all.extend(group.clone());
        }
        json!(all)
    };
    let included = event.include.as_ref().and_then(|name| source.when.get(name));
    let mut when = Vec::new();
    for text in included.iter().flat_map(|group| &group.list).chain(&event.when) {
        when.push(groups(source, kind, text)?.join(" "));
    }
    let mut from = Vec::new();
    for text in &event.from {
        from.extend(groups(source, kind, text)?);
    }
    put("by", json!(event.by));
    put("clear", fields(&event.clear, &source.clear));
    put("digests", json!(event.digests));
    put("from", json!(from));
    put("reads", fields(&event.reads, &source.reads));
    put("sealed", fields(&event.sealed, &source.sealed));
    put("sets", json!(event.sets));
    put("stream", json!(source.stream));
    put("to", event.to.clone());
    put("v", json!(event.v));
    put("when", json!(when));
    Ok(Value::Object(object))
}

/// The words of a text, each `*group` being replaced by what it stands for.
fn groups(source: &Source, kind: &str, text: &str) -> Result<Vec<String>, TableError> {
    let mut words = Vec::new();
    for word in text.split(' ') {
        match word.strip_prefix('*') {
            None => words.push(word.to_owned()),
            Some(name) => {
                let group = source.groups.get(name).ok_or_else(|| TableError::Name {
                    at: kind.to_owned(),
                    what: "group",
                    name: name.to_owned(),
                })?;
                words.extend(group.iter().cloned());
            }
        }
    }
    Ok(words)
}
