//! The integrity check: everything in the database, derived anew from the entries' bytes and compared.
//!
//! # In scope
//! Every column of every table of the log, in one snapshot that nobody waits for, whether a hub runs or not; and
//! [`recent`], the part of it that a start can afford.
//!
//! # Out of scope
//! Views, which have a check of their own. Clocks that only one side has read: `published_at` of checkpoints, `stored_at`
//! of packets, and when exactly an opening is due. The bytes of packets: [`Audit::packets`] names them.
//!
//! # How
//! Pieces of 256 entries are read in order, checked by themselves on all cores (form, columns, signatures), and then taken
//! one after the other by [`replay`], which judges them as the hub did. What the entries say of streams, keys and actors is
//! kept in a temporary file ([`scratch`]) and at the end compared with the tables row by row. Memory does not grow with the log.

mod check;
mod compare;
mod cosignatures;
mod fetch;
mod finding;
mod openings;
mod raw;
pub(crate) mod recent;
mod replay;
pub mod scratch;
pub mod states;
mod whole;

use std::path::PathBuf;
use std::sync::Arc;

use daybook_core::note::VerifierKey;
use deadpool_postgres::Object;
use futures::stream::{self, TryStreamExt as _};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, watch};
use uuid::Uuid;

pub use self::finding::{Finding, MAX_FINDINGS, Report};
use self::replay::Replay;
use self::scratch::Scratch;
use crate::guard::{Guard, GuardError};
use crate::packets::Packet;
use crate::{Address, StoreError, connect, migrate};

/// Pieces that are checked at once at most.
const MAX_WIDTH: usize = 16;

/// How a log is checked.
pub struct Options {
    /// The database.
    pub config: Address,
    /// The log's name.
    pub origin: String,
    /// What verifies its checkpoints.
    pub log_key: VerifierKey,
    /// The guard file to compare with; none is looked at where it is `None`.
    pub guard_path: Option<PathBuf>,
    /// Where the temporary file is made. It may take as much room as the states of all streams, twice.
    pub scratch_folder: PathBuf,
}

/// A check could not be brought to its end.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No temporary file.
    #[error("no temporary file can be made in {path}; set TMPDIR to a folder with room")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The temporary file.
    #[error("the temporary file; is the disk full? TMPDIR says where it is")]
    Scratch(#[source] Box<redb::Error>),
    /// A part of the check has ended.
    #[error("a part of the check has ended by a fault of this program")]
    Broken,
}

impl From<redb::Error> for AuditError {
    fn from(error: redb::Error) -> Self {
        Self::Scratch(Box::new(error))
    }
}

impl From<tokio_postgres::Error> for AuditError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

/// How far a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries that are done.
    pub done: u64,
    /// Entries that there are.
    pub of: u64,
}

/// A check, and the snapshot of the database that it sees.
pub struct Audit {
    options: Options,
    client: Object,
    /// The guard file as it was before the snapshot: a hub that goes on raises it meanwhile.
    guard: Option<Result<Guard, GuardError>>,
    /// Where the entries of the snapshot end.
    end: u64,
}

impl Audit {
    /// Takes the snapshot. Nothing that is committed later is seen, and nobody waits for it.
    pub async fn open(options: Options) -> Result<Self, AuditError> {
        migrate::check_schema(&connect::open(&options.config, "daybook audit").await?).await?;
        let pool = connect::auditor_pool(&options.config)?;
        let client = pool.get().await.map_err(StoreError::from)?;
        let guard = options.guard_path.as_deref().map(Guard::open);
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        // The first query takes the snapshot, not the transaction's beginning.
        let end = whole::end(&client).await?;
        Ok(Self {
            options,
            client,
            guard,
            end,
        })
    }

    /// Derives everything from the entries and compares. `progress` is told how far it is.
    pub async fn run(&self, progress: &watch::Sender<Progress>) -> Result<Report, AuditError> {
        let (client, end) = (&self.client, self.end);
        progress.send_replace(Progress { done: 0, of: end });
        let scratch = Scratch::new(&self.options.scratch_folder)?;
        let replay = Replay::new(self.options.origin.clone(), scratch);
        let mut replay = self.entries(replay, end, progress).await?;
        replay.states.put_away()?;
        let mut report = std::mem::take(&mut replay.report);
        compare::all(client, &replay.states.scratch, &mut report).await?;
        replay.report = report;
        whole::all(client, &mut replay, &self.options, self.guard.as_ref()).await?;
        Ok(replay.report)
    }

    /// The packets that the snapshot lists, at most 500 after an id.
    pub async fn packets(&self, after: Option<Uuid>) -> Result<Vec<Packet>, AuditError> {
        Ok(whole::packet_page(&self.client, after).await?)
    }

    async fn entries(
        &self,
        mut replay: Replay,
        end: u64,
        progress: &watch::Sender<Progress>,
    ) -> Result<Replay, AuditError> {
        let client = &self.client;
        // Where that cannot be read, it is found and told as what it is; then the configuration's own key is left.
        let named = crate::log_keys(client).await.unwrap_or_default();
        let own = self.options.log_key.clone();
        let log_keys: Arc<[VerifierKey]> = std::iter::once(own).chain(named).collect();
        let (keys, rooms) = (check::Keys::default(), Arc::new(Semaphore::new(fetch::MAX_KIB)));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pieces = stream::try_unfold(0, |from| {
            let rooms = &rooms;
            async move {
                let mut from = from;
                loop {
                    if from >= end {
                        return Ok(None);
                    }
                    let to = (from + fetch::PIECE).min(end);
                    let piece = fetch::piece(client, from, to).await?;
                    if !piece.entries.is_empty() {
                        return Ok::<_, AuditError>(Some((piece.admitted(rooms).await?, to)));
                    }
                    // A gap, however wide; the next entry tells.
                    let next = fetch::next_entry(client, to).await?.unwrap_or(end);
                    from = next / fetch::PIECE * fetch::PIECE;
                }
            }
        });
        let checked = pieces
            .map_ok(|piece| check::check(client, keys.clone(), log_keys.clone(), piece))
            .try_buffered(cores.min(MAX_WIDTH) + 1);
        let (forth, mut taken) = mpsc::channel(2);
        let told = progress.clone();
        // The judge works on a thread of its own while the other cores verify what comes next.
        let judging = tokio::task::spawn_blocking(move || {
            while let Some(checked) = taken.blocking_recv() {
                replay.take(checked)?;
                told.send_replace(Progress {
                    done: replay.next,
                    of: end,
                });
            }
            Ok(replay)
        });
        let feeding = async move {
            let mut checked = std::pin::pin!(checked);
            while let Some(piece) = checked.try_next().await? {
                if forth.send(piece).await.is_err() {
                    // The judge has stopped, and its answer says why.
                    break;
                }
            }
            Ok::<_, AuditError>(())
        };
        let (fed, judged) = futures::join!(feeding, judging);
        fed?;
        judged.map_err(|_| AuditError::Broken)?
    }
}
