//! Telling other hubs that the log has grown, and hearing it from them: a hint, for everybody also polls.
//!
//! A NOTIFY inside the append's transaction would make all commits of the server take turns. This one goes out on a
//! connection of its own, after the commit, at most ten times a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::log::TreeHead;
use crate::{Address, StoreError, connect};

/// The channel of NOTIFY.
const CHANNEL: &str = "daybook_head";
/// The least time between two notifications of one hub.
const PAUSE: Duration = Duration::from_millis(100);
/// How long until a broken connection is made anew.
const AGAIN: Duration = Duration::from_secs(2);

/// Tells and listens until told to stop; `news` hears of every notification.
pub(super) async fn run(
    address: Address,
    mut head: watch::Receiver<TreeHead>,
    news: Arc<Notify>,
    stop: CancellationToken,
) {
    let work = async {
        loop {
            if let Err(error) = talk(&address, &mut head, &news).await {
                // Polling goes on, so nobody waits for this.
                debug!(
                    error = &error as &dyn std::error::Error,
                    "Hubs cannot tell each other of the head"
                );
            }
            sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

async fn talk(
    address: &Address,
    head: &mut watch::Receiver<TreeHead>,
    news: &Arc<Notify>,
) -> Result<(), StoreError> {
    let (client, connection) = connect::listen(address, news.clone()).await?;
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
    let tell = async {
        while head.changed().await.is_ok() {
            let told = Instant::now();
            client.batch_execute(&format!("NOTIFY {CHANNEL}")).await?;
            sleep_until(told + PAUSE).await;
        }
        Ok(())
    };
    tokio::select! {
        told = tell => told,
        _ = connection => Ok(()),
    }
}
