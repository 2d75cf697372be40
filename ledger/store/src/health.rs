//! Whether this hub still writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How long to wait before a failed database is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Shared by sequencer, publisher and whoever reports on them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    stopped: Arc<watch::Sender<Option<String>>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            stopped: Arc::new(watch::Sender::new(None)),
        }
    }
}

impl Health {
    /// Why the hub has stopped writing; `None` while it writes.
    pub fn stopped(&self) -> Option<String> {
        self.stopped.borrow().clone()
    }

    /// Stops all writing until a person decides. The first reason stays.
    pub(crate) fn stop(&self, reason: String) {
        self.stopped.send_if_modified(|old| {
            let is_first = old.is_none();
            if is_first {
                *old = Some(reason);
            }
            is_first
        });
    }

    /// Waits a moment, or until the hub stops writing.
    pub(crate) async fn pause(&self) {
        let mut stopped = self.stopped.subscribe();
        // Either outcome ends the pause; the caller looks at what it is.
        drop(tokio::time::timeout(PAUSE, stopped.wait_for(Option::is_some)).await);
    }
}
