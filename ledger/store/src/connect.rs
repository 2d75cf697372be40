//! Connections: what each kind may do, and how long it may take.
//!
//! A hub that freezes in the middle of a transaction holds the lock of the head. The server ends such a session after
//! five seconds, so that the other instances go on.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::{Client, Config, NoTls};
use tracing::warn;

use crate::StoreError;

/// How long a request waits for a connection of the pool.
const POOL_WAIT: Duration = Duration::from_secs(2);
/// What the server calls the connections that write the log.
const WRITER_NAME: &str = "daybook writer";
/// Connections in the readers' pool.
const POOL_SIZE: usize = 8;

/// Every transaction that changes something is durable before it is acknowledged, whatever the role's defaults say. No
/// time-out of statements: one that ended a commit that waits for a standby would have it acknowledged without that.
const WRITER: &str = "
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET synchronous_commit = on;
SET statement_timeout = 0;
SET idle_session_timeout = 0;
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '5s';
SET ROLE daybook_log";
const READER: &str = "
SET default_transaction_read_only = on;
SET statement_timeout = '5s';
SET idle_in_transaction_session_timeout = '5s';
SET ROLE daybook_reader";

/// Ends sessions of other hubs that have frozen while the server was sending them something: to the server they are not
/// idle, so that no time-out of its own ends them, and they may hold the lock of the head.
pub(crate) async fn end_frozen_writers(config: &Config) -> Result<u64, StoreError> {
    let client = open(config, "daybook rescue").await?;
    let ended = client
        .execute(
            "-- end_frozen_writers
             SELECT pg_terminate_backend(pid)
             FROM pg_stat_activity
             WHERE datname = current_database()
                 AND usename = session_user
                 AND application_name = $1
                 AND wait_event = 'ClientWrite'
                 AND query_start < now() - interval '4 seconds'",
            &[/* application */ &WRITER_NAME],
        )
        .await?;
    Ok(ended)
}

/// Time-outs of the connection itself, so that a vanished server is noticed.
fn with_timeouts(mut config: Config) -> Config {
    config
        .connect_timeout(Duration::from_secs(5))
        .tcp_user_timeout(Duration::from_secs(10))
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(5))
        .keepalives_interval(Duration::from_secs(2))
        .keepalives_retries(3);
    config
}

/// Opens a connection outside the pool, as whoever the configuration names.
pub async fn open(config: &Config, application: &str) -> Result<Client, StoreError> {
    let mut config = with_timeouts(config.clone());
    config.application_name(application);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            warn!(error = %error, "A database connection ended");
        }
    });
    Ok(client)
}

/// Makes the pool of connections that write the log: one for the sequencer, which keeps it, one for the publisher, and one
/// for whichever of them has just lost its own.
pub(crate) fn writer_pool(config: &Config) -> Result<Pool, StoreError> {
    pool(config, WRITER_NAME, WRITER, 3)
}

/// Makes the pool of connections that list packets, apart so that they never keep the log waiting.
pub(crate) fn packets_pool(config: &Config) -> Result<Pool, StoreError> {
    pool(config, "daybook packets", WRITER, 4)
}

/// Makes the pool of connections that may only read.
pub(crate) fn reader_pool(config: &Config) -> Result<Pool, StoreError> {
    pool(config, "daybook reader", READER, POOL_SIZE)
}

fn pool(config: &Config, application: &str, settings: &'static str, size: usize) -> Result<Pool, StoreError> {
    let mut config = with_timeouts(config.clone());
    config.application_name(application);
    let manager = Manager::from_config(
        config,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let prepare = Hook::async_fn(move |client, _| {
        Box::pin(async move { client.batch_execute(settings).await.map_err(HookError::Backend) })
    });
    let waits = Timeouts {
        wait: Some(POOL_WAIT),
        create: Some(POOL_WAIT),
        recycle: Some(POOL_WAIT),
    };
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .timeouts(waits)
        .post_create(prepare)
        .build()
        .map_err(|_| StoreError::Unreadable("a pool configuration"))
}
