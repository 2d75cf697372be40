//! Folding without judging: the states that events leave, given that each was accepted where it stands.
//!
//! What a judge needs besides the event, the states of other streams at that moment, is gone once the log has gone on.
//! What it writes is not: an effect takes its values from the event and from the states that it writes.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::Hash;
use daybook_core::constitution::{self, Facts, State};
use daybook_core::event::Event;
use daybook_core::id::{Actor, Stream};

use super::{Scene, fold, table_in_force, word};
use crate::refusal::Refusal;
use crate::table::{NONE, Table};

/// Folds an event that was accepted under that table into the states that it writes.
///
/// Every state that earlier events gave to the event's stream, and to those that it marks, must be in `states`; of the
/// others nothing is asked. The answer is a refusal where no log could hold the event.
pub fn refold(table: &Table, states: &mut BTreeMap<Stream, State>, event: &Event) -> Result<(), Refusal> {
    let registrations = constitution::registrations(event)?;
    let claims = event.claims();
    let known = Known(states);
    // Only the first two events of a log are judged by another table than the caller's.
    let table = match claims.sub {
        Stream::Federation => table_in_force(table, &known, &claims.kind)?,
        _ => table,
    };
    let rule = table.rule(&claims.kind).ok_or_else(|| Refusal::UnknownType {
        kind: claims.kind.clone(),
    })?;
    let none = State::new();
    let before = known.state(&claims.sub);
    let scene = Scene {
        table,
        rule,
        event,
        facts: &known,
        state: before.unwrap_or(&none),
        was: before.map_or(NONE, word),
    };
    let new = fold(&scene, &registrations)?;
    states.extend(new);
    Ok(())
}

/// Which kinds of streams have their states written by events of another kind of stream: pairs of whose event writes and
/// whose state is written.
pub fn writes_across(table: &Table) -> BTreeSet<(String, String)> {
    let mut pairs = BTreeSet::new();
    for (_, rule) in table.events() {
        for alias in rule.sets.iter().filter_map(|effect| effect.alias()) {
            let written = rule
                .reads
                .get(alias)
                .and_then(|template| template.as_str().split('/').next());
            pairs.extend(written.map(|written| (rule.stream.clone(), written.to_owned())));
        }
    }
    pairs
}

/// Of the facts, only what a fold looks at.
struct Known<'a>(&'a BTreeMap<Stream, State>);

impl Facts for Known<'_> {
    fn head(&self, _: &Stream) -> Option<(u64, Hash)> {
        None
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        self.0.get(stream)
    }

    fn key_was_registered(&self, _: &Hash) -> bool {
        false
    }

    fn seen(&self, _: &Actor) -> u64 {
        0
    }
}
