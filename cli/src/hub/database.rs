//! The database of a hub: its own private cluster, or one that somebody else runs.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use daybook_store::Address;
use daybook_store::cluster::{Cluster, Config as ClusterConfig, ProgramSearch};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::config::{Config, Secrets};

/// How long until a server that could not be started is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// A database that answers.
pub struct Database {
    config: Address,
    private: Option<Private>,
}

/// A private cluster and what keeps it alive.
struct Private {
    cluster: Arc<Mutex<Option<Cluster>>>,
    stop: CancellationToken,
    keeper: TaskTracker,
}

impl Database {
    /// Connects to `DATABASE_URL`, or starts the private cluster and brings its schema up to date.
    pub async fn start(config: &Config, secrets: &Secrets) -> Result<Self> {
        let database = Self::as_it_is(config, secrets).await?;
        if database.private.is_some()
            && let Err(error) = daybook_store::migrate(&database.config).await
        {
            database.stop().await?;
            return Err(error.into());
        }
        Ok(database)
    }

    /// Connects to `DATABASE_URL`, or starts the private cluster, and leaves the schema alone.
    pub async fn as_it_is(config: &Config, secrets: &Secrets) -> Result<Self> {
        if let Some(url) = &secrets.database_url {
            let config = url.parse().context("DATABASE_URL")?;
            return Ok(Self {
                config,
                private: None,
            });
        }
        let wanted = cluster_config(config);
        let cluster = Cluster::start(wanted.clone())
            .await
            .context("the private PostgreSQL cluster")?;
        let config = Address::from(cluster.pg_config());
        daybook_store::migrate(&config).await?;
        Ok(Self {
            config,
            private: Some(Private::keep(cluster, wanted)),
        })
    }

    /// How to connect.
    pub fn config(&self) -> Address {
        self.config.clone()
    }

    /// Whether it is the hub's own private cluster.
    pub(super) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// Ends the private cluster, if there is one.
    pub async fn stop(self) -> Result<()> {
        let Some(private) = self.private else {
            return Ok(());
        };
        private.stop.cancel();
        private.keeper.wait().await;
        if let Some(cluster) = private.cluster.lock().await.take() {
            cluster.stop().await?;
        }
        Ok(())
    }
}

impl Private {
    /// Starts the server again whenever it ends by itself: what was acknowledged is durable, and the log reads on.
    fn keep(cluster: Cluster, wanted: ClusterConfig) -> Self {
        let cluster = Arc::new(Mutex::new(Some(cluster)));
        let (stop, keeper) = (CancellationToken::new(), TaskTracker::new());
        keeper.spawn(keep_alive(cluster.clone(), wanted, stop.clone()));
        keeper.close();
        Self {
            cluster,
            stop,
            keeper,
        }
    }
}

async fn keep_alive(shared: Arc<Mutex<Option<Cluster>>>, wanted: ClusterConfig, stop: CancellationToken) {
    loop {
        let mut cluster = shared.lock().await;
        if let Some(running) = cluster.as_ref() {
            tokio::select! {
                () = running.ended() => {}
                () = stop.cancelled() => return,
            }
            warn!("The private PostgreSQL server ended by itself; starting it again");
        }
        // Dropping the old value gives up its claim on the folder.
        *cluster = None;
        match Cluster::start(wanted.clone()).await {
            Ok(started) => {
                info!("The private PostgreSQL server runs again");
                *cluster = Some(started);
            }
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "The private PostgreSQL server cannot be started; trying again"
                );
                // What hinders it, a full disk say, may pass. Whoever ends the hub meanwhile finds nothing to stop.
                drop(cluster);
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

pub(crate) fn cluster_config(config: &Config) -> ClusterConfig {
    let mut cluster = ClusterConfig::new(&config.data_dir);
    cluster.runtime_dir = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let path = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    cluster.programs = ProgramSearch {
        path,
        ..ProgramSearch::default()
    };
    cluster
}
