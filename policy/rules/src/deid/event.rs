//! The screen over an event's own openings, so that authors see hits before anything of it is in the log.

use daybook_core::event::Event;
use daybook_core::sealed::{Opening, ReaderClass};
use serde_json::Value;

use super::{FieldUse, Hit, screen};
use crate::table::Table;

/// Fields that hold the name of a person who is not to be named in public.
const NAMES: [&str; 3] = ["lead", "name", "requester"];

/// A hit in an opening that is meant for the public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningHit {
    /// The field.
    pub field: String,
    /// Which text of a list, from 0; none where the field is one text.
    pub item: Option<usize>,
    /// What was found and where, in bytes of the text.
    pub hit: Hit,
    /// The same place in characters (Unicode code points): where it begins, and where what follows it begins.
    pub characters: (usize, usize),
}

/// Looks through what an event would make public, in the order of its openings; names are those that its other openings
/// hold. An event of an unknown type has no public fields.
pub fn screen_openings(table: &Table, event: &Event, openings: &[Opening]) -> Vec<OpeningHit> {
    let Some(rule) = table.rule(&event.claims().kind) else {
        return Vec::new();
    };
    let is_public = |opening: &Opening| {
        let field = rule.sealed.get(opening.name());
        field.is_some_and(|field| matches!(field.class, ReaderClass::Public | ReaderClass::PublicFrom))
    };
    let names: Vec<String> = openings
        .iter()
        .filter(|opening| !is_public(opening) && NAMES.contains(&opening.name()))
        .filter_map(|opening| opening.value().as_str())
        .map(str::to_owned)
        .collect();
    let mut found = Vec::new();
    for opening in openings.iter().filter(|opening| is_public(opening)) {
        for (item, text) in texts(opening.value()) {
            for hit in screen(FieldUse::of(opening.name()), text, &names) {
                let upto = |end: usize| text.get(..end).map_or(0, |head| head.chars().count());
                found.push(OpeningHit {
                    field: opening.name().to_owned(),
                    item,
                    characters: (upto(hit.span.start), upto(hit.span.end)),
                    hit,
                });
            }
        }
    }
    found
}

fn texts(value: &Value) -> Vec<(Option<usize>, &str)> {
    match value {
        Value::String(text) => vec![(None, text)],
        Value::Array(items) => {
            let texts = items.iter().enumerate();
            texts
                .filter_map(|(at, item)| Some((Some(at), item.as_str()?)))
                .collect()
        }
        _ => Vec::new(),
    }
}
