//! `daybook verify`: no network, nothing but a proof file and the event, or a pack of evidence, and whom to trust.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use daybook_audit::evidence::{Evidence, Line, PackError, Verdict as PackVerdict};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::note::VerifierKey;
use daybook_core::proof_file::{ProofFile, ProofFileError};
use daybook_core::trust::TrustPolicy;
use serde_json::json;

use super::output;
use crate::args::{TrustArgs, VerifyArgs};

/// The exit status where there was nothing that could be checked.
const NOT_CHECKED: u8 = 2;

/// What a verification found.
pub struct Verdict {
    /// The index that the proof is for.
    pub index: u64,
    /// What the proof says, where it holds.
    pub outcome: Result<Proved, ProofFileError>,
}

/// What a proof that holds says.
pub struct Proved {
    /// The log.
    pub log: String,
    /// The number of entries of the tree.
    pub size: u64,
    /// The witnesses of the policy that cosigned it, and when by their own clocks, in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
}

/// Checks that a leaf stands in the log of that key, as a proof file says.
pub fn verify_proof(proof: &str, leaf: &Hash, key: &VerifierKey) -> Result<Verdict> {
    verify_by(proof, leaf, &TrustPolicy::of_log(key.clone()))
}

/// The same by a policy.
pub(super) fn verify_by(proof: &str, leaf: &Hash, policy: &TrustPolicy) -> Result<Verdict> {
    let proof = ProofFile::parse(proof.as_bytes()).context("this is not a `.tlog-proof` file")?;
    let outcome = proof.verify_by(leaf, policy).map(|believed| Proved {
        log: believed.checkpoint.origin().to_owned(),
        size: believed.checkpoint.size(),
        witnesses: believed
            .witnesses
            .iter()
            .map(|(witness, time)| (witness.name().into_owned(), *time))
            .collect(),
    });
    Ok(Verdict {
        index: proof.index(),
        outcome,
    })
}

/// The policy that a person names: a file, or a key alone.
pub(super) fn policy(trust: &TrustArgs) -> Result<TrustPolicy> {
    match (&trust.policy, &trust.log_key) {
        (Some(path), _) => {
            let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let policy = TrustPolicy::parse(&text).with_context(|| format!("in {}", path.display()))?;
            anyhow::ensure!(!policy.logs().is_empty(), "{} names no log", path.display());
            Ok(policy)
        }
        (None, Some(key)) => Ok(TrustPolicy::of_log(key.clone())),
        (None, None) => anyhow::bail!("say whom to trust: --log-key or --policy"),
    }
}

pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let bytes = fs::read(&args.proof);
    if bytes.is_ok_and(|bytes| bytes.starts_with(b"PK")) {
        return pack(args);
    }
    let leaf = match (&args.entry, &args.leaf_hash) {
        (Some(path), _) => leaf_of(path)?,
        (None, Some(text)) => Hash::from_base64url(text)
            .or_else(|| Hash::from_base64(text))
            .context("--leaf-hash is a SHA-256 digest in base64 (44 characters) or base64url (43)")?,
        (None, None) => {
            output::error(&anyhow::anyhow!(
                "say which event the proof is about: --entry or --leaf-hash. A pack of evidence is a zip, and this is none"
            ));
            return Ok(ExitCode::from(NOT_CHECKED));
        }
    };
    let policy = policy(&args.trust)?;
    let verdict = verify_by(&read(&args.proof)?, &leaf, &policy)?;
    if args.json {
        output::line(&as_json(&verdict, &leaf).to_string());
    } else {
        match &verdict.outcome {
            Ok(proved) => output::line(&format!(
                "holds: entry {} of {}, in a tree of {} entries{}",
                verdict.index,
                proved.log,
                proved.size,
                in_words(&proved.witnesses)
            )),
            Err(error) => {
                let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
                output::line(&format!("does not hold: {error}{}", cause.unwrap_or_default()));
            }
        }
    }
    Ok(if verdict.outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A pack of evidence: 0 where all of it holds, 1 where something does not, 2 where the file is no pack that can be read.
fn pack(args: &VerifyArgs) -> Result<ExitCode> {
    let policy = policy(&args.trust)?;
    let bytes = fs::read(&args.proof)?;
    let (evidence, others) = match Evidence::from_zip(&bytes) {
        Ok(read) => read,
        Err(error) => {
            let is_pack = !matches!(error, PackError::Zip(_) | PackError::Manifest);
            let error = anyhow::Error::from(error);
            if is_pack {
                let line = Line {
                    holds: Some(false),
                    words: format!("{error:#}"),
                };
                tell(&PackVerdict { lines: vec![line] }, args.json);
                return Ok(ExitCode::FAILURE);
            }
            output::error(&error.context("this is no pack of evidence that can be read"));
            return Ok(ExitCode::from(NOT_CHECKED));
        }
    };
    let verdict = evidence.verify(&others, &policy);
    if !args.json {
        output::line(&format!("Evidence about {}", evidence.subject));
    }
    tell(&verdict, args.json);
    Ok(if verdict.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Says what was found of a pack.
pub(super) fn tell(verdict: &PackVerdict, as_json: bool) {
    if as_json {
        let lines = verdict.lines.iter();
        let lines: Vec<_> = lines
            .map(|line| json!({ "holds": line.holds, "words": line.words }))
            .collect();
        return output::line(&json!({ "holds": verdict.holds(), "lines": lines }).to_string());
    }
    for line in &verdict.lines {
        let word = match line.holds {
            Some(true) => "holds",
            Some(false) => "does not hold",
            None => "note",
        };
        output::line(&format!("{word}: {}", line.words));
    }
}

fn as_json(verdict: &Verdict, leaf: &Hash) -> serde_json::Value {
    let proved = verdict.outcome.as_ref().ok();
    let witnesses = proved.map(|proved| proved.witnesses.iter());
    let witnesses: Vec<_> = witnesses
        .into_iter()
        .flatten()
        .map(|(name, time)| json!({ "name": name, "time": time }))
        .collect();
    json!({
        "holds": proved.is_some(), "index": verdict.index, "log": proved.map(|proved| &proved.log),
        "leaf_hash": leaf.to_base64url(), "tree_size": proved.map(|proved| proved.size), "witnesses": witnesses,
        "reason": verdict.outcome.as_ref().err().map(ToString::to_string),
    })
}

/// Who cosigned, and the earliest moment by which the entry stood there.
fn in_words(witnesses: &[(String, u64)]) -> String {
    let Some((_, first)) = witnesses.iter().min_by_key(|(_, time)| *time) else {
        return String::new();
    };
    let names: Vec<&str> = witnesses.iter().map(|(name, _)| name.as_str()).collect();
    let time = i64::try_from(*first)
        .ok()
        .and_then(|time| jiff::Timestamp::from_second(time).ok());
    let time = time.map_or_else(|| first.to_string(), |time| time.to_string());
    format!(", cosigned by {}, the first at {time}", names.join(", "))
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
