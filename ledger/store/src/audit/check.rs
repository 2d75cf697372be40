//! What can be checked of a piece by itself, on many cores at once: form, columns, signatures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::key::PublicKey;
use daybook_core::note::{Note, VerifierKey};
use daybook_core::{Hash, constitution};
use deadpool_postgres::Object;

use super::fetch::{Piece, StoredCheckpoint, StoredEntry};
use super::{AuditError, Finding};
use crate::sql;

/// Keys kept in memory. A key is named by its own digest, so that a wrong one cannot be taken for it.
const MAX_KEYS: usize = 50_000;

/// An entry whose bytes were looked at.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) index: u64,
    /// Of the bytes, whatever the column says.
    pub(super) leaf: Hash,
    /// None where the bytes are no event.
    pub(super) event: Option<Event>,
    /// Whether the key that the event names has signed it.
    pub(super) is_signed: bool,
}

/// A piece after its own checks.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) piece: Piece,
    pub(super) entries: Vec<Entry>,
    /// What was found, with the index of the entry to which it belongs.
    pub(super) findings: Vec<(u64, Finding)>,
}

/// The keys by which signatures are verified. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Arc<Mutex<BTreeMap<Hash, PublicKey>>>);

impl Keys {
    fn get(&self, kid: &Hash) -> Option<PublicKey> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(kid)
            .cloned()
    }

    /// Reads those that are not there yet.
    async fn learn(&self, client: &Object, entries: &[Entry]) -> Result<(), AuditError> {
        let kids = entries
            .iter()
            .filter_map(|entry| entry.event.as_ref().map(|event| *event.kid()));
        let mut unknown: Vec<Hash> = kids.filter(|kid| self.get(kid).is_none()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let wanted: Vec<&[u8]> = unknown.iter().map(Hash::as_ref).collect();
        let rows = sql::all(
            client,
            "-- audit_signing_keys
             SELECT x
             FROM keys
             WHERE kid = ANY ($1)",
            &[/* kids */ &wanted],
        )
        .await?;
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() > MAX_KEYS {
            keys.clear();
        }
        for row in &rows {
            let bytes: &[u8] = row.try_get(0)?;
            // What is no key is found where the table is compared.
            let key = bytes
                .try_into()
                .ok()
                .and_then(|bytes| PublicKey::from_bytes(bytes).ok());
            keys.extend(key.map(|key| (key.thumbprint(), key)));
        }
        Ok(())
    }
}

/// Checks a piece by itself.
pub(super) async fn check(
    client: &Object,
    keys: Keys,
    log_keys: Arc<[VerifierKey]>,
    piece: Piece,
) -> Result<Checked, AuditError> {
    let mut checked = on_a_core(move || {
        let mut findings = Vec::new();
        let entries = piece
            .entries
            .iter()
            .map(|stored| form(stored, &mut findings))
            .collect();
        Checked {
            piece,
            entries,
            findings,
        }
    })
    .await?;
    keys.learn(client, &checked.entries).await?;
    on_a_core(move || {
        for entry in &mut checked.entries {
            entry.is_signed = is_signed(entry, &keys);
        }
        for stored in &checked.piece.checkpoints {
            let at = stored.size.saturating_sub(1);
            let found = note(stored, &log_keys).map(|finding| (at, finding));
            checked.findings.extend(found);
        }
        checked
    })
    .await
}

async fn on_a_core<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AuditError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| AuditError::Broken)
}

/// Whether the bytes are an event, and each column what they say.
fn form(stored: &StoredEntry, findings: &mut Vec<(u64, Finding)>) -> Entry {
    let index = stored.idx;
    let leaf = Hash::leaf(&stored.event.0);
    let mut differs = |column: &str, there: String, derived: String| {
        findings.push((index, Finding::new("entries", index, column, there, derived)));
    };
    if !stored.leaf.is_hash(&leaf) {
        differs("leaf", stored.leaf.encoded(), leaf.to_base64url());
    }
    let event = match std::str::from_utf8(&stored.event.0).map(Event::parse) {
        Ok(Ok(event)) => Some(event),
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            differs(
                "event",
                format!("no event: {error}{}", cause.unwrap_or_default()),
                "an event".to_owned(),
            );
            None
        }
        Err(_) => {
            differs(
                "event",
                "bytes that are no text".to_owned(),
                "an event".to_owned(),
            );
            None
        }
    };
    if let Some(claims) = event.as_ref().map(Event::claims) {
        let texts = [
            ("stream", &stored.stream, claims.sub.to_string()),
            ("iss", &stored.iss, claims.iss.to_string()),
            ("type", &stored.kind, claims.kind.clone()),
        ];
        for (column, there, derived) in texts {
            if !there.is(&derived) {
                differs(column, there.text().into_owned(), derived);
            }
        }
        if i64::try_from(claims.seq) != Ok(stored.seq) {
            differs("seq", stored.seq.to_string(), claims.seq.to_string());
        }
        if claims.jti != stored.jti {
            differs("jti", stored.jti.to_string(), claims.jti.to_string());
        }
    }
    Entry {
        index,
        leaf,
        event,
        is_signed: false,
    }
}

/// Whether the key that an event names has signed it. Where the database has no such key, those that the event itself
/// brings are tried; else it remains to be seen.
fn is_signed(entry: &Entry, keys: &Keys) -> bool {
    let Some(event) = &entry.event else { return false };
    let own = || {
        let brought = constitution::registrations(event).unwrap_or_default();
        let own = brought.into_iter().find(|new| new.kid == *event.kid());
        own.map(|new| new.key)
    };
    keys.get(event.kid())
        .or_else(own)
        .is_some_and(|key| event.verify(&key).is_ok())
}

/// What is wrong with a checkpoint's note by itself: form, the log's signature, size and root.
pub(super) fn note(stored: &StoredCheckpoint, log_keys: &[VerifierKey]) -> Option<Finding> {
    let origin = log_keys.first().map_or("", |key| key.name().as_str());
    let opened = Note::parse(&stored.note.0)
        .map_err(|error| error.to_string())
        .and_then(|note| {
            Checkpoint::open_by_any(&note, log_keys, origin).map_err(|error| {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                format!("{error}{}", cause.unwrap_or_default())
            })
        });
    let (there, derived) = match opened {
        Err(problem) => (problem, "a note that the log's key has signed".to_owned()),
        Ok(checkpoint) => {
            let same = checkpoint.size() == stored.size && stored.root.is_hash(checkpoint.root());
            if same {
                return None;
            }
            (
                format!("of size {} and root {}", checkpoint.size(), checkpoint.root()),
                format!("of size {} and root {}", stored.size, stored.root.encoded()),
            )
        }
    };
    Some(Finding::new("checkpoints", stored.size, "note", there, derived))
}
