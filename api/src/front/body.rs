//! Bodies that may not take for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Kind, Times};

/// Watches the body of one request.
pub(super) struct Watch(Option<Arc<Shared>>);

struct Shared {
    was_slow: AtomicBool,
    ended: Notify,
}

impl Watch {
    /// Puts a watch over a request's body; there is none over nothing.
    pub(super) fn over(request: Request, kind: Kind, times: &Times) -> (Request, Self) {
        if request.body().is_end_stream() {
            return (request, Self(None));
        }
        let shared = Arc::new(Shared {
            was_slow: AtomicBool::new(false),
            ended: Notify::new(),
        });
        let begin = Instant::now();
        let (allowance, floor) = match kind {
            Kind::Packet => (times.packet_start, Some(times.packet_rate.max(1))),
            _ => (times.body, None),
        };
        let request = request.map(|inner| {
            Body::new(Watched {
                inner,
                end: Box::pin(sleep_until(begin + allowance)),
                begin,
                allowance,
                floor,
                bytes: 0,
                shared: shared.clone(),
            })
        });
        (request, Self(Some(shared)))
    }

    /// Whether the body was given up, since it came too slowly.
    pub(super) fn was_slow(&self) -> bool {
        let shared = self.0.as_ref();
        shared.is_some_and(|shared| shared.was_slow.load(Ordering::Acquire))
    }

    /// Ends when the answer has taken too long, counted from the end of the body.
    pub(super) async fn overdue(&self, body: Duration, patience: Duration) {
        if let Some(shared) = &self.0 {
            // A handler that never asks for the body gets no more time than one that waits for it.
            drop(tokio::time::timeout(body, shared.ended.notified()).await);
        }
        tokio::time::sleep(patience).await;
    }
}

/// A body with a time-out over the whole of it, or a floor under its speed.
struct Watched {
    inner: Body,
    end: Pin<Box<Sleep>>,
    begin: Instant,
    allowance: Duration,
    /// Bytes a second at least, once the allowance is used up.
    floor: Option<u32>,
    bytes: u64,
    shared: Arc<Shared>,
}

impl Watched {
    /// What came earns time for more.
    fn took(&mut self, frame: &Frame<Bytes>) {
        let Some(floor) = self.floor else { return };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(self.bytes.saturating_mul(1_000) / u64::from(floor));
        let end = self.begin + self.allowance + earned;
        self.end.as_mut().reset(end);
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.took(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                self.shared.ended.notify_one();
                Poll::Ready(end)
            }
            // Only who has nothing to give is too slow: time in which we did not ask is not held against a client.
            Poll::Pending if self.end.as_mut().poll(cx).is_ready() => {
                self.shared.was_slow.store(true, Ordering::Release);
                self.shared.ended.notify_one();
                let slow = io::Error::from(io::ErrorKind::TimedOut);
                Poll::Ready(Some(Err(axum::Error::new(slow))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.shared.ended.notify_one();
    }
}

/// A body on its way out, with which something is kept until it is gone.
pub(super) struct Kept<W> {
    inner: Body,
    _kept: W,
}

impl<W> Kept<W> {
    pub(super) fn new(inner: Body, kept: W) -> Self {
        Self { inner, _kept: kept }
    }
}

impl<W: Unpin> HttpBody for Kept<W> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
