//! `daybook collect`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_core::id::Stream;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use uuid::Uuid;

use super::{event, output};
use crate::args::CollectArgs;
use daybook_agent::author::{Author, Draft};
use daybook_agent::client::Receipt;
use daybook_agent::collect::{CollectError, Collection};
use daybook_agent::packet::{Bag, Limits};

/// Where outputs lie in a packet.
const OUTPUTS: &str = "outputs/";

pub(super) async fn run(args: CollectArgs) -> Result<ExitCode> {
    let mut author = event::author(&args.remote, &args.key)?;
    let collected = collect_results(&mut author, args.job, &args.out).await?;
    output::line(&format!(
        "verified: {} entries of the log with their signatures, in a tree of {} entries",
        collected.verified, collected.tree_size
    ));
    let what = match collected.is_all {
        Some(true) => "and is what was approved, all of it",
        Some(false) => "and is the part that was approved",
        None => "tells how the job ended, and lets nothing out",
    };
    output::line(&format!(
        "{} holds, {what}: {} files",
        args.out.display(),
        collected.files
    ));
    if !collected.has_digest {
        output::line(
            "note: the TRE's digest of the packet has been deleted; outputs and manifests were checked without it",
        );
    }
    if let Some(folder) = &args.files {
        unpack(&collected.bag, folder)?;
        output::line(&format!("{} has the outputs", folder.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Results that were collected.
pub struct Collected {
    /// How many files the TRE let out.
    pub files: usize,
    /// Whether that is all of what was assessed; nothing where nothing was let out.
    pub is_all: Option<bool>,
    /// How many entries of the log were verified for it.
    pub verified: usize,
    /// The size of the tree in which they stand.
    pub tree_size: u64,
    /// Where `results-received` stands, if it was said just now.
    pub receipt: Option<Receipt>,
    has_digest: bool,
    bag: Bag,
}

/// Verifies what the log says of a job, fetches what its TRE offers, holds it against that, keeps it and says so.
///
/// Interrupted, it goes on from where it was when it is called again; done, it finds that it is.
pub async fn collect_results(author: &mut Author, job: Uuid, out: &Path) -> Result<Collected> {
    let entries = bar("verifying {pos} of {len} entries");
    let collection = Collection::find(author, job, &|done, all| show(&entries, done, all)).await;
    entries.finish_and_clear();
    let collection = collection?;
    let bytes = match fs::read(out) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fetch(author, &collection, out).await?,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", out.display())),
    };
    let part = part_of(out, collection.offer.packet);
    let bag = match collection.verify(&bytes, &Limits::default()) {
        Ok(bag) => bag,
        Err(error) if part.exists() => {
            if matches!(error, CollectError::Digest) {
                // Nothing to go on from.
                drop(fs::remove_file(&part));
            }
            return Err(error.into());
        }
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "{} is there already and is not this job's result; choose another --out",
                    out.display()
                )
            });
        }
    };
    if part.exists() {
        fs::rename(&part, out).with_context(|| format!("cannot write {}", out.display()))?;
    }
    let receipt = receive(author, &collection, job).await?;
    let files = bag
        .payload
        .keys()
        .filter(|path| path.starts_with(OUTPUTS))
        .count();
    Ok(Collected {
        files,
        is_all: collection.offer.released.map(|released| released.is_all),
        verified: collection.history.verified,
        tree_size: collection.history.tree_size,
        receipt,
        has_digest: collection.digest.is_some(),
        bag,
    })
}

/// Fetches the packet beside its place, where it stays until it is verified.
async fn fetch(author: &mut Author, collection: &Collection, out: &Path) -> Result<Vec<u8>> {
    let packet = collection.offer.packet;
    let part = part_of(out, packet);
    let origin = author.follower().origin().to_owned();
    let bytes = bar("fetching {bytes} of {total_bytes}");
    let id = packet.to_string();
    let progress = |done, all| show(&bytes, done, all);
    let fetched = author
        .client()
        .fetch_packet_showing(&author.keys, &origin, &id, &part, &progress)
        .await;
    bytes.finish_and_clear();
    fetched.with_context(|| {
        format!(
            "the results could not be fetched; {} holds what has come, and the same command goes on from there",
            part.display()
        )
    })
}

/// Says that the results have arrived, once, and only of results.
async fn receive(author: &mut Author, collection: &Collection, job: Uuid) -> Result<Option<Receipt>> {
    if collection.offer.released.is_none() || collection.is_received() {
        return Ok(None);
    }
    let draft = Draft {
        stream: Stream::Submission(collection.history.submission),
        kind: "results-received",
        clear: json!({ "job": job, "cause": collection.offer.leaf.to_base64url() }),
        sealed: Vec::new(),
    };
    author.say(&draft).await.map(Some)
}

/// Where a packet's bytes gather until it is verified.
fn part_of(out: &Path, packet: Uuid) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(format!(".{packet}.part"));
    PathBuf::from(name)
}

/// Writes the outputs into a new folder.
fn unpack(bag: &Bag, folder: &Path) -> Result<()> {
    let made = fs::create_dir(folder);
    made.with_context(|| {
        format!(
            "cannot make {}; give a folder that is not there yet",
            folder.display()
        )
    })?;
    for (path, bytes) in &bag.payload {
        let Some(name) = path.strip_prefix(OUTPUTS) else {
            continue;
        };
        // A bag's names have no part that climbs.
        ensure!(
            !name.split('/').any(|part| part == ".." || part.is_empty()),
            "{path:?} is no name for a file"
        );
        let at = folder.join(name);
        let written = at.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&at)?;
            file.write_all(bytes)
        });
        written.with_context(|| format!("cannot write {}", at.display()))?;
    }
    Ok(())
}

/// A line of progress on a terminal; nothing elsewhere.
fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn show(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}
