//! Listening on the internal address.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::TlsFiles;
use super::guard::Relay;
use super::routes::router;
use crate::relay::Desk;

/// How long a header or a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long open calls may go on at the end.
const GRACE: Duration = Duration::from_secs(5);
/// Connections at once: two programs call.
const MAX_CONNECTIONS: usize = 64;
/// How long to wait when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// A certificate, ready to be shown.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads certificate and key.
    pub fn read(files: &TlsFiles) -> Result<Self> {
        let read = |path: &std::path::Path| {
            fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&files.cert)?).collect();
        let chain = chain.with_context(|| format!("{} holds no certificate", files.cert.display()))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
            .with_context(|| format!("{} holds no key", files.key.display()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("certificate and key do not go together")?;
        Ok(Self(Arc::new(config)))
    }
}

/// The relay's side of the link.
pub struct Server {
    listener: TcpListener,
    relay: Relay,
    tls: Option<Tls>,
}

impl Server {
    /// Listens at an internal address. `name` is the link's name, which callers state; `max_output` are the bytes of the
    /// largest output that is taken, which is held in memory until it is known to be cleared.
    pub async fn bind(
        desk: Arc<Desk>,
        address: SocketAddr,
        name: &str,
        max_output: usize,
        tls: Option<Tls>,
    ) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        // Events and lists are small; a body has room for them even where outputs are smaller still.
        let relay = Relay {
            desk,
            name: name.into(),
            max_body: max_output.max(1024 * 1024),
        };
        Ok(Self { listener, relay, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let router = router(self.relay);
        let graceful = GracefulShutdown::new();
        let doors = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            // Whoever comes beyond the limit is turned away, and comes again.
            let Ok(place) = doors.clone().try_acquire_owned() else {
                continue;
            };
            let (router, builder, watcher, tls) = (
                router.clone(),
                builder.clone(),
                graceful.watcher(),
                self.tls.clone(),
            );
            tokio::spawn(async move {
                if let Some(stream) = secure(stream, tls).await {
                    let connection =
                        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
                    // A connection that breaks off is the caller's affair: it calls again.
                    drop(watcher.watch(connection).await);
                }
                drop(place);
            });
        }
        drop(tokio::time::timeout(GRACE, graceful.shutdown()).await);
    }
}

/// Either kind of stream.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn secure(stream: TcpStream, tls: Option<Tls>) -> Option<Box<dyn Stream>> {
    let Some(Tls(config)) = tls else {
        return Some(Box::new(stream));
    };
    let handshake = tokio::time::timeout(PATIENCE, TlsAcceptor::from(config).accept(stream));
    let stream = handshake.await.ok()?.ok()?;
    Some(Box::new(stream))
}
