//! The packet store, and who listens where the hub would.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::net::TcpListener;

use super::Finding;
use crate::config::Config;
use crate::hub;

/// Nothing that works takes longer to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A bucket must answer. A folder was looked at with the others.
pub(super) async fn packets(config: &Config) -> Option<Finding> {
    let place = config.packets.store.as_ref()?;
    let todo = "check [packets] in the configuration, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    Some(
        match tokio::time::timeout(PATIENCE, hub::reach_packets(config)).await {
            Ok(Ok(())) => Finding::ok("packets", format!("{place} answers")),
            Ok(Err(error)) => Finding::fail("packets", format!("{place}: {error:#}"), todo),
            Err(_) => Finding::fail(
                "packets",
                format!("{place} does not answer within {} s", PATIENCE.as_secs()),
                todo,
            ),
        },
    )
}

pub(super) async fn port(config: &Config) -> Finding {
    match TcpListener::bind(config.listen).await {
        Ok(_) => Finding::ok("port", format!("{} is free", config.listen)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => occupant(config).await,
        Err(error) => Finding::fail(
            "port",
            format!("{} cannot be listened on: {error}", config.listen),
            "choose another `listen`; ports below 1024 need CAP_NET_BIND_SERVICE or systemd's socket",
        ),
    }
}

/// Who has the port: a hub says so.
async fn occupant(config: &Config) -> Finding {
    let scheme = if config.tls_cert.is_some() {
        "https"
    } else {
        "http"
    };
    let ready = async {
        // Only whether somebody answers as a hub does: the certificate names the hub, and not this address.
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .tls_danger_accept_invalid_certs(true)
            .build()?;
        let url = |path: &str| format!("{scheme}://{}{path}", config.listen);
        let alive = client.get(url("/healthz")).send().await?.text().await?;
        let ready = client.get(url("/readyz")).send().await?.status();
        Ok::<_, reqwest::Error>((alive == "alive\n", ready.is_success()))
    };
    match ready.await {
        Ok((true, true)) => Finding::ok("port", format!("a hub answers on {} and is ready", config.listen)),
        Ok((true, false)) => Finding::fail(
            "port",
            format!("a hub answers on {} and is not ready", config.listen),
            "its /readyz and its log say why",
        ),
        _ => Finding::fail(
            "port",
            format!("another program listens on {}", config.listen),
            "end it, or choose another `listen`",
        ),
    }
}
