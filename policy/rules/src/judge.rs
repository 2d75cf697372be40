//! Whether an event may follow, and what becomes of the states.

mod approval;
mod condition;
mod effect;
mod named;
mod refold;

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::constitution::{self, Facts, Registration, State};
use daybook_core::event::{Event, POLICY_ADOPTED};
use daybook_core::id::Stream;
use serde_json::Value;

pub(crate) use self::condition::Condition;
pub(crate) use self::effect::Effect;
pub use self::refold::{refold, writes_across};
use crate::refusal::Refusal;
use crate::table::{EventRule, NONE, Table, Target};

/// The name in `reads` under which a rule relies on the log's own clock.
pub(crate) const CLOCK: &str = "log";
/// The kinds of streams that go on when the log is closed: erasure is a duty, and the log still dates itself.
const AFTER_THE_END: [&str; 2] = ["erasure", "log"];

/// What an accepted event changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The new state of the event's stream, and of each other stream whose state it makes or marks.
    pub states: BTreeMap<Stream, State>,
    /// The keys that it registers.
    pub registrations: Vec<Registration>,
}

/// An event together with what it is judged by.
pub(crate) struct Scene<'a> {
    pub(crate) table: &'a Table,
    pub(crate) rule: &'a EventRule,
    pub(crate) event: &'a Event,
    pub(crate) facts: &'a dyn Facts,
    /// The state before; empty where the stream has none.
    pub(crate) state: &'a State,
    /// Its word, or `-`.
    pub(crate) was: &'a str,
}

impl Scene<'_> {
    /// A clear field.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.event.claims().data.get(name)
    }

    /// The streams that stand under a name in the rule's `reads`.
    pub(crate) fn streams(&self, alias: &str) -> Vec<Stream> {
        self.rule
            .reads
            .get(alias)
            .map(|template| template.streams(self.event))
            .unwrap_or_default()
    }

    /// What an end in time is compared with: `iat`, or the newest time mark of the log where that is later and the rule
    /// relies on the stream `log`, so that an event dated back passes no end.
    pub(crate) fn now(&self) -> i64 {
        let mark = self.other(CLOCK).and_then(|log| log.get("time")?.as_i64());
        self.event.claims().iat.max(mark.unwrap_or(0))
    }

    /// The state of the first stream under a name.
    pub(crate) fn other(&self, alias: &str) -> Option<&State> {
        self.streams(alias)
            .first()
            .and_then(|stream| self.facts.state(stream))
    }
}

/// The streams whose heads and states [`judge`] looks at: the event's own, the author's home, the federation's, and
/// those that the table says this type relies on.
pub fn reads(table: &Table, event: &Event) -> BTreeSet<Stream> {
    let claims = event.claims();
    let mut streams = BTreeSet::from([Stream::Federation, claims.sub.clone(), claims.iss.home()]);
    if let Some(rule) = table.rule(&claims.kind) {
        streams.extend(rule.reads.values().flat_map(|template| template.streams(event)));
    }
    streams
}

/// The table by which an event is to be judged: the one in force, or the built-in one for the two events that found a log.
///
/// `table` is what the caller believes to be in force; another than the federation's state names is refused.
pub fn table_in_force<'a>(table: &'a Table, facts: &dyn Facts, kind: &str) -> Result<&'a Table, Refusal> {
    let Some(federation) = facts.state(&Stream::Federation) else {
        return Ok(Table::v1());
    };
    let adopted = federation
        .get("policy")
        .and_then(|policy| policy.get("hash")?.as_str());
    match adopted {
        None if kind == POLICY_ADOPTED => Ok(Table::v1()),
        None => Err(Refusal::NoTable),
        Some(adopted) if adopted == table.hash().to_base64url() => {
            let goes_on = |rule: &EventRule| AFTER_THE_END.contains(&rule.stream.as_str());
            if word(federation) == "closed" && !table.rule(kind).is_some_and(goes_on) {
                Err(Refusal::Closed)
            } else {
                Ok(table)
            }
        }
        Some(adopted) => Err(Refusal::OtherTable {
            adopted: adopted.to_owned(),
            given: table.hash(),
        }),
    }
}

/// Judges an event against the constitution and a rule table.
///
/// `facts` must answer for every stream of [`reads`]. The author's signature is not checked here
/// ([`daybook_core::event::Event::verify`]), nor are openings ([`crate::check_openings`]).
pub fn judge(table: &Table, origin: &str, facts: &dyn Facts, event: &Event) -> Result<Verdict, Refusal> {
    let registrations = constitution::check(origin, event, facts)?;
    let claims = event.claims();
    let table = table_in_force(table, facts, &claims.kind)?;
    let rule = table.rule(&claims.kind).ok_or_else(|| Refusal::UnknownType {
        kind: claims.kind.clone(),
    })?;
    let none = State::new();
    let before = facts.state(&claims.sub);
    let state = before.unwrap_or(&none);
    let was = before.map_or(NONE, word);
    let scene = Scene {
        table,
        rule,
        event,
        facts,
        state,
        was,
    };
    check_place(&scene)?;
    check_fields(&scene)?;
    for condition in &rule.when {
        condition.check(&scene)?;
    }
    let states = fold(&scene, &registrations)?;
    Ok(Verdict {
        states,
        registrations,
    })
}

/// The word of a state; `-` where there is none.
fn word(state: &State) -> &str {
    state.get("state").and_then(Value::as_str).unwrap_or(NONE)
}

fn check_place(scene: &Scene<'_>) -> Result<(), Refusal> {
    let (claims, rule) = (scene.event.claims(), scene.rule);
    let kind = claims.kind.clone();
    if claims.sub.kind() != rule.stream {
        return Err(Refusal::WrongStream {
            kind,
            found: claims.sub.kind(),
            expected: rule.stream.clone(),
        });
    }
    if claims.version != rule.version {
        return Err(Refusal::WrongVersion {
            kind,
            found: claims.version,
            expected: rule.version,
        });
    }
    let author = claims.iss.role();
    if !rule.by.iter().any(|by| by == author) {
        return Err(Refusal::NotYourRole {
            kind,
            role: author,
            allowed: rule.by.join(", "),
        });
    }
    if !rule.from.iter().any(|from| from == scene.was) {
        return Err(Refusal::WrongState {
            kind,
            stream: claims.sub.clone(),
            state: scene.was.to_owned(),
            allowed: rule.from.join(", "),
        });
    }
    Ok(())
}

fn check_fields(scene: &Scene<'_>) -> Result<(), Refusal> {
    let (claims, rule) = (scene.event.claims(), scene.rule);
    for (name, value) in claims.data.iter().filter(|(name, _)| *name != "_sd") {
        let Some(field) = rule.clear.get(name) else {
            return Err(Refusal::FieldUnknown {
                kind: claims.kind.clone(),
                name: name.clone(),
                is_sealed: rule.sealed.contains_key(name),
            });
        };
        if !field.kind.fits(value) {
            return Err(Refusal::FieldInvalid {
                name: name.clone(),
                expected: field.kind.describe(),
            });
        }
    }
    for (name, field) in &rule.clear {
        if field.required && !claims.data.contains_key(name) {
            return Err(Refusal::FieldMissing {
                name: name.clone(),
                expected: field.kind.describe(),
            });
        }
    }
    let found = claims.digests().count();
    if found == rule.digests {
        Ok(())
    } else {
        Err(Refusal::DigestCount {
            kind: claims.kind.clone(),
            found,
            expected: rule.digests,
        })
    }
}

fn fold(scene: &Scene<'_>, registrations: &[Registration]) -> Result<BTreeMap<Stream, State>, Refusal> {
    let stream = &scene.event.claims().sub;
    let mut own = scene.state.clone();
    constitution::apply(scene.event, registrations, &mut own);
    let next = target(scene)?;
    let mut states = BTreeMap::new();
    for effect in &scene.rule.sets {
        effect.apply(scene, &mut own, &mut states);
    }
    own.insert("state".to_owned(), next.into());
    states.insert(stream.clone(), own);
    Ok(states)
}

fn target(scene: &Scene<'_>) -> Result<String, Refusal> {
    let next = match &scene.rule.to {
        Target::State(state) => Some(state.as_str()),
        Target::Same => Some(scene.was),
        Target::Resume => scene.state.get("resume").and_then(Value::as_str),
        Target::By(map) => map.get(scene.was).map(String::as_str),
    };
    next.map(str::to_owned).ok_or_else(|| Refusal::WrongState {
        kind: scene.event.claims().kind.clone(),
        stream: scene.event.claims().sub.clone(),
        state: scene.was.to_owned(),
        allowed: scene.rule.from.join(", "),
    })
}
