//! Serving connections, with the time-outs that axum's own `serve` lacks, and an end that comes.

mod doors;
mod patient;
mod tls;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::Response;
use axum::routing::future::RouteFuture;
use axum::{Extension, Router};
use daybook_store::calm::Calm;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use self::doors::Doors;
use self::patient::Patient;
pub use self::tls::{SOON, Tls, TlsError};
use crate::front::Peer;

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

/// Bytes of a request's header at most, its first line included. Who sends more gets a bare 431; more than 100 lines too.
const MAX_HEADER: usize = 32 * 1024;
/// Bytes that are read of a connection before anybody asks for them, and of an answer that wait to be sent together. Ten times
/// as much, which is usual, would be more than a gigabyte where all connections send bodies that nobody takes yet.
const MAX_BUFFER: usize = MAX_HEADER + 8 * 1024;
/// Said seldom: it comes ten times a second where it comes.
static NOT_ACCEPTED: Calm = Calm::new();
/// How long to wait when no connection can be accepted, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Says with each request of a connection where its other end is.
#[derive(Clone)]
struct Named {
    router: Router,
    peer: Peer,
}

impl tower::Service<hyper::Request<Incoming>> for Named {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        tower::Service::<hyper::Request<Incoming>>::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, mut request: hyper::Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        tower::Service::call(&mut self.router, request)
    }
}

/// Serves with the usual [`Patience`]: see [`serve_with`].
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    serve_with(listener, router, stop, Patience::default()).await;
}

/// Serves until told to stop, then ends long polls and lets open requests finish, as long as `patience` allows.
pub async fn serve_with(listener: TcpListener, router: Router, stop: CancellationToken, patience: Patience) {
    serve_over(listener, router, stop, patience, None).await;
}

/// The same, under TLS if there is a certificate.
pub async fn serve_over(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    patience: Patience,
    tls: Option<Arc<Tls>>,
) {
    let service = Service {
        patience,
        tls,
        doors: Doors::default(),
    };
    serve_as(listener, router, stop, service).await;
}

/// How connections are taken.
#[derive(Clone, Default)]
pub struct Service {
    /// How long the server is patient.
    pub patience: Patience,
    /// The certificate; without one, plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// How many connections are taken at once.
    pub doors: Doors,
}

/// The same, with all that may be said about it.
pub async fn serve_as(listener: TcpListener, router: Router, stop: CancellationToken, service: Service) {
    let Service { patience, tls, doors } = service;
    let router = router.layer(Extension(Ending(stop.clone())));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(patience.header)
        .max_header_size(MAX_HEADER)
        .max_buf_size(MAX_BUFFER);
    let cut = CancellationToken::new();
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(unsaid) = NOT_ACCEPTED.may_say() {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        unsaid, "A connection could not be accepted"
                    );
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = doors.enter(peer.ip()) else {
            doors.turn_away(stream, tls.is_none());
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(
                error = &error as &dyn std::error::Error,
                "A connection ended before it began"
            );
        }
        let service = TowerToHyperService::new(Named {
            router: router.clone(),
            peer: Peer(peer),
        });
        let (builder, tls, watcher) = (builder.clone(), tls.clone(), graceful.watcher());
        // What is boxed is held once: a future is as large as all that it was ever made of, and was 26 kB for each connection.
        let connection = async move {
            let Some(tls) = tls else {
                let stream = TokioIo::new(Patient::new(stream, patience.answer));
                return Box::pin(watcher.watch(builder.serve_connection(stream, service))).await;
            };
            match Box::pin(tls.accept(stream, patience)).await {
                Some(stream) => {
                    let stream = TokioIo::new(stream);
                    Box::pin(watcher.watch(builder.serve_connection(stream, service))).await
                }
                None => Ok(()),
            }
        };
        let connection = cut.clone().run_until_cancelled_owned(connection);
        tokio::spawn(async move {
            let _place = place;
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
