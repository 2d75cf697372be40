//! Telling a server from a pooler that gives each transaction to another session.
//!
//! The sequencer's time-outs, its role and its durability are settings of a session. Behind `PgBouncer` in transaction mode
//! they would hold for whoever comes next, and not for the hub.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::Address;
use crate::StoreError;

/// Refuses an address behind which sessions are shared.
pub(crate) async fn refuse_pooler(address: &Address) -> Result<(), StoreError> {
    let first = super::open(address, "daybook start").await?;
    let second = super::open(address, "daybook start").await?;
    // A pooler hands out what was free last, or its servers in turn. In the first case the second client gets the first
    // one's session, in the other one client meets two.
    let mine = session(&first).await?;
    let again = session(&first).await?;
    second.batch_execute("BEGIN").await?;
    let theirs = session(&second).await?;
    let third = session(&first).await?;
    second.batch_execute("COMMIT").await?;
    if mine == again && again == third && mine != theirs {
        Ok(())
    } else {
        Err(StoreError::Pooled)
    }
}

/// The number of the server's process behind a connection. By the simple protocol: a statement that was prepared in one
/// session is unknown in the next.
async fn session(client: &Client) -> Result<String, StoreError> {
    let answer = client
        .simple_query(
            "-- session
             SELECT pg_backend_pid()",
        )
        .await?;
    answer
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().map(ToOwned::to_owned),
            _ => None,
        })
        .ok_or(StoreError::Unreadable("a session without a number"))
}
