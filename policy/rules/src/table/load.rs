//! Reading a table strictly: every name that it uses must be defined, and every word understood.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::sealed::ReaderClass;
use daybook_core::{Hash, canonical};
use serde::Deserialize;
use serde_json::Value;

use super::{Clear, EventRule, MAX_TABLE, NONE, RULES, Sealed, Streams, Table, TableError, Target};
use crate::judge::{CLOCK, Condition, Effect};
use crate::kind::{ClearKind, SealedKind};
use crate::source::{Source, Template};

/// The roles of `ledger/core`, but for auditors, who sign no event.
const ROLES: [&str; 9] = [
    "operator",
    "clerk",
    "editor",
    "registrar",
    "root",
    "relay",
    "runner",
    "review",
    "member",
];
const STREAMS: [&str; 11] = [
    "federation",
    "log",
    "tre",
    "dataset",
    "workflow",
    "project",
    "approval",
    "submission",
    "job",
    "register",
    "erasure",
];
/// Members of states that are not for effects to write.
const KEPT: [&str; 5] = ["author", "doubts", "keys", "state", "tres"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rules: i64,
    limits: BTreeMap<String, i64>,
    classes: BTreeMap<String, i64>,
    codes: BTreeMap<String, BTreeSet<String>>,
    streams: BTreeMap<String, StreamText>,
    events: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamText {
    states: Vec<String>,
    ends: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventText {
    stream: String,
    v: u16,
    by: Vec<String>,
    from: Vec<String>,
    to: TargetText,
    #[serde(default)]
    clear: BTreeMap<String, String>,
    #[serde(default)]
    sealed: BTreeMap<String, String>,
    #[serde(default)]
    digests: usize,
    #[serde(default)]
    reads: BTreeMap<String, String>,
    #[serde(default)]
    when: Vec<String>,
    #[serde(default)]
    sets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TargetText {
    One(String),
    By(BTreeMap<String, String>),
}

fn shape<T: for<'de> Deserialize<'de>>(at: &str, value: &Value) -> Result<T, TableError> {
    T::deserialize(value).map_err(|error| TableError::Shape {
        at: at.to_owned(),
        problem: error.to_string(),
    })
}

fn name(at: &str, what: &'static str, name: &str) -> TableError {
    TableError::Name {
        at: at.to_owned(),
        what,
        name: name.to_owned(),
    }
}

fn text(at: &str, text: &str, expected: &'static str) -> TableError {
    TableError::Text {
        at: at.to_owned(),
        text: text.to_owned(),
        expected,
    }
}

fn is_token(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

impl Table {
    /// Loads a table from `data.table` of a `policy-adopted` event.
    ///
    /// Unknown members, undefined names and words that this program does not know are errors, which say where.
    pub fn from_value(value: &Value) -> Result<Self, TableError> {
        canonical::check(value, 1)?;
        let canonical = canonical::text(value);
        if canonical.len() > MAX_TABLE {
            return Err(TableError::TooLong(canonical.len()));
        }
        let document: Document = shape("table", value)?;
        if document.rules != RULES {
            let found = document.rules.to_string();
            return Err(text("rules", &found, "1, the only version of the rules' words"));
        }
        let mut table = Self {
            hash: Hash::of(canonical.as_bytes()),
            canonical,
            limits: document.limits,
            classes: BTreeMap::new(),
            codes: document.codes,
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
        };
        table.load_names(document.classes, document.streams)?;
        for (kind, value) in &document.events {
            let rule = table.load_event(kind, &shape(&format!("events.{kind}"), value)?)?;
            table.events.insert(kind.clone(), rule);
        }
        Ok(table)
    }

    fn load_names(
        &mut self,
        classes: BTreeMap<String, i64>,
        streams: BTreeMap<String, StreamText>,
    ) -> Result<(), TableError> {
        for (limit, number) in &self.limits {
            if !is_token(limit) || !(0..=1_000_000).contains(number) {
                return Err(text("limits", limit, "a limit from 0 to 1000000"));
            }
        }
        for (list, codes) in &self.codes {
            if codes.is_empty() || !is_token(list) || !codes.iter().all(|code| is_token(code)) {
                return Err(text("codes", list, "a list of lower-case codes"));
            }
        }
        for (class, days) in classes {
            let known = ReaderClass::parse(&class).ok_or_else(|| name("classes", "reader class", &class))?;
            if !(0..=36_525).contains(&days) {
                return Err(text("classes", &class, "a class with 0 to 36525 days"));
            }
            self.classes.insert(known, days);
        }
        for (stream, StreamText { states, ends }) in streams {
            if !STREAMS.contains(&stream.as_str()) {
                return Err(name("streams", "kind of stream", &stream));
            }
            let at = format!("streams.{stream}");
            if let Some(bad) = states.iter().find(|state| !is_token(state) || *state == NONE) {
                return Err(text(&at, bad, "a state's name"));
            }
            if let Some(end) = ends.iter().find(|end| !states.contains(end)) {
                return Err(name(&at, "state", end));
            }
            self.streams.insert(stream, Streams { states, ends });
        }
        Ok(())
    }

    fn load_event(&self, kind: &str, event: &EventText) -> Result<EventRule, TableError> {
        let at = format!("events.{kind}");
        let streams = self
            .streams
            .get(&event.stream)
            .ok_or_else(|| name(&at, "kind of stream", &event.stream))?;
        let is_state = |state: &String| streams.states.contains(state);
        if let Some(role) = event.by.iter().find(|role| !ROLES.contains(&role.as_str())) {
            return Err(name(&at, "role", role));
        }
        if let Some(state) = event.from.iter().find(|from| *from != NONE && !is_state(from)) {
            return Err(name(&at, "state", state));
        }
        if event.by.is_empty() || event.from.is_empty() || !(1..=999).contains(&event.v) {
            return Err(text(&at, kind, "a type with roles, states and a version"));
        }
        let to = match &event.to {
            TargetText::One(to) if to == "@was" => Target::Same,
            TargetText::One(to) if to == "@resume" => Target::Resume,
            TargetText::One(to) if is_state(to) => Target::State(to.clone()),
            TargetText::One(to) => return Err(name(&at, "state", to)),
            TargetText::By(map) => {
                if let Some(state) = map.values().find(|to| !is_state(to)) {
                    return Err(name(&at, "state", state));
                }
                if let Some(state) = event.from.iter().find(|from| !map.contains_key(*from)) {
                    return Err(name(&at, "target for the state", state));
                }
                Target::By(map.clone())
            }
        };
        if matches!(to, Target::Same) && event.from.iter().any(|from| from == NONE) {
            return Err(text(&at, "@was", "a state for a stream's first event"));
        }
        let mut rule = EventRule {
            stream: event.stream.clone(),
            version: event.v,
            by: event.by.clone(),
            from: event.from.clone(),
            to,
            clear: BTreeMap::new(),
            sealed: BTreeMap::new(),
            digests: event.digests,
            reads: BTreeMap::new(),
            when: Vec::new(),
            sets: Vec::new(),
        };
        self.load_fields(&at, event, &mut rule)?;
        self.load_words(&at, event, &mut rule)?;
        Ok(rule)
    }

    fn load_fields(&self, at: &str, event: &EventText, rule: &mut EventRule) -> Result<(), TableError> {
        let is_name = |field: &str| is_token(field) && field.starts_with(|c: char| c.is_ascii_lowercase());
        for (field, words) in &event.clear {
            let at = format!("{at}.clear.{field}");
            let (required, kind) = required(words);
            let kind = ClearKind::parse(kind, &self.codes).filter(|_| is_name(field));
            let kind = kind.ok_or_else(|| text(&at, words, "a kind of clear field"))?;
            rule.clear.insert(field.clone(), Clear { required, kind });
        }
        for (field, words) in &event.sealed {
            let at = format!("{at}.sealed.{field}");
            let (required, words_left) = required(words);
            let (class, kind) = words_left.split_once(' ').unwrap_or((words_left, ""));
            let class = ReaderClass::parse(class).ok_or_else(|| name(&at, "reader class", class))?;
            let kind = SealedKind::parse(kind, &self.codes).filter(|_| is_name(field));
            let kind = kind.ok_or_else(|| text(&at, words, "a kind of sealed field"))?;
            let sealed = Sealed {
                required,
                class,
                kind,
            };
            rule.sealed.insert(field.clone(), sealed);
        }
        if event.digests < event.sealed.len() || event.digests > 64 {
            let found = event.digests.to_string();
            return Err(text(
                &format!("{at}.digests"),
                &found,
                "at least the number of sealed fields, and at most 64",
            ));
        }
        Ok(())
    }

    fn load_words(&self, at: &str, event: &EventText, rule: &mut EventRule) -> Result<(), TableError> {
        for (alias, words) in &event.reads {
            let at = format!("{at}.reads.{alias}");
            let template = Template::parse(words).ok_or_else(|| text(&at, words, "a stream's name"))?;
            if let Some(field) = template.fields().find(|field| !event.clear.contains_key(*field)) {
                return Err(name(&at, "clear field", field));
            }
            if alias == CLOCK && words != CLOCK {
                return Err(text(&at, words, "the stream `log`, for which this name is kept"));
            }
            rule.reads.insert(alias.clone(), template);
        }
        for words in &event.when {
            let at = format!("{at}.when");
            let condition = Condition::parse(words).ok_or_else(|| text(&at, words, "a condition"))?;
            for alias in condition.aliases() {
                if !event.reads.contains_key(alias) {
                    return Err(name(&at, "stream read", alias));
                }
            }
            for source in condition.sources() {
                check_source(&at, event, source)?;
            }
            for field in condition.fields() {
                if !event.clear.contains_key(field) {
                    return Err(name(&at, "clear field", field));
                }
            }
            if let Some(limit) = condition
                .limit()
                .filter(|limit| !self.limits.contains_key(*limit))
            {
                return Err(name(&at, "limit", limit));
            }
            rule.when.push(condition);
        }
        for words in &event.sets {
            let at = format!("{at}.sets");
            let effect = Effect::parse(words).ok_or_else(|| text(&at, words, "an effect"))?;
            if effect.member().is_some_and(|member| KEPT.contains(&member)) {
                return Err(text(&at, words, "an effect on a member that is free"));
            }
            if let Some(alias) = effect.alias().filter(|alias| !event.reads.contains_key(*alias)) {
                return Err(name(&at, "stream read", alias));
            }
            for source in effect.sources() {
                check_source(&at, event, &source)?;
            }
            rule.sets.push(effect);
        }
        Ok(())
    }
}

fn check_source(at: &str, event: &EventText, source: &Source) -> Result<(), TableError> {
    match source {
        Source::Field(field) if !event.clear.contains_key(field) => Err(name(at, "clear field", field)),
        _ => Ok(()),
    }
}

/// `?` before a kind says that the field may be missing.
fn required(words: &str) -> (bool, &str) {
    words
        .strip_prefix('?')
        .map_or((true, words), |rest| (false, rest))
}
