//! Packets go: those that nobody named, those that have had their day, those that were erased, and broken-off uploads.
//!
//! A packet leaves the list in a transaction that holds the head's lock and asks again what names it, so that no entry of
//! that moment does. Its place is written down in the same transaction, to be emptied after.

use std::time::Duration;

use daybook_core::event::Event;
use deadpool_postgres::{ClientWrapper, Object, Transaction};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{PacketKind, Packets};
use crate::erase::{self, Erased};
use crate::row::parsed;
use crate::{StoreError, sql};

/// Any number that no other program takes as an advisory lock: "packets" in ASCII.
const LOCK: i64 = 0x70_61_63_6b_65_74_73;
/// Packets that leave the list in one transaction, which holds the lock of the head.
const BATCH: i64 = 50;

/// Whether a job names packet `p`: one of its sender's project, or of the TRE that sent it. Others may write its id into
/// theirs and change nothing. `$also` narrows down the jobs.
macro_rules! is_named {
    ($also:literal) => {
        concat!(
            "(
                 EXISTS (
                     SELECT
                     FROM stream_heads AS h
                     WHERE p.kind = 'request'
                         AND h.stream >= 'job/'
                         AND h.stream < 'job0'
                         AND h.packet = p.id::text
                         AND h.state ->> 'project' = split_part(p.owner, '/', 2)",
            $also,
            "
                 )
                 OR EXISTS (
                     SELECT
                     FROM stream_heads AS h
                     WHERE p.kind = 'result'
                         AND h.stream >= 'job/'
                         AND h.stream < 'job0'
                         AND h.results = p.id::text
                         AND h.tre = split_part(p.owner, '/', 2)",
            $also,
            "
                 )
             )"
        )
    };
}
pub(super) use is_named;

/// Takes packets off the list and writes their places down, to be emptied. The condition is asked under the head's lock.
macro_rules! unlist {
    ($name:literal, $condition:expr) => {
        concat!(
            "-- ",
            $name,
            "
             WITH gone AS (
                 DELETE FROM packets AS p
                 WHERE p.id = ANY ($1) AND ",
            $condition,
            "
                 RETURNING p.id, p.sha256, p.size, p.owner, p.place
             )
             INSERT INTO packet_places (place, owner, size, touched_at)
             SELECT
                 coalesce(place, 'packets/' || id::text || '.' || translate(rtrim(encode(sha256, 'base64'), '='), '+/', '-_')),
                 owner, size, '-infinity'
             FROM gone"
        )
    };
}

/// A place that is to be emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The place.
    pub place: String,
    /// How the packet store calls an upload that was never finished there.
    pub multipart: Option<String>,
}

/// The right to sweep, which one hub has at a time. It ends when this is dropped.
pub struct SweepTurn {
    // The lock is the session's: a connection that went back to the pool would keep it.
    _session: ClientWrapper,
}

impl Packets {
    /// Takes the right to sweep, unless another hub has it.
    pub async fn sweep_turn(&self) -> Result<Option<SweepTurn>, StoreError> {
        let session = Object::take(self.pool.get().await?);
        let row = session
            .query_one(
                "-- take_sweep_turn
                 SELECT pg_try_advisory_lock($1)",
                &[/* lock */ &LOCK],
            )
            .await?;
        Ok(row
            .try_get::<_, bool>(0)?
            .then_some(SweepTurn { _session: session }))
    }

    /// Gives up uploads of which nothing was heard for so long, by the database's clock.
    pub async fn give_up_silent(&self, silent: Duration) -> Result<u64, StoreError> {
        let changed = sql::execute(
            &self.pool.get().await?,
            "-- give_up_silent
             UPDATE packet_places
             SET touched_at = '-infinity'
             WHERE touched_at > '-infinity' AND touched_at < now() - make_interval(secs => $1)",
            &[/* silent */ &silent.as_secs_f64()],
        )
        .await?;
        Ok(changed)
    }

    /// Places that are to be emptied, at most 1,000, after a place.
    pub async fn stale(&self, after: &str) -> Result<Vec<Stale>, StoreError> {
        let rows = sql::all(
            &self.pool.get().await?,
            "-- stale_packet_places
             SELECT place, multipart
             FROM packet_places
             WHERE touched_at = '-infinity' AND place > $1
             ORDER BY place
             LIMIT 1000",
            &[/* after */ &after],
        )
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Stale {
                    place: row.try_get(0)?,
                    multipart: row.try_get(1)?,
                })
            })
            .collect()
    }

    /// Notes which packets jobs name, and of which all jobs have ended. `ends` are the states in which a job has ended.
    pub async fn note_jobs(&self, ends: &[String]) -> Result<(), StoreError> {
        let client = self.pool.get().await?;
        sql::execute(
            &client,
            concat!(
                "-- mark_named
                 UPDATE packets AS p
                 SET named_at = now()
                 WHERE p.named_at IS NULL AND ",
                is_named!("")
            ),
            &[],
        )
        .await?;
        sql::execute(
            &client,
            concat!(
                "-- mark_ended
                 UPDATE packets AS p
                 SET ended_at = now()
                 WHERE p.named_at IS NOT NULL AND p.ended_at IS NULL AND NOT ",
                is_named!(" AND h.state ->> 'state' <> ALL ($1)")
            ),
            &[/* ends */ &ends],
        )
        .await?;
        sql::execute(
            &client,
            concat!(
                "-- mark_open_again
                 UPDATE packets AS p
                 SET ended_at = NULL
                 WHERE p.ended_at IS NOT NULL AND ",
                is_named!(" AND h.state ->> 'state' <> ALL ($1)")
            ),
            &[/* ends */ &ends],
        )
        .await?;
        Ok(())
    }

    /// Takes packets off the list that no job has named for so long after they came; answers how many, at most 50.
    pub async fn unlist_unnamed(&self, keep: Duration) -> Result<u64, StoreError> {
        let mut client = self.pool.get().await?;
        let rows = sql::all(
            &client,
            "-- unnamed_packets
             SELECT id
             FROM packets
             WHERE named_at IS NULL AND stored_at < now() - make_interval(secs => $1)
             LIMIT $2",
            &[/* keep */ &keep.as_secs_f64(), /* limit */ &BATCH],
        )
        .await?;
        let Some((tx, ids)) = begin(&mut client, &rows).await? else {
            return Ok(0);
        };
        let gone = sql::execute(
            &tx,
            unlist!(
                "unlist_unnamed",
                concat!(
                    "p.stored_at < now() - make_interval(secs => $2) AND NOT ",
                    is_named!("")
                )
            ),
            &[/* ids */ &ids, /* keep */ &keep.as_secs_f64()],
        )
        .await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Takes packets of a kind off the list all of whose jobs ended so long ago; answers how many, at most 50.
    pub async fn unlist_ended(
        &self,
        kind: PacketKind,
        keep: Duration,
        ends: &[String],
    ) -> Result<u64, StoreError> {
        let mut client = self.pool.get().await?;
        let rows = sql::all(
            &client,
            "-- ended_packets
             SELECT id
             FROM packets
             WHERE kind = $1 AND ended_at < now() - make_interval(secs => $2)
             LIMIT $3",
            &[
                /* kind */ &kind.as_str(),
                /* keep */ &keep.as_secs_f64(),
                /* limit */ &BATCH,
            ],
        )
        .await?;
        let Some((tx, ids)) = begin(&mut client, &rows).await? else {
            return Ok(0);
        };
        let gone = sql::execute(
            &tx,
            unlist!(
                "unlist_ended",
                concat!("NOT ", is_named!(" AND h.state ->> 'state' <> ALL ($2)"))
            ),
            &[/* ids */ &ids, /* ends */ &ends],
        )
        .await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Takes results off the list of which their TRE has said that they expired; answers how many, at most 50.
    pub async fn unlist_expired(&self) -> Result<u64, StoreError> {
        let mut client = self.pool.get().await?;
        let rows = sql::all(
            &client,
            concat!(
                "-- expired_packets
                 SELECT p.id
                 FROM packets AS p
                 WHERE p.kind = 'result' AND p.named_at IS NOT NULL AND ",
                is_named!(" AND h.state ->> 'expired' IS NOT NULL"),
                "
                 LIMIT $1"
            ),
            &[/* limit */ &BATCH],
        )
        .await?;
        let Some((tx, ids)) = begin(&mut client, &rows).await? else {
            return Ok(0);
        };
        let gone = sql::execute(
            &tx,
            unlist!(
                "unlist_expired",
                concat!("NOT ", is_named!(" AND h.state ->> 'expired' IS NULL"))
            ),
            &[/* ids */ &ids],
        )
        .await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Takes packets off the list whose sealed digest a `fields-erased` names: who erases the digest erases the packet.
    pub async fn unlist_erased(&self) -> Result<u64, StoreError> {
        let mut client = self.pool.get().await?;
        let mut gone = 0;
        let mut after = None;
        while let Some((last, fields)) = erase::page(&client, after).await? {
            gone += unlist_about(&mut client, &fields).await?;
            after = Some(last);
        }
        Ok(gone)
    }
}

/// Takes packets off the list that entries are about of which these fields were erased, the packet's digest among them.
async fn unlist_about(client: &mut Object, fields: &[Erased]) -> Result<u64, StoreError> {
    let leaves: Vec<&[u8]> = fields.iter().map(|field| field.leaf.as_ref()).collect();
    let rows = sql::all(
        client,
        "-- events_without_packet_digest
         SELECT e.event
         FROM entries AS e
         WHERE e.leaf = ANY ($1)
             AND e.type IN ('job-submitted', 'job-released', 'packet-offered')
             AND NOT EXISTS (SELECT FROM openings AS o WHERE o.idx = e.idx AND o.name = 'packet_digest')",
        &[/* leaves */ &leaves],
    )
    .await?;
    let mut ids = Vec::new();
    let mut senders = Vec::new();
    for row in &rows {
        let event = parsed(row, 0, "an event about a packet", |text| Event::parse(text).ok())?;
        let claims = event.claims();
        let id = claims.data.get("packet").and_then(Value::as_str);
        if let Some(id) = id.and_then(|id| id.parse::<Uuid>().ok()) {
            ids.push(id);
            senders.push(claims.iss.home().to_string());
        }
    }
    if ids.is_empty() {
        return Ok(0);
    }
    let tx = locked(client).await?;
    let gone = sql::execute(
        &tx,
        unlist!(
            "unlist_erased",
            "EXISTS (
                 SELECT
                 FROM unnest($1::uuid[], $2::text[]) AS e (id, sender)
                 WHERE e.id = p.id
                     AND e.sender = split_part(p.owner, '/', 1) || '/' || split_part(p.owner, '/', 2)
             )"
        ),
        &[/* ids */ &ids, /* senders */ &senders],
    )
    .await?;
    tx.commit().await?;
    Ok(gone)
}

/// Begins a transaction about packets; none where there are none.
async fn begin<'a>(
    client: &'a mut Object,
    rows: &[Row],
) -> Result<Option<(Transaction<'a>, Vec<Uuid>)>, StoreError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let ids: Result<Vec<Uuid>, _> = rows.iter().map(|row| row.try_get(0)).collect();
    Ok(Some((locked(client).await?, ids?)))
}

/// Begins a transaction in which no append commits. What names a packet is then as it is until the end.
async fn locked(client: &mut Object) -> Result<Transaction<'_>, StoreError> {
    let tx = client.transaction().await?;
    sql::one(
        &tx,
        "-- hold_head
         SELECT size
         FROM log_head
         FOR SHARE",
        &[],
    )
    .await?;
    Ok(tx)
}
