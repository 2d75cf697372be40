//! What whoever watches a hub asks of its log.

mod check;

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use tokio::sync::{Mutex, watch};

pub use self::check::{Check, MAX_SKEW};
use crate::append::Appender;
use crate::health::Health;
use crate::log::TreeHead;
use crate::meter::Meter;
use crate::policy::InForce;
use crate::publish::Published;

/// How long a look at the database counts: whoever may ask may ask often.
const FRESH: Duration = Duration::from_secs(1);

/// Watches an open log. Cheap to clone.
#[derive(Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    meter: Meter,
    health: Health,
    appender: Appender,
    head: watch::Receiver<TreeHead>,
    published: Published,
    pools: Vec<(&'static str, Pool)>,
    readers: Pool,
    last: Mutex<Last>,
    /// Since when what is committed is larger than what is published.
    behind: std::sync::Mutex<Option<Instant>>,
}

/// What was found last, and when.
#[derive(Default)]
struct Last {
    found: Option<(Instant, Vec<Check>)>,
    policy: Option<InForce>,
}

/// What a monitor looks at.
pub(crate) struct Watched {
    pub(crate) meter: Meter,
    pub(crate) health: Health,
    pub(crate) appender: Appender,
    pub(crate) head: watch::Receiver<TreeHead>,
    pub(crate) published: Published,
    pub(crate) pools: Vec<(&'static str, Pool)>,
    pub(crate) readers: Pool,
}

/// What only a look can tell, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Events that wait or are being appended.
    pub queue_events: u64,
    /// Bytes of them, openings included.
    pub queue_bytes: u64,
    /// Entries after the last commit that this hub knows.
    pub head_size: u64,
    /// Entries that the newest checkpoint covers.
    pub published_size: u64,
    /// How long the oldest look at an unpublished commit is ago; zero when all is published.
    pub unpublished_for: Duration,
    /// Whether the hub has stopped writing.
    pub is_stopped: bool,
    /// Connections of each pool.
    pub pools: Vec<PoolFigures>,
}

/// How a pool of connections is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFigures {
    /// `writer`, `packets` or `reader`.
    pub name: &'static str,
    /// Connections in use.
    pub used: u64,
    /// Connections at most.
    pub most: u64,
    /// Who waits for one.
    pub waiting: u64,
}

impl Monitor {
    pub(crate) fn new(watched: Watched) -> Self {
        let Watched {
            meter,
            health,
            appender,
            head,
            published,
            pools,
            readers,
        } = watched;
        Self(Arc::new(Inner {
            meter,
            health,
            appender,
            head,
            published,
            pools,
            readers,
            last: Mutex::default(),
            behind: std::sync::Mutex::default(),
        }))
    }

    /// What the log counts.
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Looks, without asking the database.
    pub fn figures(&self) -> Figures {
        let inner = &self.0;
        let (queue_events, queue_bytes) = inner.appender.queued();
        let head_size = inner.head.borrow().size;
        let published_size = inner.published.latest().map_or(0, |latest| latest.head.size);
        Figures {
            queue_events,
            queue_bytes,
            head_size,
            published_size,
            unpublished_for: self.unpublished_for(head_size > published_size),
            is_stopped: inner.health.stopped().is_some(),
            pools: inner
                .pools
                .iter()
                .map(|(name, pool)| figures(name, pool))
                .collect(),
        }
    }

    fn unpublished_for(&self, is_behind: bool) -> Duration {
        let mut behind = self
            .0
            .behind
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !is_behind {
            *behind = None;
            return Duration::ZERO;
        }
        behind.get_or_insert_with(Instant::now).elapsed()
    }

    /// Whether the log can do all that it is for: each check in plain words. `now` is the hub's clock in seconds since
    /// 1970. What was found within the last second is answered again.
    pub async fn checks(&self, now: i64) -> Vec<Check> {
        let mut last = self.0.last.lock().await;
        if let Some((when, found)) = &last.found
            && when.elapsed() < FRESH
        {
            return found.clone();
        }
        let mut checks = vec![
            check::writing(&self.0.health),
            check::sequencer(&self.0.health),
            check::publisher(&self.0.health),
        ];
        checks.extend(check::database(&self.0.readers, &mut last.policy, now).await);
        last.found = Some((Instant::now(), checks.clone()));
        checks
    }
}

fn figures(name: &'static str, pool: &Pool) -> PoolFigures {
    let status = pool.status();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    PoolFigures {
        name,
        used: count(status.size.saturating_sub(status.available)),
        most: count(status.max_size),
        waiting: count(status.waiting),
    }
}
