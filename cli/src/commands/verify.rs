//! `daybook verify`: no network, nothing but a proof file, the event and the log's key.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::note::VerifierKey;
use daybook_core::proof_file::{ProofFile, ProofFileError};
use serde_json::json;

use super::output;
use crate::args::VerifyArgs;

/// What a verification found.
pub struct Verdict {
    /// The index that the proof is for.
    pub index: u64,
    /// The number of entries of the tree, where the proof holds.
    pub outcome: Result<u64, ProofFileError>,
}

/// Checks that a leaf stands in the log of that key, as a proof file says.
pub fn verify_proof(proof: &str, leaf: &Hash, key: &VerifierKey) -> Result<Verdict> {
    let proof = ProofFile::parse(proof.as_bytes()).context("this is not a `.tlog-proof` file")?;
    let outcome = proof
        .verify(leaf, key, key.name().as_str())
        .map(|checkpoint| checkpoint.size());
    Ok(Verdict {
        index: proof.index(),
        outcome,
    })
}

pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let leaf = match (&args.entry, &args.leaf_hash) {
        (Some(path), _) => leaf_of(path)?,
        (None, Some(text)) => Hash::from_base64url(text)
            .or_else(|| Hash::from_base64(text))
            .context("--leaf-hash is a SHA-256 digest in base64 (44 characters) or base64url (43)")?,
        (None, None) => anyhow::bail!("say which event: --entry or --leaf-hash"),
    };
    let verdict = verify_proof(&read(&args.proof)?, &leaf, &args.log_key)?;
    let log = args.log_key.name().as_str();
    if args.json {
        let reason = verdict.outcome.as_ref().err().map(ToString::to_string);
        let document = json!({
            "holds": verdict.outcome.is_ok(), "index": verdict.index, "log": log, "leaf_hash": leaf.to_base64url(),
            "tree_size": verdict.outcome.as_ref().ok(), "reason": reason,
        });
        output::line(&document.to_string());
    } else {
        match &verdict.outcome {
            Ok(size) => output::line(&format!(
                "holds: entry {} of {log}, in a tree of {size} entries",
                verdict.index
            )),
            Err(error) => output::line(&format!("does not hold: {error}")),
        }
    }
    Ok(if verdict.outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The leaf hash of an event in a file; one line end after it is not part of it.
fn leaf_of(path: &Path) -> Result<Hash> {
    let text = read(path)?;
    let event = Event::parse(text.strip_suffix('\n').unwrap_or(&text))
        .with_context(|| format!("in {}", path.display()))?;
    Ok(*event.leaf())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
