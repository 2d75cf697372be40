//! Whether this hub still writes, and how its loops fare.

mod beat;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use self::beat::{Beat, Trouble};

/// How long to wait before a failed database is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Shared by sequencer, publisher and whoever reports on them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    stopped: Arc<watch::Sender<Option<String>>>,
    sequencer: Arc<Beat>,
    publisher: Arc<Beat>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            stopped: Arc::new(watch::Sender::new(None)),
            sequencer: Arc::new(Beat::new("sequencer")),
            publisher: Arc::new(Beat::new("publisher")),
        }
    }
}

impl Health {
    /// Why the hub has stopped writing; `None` while it writes.
    pub fn stopped(&self) -> Option<String> {
        self.stopped.borrow().clone()
    }

    /// How the loop that appends fares.
    pub fn sequencer(&self) -> &Beat {
        &self.sequencer
    }

    /// How the loop that publishes fares.
    pub fn publisher(&self) -> &Beat {
        &self.publisher
    }

    /// Stops all writing until a person decides. The first reason stays.
    pub fn stop(&self, reason: String) {
        self.stopped.send_if_modified(|old| {
            let is_first = old.is_none();
            if is_first {
                *old = Some(reason);
            }
            is_first
        });
    }

    /// Stops all writing when what it gives is dropped by a panic: nobody would serve the queue any more.
    pub(crate) fn stop_on_panic(&self, what: &'static str) -> StopOnPanic {
        StopOnPanic {
            health: self.clone(),
            what,
        }
    }

    /// Waits a moment, or until the hub stops writing.
    pub(crate) async fn pause(&self) {
        let mut stopped = self.stopped.subscribe();
        // Either outcome ends the pause; the caller looks at what it is.
        drop(tokio::time::timeout(PAUSE, stopped.wait_for(Option::is_some)).await);
    }
}

/// See [`Health::stop_on_panic`].
pub(crate) struct StopOnPanic {
    health: Health,
    what: &'static str,
}

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.health.stop(format!(
                "the {} has ended by a fault of this program; its log says which",
                self.what
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_reason_stays() {
        let health = Health::default();
        assert_eq!(health.stopped(), None);
        health.stop("first".to_owned());
        health.stop("second".to_owned());
        assert_eq!(health.stopped().as_deref(), Some("first"));
    }

    #[test]
    fn loop_that_panics_stops_the_hub_and_one_that_ends_does_not() {
        let health = Health::default();
        drop(health.stop_on_panic("loop"));
        assert_eq!(health.stopped(), None);
        let guard = health.stop_on_panic("loop");
        let ended = std::thread::spawn(move || {
            let _guard = guard;
            panic!("of this test");
        });
        ended.join().unwrap_err();
        assert!(health.stopped().unwrap().contains("the loop has ended"));
    }
}
