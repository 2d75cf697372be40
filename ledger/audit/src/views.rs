//! What the hub publishes against what follows from the entries, so that one that shows one thing and logs another is caught.
//!
//! The log goes on meanwhile. A row names the last entry about it: one that is newer than what was read is passed over, and
//! looked at by the next audit.

use std::collections::BTreeSet;

use daybook_core::constitution::State;
use daybook_rules::words;
use daybook_store::audit::scratch::{Scratch, Table};
use daybook_store::audit::states;
use serde_json::{Map, Value, json};

use crate::finding::{Finding, Kind, Report};
use crate::replay::Replay;
use crate::run::AuditError;
use crate::source::{Source, SourceError};

/// Rows of a page.
const PAGE: u16 = 200;
/// Rows that are told one by one.
const MAX_TOLD: usize = 20;
/// Rows of streams that are read at once.
const STREAMS: usize = 1_000;

/// A list of the hub: where it is, its member, the kind of stream that it shows, and the members of a state that its rows
/// have too. Jobs have their public words besides.
struct List {
    path: &'static str,
    member: &'static str,
    kind: &'static str,
    id: &'static str,
    members: &'static [&'static str],
}

const LISTS: [List; 6] = [
    List {
        path: "/v1/jobs",
        member: "jobs",
        kind: "job",
        id: "id",
        members: &[
            "state",
            "project",
            "tre",
            "member",
            "submission",
            "workflow",
            "packet",
            "results",
            "cause",
            "attempts",
            "held",
            "failure",
            "extent",
            "recalled",
        ],
    },
    List {
        path: "/v1/projects",
        member: "projects",
        kind: "project",
        id: "id",
        members: &["state", "version"],
    },
    List {
        path: "/v1/register",
        member: "entries",
        kind: "register",
        id: "project",
        members: &["state", "version", "cause", "code", "tre"],
    },
    List {
        path: "/v1/datasets",
        member: "datasets",
        kind: "dataset",
        id: "id",
        members: &["state", "version"],
    },
    List {
        path: "/v1/workflows",
        member: "workflows",
        kind: "workflow",
        id: "id",
        members: &["state", "digest"],
    },
    List {
        path: "/v1/submissions",
        member: "submissions",
        kind: "submission",
        id: "id",
        members: &["project", "member", "workflow", "packet"],
    },
];

impl List {
    /// What a row says, as far as it is compared.
    fn shown(&self, row: &Value) -> Value {
        self.picked(|name| row.get(name), row.get("public").cloned())
    }

    /// What it should say.
    fn derived(&self, state: &State) -> Value {
        let public = words::of(state);
        let public =
            json!({ "word": public.word, "sentence": public.sentence, "turn": public.turn.as_str() });
        self.picked(|name| state.get(name), Some(public))
    }

    fn picked<'a>(&self, of: impl Fn(&str) -> Option<&'a Value>, public: Option<Value>) -> Value {
        let members = self.members.iter();
        let mut picked: Map<String, Value> = members
            .map(|name| ((*name).to_owned(), of(name).cloned().unwrap_or_default()))
            .collect();
        if self.kind == "job" {
            picked.insert("public".to_owned(), public.unwrap_or_default());
        }
        Value::Object(picked)
    }
}

/// Compares every list with the states of the streams.
pub(crate) async fn compare(source: &Source, replay: &mut Replay) -> Result<(), AuditError> {
    let size = replay.state.kept.next;
    let scratch = &replay.state.states.scratch;
    for list in &LISTS {
        let outcome = one(source, scratch, list, size, &mut replay.state.kept.report).await;
        match outcome {
            Ok(()) => {}
            Err(AuditError::Source(SourceError::NoLists)) => return Ok(()),
            Err(AuditError::Source(error)) => {
                let words = format!("{}: {error}", list.path);
                replay
                    .state
                    .kept
                    .report
                    .add(Finding::new(Kind::NotCompared, words));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn one(
    source: &Source,
    scratch: &Scratch,
    list: &List,
    size: u64,
    report: &mut Report,
) -> Result<(), AuditError> {
    let mut listed: BTreeSet<String> = BTreeSet::new();
    let mut differs: Vec<String> = Vec::new();
    let mut query = format!("{}?limit={PAGE}&at_least={size}", list.path);
    let mut newer = 0;
    loop {
        let page = source.json(&query).await?;
        for row in page
            .get(list.member)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let id = row.get(list.id).and_then(Value::as_str).unwrap_or_default();
            let state = state_of(scratch, &format!("{}/{id}", list.kind))?;
            report.compared += 1;
            let derived = state.map(|state| list.derived(&state));
            let shown = list.shown(row);
            if row
                .get("latest")
                .and_then(Value::as_u64)
                .is_some_and(|latest| latest >= size)
            {
                newer += 1;
            } else if derived.as_ref() != Some(&shown) {
                let there =
                    derived.map_or("no such thing".to_owned(), |derived| difference(&derived, &shown));
                differs.push(format!("{} {id}: {there}", list.kind));
            }
            listed.insert(id.to_owned());
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => query = format!("{}?limit={PAGE}&cursor={next}", list.path),
            None => break,
        }
    }
    for name in of_kind(scratch, list.kind)? {
        let id = name.split_once('/').map_or("", |(_, id)| id);
        if !listed.contains(id) {
            differs.push(format!("{name}: the entries know it, and the list does not"));
        }
    }
    if newer > 0 {
        let words = format!(
            "{}: {newer} rows are newer than what was read; the next audit looks at them",
            list.path
        );
        report.add(Finding::new(Kind::NotCompared, words));
    }
    let more = differs.len().saturating_sub(MAX_TOLD);
    for words in differs.iter().take(MAX_TOLD) {
        report.add(Finding::new(Kind::ViewDiffers, words));
    }
    if more > 0 {
        report.add(Finding::new(
            Kind::ViewDiffers,
            format!("{}: {more} more rows", list.path),
        ));
    }
    Ok(())
}

/// The members in which they differ, as the entries give them and as they are shown.
fn difference(derived: &Value, shown: &Value) -> String {
    let members = derived.as_object().into_iter().flatten();
    let differs = members.filter(|(name, value)| shown.get(name.as_str()) != Some(value));
    let told: Vec<String> = differs
        .map(|(name, value)| {
            format!(
                "{name} is {value}, shown is {}",
                shown.get(name.as_str()).unwrap_or(&Value::Null)
            )
        })
        .collect();
    told.join("; ")
}

fn state_of(scratch: &Scratch, stream: &str) -> Result<Option<State>, AuditError> {
    let row = scratch.get(Table::Heads, stream.as_bytes())?;
    Ok(row.and_then(|row| states::row(&row)?.state))
}

/// The names of all streams of a kind that have a state.
fn of_kind(scratch: &Scratch, kind: &str) -> Result<Vec<String>, AuditError> {
    let first = format!("{kind}/");
    let mut names = Vec::new();
    let mut after = Some(first.clone().into_bytes());
    loop {
        let page = scratch.page(Table::Heads, after.as_deref(), STREAMS)?;
        for (name, _) in &page {
            let name = String::from_utf8_lossy(name);
            if !name.starts_with(&first) {
                return Ok(names);
            }
            names.push(name.into_owned());
        }
        match page.last() {
            Some((last, _)) => after = Some(last.clone()),
            None => return Ok(names),
        }
    }
}
