//! How many may be in at once, and what the next one is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::metrics::{Metrics, Open};

/// How many are told at once that there is no room; more are cut off without a word.
const MAX_TOLD: usize = 64;
/// How long somebody is listened to who is told so.
const PATIENCE: Duration = Duration::from_secs(1);

const NO_ROOM: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n",
    "Retry-After: 1\r\nConnection: close\r\nContent-Length: 178\r\n\r\n",
    r#"{"type":"/problems/busy","title":"As much waits as is taken","status":503,"#,
    r#""detail":"The hub has as many connections open as it takes. Try again after the time in `Retry-After`."}"#,
);

/// Counts connections, and takes so many and no more. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Doors {
    places: Arc<Semaphore>,
    told: Arc<Semaphore>,
    metrics: Option<Arc<Metrics>>,
}

/// The place of one connection.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _open: Option<Open>,
}

impl Default for Doors {
    /// As many as a system lets in.
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            told: Arc::new(Semaphore::new(MAX_TOLD)),
            metrics: None,
        }
    }
}

impl Doors {
    /// For so many connections at once.
    pub fn new(most: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most)),
            metrics: Some(metrics),
            ..Self::default()
        }
    }

    pub(super) fn enter(&self) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(Place {
            _permit: permit,
            _open: self.metrics.as_ref().map(|metrics| metrics.connects()),
        })
    }

    /// Says that there is no room. Waiting in the kernel's queue would look like a hub that is dead.
    pub(super) fn turn_away(&self, mut stream: TcpStream, is_plain: bool) {
        if let Some(metrics) = &self.metrics {
            metrics.turned_away();
        }
        let Ok(told) = self.told.clone().try_acquire_owned() else {
            return;
        };
        if !is_plain {
            return;
        }
        tokio::spawn(async move {
            let _told = told;
            let telling = async {
                stream.write_all(NO_ROOM.as_bytes()).await?;
                stream.shutdown().await?;
                // A request that nobody reads would make the system throw away our answer.
                let mut rest = [0; 4096];
                while stream.read(&mut rest).await? > 0 {}
                std::io::Result::Ok(())
            };
            // Nobody is waited for.
            drop(timeout(PATIENCE, telling).await);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemKind;

    #[test]
    fn the_answer_is_whole_and_a_problem_of_the_set() {
        let (head, body) = NO_ROOM.split_once("\r\n\r\n").unwrap();
        assert!(
            head.ends_with(&format!("\r\nContent-Length: {}", body.len())),
            "{head}"
        );
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["type"], format!("/problems/{}", ProblemKind::Busy.slug()));
        assert_eq!(body["title"], ProblemKind::Busy.title());
        assert_eq!(body["status"], ProblemKind::Busy.status().as_u16());
    }
}
