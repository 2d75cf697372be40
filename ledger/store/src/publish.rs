//! The publisher: the only code that signs a statement about the tree.
//!
//! It signs what is committed, after the commit, so that no statement ever covers a tree that was rolled back. The order
//! is fixed: read the committed head, check that it continues what was published last, sign, raise the guard with fsync,
//! commit the checkpoint, and only then let it out. Ed25519 is deterministic: two instances at one size sign one note.

use std::sync::Arc;
use std::time::{Duration, Instant};

use daybook_core::checkpoint::{Checkpoint, CheckpointError};
use daybook_core::note::{Note, NoteSigner};
use deadpool_postgres::{GenericClient, Object, Pool, Transaction};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error};

use crate::append::Stop;
use crate::error::damaged;
use crate::guard::{Guard, GuardError, Mark};
use crate::health::Health;
use crate::identity::Server;
use crate::log::{self, TreeHead};
use crate::meter::Meter;
use crate::row::{number, size};
use crate::{StoreError, sql};

/// How often a grown head is published.
pub const INTERVAL: Duration = Duration::from_millis(200);

/// A checkpoint that was let out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Size and root.
    pub head: TreeHead,
    /// The signed note.
    pub note: Arc<str>,
}

/// The newest published checkpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Published(watch::Receiver<Option<Released>>);

impl Published {
    /// The newest checkpoint; `None` before the first.
    pub fn latest(&self) -> Option<Released> {
        self.0.borrow().clone()
    }

    /// Waits until a checkpoint covers `size` entries. Ends with `None` when the hub shuts down.
    pub async fn covering(&mut self, size: u64) -> Option<Released> {
        let covers =
            |latest: &Option<Released>| latest.as_ref().is_some_and(|latest| latest.head.size >= size);
        self.0
            .wait_for(covers)
            .await
            .ok()
            .and_then(|latest| latest.clone())
    }
}

/// A checkpoint could not be published.
#[derive(Debug, Error)]
enum PublishError {
    #[error("the database")]
    Store(#[from] StoreError),
    #[error("the database")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("no database connection")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("the guard")]
    Guard(#[from] GuardError),
    #[error("the checkpoint")]
    Checkpoint(#[from] CheckpointError),
}

impl PublishError {
    /// What is wrong, without what is inside.
    fn plain(&self) -> String {
        match self {
            Self::Guard(GuardError::Io { source, .. }) => {
                format!("the guard file cannot be written ({})", source.kind())
            }
            Self::Guard(_) => "the guard contradicts the database".to_owned(),
            Self::Store(error) => error.plain().to_owned(),
            Self::Postgres(_) | Self::Pool(_) => StoreError::AWAY.to_owned(),
            Self::Checkpoint(_) => "the checkpoint cannot be made".to_owned(),
        }
    }
}

/// The loop and what it needs.
pub(crate) struct Publisher {
    pool: Pool,
    signer: NoteSigner,
    origin: String,
    guard: Guard,
    server: Server,
    health: Health,
    meter: Meter,
    /// Also moved by this loop, for the sake of what other instances append.
    head: watch::Sender<TreeHead>,
    released: watch::Sender<Option<Released>>,
}

/// With what a publisher begins. The guard has been checked against the database.
pub(crate) struct Start {
    pub(crate) pool: Pool,
    pub(crate) signer: NoteSigner,
    pub(crate) origin: String,
    pub(crate) guard: Guard,
    pub(crate) server: Server,
    pub(crate) health: Health,
    pub(crate) meter: Meter,
    pub(crate) head: watch::Sender<TreeHead>,
}

impl Publisher {
    pub(crate) fn new(start: Start) -> (Self, Published) {
        let (released, published) = watch::channel(None);
        let Start {
            pool,
            signer,
            origin,
            guard,
            server,
            health,
            meter,
            head,
        } = start;
        (
            Self {
                pool,
                signer,
                origin,
                guard,
                server,
                health,
                meter,
                head,
                released,
            },
            Published(published),
        )
    }

    /// Publishes whatever was committed and lets out what other instances have published, until told to stop; then once
    /// more, so that everything acknowledged is covered.
    pub(crate) async fn run(mut self, stop: Stop) {
        let _told = self.health.stop_on_panic("publisher");
        tokio::select! {
            () = self.keep_publishing(&stop) => {}
            () = stop.hard.cancelled() => {}
        }
    }

    async fn keep_publishing(&mut self, stop: &Stop) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = stop.soft.is_cancelled();
            self.publish_once().await;
            if is_last {
                return;
            }
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.soft.cancelled() => {}
            }
        }
    }

    pub(crate) async fn publish_once(&mut self) {
        if self.health.stopped().is_some() {
            return;
        }
        let health = self.health.clone();
        let beat = health.publisher();
        beat.begins();
        match self.publish().await {
            Ok(()) => beat.worked(),
            Err(PublishError::Store(StoreError::Damaged(reason))) => {
                error!(reason, "The log is damaged; nothing more is published: {reason}");
                self.health.stop(reason);
            }
            Err(PublishError::Guard(error)) if !error.is_passing() => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "The guard contradicts the database; nothing more is published"
                );
                self.health.stop(error.to_string());
            }
            Err(error) => {
                self.meter.publish_failures.inc();
                beat.failed(error.plain(), &error);
            }
        }
        beat.rests();
    }

    async fn publish(&mut self) -> Result<(), PublishError> {
        let mut client = self.pool.get().await?;
        if !self.has_news(&client).await? {
            return Ok(());
        }
        let head = log::locked_head(&mut client).await?;
        self.head.send_if_modified(|old| {
            let has_grown = head.size > old.size;
            if has_grown {
                *old = head;
            }
            has_grown
        });
        let released = self.release(&mut client, head).await?;
        self.released.send_if_modified(|old| {
            let is_newer = released.as_ref().map(|new| new.head.size) > old.as_ref().map(|old| old.head.size);
            if is_newer {
                *old = released;
            }
            is_newer
        });
        Ok(())
    }

    /// Whether there is more than was let out, by a read that takes no lock and writes nothing.
    async fn has_news(&self, client: &Object) -> Result<bool, PublishError> {
        let row = sql::one(
            client,
            "-- news
             SELECT h.size, p.size, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
             FROM log_head AS h, publication AS p",
            &[],
        )
        .await?;
        let (found, published) = (size(&row, 0)?, size(&row, 1)?);
        let guarded = self.guard.released().map_or(0, |released| released.size);
        if found < guarded {
            return Err(GuardError::Older {
                found,
                released: guarded,
            }
            .into());
        }
        let out = self
            .released
            .borrow()
            .as_ref()
            .map_or(0, |released| released.head.size);
        // A promoted standby is news as well: the guard must name its timeline before the next start.
        let is_promoted = row.try_get::<_, i32>(2)? != self.server.id().timeline;
        Ok(found.max(published) > out || is_promoted)
    }

    /// Signs the head, or takes what another instance has published if that covers it. The guard is raised before either
    /// leaves.
    async fn release(
        &mut self,
        client: &mut Object,
        head: TreeHead,
    ) -> Result<Option<Released>, PublishError> {
        let tx = client.transaction().await?;
        let last = lock_publication(&tx).await?;
        self.server.follow(&tx).await?;
        continues(&tx, &[Some(last), Some(head), self.guard.released()]).await?;
        if head.size <= last.size {
            let released = latest(&tx).await?;
            tx.commit().await?;
            if let Some(released) = &released {
                self.check_note(released)?;
                self.raise(released.head).await?;
            }
            return Ok(released);
        }
        let checkpoint = Checkpoint::new(self.origin.as_str(), head.size, head.root)?;
        let note = checkpoint.sign(&self.signer)?.to_string();
        self.raise(head).await?;
        if self.guard.released() != Some(head) {
            // Another hub that shares the file has let out more, and under this lock only on another database, or while this
            // hub was frozen. The next look tells which.
            return Ok(None);
        }
        insert_checkpoint(&tx, head, &note).await?;
        tx.commit().await?;
        self.meter.checkpoints.inc();
        debug!(size = head.size, "Published a checkpoint");
        Ok(Some(Released {
            head,
            note: note.into(),
        }))
    }

    /// A note that was read and not made here must be what this hub would have signed.
    fn check_note(&self, released: &Released) -> Result<(), StoreError> {
        let opened = Note::parse(released.note.as_bytes())
            .map_err(CheckpointError::from)
            .and_then(|note| Checkpoint::open_by_any(&note, &self.signer.verifiers(), &self.origin));
        match opened {
            Ok(found) if found.size() == released.head.size && *found.root() == released.head.root => Ok(()),
            _ => Err(damaged(format!(
                "the checkpoint of size {} is not one that this hub signs",
                released.head.size
            ))),
        }
    }

    async fn raise(&mut self, head: TreeHead) -> Result<(), GuardError> {
        let server = self.server.id();
        let mark = Mark {
            origin: self.origin.clone(),
            size: head.size,
            root: head.root.to_base64url(),
            system_identifier: server.system_identifier,
            timeline: server.timeline,
        };
        if self.guard.mark() == Some(&mark) {
            return Ok(());
        }
        // A disk that hangs must not keep the threads that serve everybody else.
        let (mut guard, path) = (self.guard.clone(), self.guard.path().to_owned());
        let begin = Instant::now();
        let raising = tokio::task::spawn_blocking(move || {
            let raised = guard.raise(mark);
            (guard, raised)
        });
        let (guard, raised) = raising.await.map_err(|error| GuardError::Io {
            path,
            source: std::io::Error::other(error),
        })?;
        self.guard = guard;
        self.meter.guard_writes.observe(begin.elapsed().as_secs_f64());
        if raised.is_err() {
            self.meter.guard_failures.inc();
        }
        raised
    }
}

async fn lock_publication(tx: &Transaction<'_>) -> Result<TreeHead, StoreError> {
    let row = sql::one(
        tx,
        "-- lock_publication
         SELECT size, root
         FROM publication
         FOR UPDATE",
        &[],
    )
    .await?;
    TreeHead::from_row(&row)
}

/// The entries must give every root that was stated of them.
async fn continues(tx: &Transaction<'_>, stated: &[Option<TreeHead>]) -> Result<(), StoreError> {
    for stated in stated.iter().flatten() {
        if log::root(tx, stated.size).await? != stated.root {
            return Err(damaged(format!(
                "its first {} entries do not give the root that was committed or published for them",
                stated.size
            )));
        }
    }
    Ok(())
}

async fn insert_checkpoint(tx: &Transaction<'_>, head: TreeHead, note: &str) -> Result<(), StoreError> {
    sql::execute(
        tx,
        "-- insert_checkpoint
         INSERT INTO checkpoints (size, root, note)
         VALUES ($1, $2, $3)",
        &[
            /* size */ &number(head.size),
            /* root */ &head.root.as_ref(),
            /* note */ &note,
        ],
    )
    .await?;
    sql::execute(
        tx,
        "-- move_publication
         UPDATE publication
         SET size = $1, root = $2",
        &[
            /* size */ &number(head.size),
            /* root */ &head.root.as_ref(),
        ],
    )
    .await?;
    Ok(())
}

/// Puts back a checkpoint that was published before the database was lost: the same text, signed to the same bytes.
///
/// The caller has found that the entries give its root, and that somebody has seen it; a newer one is published already.
pub(crate) async fn put_back(
    client: &impl GenericClient,
    signer: &NoteSigner,
    origin: &str,
    head: TreeHead,
) -> Result<(), StoreError> {
    let note = Checkpoint::new(origin, head.size, head.root).and_then(|checkpoint| checkpoint.sign(signer));
    let note = note.map_err(|error| damaged(error.to_string()))?;
    sql::execute(
        client,
        "-- put_back_checkpoint
         INSERT INTO checkpoints (size, root, note)
         SELECT $1::bigint, $2::bytea, $3::text
         FROM publication
         WHERE size > $1
         ON CONFLICT DO NOTHING",
        &[
            /* size */ &number(head.size),
            /* root */ &head.root.as_ref(),
            /* note */ &note.to_string(),
        ],
    )
    .await?;
    Ok(())
}

/// The newest checkpoint in the database.
pub(crate) async fn latest(client: &impl GenericClient) -> Result<Option<Released>, StoreError> {
    let row = sql::optional(
        client,
        "-- latest_checkpoint
         SELECT size, root, note
         FROM checkpoints
         ORDER BY size DESC
         LIMIT 1",
        &[],
    )
    .await?;
    row.map(|row| {
        Ok(Released {
            head: TreeHead::from_row(&row)?,
            note: row.try_get::<_, String>(2)?.into(),
        })
    })
    .transpose()
}
