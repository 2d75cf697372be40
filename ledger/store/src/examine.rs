//! Looking at a database without changing it, for whoever wants to know why a hub does not start.

use std::path::Path;
use std::time::{Duration, SystemTime};

use daybook_core::note::VerifierKey;
use deadpool_postgres::Object;

use crate::guard::Guard;
use crate::identity::{self, Identity, Server};
use crate::log::TreeHead;
use crate::store::compare_guard;
use crate::{Address, OpenError, StoreError, connect, migrate, sql};

/// Settings that a hub needs to be on, and what they protect.
const DURABLE: [&str; 2] = ["fsync", "full_page_writes"];
/// Roles that a hub takes.
const ROLES: [&str; 2] = ["daybook_log", "daybook_reader"];

/// What was found. Each finding that a later one depends on is an `Err` there.
#[derive(Debug)]
pub struct Examination {
    /// `server_version_num`, as 150003.
    pub version: i32,
    /// Whether this very connection is encrypted.
    pub is_encrypted: bool,
    /// How far the server's clock is ahead of ours; the flag says that it is behind.
    pub clock: (Duration, bool),
    /// Settings that are not `on` though they must be.
    pub unsafe_settings: Vec<&'static str>,
    /// Roles that are missing or cannot be taken.
    pub missing_roles: Vec<&'static str>,
    /// Whether sessions are shared.
    pub pooler: Result<(), StoreError>,
    /// The schema's version, or why this program cannot use it.
    pub schema: Result<i32, StoreError>,
    /// Which log it is.
    pub identity: Result<Identity, StoreError>,
    /// Every key that may have signed its checkpoints.
    pub log_keys: Vec<VerifierKey>,
    /// Number of entries, or how the database contradicts the guard.
    pub guard: Result<u64, OpenError>,
}

/// Looks at the database at this address, and at a guard file beside it.
pub async fn examine(address: &Address, guard: &Path, origin: &str) -> Result<Examination, StoreError> {
    let pool = connect::doctor_pool(address)?;
    let client = pool.get().await?;
    let (clock, version, is_encrypted) = first_look(&client).await?;
    let mut found = Examination {
        version,
        is_encrypted,
        clock,
        unsafe_settings: not_durable(&client).await?,
        missing_roles: not_to_be_taken(&client).await?,
        pooler: connect::refuse_pooler(address).await,
        schema: migrate::check_schema(&client).await,
        identity: Err(StoreError::NotInitialised),
        log_keys: Vec::new(),
        guard: Err(StoreError::NotInitialised.into()),
    };
    let is_readable = found.missing_roles.is_empty() && !matches!(found.schema, Ok(0) | Err(_));
    if is_readable {
        // As the hub reads: an owner may more.
        client.batch_execute("SET ROLE daybook_reader").await?;
        found.identity = identity::read(&client).await;
        if found.identity.is_ok() {
            found.log_keys = identity::log_keys(&client).await?;
        }
        found.guard = look_at_guard(&client, guard, origin).await;
    }
    Ok(found)
}

/// Every key that the log in the database at this address names as its own.
pub async fn named_keys(address: &Address) -> Result<Vec<VerifierKey>, StoreError> {
    let pool = connect::doctor_pool(address)?;
    identity::log_keys(&pool.get().await?).await
}

async fn first_look(client: &Object) -> Result<((Duration, bool), i32, bool), StoreError> {
    let before = SystemTime::now();
    let row = sql::one(
        client,
        "-- first_look
         SELECT clock_timestamp(), current_setting('server_version_num')::integer,
             coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE)",
        &[],
    )
    .await?;
    let theirs: SystemTime = row.try_get(0)?;
    // The answer was made somewhere between question and receipt.
    let after = SystemTime::now();
    let ahead = theirs.duration_since(after).map(|ahead| (ahead, false));
    let clock = ahead.unwrap_or_else(|_| (before.duration_since(theirs).unwrap_or_default(), true));
    Ok((clock, row.try_get(1)?, row.try_get(2)?))
}

async fn not_durable(client: &Object) -> Result<Vec<&'static str>, StoreError> {
    let mut found = Vec::new();
    for setting in DURABLE {
        let row = sql::one(
            client,
            "-- examined_setting
             SELECT current_setting($1)",
            &[/* name */ &setting],
        )
        .await?;
        if row.try_get::<_, String>(0)? != "on" {
            found.push(setting);
        }
    }
    Ok(found)
}

async fn not_to_be_taken(client: &Object) -> Result<Vec<&'static str>, StoreError> {
    let mut found = Vec::new();
    for role in ROLES {
        let row = sql::one(
            client,
            "-- examined_role
             SELECT coalesce((SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = $1), FALSE)",
            &[/* role */ &role],
        )
        .await?;
        if !row.try_get::<_, bool>(0)? {
            found.push(role);
        }
    }
    Ok(found)
}

async fn look_at_guard(client: &Object, guard: &Path, origin: &str) -> Result<u64, OpenError> {
    let row = sql::one(
        client,
        "-- examined_head
         SELECT size, root
         FROM log_head",
        &[],
    )
    .await
    .map_err(StoreError::from)?;
    let head = TreeHead::from_row(&row)?;
    let server = Server::read(client).await?;
    compare_guard(client, head, &Guard::open(guard)?, origin, &server.id(), false).await?;
    Ok(head.size)
}
