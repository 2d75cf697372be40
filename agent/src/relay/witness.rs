//! The relay as a witness: it cosigns what it has verified, with a key of its own.
//!
//! It says more than an outside witness can: that every entry which the hub has acknowledged to this TRE stands in the tree.
//! So a hub can show this TRE no tree that leaves one of them out and have it cosigned.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::patience::Patience;
use super::{Desk, Identity, Relay};
use crate::client::Client;
use crate::outbox::OutboxError;
use crate::witness::{Outbound, Witness};

/// The longest pause after a failure.
const LONGEST: Duration = Duration::from_mins(1);
/// What its messages are about.
const ABOUT: &str = "witness";

/// The witness of a relay.
pub(super) struct Cosigning {
    witness: Witness,
    every: Duration,
    outbound: tokio::sync::Mutex<Outbound>,
    /// Entries that the hub has acknowledged since the last look.
    acknowledged: Mutex<Vec<(u64, Hash)>>,
}

impl Cosigning {
    /// Takes up key and record. A key without a record of the log is refused, and one that the relay has for something else.
    pub(super) fn open(folder: &Path, every: Duration, desk: &Desk, client: Client) -> Result<Self> {
        let identity = desk.identity();
        let witness = open(folder, identity)?;
        let outbound = Outbound::new(client, identity.log.clone());
        let proved: Result<_, OutboxError> = desk.with_outbox(|outbox| outbox.proved());
        Ok(Self {
            witness,
            every,
            outbound: outbound.into(),
            acknowledged: proved?.into(),
        })
    }

    /// From now on nothing is cosigned that does not hold this entry.
    pub(super) fn expect(&self, index: u64, leaf: Hash) {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.push((index, leaf));
    }

    /// The witness's verifier key, and the size that it cosigned last.
    pub(super) fn standing(&self, origin: &str) -> (String, Option<u64>) {
        let size = self.witness.last(origin).map(|last| last.size());
        (self.witness.key().to_string(), size)
    }

    async fn step(&self, desk: &Desk) -> Result<Option<u64>> {
        // What the relay itself goes by, so that there are never two views of the log in one TRE.
        desk.advance().await?;
        let newest = desk.log().lock().await.note().cloned();
        let newest = newest.context("nothing of the log was seen yet")?;
        let mut outbound = self.outbound.lock().await;
        let acknowledged =
            std::mem::take(&mut *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        for (index, leaf) in acknowledged {
            outbound.expect(index, leaf);
        }
        outbound.cosign(&self.witness, &newest).await
    }
}

/// Opens the folder of a relay's witness.
pub(super) fn open(folder: &Path, identity: &Identity) -> Result<Witness> {
    let logs = std::slice::from_ref(&identity.log);
    let witness = Witness::open(folder, logs, &std::collections::BTreeMap::new())
        .with_context(|| format!("the witness in {}", folder.display()))?;
    let keys = &identity.keys;
    let others = [Some(&keys.event), keys.access.as_ref()];
    let is_shared = others
        .into_iter()
        .flatten()
        .any(|key| *key.public().as_bytes() == *witness.key().public_key());
    ensure!(
        !is_shared,
        "the witness in {} has a key that the relay signs other things with; make one of its own: `daybook witness new`",
        folder.display()
    );
    Ok(witness)
}

pub(super) async fn run(relay: Arc<Relay>, stop: CancellationToken) {
    let Some(cosigning) = &relay.witness else {
        stop.cancelled().await;
        return;
    };
    let mut patience = Patience::new(cosigning.every, LONGEST);
    loop {
        let pause = match stop.run_until_cancelled(cosigning.step(&relay.desk)).await {
            None => return,
            Some(Ok(size)) => {
                if let Some(size) = size {
                    debug!(size, "Cosigned the tree of {size} entries");
                }
                relay.health.clear(ABOUT);
                patience.reset();
                cosigning.every
            }
            Some(Err(error)) => {
                let text = format!("the log is not cosigned: {error:#}");
                relay.health.say(ABOUT, text);
                patience.pause()
            }
        };
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}
