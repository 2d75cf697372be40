//! Which log the database holds, and which server holds the database.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daybook_core::base64url;
use daybook_core::event::Event;
use daybook_core::note::VerifierKey;
use deadpool_postgres::GenericClient;
use tokio_postgres::Client;
use tracing::warn;

use crate::error::damaged;
use crate::row::parsed;
use crate::{StoreError, sql};

/// A log's name and the key of its checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The origin.
    pub origin: String,
    /// The key that verifies its checkpoints.
    pub log_key: VerifierKey,
}

/// Names the log in an empty database; does nothing where it is named so already.
pub async fn initialise(client: &Client, identity: &Identity) -> Result<(), StoreError> {
    client
        .execute(
            "-- initialise
             INSERT INTO log_identity (origin, log_key)
             VALUES ($1, $2)
             ON CONFLICT DO NOTHING",
            &[
                /* origin */ &identity.origin,
                /* log_key */ &identity.log_key.to_string(),
            ],
        )
        .await?;
    let row = client
        .query_one(
            "-- identity_after_initialise
             SELECT origin, log_key
             FROM log_identity",
            &[],
        )
        .await?;
    let (origin, log_key): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    if origin == identity.origin && log_key == identity.log_key.to_string() {
        Ok(())
    } else {
        Err(StoreError::OtherLog {
            found: log_key,
            expected: identity.log_key.to_string(),
        })
    }
}

/// Reads which log this is.
pub(crate) async fn read(client: &impl GenericClient) -> Result<Identity, StoreError> {
    let row = sql::optional(
        client,
        "-- identity
         SELECT origin, log_key
         FROM log_identity",
        &[],
    )
    .await?;
    let row = row.ok_or(StoreError::NotInitialised)?;
    let log_key = parsed(&row, 1, "a verifier key", |text| text.parse().ok())?;
    Ok(Identity {
        origin: row.try_get(0)?,
        log_key,
    })
}

/// Every key that may have signed a checkpoint of this log: the one it was founded with, and those that the operator has
/// named since (`log-key-rotated`), the newest last.
pub async fn log_keys(client: &impl GenericClient) -> Result<Vec<VerifierKey>, StoreError> {
    let founded = read(client).await?;
    let rows = sql::all(
        client,
        "-- log_keys
         SELECT event
         FROM entries
         WHERE stream = 'federation' AND type = 'log-key-rotated'
         ORDER BY seq",
        &[],
    )
    .await?;
    let name = founded.log_key.name().clone();
    let mut keys = vec![founded.log_key];
    for row in rows {
        let event: String = row.try_get(0)?;
        let named = Event::parse(&event).ok();
        let x = named.and_then(|event| {
            let x = event.claims().data.get("key")?.as_str()?.to_owned();
            base64url::decode(&x)?.try_into().ok()
        });
        keys.extend(x.and_then(|x: [u8; 32]| VerifierKey::new(name.clone(), &x).ok()));
    }
    Ok(keys)
}

/// Refuses a database that holds another log.
pub(crate) async fn check(
    client: &impl GenericClient,
    origin: &str,
    log_key: &VerifierKey,
) -> Result<(), StoreError> {
    let found = read(client).await?;
    if found.origin == origin && log_keys(client).await?.contains(log_key) {
        return Ok(());
    }
    Err(StoreError::OtherLog {
        found: found.log_key.to_string(),
        expected: log_key.to_string(),
    })
}

/// PostgreSQL's own identity of its files, which a copy, a restore or a promoted standby changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerId {
    pub(crate) system_identifier: String,
    pub(crate) timeline: i32,
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system {} timeline {}", self.system_identifier, self.timeline)
    }
}

/// What was last known of the server. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Server(Arc<Mutex<Known>>);

#[derive(Clone, Debug)]
struct Known {
    id: ServerId,
    /// Its commits wait for every standby that may be promoted.
    is_synchronous: bool,
}

impl Known {
    async fn read(client: &impl GenericClient) -> Result<Self, StoreError> {
        // Not the timeline of the last checkpoint, which after a promotion stays the old one for minutes.
        let row = sql::one(
            client,
            "-- server
             SELECT system_identifier::text,
                 CASE WHEN NOT pg_is_in_recovery()
                     THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
                 END,
                 current_setting('synchronous_standby_names')
             FROM pg_control_system()",
            &[],
        )
        .await?;
        let id = ServerId {
            system_identifier: row.try_get(0)?,
            timeline: row.try_get::<_, Option<i32>>(1)?.ok_or(StoreError::Standby)?,
        };
        Ok(Self {
            id,
            is_synchronous: waits_for_all(row.try_get(2)?),
        })
    }
}

impl Server {
    pub(crate) async fn read(client: &impl GenericClient) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Mutex::new(Known::read(client).await?))))
    }

    pub(crate) fn id(&self) -> ServerId {
        self.known().id.clone()
    }

    /// Follows a promotion of a synchronous standby, and stops at any other change of the server.
    ///
    /// Where commits waited for every standby, the new server holds all that was ever acknowledged, and the old one
    /// acknowledges nothing any more: it waits for the standby that has left it. Otherwise the new server may lack entries
    /// and the old one may go on. Whoever calls must still compare the entries with what it knows of them.
    pub(crate) async fn follow(&self, client: &impl GenericClient) -> Result<(), StoreError> {
        let now = Known::read(client).await?;
        let mut known = self.known();
        let before = &known.id;
        if now.id != *before {
            if now.id.system_identifier != before.system_identifier || now.id.timeline < before.timeline {
                return Err(damaged(format!(
                    "the server was {before} and is now {}; a person must say which is the true one",
                    now.id
                )));
            }
            if !known.is_synchronous {
                return Err(damaged(format!(
                    "the server was {before} and is now {}: a standby was promoted, and the old server did not wait for every one, so that entries may be missing or the old server may still write; a person must say that it has ended and that this one is true",
                    now.id
                )));
            }
            warn!(
                "A synchronous standby was promoted: the server was {before} and is now {}",
                now.id
            );
        }
        *known = now;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `synchronous_standby_names` makes a commit wait for each standby that it names (PostgreSQL, section 20.6.2).
///
/// Of two of which one is enough, the one that was promoted may lack what the other has, and the old server goes on with
/// the other; `*` is enough for any, also for one that nobody knows of.
fn waits_for_all(names: &str) -> bool {
    let (needed, list) = match names.split_once('(') {
        None => (Some(1), names),
        Some((method, list)) => {
            let count = method.split_whitespace().next_back();
            let count = count.and_then(|word| {
                word.trim_start_matches(|c: char| !c.is_ascii_digit())
                    .parse()
                    .ok()
            });
            (count, list.trim_end().trim_end_matches(')'))
        }
    };
    let listed: Vec<&str> = list
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .collect();
    let is_named = listed.iter().all(|name| !name.is_empty() && *name != "*");
    is_named && needed.is_some_and(|needed: usize| needed >= listed.len())
}

/// Refuses a server that may forget what it acknowledged.
pub(crate) async fn check_durability(client: &impl GenericClient) -> Result<(), StoreError> {
    for setting in ["fsync", "full_page_writes"] {
        let row = sql::one(
            client,
            "-- setting
             SELECT current_setting($1)",
            &[/* name */ &setting],
        )
        .await?;
        let value: String = row.try_get(0)?;
        if value != "on" {
            return Err(StoreError::Unsafe { setting, value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_waits_for_every_standby_may_be_followed() {
        for all in [
            "second",
            "\"Second\"",
            " FIRST 1 (second) ",
            "first 2 (a, b)",
            "ANY 2 (a,b)",
            "any 3(a,b, c)",
            "2 (a, b)",
        ] {
            assert!(waits_for_all(all), "{all}");
        }
        for some in [
            "",
            "*",
            "\"*\"",
            "a,b",
            "FIRST 1 (a, b)",
            "ANY 1 (a, b)",
            "ANY 2 (a, b, c)",
            "2 (a, *)",
            "1 (*)",
            "1 ()",
        ] {
            assert!(!waits_for_all(some), "{some}");
        }
    }
}
