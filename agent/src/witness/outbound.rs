//! A witness that is never called: it looks at the log by itself and brings what it says.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::{Note, VerifierKey};
use daybook_core::tree::{inclusion_proof, tiles_for_inclusion, verify_consistency, verify_inclusion};
use serde::Deserialize;

use super::Witness;
use crate::client::Client;
use crate::random;

/// One log, its hub, and a witness that calls out.
pub struct Outbound {
    client: Client,
    log: VerifierKey,
    /// Entries that the hub has acknowledged to whoever runs this witness, by index, and that must stay in the log.
    own: BTreeSet<(u64, [u8; 32])>,
    /// The size of the last checkpoint whose cosignature the hub has taken from this process.
    brought: Option<u64>,
}

/// What a hub says of the witnesses of its log.
#[derive(Deserialize)]
struct Standings {
    witnesses: Vec<Standing>,
}

#[derive(Deserialize)]
struct Standing {
    size: u64,
}

impl Outbound {
    /// Looks at the log of that key at a hub.
    pub fn new(client: Client, log: VerifierKey) -> Self {
        Self {
            client,
            log,
            own: BTreeSet::new(),
            brought: None,
        }
    }

    /// From now on nothing is cosigned unless this entry stands in the tree, once the tree reaches so far.
    pub fn expect(&mut self, index: u64, leaf: Hash) {
        self.own.insert((index, leaf.0));
    }

    /// Looks once: cosigns a checkpoint if it continues the record and holds all that is expected, and brings it.
    /// Answers with its size; `None` where there was nothing new.
    pub async fn step(&mut self, witness: &Witness) -> Result<Option<u64>> {
        let note = self.client.checkpoint_note().await?;
        let note = Note::parse(note.as_bytes()).context("the checkpoint is not a signed note")?;
        self.cosign(witness, &note).await
    }

    /// The same for whoever has fetched the newest checkpoint, and has held it against what it saw before.
    pub async fn cosign(&mut self, witness: &Witness, newest: &Note) -> Result<Option<u64>> {
        let origin = self.log.name().as_str().to_owned();
        let new = Checkpoint::open(newest, &self.log, &origin).context("the checkpoint does not hold")?;
        let last = witness.last(&origin);
        let old = last.as_ref().map_or(0, Checkpoint::size);
        ensure!(
            new.size() >= old,
            "the log has gone back: {old} entries were cosigned and it now shows {}. Keep both checkpoints: they prove it",
            new.size()
        );
        let (note, chosen) = self.choose(newest, new, old).await?;
        let size = chosen.size();
        let is_known = last.is_some_and(|last| last.root() == chosen.root() && old == size);
        // A cosignature that did not reach the hub, or was made by an earlier process, is made and brought once more.
        if is_known && self.brought == Some(size) {
            return Ok(None);
        }
        self.check_own(&chosen).await?;
        let proof = if old == size {
            Vec::new()
        } else {
            self.client.consistency(old, size).await?
        };
        let line = witness.follow(&note, &proof, random::now()).with_context(|| {
            format!("the checkpoint over {size} entries is not cosigned. Keep it with the last one: together they may prove a fork")
        })?;
        // Lines of others would only be sent back to where they came from.
        let mut own = Note::new(note.text())?;
        own.add(line)?;
        self.client.bring_cosignature(&own.to_string()).await?;
        self.brought = Some(size);
        Ok(Some(size))
    }

    /// The newest checkpoint that another witness has cosigned and this one has not, or else the newest of all.
    ///
    /// A quorum is of one checkpoint: witnesses that look at different moments of a busy log would each cosign another.
    async fn choose(&self, newest: &Note, new: Checkpoint, old: u64) -> Result<(Note, Checkpoint)> {
        let standings: Standings = self.client.get("/v1/witnesses").await?;
        let sizes = standings.witnesses.iter().map(|one| one.size);
        let Some(size) = sizes.filter(|size| (old + 1..new.size()).contains(size)).max() else {
            return Ok((newest.clone(), new));
        };
        let note = self.client.checkpoint_note_of(size).await?;
        let note = Note::parse(note.as_bytes()).context("the checkpoint is not a signed note")?;
        let chosen = Checkpoint::open(&note, &self.log, self.log.name().as_str())
            .context("the checkpoint does not hold")?;
        let proof = self.client.consistency(chosen.size(), new.size()).await?;
        verify_consistency(chosen.size(), chosen.root(), new.size(), new.root(), &proof).with_context(
            || {
                format!(
                    "the checkpoints over {} and {} entries disagree. Keep both: they prove it",
                    chosen.size(),
                    new.size()
                )
            },
        )?;
        Ok((note, chosen))
    }

    async fn check_own(&mut self, new: &Checkpoint) -> Result<()> {
        let size = new.size();
        let within = self.own.iter().copied().filter(|(index, _)| *index < size);
        let within: Vec<_> = within.collect();
        let mut wanted = BTreeSet::new();
        for (index, _) in &within {
            wanted.extend(tiles_for_inclusion(*index, size)?);
        }
        let tiles = self.client.tiles(wanted.into_iter().collect()).await?;
        for (index, leaf) in within {
            let proof = inclusion_proof(index, size, &tiles)?;
            verify_inclusion(&Hash(leaf), index, size, &proof, new.root()).with_context(|| {
                format!(
                    "the hub acknowledged entry {index}, and the checkpoint over {size} entries does not hold it. Keep that checkpoint"
                )
            })?;
            // Whatever continues a tree that holds it holds it too.
            self.own.remove(&(index, leaf));
        }
        Ok(())
    }
}
