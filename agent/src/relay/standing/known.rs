//! One stream, as far as it was followed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use daybook_core::Hash;
use daybook_core::constitution::State;
use daybook_core::id::Stream;
use serde::{Deserialize, Serialize};

use super::{Standing, StandingError};
use crate::spool::{SpoolError, make_folder, names, write_whole};

/// A stream that was asked for; its state is empty where it has no event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    /// The stream.
    pub(super) stream: String,
    /// Position and leaf hash of its last event; 0 before the first.
    pub(super) seq: u64,
    pub(super) leaf: Option<String>,
    /// The index of that event.
    pub(super) index: Option<u64>,
    /// The folded state.
    pub(super) state: State,
    /// Of the TRE's own stream: every event key that was ever registered there, by its thumbprint, with its `x`.
    #[serde(default)]
    pub(super) keys: BTreeMap<String, String>,
}

impl Known {
    pub(super) fn new(stream: &Stream) -> Self {
        Self {
            stream: stream.to_string(),
            ..Self::default()
        }
    }

    pub(super) fn state(&self) -> Option<&State> {
        (self.seq > 0).then_some(&self.state)
    }

    pub(super) fn head(&self) -> Option<(u64, Hash)> {
        Some((self.seq, self.leaf()?))
    }

    pub(super) fn leaf(&self) -> Option<Hash> {
        self.leaf.as_deref().and_then(Hash::from_base64url)
    }
}

/// Reads what was kept.
pub(super) fn read_all(folder: &Path) -> Result<BTreeMap<Stream, Known>, StandingError> {
    let mut all = BTreeMap::new();
    for name in names(folder)? {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(SpoolError::at(&path))?;
        // What cannot be read is as if it had not been followed: the hub is asked again.
        let Ok(known) = serde_json::from_slice::<Known>(&bytes) else {
            continue;
        };
        if let Ok(stream) = known.stream.parse() {
            all.insert(stream, known);
        }
    }
    Ok(all)
}

impl Standing {
    /// Keeps what is known of a stream, on the disk first.
    pub(super) fn keep(&mut self, stream: &Stream, known: Known) -> Result<(), StandingError> {
        make_folder(&self.folder)?;
        let path = self
            .folder
            .join(format!("{}.json", stream.to_string().replace('/', ".")));
        let text = serde_json::to_vec(&known).map_err(|error| SpoolError::Content(path.clone(), error))?;
        write_whole(&path, &text)?;
        self.streams.insert(stream.clone(), known);
        Ok(())
    }
}
