//! What is known of the packets that lie beside the database.

use daybook_core::Hash;
use deadpool_postgres::Pool;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::row::{hash, number, size};
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

    /// Records a packet whose bytes are durable. `false` where the id is taken.
    pub async fn insert(&self, packet: &Packet) -> Result<bool, StoreError> {
        let inserted = sql::execute(
            &self.pool.get().await?,
            "-- insert_packet
             INSERT INTO packets (id, sha256, size, kind, owner)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO NOTHING",
            &[
                /* id */ &packet.id,
                /* sha256 */ &packet.sha256.as_ref(),
                /* size */ &number(packet.size),
                /* kind */ &packet.kind.as_str(),
                /* owner */ &packet.owner,
            ],
        )
        .await?;
        Ok(inserted == 1)
    }

    /// A packet by its id.
    pub async fn find(&self, id: Uuid) -> Result<Option<Packet>, StoreError> {
        let row = sql::optional(
            &self.pool.get().await?,
            "-- find_packet
             SELECT id, sha256, size, kind, owner
             FROM packets
             WHERE id = $1",
            &[/* id */ &id],
        )
        .await?;
        row.as_ref().map(packet).transpose()
    }
}

fn packet(row: &Row) -> Result<Packet, StoreError> {
    let kind = match row.try_get(3)? {
        "request" => PacketKind::Request,
        "result" => PacketKind::Result,
        _ => return Err(StoreError::Unreadable("a kind of packet")),
    };
    Ok(Packet {
        id: row.try_get(0)?,
        sha256: hash(row, 1)?,
        size: size(row, 2)?,
        kind,
        owner: row.try_get(4)?,
    })
}
