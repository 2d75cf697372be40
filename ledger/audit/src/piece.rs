//! What can be checked of a bundle by itself, on many cores at once: form, hashes, signatures.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use daybook_core::Hash;
use daybook_core::constitution;
use daybook_core::event::Event;
use daybook_core::key::PublicKey;
use daybook_core::tree::decode_bundle;

/// Keys kept in memory. A key is named by its own digest, so that a wrong one cannot be taken for it.
const MAX_KEYS: usize = 50_000;

/// An entry whose bytes were looked at.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) index: u64,
    pub(crate) leaf: Hash,
    /// None, and why, where the bytes are no event.
    pub(crate) event: Result<Event, String>,
    /// Whether the key that the event names has signed it, as far as that key is known here.
    pub(crate) is_signed: bool,
}

/// A bundle after its own checks.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) entries: Vec<Entry>,
    /// The tile of leaf hashes is not what the entries give.
    pub(crate) tile_differs: bool,
}

/// The keys that entries have registered, right or wrong: whether one is valid is for the judge. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Arc<RwLock<BTreeMap<Hash, PublicKey>>>);

impl Keys {
    fn get(&self, kid: &Hash) -> Option<PublicKey> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(kid)
            .cloned()
    }

    pub(crate) fn learn(&self, event: &Event) {
        let Ok(new) = constitution::registrations(event) else {
            return;
        };
        if new.is_empty() {
            return;
        }
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() + new.len() > MAX_KEYS {
            // They come back by the slow way, the state of their holder.
            keys.clear();
        }
        keys.extend(new.into_iter().map(|new| (new.kid, new.key)));
    }
}

/// Checks a bundle of entries from `first` on; `None` where the bytes are no bundle of so many.
pub(crate) fn check(
    bytes: &[u8],
    first: u64,
    from: u64,
    width: u16,
    tile: Option<&[Hash]>,
    keys: &Keys,
) -> Option<Checked> {
    let entries = decode_bundle(bytes)
        .ok()
        .filter(|entries| entries.len() == usize::from(width))?;
    let hashes: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
    let tile_differs = tile.is_some_and(|tile| tile != hashes);
    let mut checked = Vec::with_capacity(entries.len());
    for ((index, bytes), leaf) in (first..).zip(entries).zip(hashes) {
        // What was taken in an earlier run is fetched again only because bundles are whole.
        if index < from {
            continue;
        }
        let event = match str::from_utf8(bytes).map(Event::parse) {
            Ok(Ok(event)) => Ok(event),
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                Err(format!("{error}{}", cause.unwrap_or_default()))
            }
            Err(_) => Err("the bytes are no text".to_owned()),
        };
        if let Ok(event) = &event {
            keys.learn(event);
        }
        checked.push(Entry {
            index,
            leaf,
            event,
            is_signed: false,
        });
    }
    for entry in &mut checked {
        let Ok(event) = &entry.event else { continue };
        entry.is_signed = keys
            .get(event.kid())
            .is_some_and(|key| event.verify(&key).is_ok());
    }
    Some(Checked {
        entries: checked,
        tile_differs,
    })
}
