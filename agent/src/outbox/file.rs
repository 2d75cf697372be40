//! How the outbox lies on the disk: a folder for each stream, a file for each event, its proof beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::sealed::Opening;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Item, Line, OutboxError, Place};
use crate::spool::{SignedFile, SpoolError, names, write_whole};

/// Where the log's stream ends.
pub(super) const HEAD: &str = "head.json";

/// One event.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemFile {
    pub(super) number: u64,
    pub(super) signed: SignedFile,
}

/// The last event of a stream, as the log has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) stream: String,
    pub(super) seq: u64,
    pub(super) leaf: String,
}

impl Head {
    pub(super) fn place(&self) -> Place {
        Place {
            seq: self.seq.saturating_add(1),
            prev: Hash::from_base64url(&self.leaf),
        }
    }
}

pub(super) fn folder_of(folder: &Path, stream: &Stream) -> PathBuf {
    folder.join(stream.to_string().replace('/', "."))
}

pub(super) fn item_name(seq: u64) -> String {
    format!("{seq:06}.json")
}

pub(super) fn proof_name(seq: u64) -> String {
    format!("{seq:06}.tlog-proof")
}

/// The position that a file of an event has in its name.
pub(super) fn seq_of(name: &str) -> Option<u64> {
    name.strip_suffix(".json")?.parse().ok()
}

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), OutboxError> {
    let text =
        serde_json::to_vec_pretty(value).map_err(|error| SpoolError::Content(path.to_owned(), error))?;
    Ok(write_whole(path, &text)?)
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, OutboxError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SpoolError::Io(path.to_owned(), error).into()),
    };
    let value =
        serde_json::from_slice(&bytes).map_err(|error| SpoolError::Content(path.to_owned(), error))?;
    Ok(Some(value))
}

/// Reads a stream's folder; nothing where it holds nothing.
pub(super) fn read_line(folder: &Path) -> Result<Option<(Stream, Line)>, OutboxError> {
    let mut line = Line {
        items: Vec::new(),
        head: read_json(&folder.join(HEAD))?,
    };
    for name in names(folder)? {
        let Some(seq) = seq_of(&name) else { continue };
        let path = folder.join(&name);
        let Some(file) = read_json::<ItemFile>(&path)? else {
            continue;
        };
        let item = read_item(&file, folder.join(proof_name(seq)).exists());
        line.items.push(item.ok_or(OutboxError::Content(path))?);
    }
    line.items.sort_unstable_by_key(|item| item.event.claims().seq);
    let named = line.items.first().map(|item| item.event.claims().sub.clone());
    let stream = named.or_else(|| line.head.as_ref()?.stream.parse().ok());
    Ok(stream.map(|stream| (stream, line)))
}

/// Reads the file of one event, wherever it lies.
pub(super) fn read_one(path: &Path) -> Result<Option<Item>, OutboxError> {
    let Some(file) = read_json::<ItemFile>(path)? else {
        return Ok(None);
    };
    let item = read_item(&file, false);
    item.map(Some)
        .ok_or_else(|| OutboxError::Content(path.to_owned()))
}

fn read_item(file: &ItemFile, is_proved: bool) -> Option<Item> {
    let openings: Result<Vec<Opening>, _> = file
        .signed
        .openings
        .iter()
        .map(|text| Opening::parse(text))
        .collect();
    Some(Item {
        number: file.number,
        event: Event::parse(&file.signed.event).ok()?,
        openings: openings.ok()?,
        is_proved,
        index: None,
    })
}
