//! `daybook restore --from-log`: a hub's database rebuilt from a copy of its log.
//!
//! An empty database is filled; an older one, such as a backup, is brought up to the copy and keeps its openings. Nothing is
//! written before the whole copy has given the root that the log itself has signed, and continues what was let out.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use daybook_audit::Progress;
use daybook_audit::bundle::{self, FULL};
use daybook_audit::source::Source;
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::note::{Note, NoteSigner};
use daybook_core::sealed::Opening;
use daybook_core::tree::RightEdge;
use daybook_store::Identity;
use daybook_store::append::Restoring;
use daybook_store::guard::Guard;
use daybook_store::log::TreeHead;
use tokio::sync::watch;

use super::serve::read;
use super::{audit, output};
use crate::args::RestoreArgs;
use crate::config::{Config, Secrets};
use crate::hub::{self, Consent, Database};

pub(super) async fn run(args: RestoreArgs) -> Result<ExitCode> {
    let (config, secrets) = read(args.hub)?;
    let source = Source::new(&args.from_log)?;
    let signer = hub::log_signer(&config, &secrets)?;
    let note = Note::parse(&source.checkpoint().await?).context("the copy's checkpoint")?;
    let checkpoint = Checkpoint::open(&note, signer.verifier(), &config.origin)
        .context("the copy's checkpoint is not one that this log's own key has signed")?;
    let held = held(&config, &signer).await?;
    for tree in &held {
        ensure!(
            tree.size <= checkpoint.size(),
            "the copy holds {} entries, but a checkpoint over {} was let out: it is older than the log. Look for a newer one: other auditors, mirrors, backups. Nothing was written",
            checkpoint.size(),
            tree.size
        );
    }
    let database = Database::start(&config, &secrets).await?;
    let restored = restore(&config, &secrets, &signer, &source, &checkpoint, held, &database).await;
    database.stop().await?;
    let (size, from) = restored?;
    output::line(&format!(
        "The database holds the log's {size} entries, {} of them from the copy. What was sealed is there only as far as the copy, or the older database, had it.",
        size - from
    ));
    output::line("Now: `daybook audit-db`, then `daybook serve`.");
    Ok(ExitCode::SUCCESS)
}

/// What others were shown, by the guard file and by witnesses.
async fn held(config: &Config, signer: &NoteSigner) -> Result<Vec<TreeHead>> {
    let guard = Guard::open(&config.guard_path)?;
    if let Some(mark) = guard.mark() {
        ensure!(
            mark.origin == config.origin,
            "the guard file {} belongs to the log {:?}",
            config.guard_path.display(),
            mark.origin
        );
    }
    let mut held = hub::held_elsewhere(config, signer.verifier()).await?;
    held.extend(guard.released());
    Ok(held)
}

async fn restore(
    config: &Config,
    secrets: &Secrets,
    signer: &NoteSigner,
    source: &Source,
    checkpoint: &Checkpoint,
    mut held: Vec<TreeHead>,
    database: &Database,
) -> Result<(u64, u64)> {
    daybook_store::migrate(&database.config()).await?;
    let client = daybook_store::open(&database.config(), "daybook restore").await?;
    let identity = Identity {
        origin: config.origin.clone(),
        log_key: signer.verifier().clone(),
    };
    daybook_store::initialise(&client, &identity).await?;
    drop(client);
    let mut restoring = Restoring::open(&database.config(), &config.origin, signer).await?;
    let from = restoring.head();
    ensure!(
        from.size <= checkpoint.size(),
        "the database holds {} entries, and the copy {}: nothing is to be restored",
        from.size,
        checkpoint.size()
    );
    held.push(from);
    let (progress, bar) = audit::Bar::start();
    let outcome = fill(&mut restoring, source, checkpoint, &held, &progress).await;
    bar.end(progress).await?;
    let seen = outcome?;
    // Once with a person's consent, which running this command is: the guard then knows this server.
    let consent = Consent {
        trust_database: true,
        max_batch: None,
    };
    let opened = hub::open_store(config, database, hub::log_signer(config, secrets)?, consent, None).await?;
    opened.close().await;
    restoring.republish(signer, &seen).await?;
    Ok((checkpoint.size(), from.size))
}

/// Reads the copy twice: to look, and to write. Answers with the trees that authors have seen.
async fn fill(
    restoring: &mut Restoring,
    source: &Source,
    checkpoint: &Checkpoint,
    held: &[TreeHead],
    progress: &watch::Sender<Progress>,
) -> Result<Vec<TreeHead>> {
    let (size, mut edge) = (checkpoint.size(), RightEdge::new());
    let mut seen: BTreeMap<u64, Hash> = BTreeMap::new();
    check_held(held, &edge)?;
    for n in 0..size.div_ceil(FULL) {
        for event in events_of(source, n, size).await? {
            edge.append(*event.leaf());
            check_held(held, &edge)?;
            seen.extend(event.claims().seen.map(|seen| (seen.size, seen.root)));
        }
        progress.send_replace(Progress {
            done: edge.size(),
            of: 2 * size,
        });
    }
    ensure!(
        edge.root() == *checkpoint.root(),
        "the entries of the copy do not give the root that the log has signed; take another copy. Nothing was written"
    );
    let from = restoring.head().size;
    for n in from / FULL..size.div_ceil(FULL) {
        let mut entries: Vec<(Event, Vec<Opening>)> = Vec::new();
        for (index, event) in (n * FULL..).zip(events_of(source, n, size).await?) {
            if index >= from {
                entries.push((event, source.openings(index).await?));
            }
        }
        restoring.take(entries).await?;
        progress.send_replace(Progress {
            done: size + restoring.head().size,
            of: 2 * size,
        });
    }
    let there = restoring.head();
    ensure!(
        (there.size, &there.root) == (size, checkpoint.root()),
        "the database does not hold what was read; this is a fault of the program"
    );
    let seen = seen.into_iter().map(|(size, root)| TreeHead { size, root });
    Ok(seen.collect())
}

fn check_held(held: &[TreeHead], edge: &RightEdge) -> Result<()> {
    let of_size = held.iter().filter(|tree| tree.size == edge.size());
    for tree in of_size {
        if tree.root != edge.root() {
            bail!(
                "the first {} entries of the copy are not those that were let out, or that the database holds: it is a copy of another history. Nothing was written",
                tree.size
            );
        }
    }
    Ok(())
}

async fn events_of(source: &Source, n: u64, size: u64) -> Result<Vec<Event>> {
    let width = bundle::width(n, size);
    let bytes = source.bundle(n, width).await?;
    bundle::events(&bytes, n, width).context("the copy is damaged")
}
