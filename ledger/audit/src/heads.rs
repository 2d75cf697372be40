//! Recomputing what the clerk committed about the heads of all streams.

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::heads::Head;
use daybook_core::tree::RightEdge;
use daybook_store::audit::scratch::Table;
use daybook_store::audit::states;
use serde_json::Value;

use crate::finding::{Finding, Kind};
use crate::state::{State, StateError};

/// Rows of the streams that are read at once.
const PAGE: usize = 1_000;

/// Compares a `heads-committed` at an index with the heads that the streams had then. Answers how many heads were hashed.
///
/// The entry itself must not have been taken yet.
pub(crate) fn compare(state: &mut State, index: u64, event: &Event) -> Result<u64, StateError> {
    let data = &event.claims().data;
    let number = |name: &str| data.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (size, streams) = (number("size"), number("streams"));
    let root = data
        .get("heads")
        .and_then(Value::as_str)
        .and_then(Hash::from_base64url);
    let Some(earlier) = state.kept.back_to(size) else {
        let words = format!(
            "the heads at {size} entries, committed {} entries later, are too long ago",
            index.saturating_sub(size)
        );
        state
            .kept
            .report
            .add(Finding::at(Kind::NotCompared, index, words));
        return Ok(0);
    };
    state.states.put_away()?;
    let mut edge = RightEdge::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = state.states.scratch.page(Table::Heads, after.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (name, value) in &page {
            let name = String::from_utf8_lossy(name);
            let now = states::row(value).and_then(|row| row.head);
            let then = match earlier.get(name.as_ref()) {
                Some(before) => before
                    .leaf
                    .as_deref()
                    .and_then(Hash::from_base64url)
                    .map(|leaf| (before.seq, leaf)),
                None => now,
            };
            if let Some((seq, leaf)) = then
                && let Ok(stream) = name.parse()
            {
                edge.append(Head { stream, seq, leaf }.hash());
            }
        }
    }
    let found = (edge.size(), edge.root());
    if (Some(found.1), found.0) == (root, streams) {
        state.kept.report.heads += 1;
    } else {
        let words = format!(
            "{streams} heads at {size} entries were committed; the entries give {} with the root {}",
            found.0, found.1
        );
        state
            .kept
            .report
            .add(Finding::at(Kind::HeadsDiffer, index, words));
    }
    Ok(found.0)
}
