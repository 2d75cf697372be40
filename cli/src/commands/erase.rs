//! `daybook erase` and `daybook scrub`: what was sealed goes, and then from the database's files too.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use daybook_agent::author::{Author, Draft};
use daybook_agent::client::{Client, Follower};
use daybook_agent::keyfile::Keys;
use daybook_agent::random;
use daybook_core::Hash;
use daybook_core::id::{Actor, Stream};
use daybook_core::sealed::digest;
use daybook_store::read::Reader;
use serde_json::{Value, json};

use super::output;
use super::serve::read;
use crate::args::{EraseArgs, ScrubArgs};
use crate::config::Config;
use crate::hub::{self, Database};

/// Digests that one event names, so that it stays within an event's size.
const MAX_DIGESTS: usize = 150;
/// Entries that one event names, and digests of one entry: the rules' own limits.
const MAX_ENTRIES: usize = 100;

/// What is to be erased of one entry.
struct Target {
    index: u64,
    leaf: Hash,
    /// Digests with the names of their fields.
    fields: BTreeMap<Hash, String>,
}

pub(super) async fn run(args: EraseArgs) -> Result<ExitCode> {
    let (config, secrets) = read(args.hub)?;
    let database = Database::as_it_is(&config, &secrets).await?;
    let reader = Reader::connect(database.config())?;
    let targets = match args.due {
        Some(days) => due(&reader, days).await,
        None => named(&reader, &args.fields).await,
    };
    database.stop().await?;
    let targets = targets?;
    for target in &targets {
        let names: Vec<&str> = target.fields.values().map(String::as_str).collect();
        output::line(&format!("entry {}: {}", target.index, names.join(", ")));
    }
    if targets.is_empty() {
        output::line("Nothing is due.");
    }
    if args.dry_run || targets.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let file = args
        .key
        .unwrap_or_else(|| config.key_dir.join(hub::OPERATOR_FILE));
    let keys = Keys::read(&file).context("the operator's key signs this; say with --key where it is")?;
    ensure!(
        keys.actor == Actor::Operator,
        "{} is not the operator's key",
        file.display()
    );
    let log_key = hub::log_signer(&config, &secrets)?.verifier().clone();
    let own = address(&config);
    let client = Client::new(args.url.as_deref().unwrap_or(&own))?;
    let follower = Follower::new(client.clone(), &config.origin, log_key);
    let mut author = Author::new(keys, client, follower);
    let reason = args.reason.as_deref().unwrap_or("retention");
    for part in parts(&targets) {
        let mut clear = json!({ "fields": part, "reason": reason });
        if let (Some(members), Some(tre)) = (clear.as_object_mut(), &args.tre) {
            members.insert("tre".to_owned(), tre.as_str().into());
        }
        let decision = args
            .decision
            .as_deref()
            .map(|text| ("decision", Value::from(text)));
        let draft = Draft {
            stream: Stream::Erasure(random::id()?),
            kind: "fields-erased",
            clear,
            sealed: decision.into_iter().collect(),
        };
        let receipt = author.say(&draft).await?;
        output::line(&format!("Erased by entry {}.", receipt.index));
    }
    output::line(
        "The openings are gone from what the hub serves. `daybook scrub` takes them from the database's files; older backups hold them until they are thrown away.",
    );
    Ok(ExitCode::SUCCESS)
}

/// Where the hub of a configuration listens, as one who is on its machine reaches it.
fn address(config: &Config) -> String {
    format!("http://{}", config.listen)
}

/// What a person names: `17`, or `17:name,summary`.
async fn named(reader: &Reader, fields: &[String]) -> Result<Vec<Target>> {
    let mut targets: BTreeMap<u64, Target> = BTreeMap::new();
    for text in fields {
        let (index, names) = text
            .split_once(':')
            .map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
        let index: u64 = index
            .parse()
            .with_context(|| format!("{text:?} is not an entry, such as 17 or 17:name"))?;
        let entry = reader.entry(index).await?;
        let entry = entry.with_context(|| format!("the log has no entry {index}"))?;
        let mut wanted: BTreeSet<&str> = names.into_iter().flat_map(|names| names.split(',')).collect();
        let mut found = BTreeMap::new();
        for opening in reader.openings(index).await? {
            if names.is_none() || wanted.remove(opening.name.as_str()) {
                found.insert(digest(&opening.opening), opening.name);
            }
        }
        ensure!(
            wanted.is_empty() && !found.is_empty(),
            "this hub holds no opening of {} of the entry {index}: it was never here, or is erased already",
            wanted.into_iter().next().unwrap_or("any field")
        );
        let target = targets.entry(index).or_insert_with(|| Target {
            index,
            leaf: entry.leaf,
            fields: BTreeMap::new(),
        });
        target.fields.extend(found);
    }
    Ok(targets.into_values().collect())
}

/// All whose time ends within some days.
async fn due(reader: &Reader, days: u32) -> Result<Vec<Target>> {
    let mut targets: BTreeMap<u64, Target> = BTreeMap::new();
    for due in reader.openings_due(days).await? {
        let target = targets.entry(due.index).or_insert_with(|| Target {
            index: due.index,
            leaf: due.leaf,
            fields: BTreeMap::new(),
        });
        target.fields.insert(due.digest, due.name);
    }
    Ok(targets.into_values().collect())
}

/// The `fields` of as many events as it takes.
fn parts(targets: &[Target]) -> Vec<Value> {
    let mut parts: Vec<Vec<Value>> = Vec::new();
    let mut count = MAX_DIGESTS;
    for target in targets {
        count += target.fields.len();
        let is_full = parts.last().is_none_or(|part| part.len() == MAX_ENTRIES);
        if is_full || count > MAX_DIGESTS {
            parts.push(Vec::new());
            count = target.fields.len();
        }
        let digests: Vec<String> = target.fields.keys().map(Hash::to_base64url).collect();
        if let Some(part) = parts.last_mut() {
            part.push(json!({ "digests": digests, "event": target.leaf.to_base64url() }));
        }
    }
    parts.into_iter().map(Value::from).collect()
}

pub(super) async fn scrub(args: ScrubArgs) -> Result<ExitCode> {
    let (config, secrets) = read(args.hub)?;
    let database = Database::as_it_is(&config, &secrets).await?;
    let scrubbed = daybook_store::retention::scrub(&database.config()).await;
    database.stop().await?;
    let left = scrubbed?;
    output::line("What was deleted is gone from the database's tables, and from their files.");
    for words in left {
        output::line(&format!("It may still stand in: {words}."));
    }
    Ok(ExitCode::SUCCESS)
}
