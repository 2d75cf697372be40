//! Connections: what each kind may do, and how long it may take.
//!
//! A hub that freezes in the middle of a transaction holds the lock of the head. The server ends such a session after
//! five seconds, so that the other instances go on.

mod address;
mod dial;
mod pooler;
mod text;
mod tls;

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::{Client, Config};

pub use self::address::{Address, AddressError};
use self::dial::{DialError, Dialer};
pub(crate) use self::pooler::refuse_pooler;
pub use self::tls::Verify;
use crate::StoreError;

/// How long a request waits for a connection of the pool.
const POOL_WAIT: Duration = Duration::from_secs(2);
/// What the server calls the connections that write the log.
const WRITER_NAME: &str = "daybook writer";
/// Connections in the readers' pool.
const POOL_SIZE: usize = 8;

/// Every transaction that changes something is durable before it is acknowledged, whatever the role's defaults say. No
/// time-out of statements: one that ended a commit that waits for a standby would have it acknowledged without that.
///
/// No sequential scans, here and for readers: a prepared statement keeps the plan that was best for the small tables of a
/// young log until the server next looks at their size, and within that minute a log may have grown to 100,000 entries.
const WRITER: &str = "
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET synchronous_commit = on;
SET statement_timeout = 0;
SET idle_session_timeout = 0;
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '5s';
SET jit = off;
SET enable_seqscan = off;
SET ROLE daybook_log";
const READER: &str = "
SET default_transaction_read_only = on;
SET statement_timeout = '5s';
SET idle_in_transaction_session_timeout = '5s';
SET jit = off;
SET enable_seqscan = off;
SET ROLE daybook_reader";

/// Judges what is only tried out: reads what the append reads, in one snapshot, and can write nothing.
const REHEARSAL: &str = "
SET default_transaction_read_only = on;
SET statement_timeout = '5s';
SET idle_in_transaction_session_timeout = '5s';
SET ROLE daybook_log";

/// Reads everything in one long snapshot, and can write nothing. Piece by piece along the indexes, also where the planner
/// knows nothing of the tables yet, as after a restore.
const AUDITOR: &str = "
SET default_transaction_read_only = on;
SET statement_timeout = 0;
SET idle_session_timeout = 0;
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = 0;
SET jit = off;
SET enable_seqscan = off;
SET ROLE daybook_log";

/// Views are derived: what a crash takes from them is folded again. A projector that freezes must not keep the others from
/// its cursors for ever.
const PROJECTOR: &str = "
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET synchronous_commit = off;
SET statement_timeout = 0;
SET idle_session_timeout = 0;
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '10s';
SET ROLE daybook_view";

/// Ends sessions of other hubs that have frozen while the server was sending them something: to the server they are not
/// idle, so that no time-out of its own ends them, and they may hold the lock of the head.
pub(crate) async fn end_frozen_writers(address: &Address) -> Result<u64, StoreError> {
    let client = open(address, "daybook rescue").await?;
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

/// Opens a connection outside the pool, as whoever the address names.
pub async fn open(address: impl Into<Address>, application: &str) -> Result<Client, StoreError> {
    let dialed = Dialer::new(&address.into(), application).dial().await;
    match dialed {
        // The connection lives as long as its client.
        Ok((client, _)) => Ok(client),
        Err(DialError::Refused(error)) => Err(error.into()),
        Err(DialError::Silent(waited)) => Err(StoreError::Silent(waited)),
    }
}

/// Makes the pool of connections that write the log: two for the sequencer, which keeps them, one for the publisher, and one
/// for whichever of them has just lost its own.
pub(crate) fn writer_pool(address: &Address) -> Result<Pool, StoreError> {
    pool(address, WRITER_NAME, WRITER, 4)
}

/// Makes the pool of connections that list packets, apart so that they never keep the log waiting.
pub(crate) fn packets_pool(address: &Address) -> Result<Pool, StoreError> {
    pool(address, "daybook packets", WRITER, 4)
}

/// Makes the pool of one connection that looks and changes nothing, as whoever the address names.
pub(crate) fn doctor_pool(address: &Address) -> Result<Pool, StoreError> {
    let settings = "SET default_transaction_read_only = on; SET statement_timeout = '5s'";
    pool(address, "daybook doctor", settings, 1)
}

/// Makes the pool of connections that may only read.
pub(crate) fn reader_pool(address: &Address) -> Result<Pool, StoreError> {
    pool(address, "daybook reader", READER, POOL_SIZE)
}

/// Makes the pool for events that are only tried out, apart so that they keep neither the log nor its readers waiting.
pub(crate) fn rehearsal_pool(address: &Address) -> Result<Pool, StoreError> {
    pool(address, "daybook rehearsal", REHEARSAL, 1)
}

/// Makes the pool of the one connection that an integrity check reads by, for as long as it takes.
pub(crate) fn auditor_pool(address: &Address) -> Result<Pool, StoreError> {
    pool(address, "daybook audit", AUDITOR, 1)
}

/// Makes the pool of the one connection that folds entries into views.
pub(crate) fn view_pool(address: &Address) -> Result<Pool, StoreError> {
    pool(address, "daybook projector", PROJECTOR, 1)
}

/// Opens a connection that hears what other hubs tell; the second value ends with it.
pub(crate) async fn listen(
    address: &Address,
    news: std::sync::Arc<tokio::sync::Notify>,
) -> Result<(Client, tokio::task::JoinHandle<()>), StoreError> {
    let dialed = Dialer::new(address, "daybook news").hearing(news).dial().await;
    dialed.map_err(|error| match error {
        DialError::Refused(error) => error.into(),
        DialError::Silent(waited) => StoreError::Silent(waited),
    })
}

fn pool(
    address: &Address,
    application: &str,
    settings: &'static str,
    size: usize,
) -> Result<Pool, StoreError> {
    let dialer = Dialer::new(address, application);
    // A single host either answers at once or is away. Several are asked in turn.
    let create = if dialer.has_choice() {
        dialer.patience()
    } else {
        POOL_WAIT
    };
    let manager = Manager::from_connect(
        Config::new(),
        dialer,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let prepare = Hook::async_fn(move |client, _| {
        Box::pin(async move { client.batch_execute(settings).await.map_err(HookError::Backend) })
    });
    let waits = Timeouts {
        wait: Some(POOL_WAIT),
        create: Some(create),
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
