//! `daybook collect`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use daybook_core::event::Event;
use daybook_core::id::{Stream, random_id};
use daybook_core::{Hash, base64url};
use serde_json::{Value, json};
use uuid::Uuid;

use super::submit::text;
use super::{event, output};
use crate::args::CollectArgs;
use daybook_agent::author::{Author, Draft};
use daybook_agent::client::Receipt;
use daybook_agent::packet::{Bag, Limits, commitment};

pub(super) async fn run(args: CollectArgs) -> Result<ExitCode> {
    let mut author = event::author(&args.remote, &args.key)?;
    let origin = args.remote.log_key.name().as_str().to_owned();
    let collected = collect_results(&mut author, &origin, args.job, &args.out).await?;
    output::line(&format!(
        "{} holds, and is what was approved: {} files",
        args.out.display(),
        collected.files
    ));
    Ok(ExitCode::SUCCESS)
}

/// Results that were collected.
pub struct Collected {
    /// How many files the TRE let out.
    pub files: usize,
    /// Where `results-received` stands.
    pub receipt: Receipt,
}

/// Fetches the results of a job, checks that they are the outputs that were approved, keeps them and says so.
///
/// The outputs in the packet must give the commitment that `job-released` quotes, which is the one that people approved.
pub async fn collect_results(author: &mut Author, origin: &str, job: Uuid, out: &Path) -> Result<Collected> {
    let state: Value = author.client().get(&format!("/v1/jobs/{job}")).await?;
    let packet = text(&state, "results");
    ensure!(
        !packet.is_empty(),
        "the job has no results to collect: it is in the state {:?}",
        text(&state, "state")
    );
    let released = released(author, job).await?;
    let part = part_of(out, packet);
    let bytes = author.client().fetch_packet(&author.keys, origin, packet, &part);
    let bytes = bytes.await.with_context(|| {
        format!("the results could not be fetched; {} holds what has come, and the same command goes on from there", part.display())
    })?;
    let bag = Bag::from_zip(&bytes, &Limits::default()).context("the result packet is not a good bag")?;
    let found = commitment::of_released(&bag).context("the result packet holds no salt of its outputs")?;
    let stated = released
        .claims()
        .data
        .get("outputs")
        .and_then(Value::as_str)
        .unwrap_or_default();
    ensure!(
        base64url::encode(&found) == stated,
        "the outputs in the packet are not those that were approved; keep the packet and tell the TRE"
    );
    fs::rename(&part, out).with_context(|| format!("cannot write {}", out.display()))?;
    let files = bag
        .payload
        .keys()
        .filter(|path| path.starts_with("outputs/"))
        .count();
    let submission = random_id(text(&state, "submission"))?;
    let draft = Draft {
        stream: Stream::Submission(submission),
        kind: "results-received",
        clear: json!({ "job": job, "cause": released.leaf().to_base64url() }),
        sealed: Vec::new(),
    };
    let receipt = author.say(&draft).await?;
    Ok(Collected { files, receipt })
}

/// Where a packet's bytes gather until it is whole.
fn part_of(out: &Path, packet: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(format!(".{packet}.part"));
    PathBuf::from(name)
}

/// The `job-released` event, with its leaf hash recomputed from its bytes.
async fn released(author: &Author, job: Uuid) -> Result<Event> {
    let history: Value = author.client().get(&format!("/v1/jobs/{job}/history")).await?;
    let entries = history["entries"].as_array().cloned().unwrap_or_default();
    let entry = entries
        .iter()
        .rev()
        .find(|entry| text(entry, "type") == "job-released");
    let event = Event::parse(text(entry.context("the job was not released")?, "event"))?;
    let stated = entry
        .map(|entry| text(entry, "leaf_hash"))
        .and_then(Hash::from_base64url);
    ensure!(
        stated.as_ref() == Some(event.leaf()),
        "the hub's leaf hash of `job-released` does not fit its bytes"
    );
    Ok(event)
}
