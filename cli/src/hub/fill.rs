//! Filling a log that was just founded with years that never happened: for the demo and the benchmark.
//!
//! Every event goes through the store as any other does, and is judged where it stands; only the clock is that of the story.

use std::collections::VecDeque;

use anyhow::{Context as _, Result};
use daybook_core::event::{Event, Seen};
use daybook_core::id::{Slug, Stream};
use daybook_seed::{Ground, Plan, Said, Seed};
use daybook_store::Store;
use daybook_store::append::{Batch, Candidate, Offered};

use super::{CLERK_FILE, Consent, Database, EDITOR_FILE, OPERATOR_FILE, log_signer, open_store};
use crate::config::{Config, Secrets};
use daybook_agent::keyfile::Keys;

/// Events that are offered at once, and those that may wait for their answers.
const AT_ONCE: usize = 64;
const WAITING: usize = 2_048;

/// What was filled in.
#[derive(Clone, Debug)]
pub struct Filled {
    /// Entries of the log, its founding included.
    pub entries: u64,
    /// Projects.
    pub projects: usize,
    /// Jobs.
    pub jobs: usize,
    /// The TREs with the thumbprints of their roots.
    pub roots: Vec<(Slug, String)>,
}

/// Appends all that a plan yields to a log that was founded when the plan begins and holds nothing else. `secret` makes the
/// keys of everybody in it; `told` hears of each event.
pub async fn fill(
    config: &Config,
    secrets: &Secrets,
    (plan, secret): (Plan, [u8; 32]),
    mut told: impl FnMut(&Event),
) -> Result<Filled> {
    let database = Database::start(config, secrets).await?;
    let signer = log_signer(config, secrets)?;
    let store = open_store(config, &database, signer, Consent::default(), None).await?;
    let filled = fill_store(config, &store, (plan, secret), &mut told).await;
    store.close().await;
    database.stop().await?;
    filled
}

async fn fill_store(
    config: &Config,
    store: &Store,
    (plan, secret): (Plan, [u8; 32]),
    told: &mut impl FnMut(&Event),
) -> Result<Filled> {
    let mut seed = Seed::new(plan, ground(config, store, secret).await?)?;
    let mut filled = Filled {
        entries: store.head.borrow().size,
        projects: 0,
        jobs: 0,
        roots: seed.roots()?,
    };
    // One batch, so that a key counts before what registers it is committed; and one clock for it, that of the end.
    let mut batch = store.appender.batch(plan.until);
    let mut waiting = VecDeque::new();
    let mut some: Vec<Said> = Vec::new();
    loop {
        let said = seed.next().transpose()?;
        let is_last = said.is_none();
        if let Some(said) = said {
            let claims = said.event.claims();
            match claims.kind.as_str() {
                "project-registered" => filled.projects += 1,
                "job-submitted" => {
                    let jobs = claims.data.get("jobs").and_then(serde_json::Value::as_object);
                    filled.jobs += jobs.map_or(0, serde_json::Map::len);
                }
                _ => {}
            }
            filled.entries += 1;
            told(&said.event);
            some.push(said);
        }
        if is_last || some.len() >= AT_ONCE {
            waiting.extend(offer(&mut batch, std::mem::take(&mut some)).await);
        }
        while waiting.len() > WAITING || (is_last && !waiting.is_empty()) {
            if let Some((kind, offered)) = waiting.pop_front() {
                offered
                    .answer()
                    .await
                    .with_context(|| format!("{kind} was not appended"))?;
            }
        }
        if is_last {
            return Ok(filled);
        }
    }
}

/// Offers some events; answers with their types, and what waits for an answer.
async fn offer(batch: &mut Batch, some: Vec<Said>) -> Vec<(String, Offered)> {
    let kinds: Vec<String> = some.iter().map(|said| said.event.claims().kind.clone()).collect();
    let candidates = some
        .into_iter()
        .map(|Said { event, openings, .. }| Candidate { event, openings });
    let offered = batch.offer(candidates.collect()).await;
    kinds.into_iter().zip(offered).collect()
}

/// The keys of the hub's own, and where its log stands.
async fn ground(config: &Config, store: &Store, secret: [u8; 32]) -> Result<Ground> {
    let keys = |file: &str| Keys::read(&config.key_dir.join(file));
    let head = store.reader.stream_head(&Stream::Federation.to_string()).await?;
    let head = head.context("the log is not founded")?;
    let size = store.head.borrow().size;
    let released = store.published.clone().covering(size).await;
    let released = released.context("nothing is published")?.head;
    Ok(Ground {
        origin: config.origin.clone(),
        secret,
        operator: keys(OPERATOR_FILE)?.event,
        clerk: keys(CLERK_FILE)?.event,
        editor: keys(EDITOR_FILE)?.event,
        federation: (head.seq, head.leaf.context("a stream without a last event")?),
        seen: Seen {
            root: released.root,
            size: released.size,
        },
    })
}
