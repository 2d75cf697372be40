//! How many may be in at once, and what the next one is told.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::patient::Linger;
use crate::limits::{Crowd, Limits, OneOpen};
use crate::metrics::{Metrics, Open};

/// How many are listened to at once who have been told that there is no room. More are told so too, and then cut off, by which
/// the answer may be lost on its way.
const MAX_TOLD: usize = 512;

const NO_ROOM: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n",
    "Retry-After: 1\r\nConnection: close\r\nContent-Length: 206\r\n\r\n",
    r#"{"type":"/problems/busy","title":"As much waits as is taken","status":503,"#,
    r#""detail":"The hub has as many connections open as it takes, in all or from one address. Try again after the time in `Retry-After`."}"#,
);

/// Counts connections, and takes so many and no more. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Doors {
    places: Arc<Semaphore>,
    told: Arc<Semaphore>,
    crowd: Option<Crowd>,
    metrics: Option<Arc<Metrics>>,
}

/// The place of one connection.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _of_address: Option<OneOpen>,
    _open: Option<Open>,
}

impl Default for Doors {
    /// As many as a system lets in.
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            told: Arc::new(Semaphore::new(MAX_TOLD)),
            crowd: None,
            metrics: None,
        }
    }
}

impl Doors {
    /// For so many connections at once as the limits say.
    pub fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.max_connections)),
            crowd: Some(Crowd::new(limits)),
            metrics: Some(metrics),
            ..Self::default()
        }
    }

    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        let of_address = match &self.crowd {
            Some(crowd) => crowd.enter(address).ok()?,
            None => None,
        };
        Some(Place {
            _permit: permit,
            _of_address: of_address,
            _open: self.metrics.as_ref().map(|metrics| metrics.connects()),
        })
    }

    /// Says that there is no room. Waiting in the kernel's queue would look like a hub that is dead.
    pub(super) fn turn_away(&self, mut stream: TcpStream, is_plain: bool) {
        if let Some(metrics) = &self.metrics {
            metrics.turned_away();
        }
        if !is_plain {
            return;
        }
        let told = self.told.clone();
        tokio::spawn(async move {
            // It fits into a connection that has just begun, so that nobody is waited for.
            if stream.write_all(NO_ROOM.as_bytes()).await.is_err() || stream.shutdown().await.is_err() {
                return;
            }
            if let Ok(_told) = told.try_acquire() {
                let mut linger = Linger::new();
                poll_fn(|cx| linger.poll(cx, &mut stream)).await;
            }
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
