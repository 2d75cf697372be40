//! How far the views of this process have come, and waiting for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

/// How long somebody waits for a view at most.
pub const MAX_WAIT: Duration = Duration::from_secs(10);
/// How many wait at once at most.
pub const MAX_WAITERS: usize = 1_000;

/// Told by the projector, read by whoever answers requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Progress {
    sizes: Arc<BTreeMap<&'static str, watch::Sender<u64>>>,
    stopped: Arc<watch::Sender<BTreeMap<&'static str, String>>>,
    places: Arc<Semaphore>,
}

/// What became of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The view is there.
    Reached,
    /// It is not; so far it has come.
    Behind(u64),
    /// As many wait already as may.
    Full,
}

impl Progress {
    /// For views of these names, all at the beginning.
    pub fn new(views: impl IntoIterator<Item = &'static str>) -> Self {
        let sizes = views.into_iter().map(|view| (view, watch::Sender::new(0)));
        Self {
            sizes: Arc::new(sizes.collect()),
            stopped: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_WAITERS)),
        }
    }

    /// The tree size up to which a view has been folded, as far as this process knows.
    pub fn size(&self, view: &str) -> u64 {
        self.sizes.get(view).map_or(0, |size| *size.borrow())
    }

    /// [`Progress::size`] of every view.
    pub fn sizes(&self) -> BTreeMap<&'static str, u64> {
        let sizes = self.sizes.iter().map(|(view, size)| (*view, *size.borrow()));
        sizes.collect()
    }

    /// The views that have stopped, each with the reason; they stay where they are until the program is started anew.
    pub fn stopped(&self) -> BTreeMap<&'static str, String> {
        self.stopped.borrow().clone()
    }

    /// Waits until a view has folded so many entries, for at most [`MAX_WAIT`].
    pub async fn wait(&self, view: &str, wanted: u64) -> Wait {
        self.wait_for(view, wanted, MAX_WAIT).await
    }

    async fn wait_for(&self, view: &str, wanted: u64, limit: Duration) -> Wait {
        let Some(size) = self.sizes.get(view) else {
            return Wait::Behind(0);
        };
        if *size.borrow() >= wanted {
            return Wait::Reached;
        }
        let Ok(_place) = self.places.try_acquire() else {
            return Wait::Full;
        };
        let mut size = size.subscribe();
        let is_reached = tokio::time::timeout(limit, size.wait_for(|size| *size >= wanted))
            .await
            .is_ok();
        if is_reached {
            Wait::Reached
        } else {
            Wait::Behind(*size.borrow())
        }
    }

    /// Somebody, here or elsewhere, has folded so far.
    pub(super) fn tell(&self, view: &str, now: u64) {
        if let Some(size) = self.sizes.get(view) {
            size.send_if_modified(|size| {
                let has_moved = now > *size;
                *size = now.max(*size);
                has_moved
            });
        }
    }

    /// A view has stopped; `true` the first time.
    pub(super) fn stop(&self, view: &'static str, reason: String) -> bool {
        self.stopped
            .send_if_modified(|stopped| stopped.insert(view, reason).is_none())
    }

    pub(super) fn has_stopped(&self, view: &str) -> bool {
        self.stopped.borrow().contains_key(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_view_or_with_the_time() {
        let progress = Progress::new(["jobs"]);
        assert_eq!(progress.wait("jobs", 0).await, Wait::Reached);
        assert_eq!(
            progress.wait_for("jobs", 5, Duration::ZERO).await,
            Wait::Behind(0)
        );
        let waiter = progress.wait("jobs", 5);
        let mut waiter = std::pin::pin!(waiter);
        assert!(futures::poll!(&mut waiter).is_pending());
        progress.tell("jobs", 4);
        assert!(futures::poll!(&mut waiter).is_pending());
        progress.tell("jobs", 6);
        assert_eq!(waiter.await, Wait::Reached);
        progress.tell("jobs", 3);
        assert_eq!(progress.size("jobs"), 6, "news may come in another order");
        assert_eq!(progress.wait("others", 1).await, Wait::Behind(0));
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_sent_away() {
        let progress = Progress::new(["jobs"]);
        let mut waiters: Vec<_> = (0..MAX_WAITERS)
            .map(|_| Box::pin(progress.wait("jobs", 1)))
            .collect();
        for waiter in &mut waiters {
            assert!(futures::poll!(waiter).is_pending());
        }
        assert_eq!(progress.wait("jobs", 1).await, Wait::Full);
        progress.tell("jobs", 1);
        for waiter in waiters {
            assert_eq!(waiter.await, Wait::Reached);
        }
        assert_eq!(
            progress.wait_for("jobs", 2, Duration::ZERO).await,
            Wait::Behind(1)
        );
    }
}
