//! The door: what is checked before an event waits for the sequencer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daybook_core::Hash;
use daybook_core::constitution;
use daybook_core::event::{Event, Seen};
use daybook_core::key::PublicKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::error;

use super::{AppendError, Candidate, MAX_AHEAD, MAX_WAITING_BYTES, Receipt};
use crate::publish::Published;
use crate::read::Reader;

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Keys kept in memory. They never change.
const MAX_CACHED_KEYS: usize = 65_536;

/// A candidate in the queue, with the way back to its caller.
pub(crate) struct Waiting {
    pub(super) candidate: Candidate,
    pub(super) answer: oneshot::Sender<Result<Receipt, AppendError>>,
    /// Held until the answer is given: what bounds the bytes that wait.
    pub(super) _bytes: OwnedSemaphorePermit,
}

/// Takes events in. Cheap to clone.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
    keys: Arc<Mutex<HashMap<Hash, PublicKey>>>,
    reader: Reader,
    published: Published,
}

impl Appender {
    pub(crate) fn new(queue: mpsc::Sender<Waiting>, reader: Reader, published: Published) -> Self {
        let bytes = Arc::new(Semaphore::new(MAX_WAITING_BYTES));
        Self {
            queue,
            bytes,
            keys: Arc::default(),
            reader,
            published,
        }
    }

    /// Appends an event and answers once it is committed, or with why it is not.
    ///
    /// `now` is the hub's clock in seconds since 1970. The same bytes again answer with the same index.
    pub async fn append(&self, candidate: Candidate, now: i64) -> Result<Receipt, AppendError> {
        if let Err(refusal) = self.check(&candidate.event, now).await {
            // A clock that was set back, say, takes nothing from an event that stands in the log.
            let may_stand = matches!(refusal, AppendError::Ahead { .. } | AppendError::SeenUnknown(_));
            if !may_stand || self.reader.index_of_leaf(candidate.event.leaf()).await?.is_none() {
                return Err(refusal);
            }
        }
        let size = u32::try_from(candidate.bytes()).map_err(|_| AppendError::Busy)?;
        let bytes = self
            .bytes
            .clone()
            .try_acquire_many_owned(size)
            .map_err(|_| AppendError::Busy)?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            candidate,
            answer,
            _bytes: bytes,
        };
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::Busy,
            mpsc::error::TrySendError::Closed(_) => AppendError::Stopped("it is shutting down".to_owned()),
        })?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(AppendError::OutcomeUnknown),
        }
    }

    /// What can be refused without the lock: the clock, the signature, and a tree that was never published.
    async fn check(&self, event: &Event, now: i64) -> Result<(), AppendError> {
        let claims = event.claims();
        let ahead = claims.iat - now;
        if ahead > MAX_AHEAD {
            return Err(AppendError::Ahead { ahead });
        }
        let key = self.key(event).await?;
        event.verify(&key)?;
        match claims.seen {
            Some(seen) => self.check_seen(seen, event).await,
            None => Ok(()),
        }
    }

    async fn check_seen(&self, seen: Seen, event: &Event) -> Result<(), AppendError> {
        let latest = self.published.latest();
        let root = match latest {
            Some(latest) if latest.head.size == seen.size => Some(latest.head.root),
            _ => self.reader.checkpoint_root(seen.size).await?,
        };
        if root == Some(seen.root) {
            return Ok(());
        }
        // The event is signed: its author has been shown another tree, or a forged one.
        let (actor, size) = (event.claims().iss.to_string(), seen.size);
        error!(
            actor,
            size, "{actor} has seen a tree of size {size} that this hub did not publish"
        );
        Err(AppendError::SeenUnknown(seen.size))
    }

    async fn key(&self, event: &Event) -> Result<PublicKey, AppendError> {
        let kid = *event.kid();
        if let Some(key) = self.cached(&kid) {
            return Ok(key);
        }
        if let Some(key) = self.reader.key(&kid).await? {
            self.cache(kid, key.clone());
            return Ok(key);
        }
        // The events that found a home carry the key that signs them.
        let own = constitution::registrations(event)?
            .into_iter()
            .find(|new| new.kid == kid);
        own.map(|new| new.key).ok_or(AppendError::UnknownKey(kid))
    }

    fn cached(&self, kid: &Hash) -> Option<PublicKey> {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(kid)
            .cloned()
    }

    fn cache(&self, kid: Hash, key: PublicKey) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_CACHED_KEYS {
            keys.clear();
        }
        keys.insert(kid, key);
    }
}
