//! A packet comes in: a place is written down, filled, and becomes a packet's.

use std::time::Duration;

use uuid::Uuid;

use super::sweep::is_named;
use super::{Packet, Packets};
use crate::row::{number, size};
use crate::{StoreError, sql};

/// What one actor may have in the packet store that no job names yet, uploads under way included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

/// Whether an upload may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It may, at this place, which is nobody else's.
    At(String),
    /// The quota does not allow it.
    OverQuota {
        /// Bytes that the actor has there.
        bytes: u64,
        /// Packets that the actor has there.
        packets: u64,
    },
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The packet is listed.
    Listed,
    /// Another packet has the id. The place is to be emptied.
    Taken,
    /// The place was given up meanwhile, as nothing had come for too long.
    GivenUp,
}

/// An upload of which nothing was heard for so long no longer counts against its sender's quota. A body may pause for 30
/// seconds, and a part may take the packet store a few minutes.
const SILENT: Duration = Duration::from_mins(15);

impl Packets {
    /// Takes note that an owner sent a packet that is listed already: until a job names it, its time begins anew.
    ///
    /// `false` where the packet is gone.
    pub async fn sent_again(&self, id: Uuid) -> Result<bool, StoreError> {
        let changed = sql::execute(
            &self.pool.get().await?,
            "-- packet_sent_again
             UPDATE packets
             SET stored_at = now()
             WHERE id = $1",
            &[/* id */ &id],
        )
        .await?;
        Ok(changed == 1)
    }

    /// Writes down a fresh place for a packet of `bytes` bytes, if the owner's quota allows it.
    pub async fn begin(&self, id: Uuid, owner: &str, bytes: u64, quota: Quota) -> Result<Begun, StoreError> {
        let mut client = self.pool.get().await?;
        let tx = client.transaction().await?;
        // One at a time for each owner, or two uploads would each see room for one.
        sql::one(
            &tx,
            "-- lock_owner
             SELECT pg_advisory_xact_lock(hashtextextended('packets of ' || $1::text, 0))::text",
            &[/* owner */ &owner],
        )
        .await?;
        sql::execute(
            &tx,
            concat!(
                "-- mark_named_of_owner
                 UPDATE packets AS p
                 SET named_at = now()
                 WHERE p.owner = $1 AND p.named_at IS NULL AND ",
                is_named!("")
            ),
            &[/* owner */ &owner],
        )
        .await?;
        let row = sql::one(
            &tx,
            "-- owners_use
             SELECT coalesce(sum(size), 0)::bigint, count(*)
             FROM (
                 SELECT size
                 FROM packets
                 WHERE owner = $1 AND named_at IS NULL
                 UNION ALL
                 SELECT size
                 FROM packet_places
                 WHERE owner = $1 AND touched_at > now() - make_interval(secs => $2)
             ) AS used",
            &[/* owner */ &owner, /* silent */ &SILENT.as_secs_f64()],
        )
        .await?;
        let used = Quota {
            bytes: size(&row, 0)?,
            packets: size(&row, 1)?,
        };
        if used.bytes.saturating_add(bytes) > quota.bytes || used.packets >= quota.packets {
            return Ok(Begun::OverQuota {
                bytes: used.bytes,
                packets: used.packets,
            });
        }
        let row = sql::one(
            &tx,
            "-- insert_packet_place
             INSERT INTO packet_places (place, owner, size)
             VALUES ('packets/' || $1::uuid::text || '.' || gen_random_uuid()::text, $2, $3)
             RETURNING place",
            &[
                /* id */ &id,
                /* owner */ &owner,
                /* size */ &number(bytes),
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(Begun::At(row.try_get(0)?))
    }

    /// Says that bytes still come, and how the packet store calls the unfinished upload. `false` where it was given up.
    pub async fn touch(&self, place: &str, multipart: Option<&str>) -> Result<bool, StoreError> {
        let changed = sql::execute(
            &self.pool.get().await?,
            "-- touch_packet_place
             UPDATE packet_places
             SET touched_at = now(), multipart = coalesce($2, multipart)
             WHERE place = $1 AND touched_at > '-infinity'",
            &[/* place */ &place, /* multipart */ &multipart],
        )
        .await?;
        Ok(changed == 1)
    }

    /// Lists a packet whose bytes are durable at its place. Afterwards the place is the packet's, or is to be emptied.
    pub async fn finish(&self, packet: &Packet) -> Result<Finished, StoreError> {
        let mut client = self.pool.get().await?;
        let tx = client.transaction().await?;
        let given = sql::execute(
            &tx,
            "-- delete_packet_place
             DELETE FROM packet_places
             WHERE place = $1 AND touched_at > '-infinity'",
            &[/* place */ &packet.place],
        )
        .await?;
        if given == 0 {
            return Ok(Finished::GivenUp);
        }
        let listed = sql::execute(
            &tx,
            "-- insert_packet
             INSERT INTO packets (id, sha256, size, kind, owner, place)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO NOTHING",
            &[
                /* id */ &packet.id,
                /* sha256 */ &packet.sha256.as_ref(),
                /* size */ &number(packet.size),
                /* kind */ &packet.kind.as_str(),
                /* owner */ &packet.owner,
                /* place */ &packet.place,
            ],
        )
        .await?;
        if listed == 0 {
            // The place stays written down, for whoever empties it.
            return Ok(Finished::Taken);
        }
        tx.commit().await?;
        Ok(Finished::Listed)
    }

    /// Gives a place up: nothing becomes a packet there any more, and it is to be emptied.
    pub async fn give_up(&self, place: &str) -> Result<(), StoreError> {
        sql::execute(
            &self.pool.get().await?,
            "-- give_up_packet_place
             UPDATE packet_places
             SET touched_at = '-infinity'
             WHERE place = $1",
            &[/* place */ &place],
        )
        .await?;
        Ok(())
    }

    /// Forgets a place that was given up and is empty.
    pub async fn emptied(&self, place: &str) -> Result<(), StoreError> {
        sql::execute(
            &self.pool.get().await?,
            "-- forget_packet_place
             DELETE FROM packet_places
             WHERE place = $1 AND touched_at = '-infinity'",
            &[/* place */ &place],
        )
        .await?;
        Ok(())
    }
}
