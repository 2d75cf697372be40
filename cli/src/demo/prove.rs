//! Proving the whole log with nothing but files: entries, proofs and the verifier key.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use daybook_core::Hash;
use daybook_core::constitution;
use daybook_core::event::Event;
use daybook_core::key::PublicKey;
use daybook_core::note::VerifierKey;

use serde_json::Value;

use super::stage::Stage;
use super::timeline::Timeline;
use crate::commands::verify_proof;
use daybook_agent::client::Client;

const PUBLISHED_SOON: Duration = Duration::from_millis(100);

/// Fetches every entry with its proof into files, then forgets the hub and verifies the files.
pub(super) async fn prove_all(stage: &Stage, timeline: &Timeline) -> Result<bool> {
    let size = fetch(stage).await?;
    let folder = stage.folder.join("proofs");
    let mut keys = BTreeMap::new();
    let (mut proved, mut signed) = (0, 0);
    for index in 0..size {
        let event = Event::parse(&fs::read_to_string(folder.join(format!("{index}.jws")))?)?;
        let proof = fs::read_to_string(folder.join(format!("{index}.tlog-proof")))?;
        proved += u64::from(is_proved(&proof, index, &event, stage.log_key())?);
        signed += u64::from(is_signed(&event, &mut keys)?);
    }
    timeline.check(
        proved == size,
        &format!("{proved} of {size} entries are in the tree of the checkpoint"),
    );
    timeline.check(
        signed == size,
        &format!("{signed} of {size} are signed by a key that an entry before registered"),
    );
    timeline.note(&format!("the files are in {}; check one with", folder.display()));
    timeline.note(&format!(
        "daybook verify {0}/0.tlog-proof --entry {0}/0.jws --log-key {1}",
        folder.display(),
        stage.log_key()
    ));
    Ok(proved == size && signed == size)
}

fn is_proved(proof: &str, index: u64, event: &Event, key: &VerifierKey) -> Result<bool> {
    let verdict = verify_proof(proof, event.leaf(), key)?;
    Ok(verdict.index == index && verdict.outcome.is_ok())
}

/// Whether the signature is by a key that the log itself has registered, up to and with this entry.
fn is_signed(event: &Event, keys: &mut BTreeMap<Hash, PublicKey>) -> Result<bool> {
    keys.extend(
        constitution::registrations(event)?
            .into_iter()
            .map(|new| (new.kid, new.key)),
    );
    Ok(keys.get(event.kid()).is_some_and(|key| event.verify(key).is_ok()))
}

/// Writes entries and proofs, and all entries in one file, one a line.
async fn fetch(stage: &Stage) -> Result<u64> {
    let folder = stage.below("proofs")?;
    let listed: Value = stage.client.get("/v1/events?limit=1").await?;
    let size = listed["tree_size"]
        .as_u64()
        .context("the hub states no tree size")?;
    let mut all = String::new();
    for index in 0..size {
        let entry = stage.client.entry(index).await?;
        fs::write(folder.join(format!("{index}.jws")), &entry.event)?;
        fs::write(
            folder.join(format!("{index}.tlog-proof")),
            proof(&stage.client, index).await?,
        )?;
        all.push_str(&entry.event);
        all.push('\n');
    }
    fs::write(stage.folder.join("entries.txt"), all)?;
    Ok(size)
}

async fn proof(client: &Client, index: u64) -> Result<String> {
    loop {
        match client.proof(index).await {
            // Published within a fraction of a second after the commit.
            Err(error) if error.is("not-published") => tokio::time::sleep(PUBLISHED_SOON).await,
            outcome => return outcome.with_context(|| format!("the proof of entry {index}")),
        }
    }
}
