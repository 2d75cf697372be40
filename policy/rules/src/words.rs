//! The few words in which the public reads a job's state, and whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use daybook_core::constitution::State;
use serde::Deserialize;
use serde_json::Value;

static ENGLISH: LazyLock<Option<Catalogue>> =
    LazyLock::new(|| toml::from_str(include_str!("../words/en.toml")).ok());
static WELSH: LazyLock<Option<Catalogue>> =
    LazyLock::new(|| toml::from_str(include_str!("../words/cy.toml")).ok());

/// A language of these words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    #[default]
    English,
    /// Welsh: a draft until a speaker has signed it off.
    Welsh,
}

impl Tongue {
    fn catalogue(self) -> Option<&'static Catalogue> {
        match self {
            Self::English => ENGLISH.as_ref(),
            Self::Welsh => WELSH.as_ref(),
        }
    }
}

/// Who acts next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// The research team.
    Team,
    /// The TRE.
    Tre,
    /// Nobody: it is over.
    Nobody,
}

impl Turn {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Tre => "tre",
            Self::Nobody => "nobody",
        }
    }
}

/// What the public reads about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// One of the few words of all jobs.
    pub word: String,
    /// What it means here, in plain sentences.
    pub sentence: String,
    /// Whose turn it is.
    pub turn: Turn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    states: BTreeMap<String, Entry>,
    extra: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    word: String,
    sentence: String,
    turn: Turn,
}

/// The words for a job's state, the TRE being called by its id.
pub fn of(job: &State) -> Public {
    let tre = job.get("tre").and_then(Value::as_str).unwrap_or("the TRE");
    of_named(job, tre)
}

/// The words for a job's state, the TRE being called by the name given.
pub fn of_named(job: &State, tre: &str) -> Public {
    of_named_in(Tongue::English, job, tre)
}

/// The same in a language.
pub fn of_named_in(tongue: Tongue, job: &State, tre: &str) -> Public {
    let key = key(job);
    let Some((catalogue, entry)) = tongue
        .catalogue()
        .and_then(|catalogue| Some((catalogue, catalogue.states.get(key)?)))
    else {
        return Public {
            word: key.to_owned(),
            sentence: String::new(),
            turn: Turn::Nobody,
        };
    };
    let mut sentences = vec![entry.sentence.clone()];
    let mut turn = entry.turn;
    let mut say = |name: &str| sentences.extend(catalogue.extra.get(name).cloned());
    if matches!(key, "released" | "released-part" | "recalled") {
        match reviewers(job) {
            0 => say("fixed-rules"),
            1 => say("one-person"),
            2 => say("two-people"),
            _ => say("people"),
        }
        if job.contains_key("received") {
            say("collected");
        }
        if job.contains_key("expired") {
            say("expired");
        }
        if key != "recalled" && (job.contains_key("received") || job.contains_key("expired")) {
            turn = Turn::Nobody;
        }
    } else if job.contains_key("cancellation") && turn != Turn::Nobody {
        say("cancellation");
        turn = Turn::Tre;
    }
    Public {
        word: entry.word.clone(),
        sentence: sentences
            .join(" ")
            .replace("{count}", &reviewers(job).to_string())
            .replace("{tre}", tre),
        turn,
    }
}

/// How many different people reviewed what was released.
pub fn reviewers(job: &State) -> usize {
    let tags = job.get("tags").and_then(Value::as_array);
    let tags: BTreeSet<&str> = tags.into_iter().flatten().filter_map(Value::as_str).collect();
    tags.len()
}

/// Every state that has words, with its word and sentence, `{tre}` standing for the TRE's name.
pub fn all(tongue: Tongue) -> impl Iterator<Item = (&'static str, &'static str, &'static str, Turn)> {
    tongue
        .catalogue()
        .into_iter()
        .flat_map(|catalogue| &catalogue.states)
        .map(|(key, entry)| {
            (
                key.as_str(),
                entry.word.as_str(),
                entry.sentence.as_str(),
                entry.turn,
            )
        })
}

/// The entry for a state: some states have two, by what else is known.
fn key(job: &State) -> &str {
    let is = |member: &str, value: &Value| job.get(member) == Some(value);
    match job.get("state").and_then(Value::as_str).unwrap_or("-") {
        "changes-requested" if job.contains_key("answered") => "answered",
        "released" if is("extent", &"part".into()) => "released-part",
        "cancelled" if is("began", &true.into()) => "cancelled-began",
        state => state,
    }
}

#[cfg(test)]
mod tests;
