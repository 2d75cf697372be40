//! What is known of the packets that lie beside the database.
//!
//! A place in the packet store is written down before its first byte is sent there, and is a packet's only from the
//! transaction that lists the packet. What a killed hub leaves behind is therefore always known here.

mod intake;
mod sweep;

use daybook_core::Hash;
use deadpool_postgres::Pool;
use tokio_postgres::Row;
use uuid::Uuid;

pub use self::intake::{Begun, Finished, Quota};
pub use self::sweep::{Stale, SweepTurn};
use crate::row::{hash, size};
use crate::{StoreError, sql};

/// Which way a packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// From a researcher to TREs.
    Request,
    /// From a TRE to the project's members.
    Result,
}

impl PacketKind {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Result => "result",
        }
    }
}

/// A packet that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its random id.
    pub id: Uuid,
    /// The digest of its bytes.
    pub sha256: Hash,
    /// Its length in bytes.
    pub size: u64,
    /// Which way it travels.
    pub kind: PacketKind,
    /// The actor who sent it.
    pub owner: String,
    /// Where its bytes lie in the packet store.
    pub place: String,
}

/// The list of packets.
#[derive(Clone)]
pub struct Packets {
    pool: Pool,
}

impl Packets {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// A packet by its id.
    pub async fn find(&self, id: Uuid) -> Result<Option<Packet>, StoreError> {
        let row = sql::optional(
            &self.pool.get().await?,
            "-- find_packet
             SELECT id, sha256, size, kind, owner, place
             FROM packets
             WHERE id = $1",
            &[/* id */ &id],
        )
        .await?;
        row.as_ref().map(packet).transpose()
    }

    /// Whether a TRE has a job to which no results belong yet.
    pub async fn may_send_results(&self, tre: &str) -> Result<bool, StoreError> {
        let row = sql::one(
            &self.pool.get().await?,
            "-- job_without_results
             SELECT EXISTS (
                 SELECT
                 FROM stream_heads
                 WHERE stream >= 'job/'
                     AND stream < 'job0'
                     AND results IS NULL
                     AND tre = $1
             )",
            &[/* tre */ &tre],
        )
        .await?;
        Ok(row.try_get(0)?)
    }
}

pub(crate) fn packet(row: &Row) -> Result<Packet, StoreError> {
    let kind = match row.try_get(3)? {
        "request" => PacketKind::Request,
        "result" => PacketKind::Result,
        _ => return Err(StoreError::Unreadable("a kind of packet")),
    };
    let (id, sha256) = (row.try_get::<_, Uuid>(0)?, hash(row, 1)?);
    let place: Option<String> = row.try_get(5)?;
    Ok(Packet {
        id,
        sha256,
        size: size(row, 2)?,
        kind,
        owner: row.try_get(4)?,
        place: place.unwrap_or_else(|| format!("packets/{id}.{}", sha256.to_base64url())),
    })
}
