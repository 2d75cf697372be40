//! Where a hub listens: an address of its own, or a socket that systemd opened; and the certificate that it shows there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use daybook_api::Tls;
use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::Config;

/// How often the certificate's files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// Connections that the system keeps until they are accepted; it may allow fewer (`net.core.somaxconn`). Of those beyond, it
/// drops the first packet, and they come again a second later and then later still: with the usual 128, two thousand clients
/// at once took more than ten seconds to get in.
const BACKLOG: u32 = 4_096;

/// The socket that whoever started us has opened (`LISTEN_FDS`), or one on the configured address.
///
/// A socket that outlives the process lets connections wait while one program takes another's place.
pub(super) fn listener(config: &Config) -> Result<TcpListener> {
    let passed = ListenFd::from_env()
        .take_tcp_listener(0)
        .context("LISTEN_FDS names something that is no listening TCP socket")?;
    if let Some(socket) = passed {
        socket.set_nonblocking(true)?;
        // The private cluster must not keep it.
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        info!("Taking connections from a socket that was passed; `listen` is not used");
        return Ok(TcpListener::from_std(socket)?);
    }
    listen(config.listen).with_context(|| {
        format!(
            "cannot listen on {}; is another hub running there?",
            config.listen
        )
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // As `TcpListener::bind` does: the port can be taken again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The certificate of the configuration, if it names one.
pub(crate) fn certificate(config: &Config) -> Result<Option<Arc<Tls>>> {
    match (&config.tls_cert, &config.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some(Arc::new(Tls::load(certificate, key)?))),
        _ => Ok(None),
    }
}

/// Reads the certificate again at SIGHUP, and whenever other files stand in its place. Without a certificate, SIGHUP does
/// nothing; it would end the process otherwise.
///
/// Listens for the signal before it returns; the work is what it returns.
pub(super) fn keep_fresh(
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + 'static> {
    let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    Ok(follow(tls, hangup, stop))
}

async fn follow(tls: Option<Arc<Tls>>, mut hangup: Signal, stop: CancellationToken) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        let is_asked = tokio::select! {
            asked = hangup.recv() => asked.is_some(),
            _ = look.tick() => false,
            () = stop.cancelled() => return,
        };
        let Some(tls) = &tls else { continue };
        let outcome = if is_asked {
            tls.reload().map(|()| true)
        } else {
            tls.reload_if_changed()
        };
        match outcome {
            Ok(true) => info!("The certificate was read again"),
            Ok(false) => {}
            Err(error) => error!(
                error = &error as &dyn std::error::Error,
                "The new certificate cannot be used, the old one stays: {error}"
            ),
        }
    }
}
