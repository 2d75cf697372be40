//! The statements of the append's one transaction.

use daybook_core::Hash;
use daybook_core::canonical;
use daybook_core::constitution::State;
use daybook_core::event::Event;
use daybook_core::id::{Actor, Stream};
use daybook_core::tree::FullTile;
use deadpool_postgres::GenericClient;
use futures::try_join;
use uuid::Uuid;

use super::batch::{Accepted, Judged, Kept, Known, Needs};
use crate::error::damaged;
use crate::log::TreeHead;
use crate::lookup::Lookup;
use crate::row::{hash, number, parsed, size};
use crate::sql;
use crate::{StoreError, erase};

const LOCK_HEAD: &str = "-- lock_head
         SELECT size, root
         FROM log_head
         FOR UPDATE";

/// Takes the lock of the head. The first statement of the transaction: nothing is read before it.
pub(super) async fn lock_head(tx: &impl GenericClient) -> Result<TreeHead, StoreError> {
    TreeHead::from_row(&sql::one(tx, LOCK_HEAD, &[]).await?)
}

/// Makes the first statements known to a session: what is sent after them without waiting comes after them.
pub(super) async fn prepare_first(client: &impl GenericClient) -> Result<(), StoreError> {
    client.prepare_cached(LOCK_HEAD).await?;
    client.prepare_cached(INSERT_ENTRIES).await?;
    Ok(())
}

/// Reads all that a batch needs, in one round trip.
pub(super) async fn load(tx: &impl GenericClient, needs: &Needs) -> Result<Known, StoreError> {
    load_more(tx, needs, Known::default()).await
}

/// Reads what a batch needs besides what is known and still holds, in one round trip.
pub(super) async fn load_more(
    tx: &impl GenericClient,
    needs: &Needs,
    mut known: Known,
) -> Result<Known, StoreError> {
    let streams: Vec<&Stream> = needs
        .streams
        .iter()
        .filter(|stream| !known.streams.contains_key(stream))
        .collect();
    let actors: Vec<&Actor> = needs
        .actors
        .iter()
        .filter(|actor| !known.seen.contains_key(actor))
        .collect();
    let (jtis, heads, kids, seen) = try_join!(
        load_jtis(tx, &needs.authors, &needs.jtis),
        load_heads(tx, &streams),
        load_kids(tx, &needs.kids),
        load_seen(tx, &actors),
    )?;
    known.jtis.extend(jtis);
    known.kids.extend(kids);
    // What is not there is known to be not there.
    known.streams.extend(
        streams
            .into_iter()
            .map(|stream| (stream.clone(), Kept::default())),
    );
    known.streams.extend(heads);
    known
        .seen
        .extend(actors.into_iter().map(|actor| (actor.clone(), 0)));
    known.seen.extend(seen);
    Ok(known)
}

/// The entries that have one of these ids of their authors. Equal bytes have equal ids, so that nothing else need be asked
/// to tell a repeat.
async fn load_jtis(
    tx: &impl GenericClient,
    authors: &[String],
    jtis: &[Uuid],
) -> Result<Vec<((Actor, Uuid), (Hash, u64))>, StoreError> {
    let rows = sql::all(
        tx,
        "-- load_jtis
             SELECT e.iss, e.jti, e.leaf, e.idx
             FROM unnest($1::text[], $2::uuid[]) AS w (iss, jti)
             JOIN entries AS e ON e.iss = w.iss AND e.jti = w.jti",
        &[/* authors */ &authors, /* jtis */ &jtis],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let author = parsed(row, 0, "an actor", |text| text.parse().ok())?;
            Ok(((author, row.try_get(1)?), (hash(row, 2)?, size(row, 3)?)))
        })
        .collect()
}

async fn load_heads(tx: &impl GenericClient, streams: &[&Stream]) -> Result<Vec<(Stream, Kept)>, StoreError> {
    if streams.is_empty() {
        return Ok(Vec::new());
    }
    let streams: Vec<String> = streams.iter().map(ToString::to_string).collect();
    let rows = sql::all(
        tx,
        "-- load_heads
             SELECT stream, seq, leaf, state::text
             FROM stream_heads
             WHERE stream = ANY ($1)",
        &[/* streams */ &streams],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let stream = parsed(row, 0, "a stream", |text| text.parse().ok())?;
            let seq = size(row, 1)?;
            let head = if seq == 0 {
                None
            } else {
                Some((seq, hash(row, 2)?))
            };
            let state = parsed(row, 3, "a state", |text| serde_json::from_str(text).ok())?;
            let state = Some(state);
            Ok((stream, Kept { head, state }))
        })
        .collect()
}

async fn load_kids(tx: &impl GenericClient, kids: &[Hash]) -> Result<Vec<Hash>, StoreError> {
    if kids.is_empty() {
        return Ok(Vec::new());
    }
    let kids: Vec<&[u8]> = kids.iter().map(Hash::as_ref).collect();
    let rows = sql::all(
        tx,
        "-- load_kids
             SELECT kid
             FROM keys
             WHERE kid = ANY ($1)",
        &[/* kids */ &kids],
    )
    .await?;
    rows.iter().map(|row| hash(row, 0)).collect()
}

async fn load_seen(tx: &impl GenericClient, actors: &[&Actor]) -> Result<Vec<(Actor, u64)>, StoreError> {
    if actors.is_empty() {
        return Ok(Vec::new());
    }
    let actors: Vec<String> = actors.iter().map(ToString::to_string).collect();
    let rows = sql::all(
        tx,
        "-- load_seen
             SELECT actor, size
             FROM actor_seen
             WHERE actor = ANY ($1)",
        &[/* actors */ &actors],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok((
                parsed(row, 0, "an actor", |text| text.parse().ok())?,
                size(row, 1)?,
            ))
        })
        .collect()
}

/// Writes all that a batch made, in one round trip.
pub(super) async fn store(
    tx: &impl GenericClient,
    judged: &Judged,
    heads: &Heads,
    tiles: &[FullTile],
    old: TreeHead,
    new: TreeHead,
) -> Result<(), StoreError> {
    // Sent in this order, and so done in it: keys and openings refer to the entries. Statements that have yet to be
    // prepared come later, never earlier.
    tx.prepare_cached(INSERT_ENTRIES).await?;
    try_join!(
        insert_entries(tx, judged),
        insert_tiles(tx, tiles),
        upsert_heads(tx, heads),
        insert_keys(tx, judged),
        upsert_seen(tx, judged),
        insert_openings(tx, judged),
        move_head(tx, old, new),
    )?;
    // Afterwards: what is erased may have come in the same batch.
    let accepted = judged.accepted.iter();
    let erased: Vec<_> = accepted
        .flat_map(|new| erase::fields_of(new.index, new.event()))
        .collect();
    erase::delete(tx, &erased).await?;
    Ok(())
}

const INSERT_ENTRIES: &str = "-- insert_entries
         INSERT INTO entries (idx, leaf, stream, seq, iss, jti, type, event)
         SELECT *
         FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bigint[], $5::text[], $6::uuid[], $7::text[],
             $8::text[])";

async fn insert_entries(tx: &impl GenericClient, judged: &Judged) -> Result<(), StoreError> {
    let events: Vec<&Event> = judged.accepted.iter().map(Accepted::event).collect();
    let indexes: Vec<i64> = judged.accepted.iter().map(|new| number(new.index)).collect();
    let leaves: Vec<&[u8]> = events.iter().map(|event| event.leaf().as_ref()).collect();
    let streams: Vec<String> = events
        .iter()
        .map(|event| event.claims().sub.to_string())
        .collect();
    let seqs: Vec<i64> = events.iter().map(|event| number(event.claims().seq)).collect();
    let authors: Vec<String> = events
        .iter()
        .map(|event| event.claims().iss.to_string())
        .collect();
    let jtis: Vec<Uuid> = events.iter().map(|event| event.claims().jti).collect();
    let types: Vec<&str> = events.iter().map(|event| event.claims().kind.as_str()).collect();
    let texts: Vec<&str> = events.iter().map(|event| event.as_str()).collect();
    sql::execute(
        tx,
        INSERT_ENTRIES,
        &[
            /* idx */ &indexes, /* leaf */ &leaves, /* stream */ &streams,
            /* seq */ &seqs, /* iss */ &authors, /* jti */ &jtis, /* type */ &types,
            /* event */ &texts,
        ],
    )
    .await?;
    Ok(())
}

async fn insert_tiles(tx: &impl GenericClient, tiles: &[FullTile]) -> Result<(), StoreError> {
    if tiles.is_empty() {
        return Ok(());
    }
    let levels: Vec<i16> = tiles.iter().map(|tile| i16::from(tile.id.level)).collect();
    let positions: Vec<i64> = tiles.iter().map(|tile| number(tile.id.n)).collect();
    let roots: Vec<&[u8]> = tiles.iter().map(|tile| tile.root.as_ref()).collect();
    let data: Vec<Vec<u8>> = tiles.iter().map(FullTile::to_bytes).collect();
    sql::execute(
        tx,
        "-- insert_tiles
         INSERT INTO tiles (level, n, root, data)
         SELECT *
         FROM unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[])",
        &[
            /* level */ &levels, /* n */ &positions, /* root */ &roots, /* data */ &data,
        ],
    )
    .await?;
    Ok(())
}

/// The rows of the streams that a batch changed.
#[derive(Debug, Default)]
pub(super) struct Heads {
    names: Vec<String>,
    seqs: Vec<i64>,
    leaves: Vec<Option<Hash>>,
    states: Vec<String>,
    tres: Vec<Option<String>>,
    packets: Vec<Option<String>>,
    results: Vec<Option<String>>,
    waits: Vec<Option<bool>>,
}

impl Heads {
    /// As they are known to be after the batch.
    pub(super) fn of(judged: &Judged, known: &Known) -> Self {
        let (mut heads, none, empty) = (Self::default(), Kept::default(), State::new());
        for stream in &judged.changed {
            let kept = known.streams.get(stream).unwrap_or(&none);
            let state = kept.state.as_ref().unwrap_or(&empty);
            let lookup = Lookup::of(state);
            heads.names.push(stream.to_string());
            heads.seqs.push(kept.head.map_or(0, |head| number(head.0)));
            heads.leaves.push(kept.head.map(|head| head.1));
            heads.states.push(canonical::object_text(state));
            heads.tres.push(lookup.tre.map(str::to_owned));
            heads.packets.push(lookup.packet.map(str::to_owned));
            heads.results.push(lookup.results.map(str::to_owned));
            heads.waits.push(lookup.waits);
        }
        heads
    }
}

async fn upsert_heads(tx: &impl GenericClient, heads: &Heads) -> Result<(), StoreError> {
    let leaves: Vec<Option<&[u8]>> = heads
        .leaves
        .iter()
        .map(|leaf| leaf.as_ref().map(Hash::as_ref))
        .collect();
    sql::execute(
        tx,
        "-- upsert_heads
         INSERT INTO stream_heads (stream, seq, leaf, state, tre, packet, results, waits)
         SELECT stream, seq, leaf, state::json, tre, packet, results, waits
         FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::boolean[]) AS n (stream, seq, leaf, state, tre, packet, results, waits)
         ON CONFLICT (stream) DO UPDATE
         SET seq = excluded.seq, leaf = excluded.leaf, state = excluded.state, tre = excluded.tre,
             packet = excluded.packet, results = excluded.results, waits = excluded.waits",
        &[
            /* stream */ &heads.names,
            /* seq */ &heads.seqs,
            /* leaf */ &leaves,
            /* state */ &heads.states,
            /* tre */ &heads.tres,
            /* packet */ &heads.packets,
            /* results */ &heads.results,
            /* waits */ &heads.waits,
        ],
    )
    .await?;
    Ok(())
}

async fn insert_keys(tx: &impl GenericClient, judged: &Judged) -> Result<(), StoreError> {
    let new: Vec<_> = judged
        .accepted
        .iter()
        .flat_map(|new| new.registrations.iter().map(|key| (new.index, key)))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let kids: Vec<&[u8]> = new.iter().map(|(_, key)| key.kid.as_ref()).collect();
    let actors: Vec<String> = new.iter().map(|(_, key)| key.actor.to_string()).collect();
    let uses: Vec<&str> = new.iter().map(|(_, key)| key.usage.as_str()).collect();
    let keys: Vec<&[u8]> = new.iter().map(|(_, key)| key.key.as_bytes().as_slice()).collect();
    let indexes: Vec<i64> = new.iter().map(|(index, _)| number(*index)).collect();
    sql::execute(
        tx,
        "-- insert_keys
         INSERT INTO keys (kid, actor, use, x, idx)
         SELECT *
         FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[], $5::bigint[])",
        &[
            /* kid */ &kids, /* actor */ &actors, /* use */ &uses, /* x */ &keys,
            /* idx */ &indexes,
        ],
    )
    .await?;
    Ok(())
}

async fn upsert_seen(tx: &impl GenericClient, judged: &Judged) -> Result<(), StoreError> {
    let mut last = std::collections::BTreeMap::new();
    for new in &judged.accepted {
        let claims = new.event().claims();
        if let Some(seen) = claims.seen {
            last.insert(claims.iss.to_string(), number(seen.size));
        }
    }
    if last.is_empty() {
        return Ok(());
    }
    let (actors, sizes): (Vec<String>, Vec<i64>) = last.into_iter().unzip();
    sql::execute(
        tx,
        "-- upsert_seen
         INSERT INTO actor_seen (actor, size)
         SELECT *
         FROM unnest($1::text[], $2::bigint[])
         ON CONFLICT (actor) DO UPDATE
         SET size = excluded.size",
        &[/* actor */ &actors, /* size */ &sizes],
    )
    .await?;
    Ok(())
}

async fn insert_openings(tx: &impl GenericClient, judged: &Judged) -> Result<(), StoreError> {
    let new: Vec<_> = judged
        .accepted
        .iter()
        .flat_map(|new| new.openings.iter().map(|opening| (new.index, opening)))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let indexes: Vec<i64> = new.iter().map(|(index, _)| number(*index)).collect();
    let digests: Vec<Hash> = new
        .iter()
        .map(|(_, admitted)| admitted.opening.digest())
        .collect();
    let digests: Vec<&[u8]> = digests.iter().map(Hash::as_ref).collect();
    let names: Vec<&str> = new.iter().map(|(_, admitted)| admitted.opening.name()).collect();
    let classes: Vec<&str> = new.iter().map(|(_, admitted)| admitted.class.as_str()).collect();
    let texts: Vec<&str> = new
        .iter()
        .map(|(_, admitted)| admitted.opening.as_str())
        .collect();
    let days: Vec<Option<i32>> = new
        .iter()
        .map(|(_, admitted)| admitted.retain_days.and_then(|days| i32::try_from(days).ok()))
        .collect();
    sql::execute(
        tx,
        "-- insert_openings
         INSERT INTO openings (idx, digest, name, class, opening, retain_until)
         SELECT idx, digest, name, class, opening, now() + make_interval(days => days)
         FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::integer[])
             AS n (idx, digest, name, class, opening, days)",
        &[
            /* idx */ &indexes, /* digest */ &digests, /* name */ &names,
            /* class */ &classes, /* opening */ &texts, /* days */ &days,
        ],
    )
    .await?;
    Ok(())
}

async fn move_head(tx: &impl GenericClient, old: TreeHead, new: TreeHead) -> Result<(), StoreError> {
    let moved = sql::execute(
        tx,
        "-- move_head
             UPDATE log_head
             SET size = $1, root = $2
             WHERE size = $3 AND root = $4",
        &[
            /* new size */ &number(new.size),
            /* new root */ &new.root.as_ref(),
            /* old size */ &number(old.size),
            /* old root */ &old.root.as_ref(),
        ],
    )
    .await?;
    if moved == 1 {
        Ok(())
    } else {
        Err(damaged("the head moved while it was locked"))
    }
}
