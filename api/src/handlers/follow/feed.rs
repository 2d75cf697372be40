//! One reader of the log's end for all who follow it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use daybook_store::StoreError;
use daybook_store::log::TreeHead;
use daybook_store::read::{Entry, Filter, Reader};
use tokio::sync::{broadcast, watch};
use tracing::warn;

use crate::entry::EntryBody;

/// Entries that are read at once.
const PAGE: u16 = 500;
/// At least so long between two readings that are not full: under load many commits are read together.
const GATHER: Duration = Duration::from_millis(25);
/// How long after a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Tells new entries to whoever listens, and reads none while nobody does. Cheap to clone.
#[derive(Clone)]
pub(super) struct Feed(Arc<Inner>);

struct Inner {
    reader: Reader,
    head: watch::Receiver<TreeHead>,
    buffer: usize,
    running: Mutex<Option<Running>>,
}

/// What is shared with the task that reads.
struct Running {
    told: broadcast::Sender<Arc<News>>,
    /// The entry that is told next.
    next: u64,
}

/// An entry that was told, and its JSON once somebody wanted it.
pub(super) struct News {
    pub(super) entry: Entry,
    json: OnceLock<String>,
}

/// What is told from one entry on.
pub(super) struct Subscription {
    pub(super) told: broadcast::Receiver<Arc<News>>,
    /// The first entry that is told here; those before it must be read.
    pub(super) from: u64,
}

impl News {
    pub(super) fn new(entry: Entry) -> Self {
        let json = OnceLock::new();
        Self { entry, json }
    }

    /// The entry as every route tells it.
    pub(super) fn json(&self) -> &str {
        self.json.get_or_init(|| {
            // Texts and numbers can always be written.
            serde_json::to_string(&EntryBody::from(self.entry.clone())).unwrap_or_default()
        })
    }
}

impl Feed {
    pub(super) fn new(reader: Reader, head: watch::Receiver<TreeHead>, buffer: usize) -> Self {
        Self(Arc::new(Inner {
            reader,
            head,
            buffer,
            running: Mutex::new(None),
        }))
    }

    /// Listens from now on. Whoever falls further behind than the buffer holds is told so, and nobody waits for it.
    pub(super) fn subscribe(&self) -> Subscription {
        let mut running = self.0.running();
        if let Some(running) = &*running {
            return Subscription {
                told: running.told.subscribe(),
                from: running.next,
            };
        }
        let (told, first) = broadcast::channel(self.0.buffer);
        let from = self.0.head.borrow().size;
        *running = Some(Running { told, next: from });
        drop(running);
        tokio::spawn(self.0.clone().tell(from));
        Subscription { told: first, from }
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads and tells until nobody listens, or the hub ends.
    async fn tell(self: Arc<Self>, mut next: u64) {
        let mut head = self.head.clone();
        loop {
            let grown = head.wait_for(|head| head.size > next).await;
            let Ok(size) = grown.map(|head| head.size) else {
                // The log was closed. Dropping the sender ends every stream.
                *self.running() = None;
                return;
            };
            if !self.has_listeners() {
                return;
            }
            match self.read(next, size).await {
                Ok(entries) => {
                    let is_full = entries.len() == usize::from(PAGE);
                    next = self.pass_on(next, entries);
                    if !is_full {
                        tokio::time::sleep(GATHER).await;
                    }
                }
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "New entries could not be read for those who follow; trying again"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether anybody listens; if not, the next one begins anew.
    fn has_listeners(&self) -> bool {
        let mut running = self.running();
        let listens = running
            .as_ref()
            .is_some_and(|running| running.told.receiver_count() > 0);
        if !listens {
            *running = None;
        }
        listens
    }

    async fn read(&self, from: u64, size: u64) -> Result<Vec<Entry>, StoreError> {
        // Nothing beyond the head that was acknowledged, whatever the database shows already.
        let page = self.reader.page(&Filter::default(), from, size, PAGE).await?;
        Ok(page.entries)
    }

    fn pass_on(&self, mut next: u64, entries: Vec<Entry>) -> u64 {
        // Held throughout, so that who subscribes meanwhile knows with which entry it begins.
        let mut running = self.running();
        for entry in entries {
            next = entry.index + 1;
            if let Some(running) = &mut *running {
                running.next = next;
                // Nobody may listen just now.
                drop(running.told.send(Arc::new(News::new(entry))));
            }
        }
        next
    }
}
