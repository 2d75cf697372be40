//! Serving connections, with the time-outs that axum's own `serve` lacks, and an end that comes.

mod patient;

use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::patient::Patient;

/// How long the server is patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// With a client that sends its request's header.
    pub header: Duration,
    /// With a client that takes nothing of its answer.
    pub answer: Duration,
    /// With open requests, after the end was asked for.
    pub grace: Duration,
}

impl Default for Patience {
    /// 10 seconds for a header, 30 for each piece of an answer, 20 at the end.
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            grace: Duration::from_secs(20),
        }
    }
}

/// Cancelled when the server has been told to stop: what only waits answers at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(pub(crate) CancellationToken);

/// How long to wait when no connection can be accepted, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves with the usual [`Patience`]: see [`serve_with`].
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    serve_with(listener, router, stop, Patience::default()).await;
}

/// Serves until told to stop, then ends long polls and lets open requests finish, as long as `patience` allows.
pub async fn serve_with(listener: TcpListener, router: Router, stop: CancellationToken, patience: Patience) {
    let router = router.layer(Extension(Ending(stop.clone())));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(patience.header);
    let cut = CancellationToken::new();
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "A connection could not be accepted"
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(
                error = &error as &dyn std::error::Error,
                "A connection ended before it began"
            );
        }
        let service = TowerToHyperService::new(router.clone());
        let connection =
            builder.serve_connection(TokioIo::new(Patient::new(stream, patience.answer)), service);
        let connection = cut.clone().run_until_cancelled_owned(graceful.watch(connection));
        tokio::spawn(async move {
            if let Some(Err(error)) = connection.await {
                debug!(error = %error, "A connection ended with an error");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(patience.grace, graceful.shutdown())
        .await
        .is_err()
    {
        warn!("Requests were still open after the grace period and are cut off");
        cut.cancel();
    }
}
