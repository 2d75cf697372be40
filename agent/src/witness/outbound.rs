//! A witness that is never called: it looks at the log by itself and brings what it says.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::{Note, VerifierKey};
use daybook_core::tree::verify_inclusion;

use super::Witness;
use crate::client::Client;
use crate::random;

/// One log, its hub, and a witness that calls out.
pub struct Outbound {
    client: Client,
    log: VerifierKey,
    /// Entries that the hub has acknowledged to whoever runs this witness, by index, and that must stay in the log.
    own: BTreeSet<(u64, [u8; 32])>,
}

impl Outbound {
    /// Looks at the log of that key at a hub.
    pub fn new(client: Client, log: VerifierKey) -> Self {
        Self {
            client,
            log,
            own: BTreeSet::new(),
        }
    }

    /// From now on nothing is cosigned unless this entry stands in the tree, once the tree reaches so far.
    pub fn expect(&mut self, index: u64, leaf: Hash) {
        self.own.insert((index, leaf.0));
    }

    /// Looks once: cosigns the newest checkpoint if it continues the record and holds all that is expected, and brings it.
    /// Answers with its size; `None` where there was nothing new.
    pub async fn step(&mut self, witness: &Witness) -> Result<Option<u64>> {
        let origin = self.log.name().as_str();
        let note = self.client.checkpoint_note().await?;
        let mut note = Note::parse(note.as_bytes()).context("the checkpoint is not a signed note")?;
        let new = Checkpoint::open(&note, &self.log, origin).context("the checkpoint does not hold")?;
        let last = witness.last(origin);
        let old = last.as_ref().map_or(0, Checkpoint::size);
        if new.size() == old && last.as_ref().is_some_and(|last| last.root() == new.root()) {
            return Ok(None);
        }
        ensure!(
            new.size() >= old,
            "the log has gone back: {old} entries were cosigned and it now shows {}. Keep both checkpoints: they prove it",
            new.size()
        );
        self.check_own(&new).await?;
        let proof = self.client.consistency(old, new.size()).await?;
        let line = witness.follow(&note, &proof, random::now()).with_context(|| {
            format!("the checkpoint over {} entries is not cosigned. Keep it with the last one: together they may prove a fork", new.size())
        })?;
        // Lines of others would only be sent back to where they came from.
        note = {
            let mut own = Note::new(note.text())?;
            own.add(line)?;
            own
        };
        self.client.bring_cosignature(&note.to_string()).await?;
        Ok(Some(new.size()))
    }

    async fn check_own(&mut self, new: &Checkpoint) -> Result<()> {
        let within: Vec<_> = self
            .own
            .iter()
            .copied()
            .filter(|(index, _)| *index < new.size())
            .collect();
        for (index, leaf) in within {
            let proof = self.client.inclusion(index, new.size()).await?;
            verify_inclusion(&Hash(leaf), index, new.size(), &proof, new.root()).with_context(|| {
                format!(
                    "the hub acknowledged entry {index}, and the checkpoint over {} entries does not hold it",
                    new.size()
                )
            })?;
            // Whatever continues a tree that holds it holds it too.
            self.own.remove(&(index, leaf));
        }
        Ok(())
    }
}
