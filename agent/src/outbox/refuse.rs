//! What the hub refuses for good.

use std::fs;

use daybook_core::Hash;
use daybook_core::id::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file::{self, seq_of};
use super::{Outbox, OutboxError};
use crate::spool::{SpoolError, make_folder, names};

/// The note of what was refused. As long as it lies in the stream's folder, not all that it says is done yet.
const REFUSAL: &str = "refusal.note";

/// Why some events were set aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The stream.
    pub stream: String,
    /// The position of the event that was refused; those after it went with it.
    pub seq: u64,
    /// The hub's problem document.
    pub problem: Value,
    /// Where the log's stream ends; 0 where it has no event.
    pub head_seq: u64,
    /// The leaf hash of its last event.
    pub head_leaf: Option<String>,
}

impl Outbox {
    /// Sets an event of a stream aside that the hub refuses for good, with all that build on it. The next place is then after
    /// the log's own last event. Nothing is deleted: all of it lies in `refused/` beside the outbox, with the reason.
    pub fn set_aside(
        &mut self,
        stream: &Stream,
        seq: u64,
        problem: Value,
        head: Option<(u64, Hash)>,
    ) -> Result<(), OutboxError> {
        let refusal = Refusal {
            stream: stream.to_string(),
            seq,
            problem,
            head_seq: head.map_or(0, |(seq, _)| seq),
            head_leaf: head.map(|(_, leaf)| leaf.to_base64url()),
        };
        file::write_json(&file::folder_of(&self.folder, stream).join(REFUSAL), &refusal)?;
        self.end_refusal(stream, &refusal)
    }

    /// Ends what a killed process had begun to set aside.
    pub(super) fn end_refusals(&mut self) -> Result<(), OutboxError> {
        let streams: Vec<Stream> = self.lines.keys().cloned().collect();
        for stream in streams {
            let path = file::folder_of(&self.folder, &stream).join(REFUSAL);
            if let Some(refusal) = file::read_json::<Refusal>(&path)? {
                self.end_refusal(&stream, &refusal)?;
            }
        }
        Ok(())
    }

    /// The reasons for which events of a stream were ever set aside, the oldest first.
    pub fn refusals(&self, stream: &Stream) -> Result<Vec<Refusal>, OutboxError> {
        let folder = file::folder_of(&self.refused(), stream);
        let mut all = Vec::new();
        for name in names(&folder)? {
            if name.ends_with(REFUSAL) {
                all.extend(file::read_json(&folder.join(name))?);
            }
        }
        Ok(all)
    }

    fn refused(&self) -> std::path::PathBuf {
        self.folder.with_file_name("refused")
    }

    fn end_refusal(&mut self, stream: &Stream, refusal: &Refusal) -> Result<(), OutboxError> {
        let from = file::folder_of(&self.folder, stream);
        let to = file::folder_of(&self.refused(), stream);
        make_folder(&to)?;
        // The same place may be refused again, with another event: each time has a number of its own.
        let round = self.refusals(stream)?.len() + 1;
        let rename = |name: &str| {
            let target = to.join(format!("{round:03}-{name}"));
            fs::rename(from.join(name), &target).map_err(SpoolError::at(&target))
        };
        let mut aside: Vec<String> = names(&from)?;
        aside.retain(|name| seq_of(name).is_some_and(|seq| seq >= refusal.seq));
        for name in aside.iter().rev() {
            rename(name)?;
        }
        if let Some(line) = self.lines.get_mut(stream) {
            line.items.retain(|item| item.event.claims().seq < refusal.seq);
            line.head = None;
        }
        if let Some(leaf) = refusal.head_leaf.as_deref().and_then(Hash::from_base64url) {
            self.set_head(stream, refusal.head_seq, leaf)?;
        } else {
            let head = from.join(file::HEAD);
            if head.exists() {
                fs::remove_file(&head).map_err(SpoolError::at(&head))?;
            }
        }
        rename(REFUSAL)?;
        Ok(())
    }
}
