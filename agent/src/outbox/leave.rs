//! Looking at an outbox from outside: without a lock, and without changing anything.

use std::path::Path;

use super::{Item, OutboxError, file};
use crate::spool::names;

/// Every event in an outbox's folder, in the order in which they leave.
pub fn look(folder: &Path) -> Result<Vec<Item>, OutboxError> {
    let mut items = Vec::new();
    for name in names(folder)? {
        if let Some((_, line)) = file::read_line(&folder.join(name))? {
            items.extend(line.items);
        }
    }
    items.sort_unstable_by_key(|item| item.number);
    Ok(items)
}

/// The events that a hub has refused for good, with what built on them: those of one folder in `refused/`.
pub fn look_aside(folder: &Path) -> Result<Vec<Item>, OutboxError> {
    let mut items = Vec::new();
    for name in names(folder)? {
        let is_event = name
            .split_once('-')
            .is_some_and(|(_, name)| file::seq_of(name).is_some());
        if is_event {
            items.extend(file::read_one(&folder.join(name))?);
        }
    }
    Ok(items)
}

/// The events of one stream's folder, which may have been taken out of the way.
pub fn look_at_stream(folder: &Path) -> Result<Vec<Item>, OutboxError> {
    Ok(file::read_line(folder)?
        .map(|(_, line)| line.items)
        .unwrap_or_default())
}
