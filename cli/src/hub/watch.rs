//! What a hub shows to whoever watches it, and the limits that it keeps.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use daybook_api::{App, Disk};
use daybook_store::Store;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::Config;

/// Gives a hub its limits and the disks that it must look after.
pub(super) fn watched(app: App, store: &Store, config: &Config) -> App {
    let keep_free = config.limits.keep_free_mib.saturating_mul(1024 * 1024);
    let disk = |place, folder: &Path| Disk {
        place,
        folder: folder.to_owned(),
        keep_free,
    };
    let guard = config.guard_path.parent().unwrap_or(Path::new("."));
    app.limited(store, config.limits.limits(&config.trusted_proxies))
        .on_disks(vec![disk("data", &config.data_dir), disk("guard", guard)])
}

/// Serves the metrics on a port of their own, if the configuration names one; where, and the task.
pub(super) async fn serve_metrics(
    app: &App,
    config: &Config,
    stop: &CancellationToken,
) -> Result<Option<(SocketAddr, JoinHandle<()>)>> {
    let Some(address) = config.metrics_listen else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}, the `metrics_listen` of the configuration"))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        warn!(%address, "Metrics are served to whoever reaches {address}: keep that port from the world");
    }
    info!(%address, "Metrics are at http://{address}/metrics");
    let router = daybook_api::metrics_router(app.metrics().clone());
    let task = tokio::spawn(daybook_api::serve(listener, router, stop.clone()));
    Ok(Some((address, task)))
}

/// Lets this process open as many files and connections as the system allows it, not as few as it starts with.
pub(super) fn raise_file_limit(wanted: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(
            error = &error as &dyn std::error::Error,
            "The limit of open files could not be raised"
        );
    }
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(256);
    if let Some(most) = getrlimit(Resource::Nofile).current
        && most < wanted
    {
        warn!(
            most,
            wanted,
            "{most} files may be open at once, and `max_connections` may need {wanted}: raise the limit (LimitNOFILE)"
        );
    }
}
