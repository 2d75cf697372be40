//! What the relay knows of its open jobs: the one way to spool and outbox, for the relay's own steps and for the link.

mod job;
mod lease;
mod link;
mod list;
mod outputs;
mod report;
mod take;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daybook_core::Hash;
use daybook_core::event::{Event, Seen};
use daybook_core::id::{Actor, Slug, Stream, TreRole};
use daybook_core::note::VerifierKey;
use daybook_rules::Refusal;
use thiserror::Error;
use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use self::job::Job;
pub(crate) use self::job::RESULT;
pub use self::job::{Collected, Notes, Refusal as RefusalNote, ResultPacket};
pub(crate) use self::link::PACKET;
pub(crate) use self::list::HOLD;
pub use self::list::Hold;
pub use self::report::Counts;
use crate::client::{Client, Follower};
use crate::keyfile::Keys;
use crate::link::Peer;
use crate::outbox::{Outbox, OutboxError};
use crate::relay::standing::{Standing, StandingError};
use crate::spool::{JobFolder, Spool, SpoolError, write_whole};

/// Whose relay this is, and whom it knows.
#[derive(Clone)]
pub struct Identity {
    /// The TRE.
    pub tre: Slug,
    /// The log's key, whose name is the log's origin.
    pub log: VerifierKey,
    /// The thumbprint of the TRE's root key, where it is pinned.
    pub root: Option<Hash>,
    /// The relay's own keys.
    pub keys: Arc<Keys>,
    /// Whether nothing leaves.
    pub is_shadow: bool,
    /// The runner, if there is one.
    pub runner: Option<Peer>,
    /// The review service, if there is one.
    pub review: Option<Peer>,
}

impl Identity {
    /// The log's name.
    pub fn origin(&self) -> &str {
        self.log.name().as_str()
    }

    /// The keys of one of the TRE's services that may call, or sign by way of the relay.
    pub fn peer(&self, actor: &Actor) -> Option<&Peer> {
        let peer = match actor {
            Actor::Tre(tre, TreRole::Runner) if *tre == self.tre => self.runner.as_ref(),
            Actor::Tre(tre, TreRole::Review) if *tre == self.tre => self.review.as_ref(),
            _ => None,
        };
        peer.filter(|peer| peer.actor == *actor)
    }
}

/// The desk does not do what was asked.
#[derive(Debug, Error)]
pub enum DeskError {
    /// There is no such open job here.
    #[error("no open job {0} is here")]
    NoJob(Uuid),
    /// The event is of no stream that this relay keeps, or by nobody that it may come from.
    #[error("{0}")]
    NotHere(String),
    /// The rules say no.
    #[error("the rules do not allow it now")]
    Refused(#[from] Refusal),
    /// Somebody else works on the job.
    #[error("another runner holds the job for {0} seconds more")]
    Leased(i64),
    /// Everything is held.
    #[error("everything is held; what is begun now waits until that ends")]
    Held,
    /// Outputs come that nobody has cleared.
    #[error("no outputs of this job are cleared to leave the controlled zone")]
    NotCleared,
    /// Outputs come that are not those that were cleared.
    #[error("these are not the outputs that were cleared: {0}")]
    NotAsApproved(&'static str),
    /// What stands in the log could not be kept.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl DeskError {
    /// What the rules say, where they say no.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether there was no room on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Spool(error)
            | Self::Outbox(OutboxError::Spool(error))
            | Self::Standing(StandingError::Spool(error)) => error.is_full(),
            _ => false,
        }
    }
}

/// Everything that changes.
struct Inner {
    outbox: Outbox,
    jobs: BTreeMap<Uuid, Job>,
}

/// The desk.
pub struct Desk {
    identity: Identity,
    spool: Spool,
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
    log: tokio::sync::Mutex<Follower>,
    advancing: tokio::sync::Mutex<()>,
    standing: tokio::sync::Mutex<Standing>,
    /// Whether everything was held when that was looked at last.
    held: AtomicBool,
}

impl Desk {
    /// Takes the spool, and goes on where the last process ended.
    pub fn open(folder: &std::path::Path, identity: Identity, client: Client) -> Result<Self, DeskError> {
        let spool = Spool::open(folder)?;
        let outbox = Outbox::open(&folder.join("outbox"))?;
        let mut jobs = BTreeMap::new();
        for id in spool.jobs()? {
            if let Some(job) = Job::read(spool.job(id), &outbox)? {
                jobs.insert(id, job);
            }
        }
        let (tre, root) = (identity.tre.clone(), identity.root);
        let standing = Standing::open(
            folder.join("standing"),
            client.clone(),
            identity.log.clone(),
            tre,
            root,
        )?;
        let mut follower = Follower::new(client, identity.origin(), identity.log.clone());
        if let Ok(note) = std::fs::read(folder.join(CHECKPOINT)) {
            // One that does not hold is as if it were not there: the next one is then taken as it is.
            if let Err(error) = follower.resume(&note) {
                warn!(
                    "What was kept of the log cannot be used, and the next checkpoint is taken as it is: {error:#}"
                );
            }
        }
        Ok(Self {
            identity,
            spool,
            inner: Mutex::new(Inner { outbox, jobs }),
            version: watch::Sender::new(1),
            log: tokio::sync::Mutex::new(follower),
            advancing: tokio::sync::Mutex::new(()),
            standing: tokio::sync::Mutex::new(standing),
            held: AtomicBool::new(false),
        })
    }

    /// Whose desk this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the relay has seen of the log.
    pub fn log(&self) -> &tokio::sync::Mutex<Follower> {
        &self.log
    }

    /// What stands in the log.
    pub fn standing(&self) -> &tokio::sync::Mutex<Standing> {
        &self.standing
    }

    /// Fetches the newest checkpoint, verifies that it continues the last one, and keeps it.
    ///
    /// Every checkpoint that the relay goes by has passed here, the ones that it cosigns for the TRE too.
    pub async fn advance(&self) -> anyhow::Result<Seen> {
        // One at a time, so that each checkpoint is held against the one before; nobody waits for the hub meanwhile.
        let _turn = self.advancing.lock().await;
        let mut follower = self.log.lock().await.clone();
        let before = follower.seen();
        let seen = follower.advance().await?;
        if before != Some(seen)
            && let Some(note) = follower.note()
        {
            write_whole(&self.file(CHECKPOINT), note.to_string().as_bytes())?;
        }
        *self.log.lock().await = follower;
        Ok(seen)
    }

    /// A file in the spool.
    pub fn file(&self, name: &str) -> PathBuf {
        self.spool.folder().join(name)
    }

    /// Changes as often as anything does.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Begins a job that stands in the TRE's queue. One that is there stays as it is.
    pub fn begin(&self, collected: &Collected) -> Result<(), DeskError> {
        let mut inner = self.lock();
        if inner.jobs.contains_key(&collected.job) {
            return Ok(());
        }
        let folder = self.spool.job(collected.job);
        folder.write_json(job::COLLECTED, collected)?;
        if let Some(job) = Job::read(folder, &inner.outbox)? {
            inner.jobs.insert(collected.job, job);
        }
        drop(inner);
        self.changed();
        Ok(())
    }

    /// How a job was found in the queue.
    pub fn collected(&self, job: Uuid) -> Result<Collected, DeskError> {
        let inner = self.lock();
        let job = inner.jobs.get(&job).ok_or(DeskError::NoJob(job))?;
        Ok(job.collected.clone())
    }

    /// A job's folder.
    pub fn folder(&self, job: Uuid) -> JobFolder {
        self.spool.job(job)
    }

    /// Takes a job that has ended, and whose events are all proved, out of the way.
    pub fn archive(&self, job: Uuid) -> Result<(), DeskError> {
        let mut inner = self.lock();
        inner.jobs.remove(&job);
        let into = self.spool.job(job).file("outbox");
        inner.outbox.archive(&Stream::Job(job), &into)?;
        self.spool.archive(job)?;
        drop(inner);
        self.changed();
        Ok(())
    }

    /// Looks into the outbox, or does something with it.
    pub fn with_outbox<T>(&self, work: impl FnOnce(&mut Outbox) -> T) -> T {
        work(&mut self.lock().outbox)
    }

    /// Keeps an entry that somebody else has appended to a job's stream; [`Self::refold`] then counts it.
    pub fn keep_foreign(&self, job: Uuid, event: &Event) -> Result<(), DeskError> {
        let inner = self.lock();
        inner
            .jobs
            .get(&job)
            .ok_or(DeskError::NoJob(job))?
            .keep_foreign(event)
    }

    /// Folds a job's events anew, after what the outbox has of them has changed.
    pub fn refold(&self, job: Uuid) -> Result<(), DeskError> {
        let mut inner = self.lock();
        let Inner { outbox, jobs } = &mut *inner;
        if let Some(job) = jobs.get_mut(&job) {
            job.fold(outbox)?;
        }
        drop(inner);
        self.changed();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panic left is whole: every change is a file first.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

/// Where the newest checkpoint is kept that the relay has verified.
pub(crate) const CHECKPOINT: &str = "checkpoint";
