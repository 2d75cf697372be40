//! Running one of a TRE's programs until it ends or is told to.

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::serve::Ends;
use crate::service;

/// Runs a program, which ends by itself once its token is cancelled; `farewell` tells the log how. Told a second time to end, it
/// does at once.
pub(super) async fn run<F: Future<Output = Result<()>>>(
    farewell: &str,
    start: impl FnOnce(CancellationToken) -> F,
) -> Result<()> {
    let mut ends = Ends::listen()?;
    let stop = CancellationToken::new();
    let serving = start(stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = ends.next() => {}
    }
    service::stopping().await;
    info!("Ending: {farewell}");
    stop.cancel();
    tokio::select! {
        ended = serving => ended,
        () = ends.next() => bail!("told a second time: ending at once"),
    }
}

/// Tells systemd that the program is ready, and from now on that it lives.
pub(super) fn is_ready() {
    tokio::spawn(service::ready());
    service::keep_watchdog();
}
