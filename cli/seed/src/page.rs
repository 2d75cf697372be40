//! A project's entry on the register, as the editor writes it: what it rests on, what becomes public with it, and the digest
//! of what it shows.

use std::collections::BTreeSet;

use daybook_core::id::{Actor, Stream};
use daybook_core::sealed::ReaderClass;
use daybook_rules::Table;
use daybook_views::register::{Shown, digest, document};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Said;
use crate::pen::{Head, Line};

/// An entry on which pages rest.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    index: u64,
    leaf: String,
    kind: String,
    fields: Vec<(String, Value)>,
    digests: Vec<String>,
    /// Whether a version of some page has published its openings.
    is_public: bool,
}

impl Part {
    /// What a page needs of an event at an index of the log.
    pub(crate) fn of(said: &Said, index: u64) -> Self {
        let kind = said.event.claims().kind.clone();
        let rule = Table::v1().rule(&kind);
        let is_public = |name: &str| {
            let field = rule.and_then(|rule| rule.sealed.get(name));
            field.is_some_and(|field| matches!(field.class, ReaderClass::Public | ReaderClass::PublicFrom))
        };
        let public = || said.openings.iter().filter(|opening| is_public(opening.name()));
        Self {
            index,
            leaf: said.event.leaf().to_base64url(),
            fields: public()
                .map(|opening| (opening.name().to_owned(), opening.value().clone()))
                .collect(),
            digests: public().map(|opening| opening.digest().to_base64url()).collect(),
            is_public: false,
            kind,
        }
    }

    fn shown(&self) -> Shown {
        Shown {
            leaf: self.leaf.clone(),
            kind: self.kind.clone(),
            fields: self.fields.iter().cloned().collect(),
        }
    }
}

/// A register entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// Its stream.
    pub(crate) head: Head,
    version: i64,
    /// The project's own entries: a newer one takes the place of an older one in its slot.
    slots: Vec<(String, Part)>,
    /// Places of the TREs, datasets and workflows of which it tells.
    things: BTreeSet<usize>,
    /// Whether the editor is about to write.
    pub(crate) is_due: bool,
}

impl Page {
    /// Takes in what the next version tells.
    pub(crate) fn tell(&mut self, slot: &str, part: Option<Part>) {
        self.slots.retain(|(other, _)| other != slot);
        self.slots.extend(part.map(|part| (slot.to_owned(), part)));
    }

    /// Whether a slot is taken.
    pub(crate) fn has(&self, slot: &str) -> bool {
        self.slots.iter().any(|(other, _)| other == slot)
    }

    /// Tells of a thing from now on.
    pub(crate) fn tell_of(&mut self, thing: usize) {
        self.things.insert(thing);
    }

    /// Whether it has a version.
    pub(crate) fn is_published(&self) -> bool {
        self.version > 0
    }

    /// The next version: all that it rests on, in the order of the log, and the openings that no version has published.
    pub(crate) fn next(&mut self, project: Uuid, cause: &str, things: &mut [Part]) -> Line {
        self.version += 1;
        self.is_due = false;
        let mut parts: Vec<&mut Part> = self.slots.iter_mut().map(|(_, part)| part).collect();
        let told = things
            .iter_mut()
            .enumerate()
            .filter(|(place, _)| self.things.contains(place));
        parts.extend(told.map(|(_, part)| part));
        parts.sort_by_key(|part| part.index);
        let mut news = Vec::new();
        for part in &mut parts {
            if !part.is_public {
                news.extend(part.digests.iter().cloned());
                part.is_public = true;
            }
        }
        let leaves: Vec<&str> = parts.iter().map(|part| part.leaf.as_str()).collect();
        let shown: Vec<Shown> = parts.iter().map(|part| part.shown()).collect();
        let page = digest(&document(project, self.version, cause, &shown));
        let clear = json!({ "cause": cause, "openings": news, "rests_on": leaves, "version": self.version });
        Line::new(
            &Actor::Editor,
            &Stream::Register(project),
            "register-published",
            clear,
        )
        .seal("page", page)
    }
}
