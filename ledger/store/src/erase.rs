//! Erasing: `fields-erased` deletes the openings that it names.
//!
//! It names entries by their leaf hashes and fields by their digests, and it reaches the entries before it. So what is
//! erased is a function of the log, and can be done again at any time: an opening that a restored copy brought back goes
//! at the next start. No opening is taken for an entry that stands in the log already, so none comes back otherwise.

use daybook_core::Hash;
use daybook_core::event::Event;
use deadpool_postgres::{GenericClient, Object};
use serde_json::Value;
use tracing::warn;

use crate::error::damaged;
use crate::row::{hash, number, size};
use crate::{StoreError, sql};

/// The type of event that erases.
pub(crate) const FIELDS_ERASED: &str = "fields-erased";
/// Erasing entries that are read at once.
const PAGE: i64 = 200;

/// One field that an entry erases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Erased {
    /// The entry that erases; what it names stands before it.
    pub by: u64,
    /// The leaf hash of the entry that has the field.
    pub leaf: Hash,
    /// The field's digest.
    pub digest: Hash,
}

/// The fields that the event at an index erases; none where it is of another type.
pub fn fields_of(index: u64, event: &Event) -> Vec<Erased> {
    let claims = event.claims();
    let listed = claims.data.get("fields").and_then(Value::as_array);
    let listed = listed.filter(|_| claims.kind == FIELDS_ERASED);
    let hash = |value: &Value| value.as_str().and_then(Hash::from_base64url);
    let fields = |entry: &Value| {
        let leaf = entry.get("event").and_then(hash);
        let digests = entry.get("digests").and_then(Value::as_array)?.clone();
        leaf.map(|leaf| {
            digests
                .into_iter()
                .filter_map(move |text| Some((leaf, hash(&text)?)))
        })
    };
    let pairs = listed.into_iter().flatten().filter_map(fields).flatten();
    pairs
        .map(|(leaf, digest)| Erased {
            by: index,
            leaf,
            digest,
        })
        .collect()
}

/// Deletes openings, those that are there, and answers how many.
pub(crate) async fn delete(client: &impl GenericClient, fields: &[Erased]) -> Result<u64, StoreError> {
    if fields.is_empty() {
        return Ok(0);
    }
    let leaves: Vec<&[u8]> = fields.iter().map(|field| field.leaf.as_ref()).collect();
    let digests: Vec<&[u8]> = fields.iter().map(|field| field.digest.as_ref()).collect();
    let by: Vec<i64> = fields.iter().map(|field| number(field.by)).collect();
    let deleted = sql::execute(
        client,
        "-- erase_openings
         DELETE FROM openings AS o
         USING unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS n (leaf, digest, by), entries AS e
         WHERE e.leaf = n.leaf AND e.idx < n.by AND o.idx = e.idx AND o.digest = n.digest",
        &[
            /* leaf */ &leaves, /* digest */ &digests, /* by */ &by,
        ],
    )
    .await?;
    Ok(deleted)
}

/// Those fields whose openings are there nevertheless: which row, and which entry erases it.
pub(crate) async fn still_there(
    client: &impl GenericClient,
    fields: &[Erased],
) -> Result<Vec<(String, u64)>, StoreError> {
    let leaves: Vec<&[u8]> = fields.iter().map(|field| field.leaf.as_ref()).collect();
    let digests: Vec<&[u8]> = fields.iter().map(|field| field.digest.as_ref()).collect();
    let by: Vec<i64> = fields.iter().map(|field| number(field.by)).collect();
    let rows = sql::all(
        client,
        "-- erased_and_there
         SELECT o.idx, o.digest, n.by
         FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS n (leaf, digest, by)
         JOIN entries AS e ON e.leaf = n.leaf AND e.idx < n.by
         JOIN openings AS o ON o.idx = e.idx AND o.digest = n.digest
         ORDER BY o.idx, o.digest",
        &[
            /* leaf */ &leaves, /* digest */ &digests, /* by */ &by,
        ],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let key = format!("entry {} digest {}", size(row, 0)?, hash(row, 1)?);
            Ok((key, size(row, 2)?))
        })
        .collect()
}

/// The fields that the log erases, from the entry after `after` on: those of at most 200 entries, and the index of the
/// last of these. `None` where there are no more.
pub(crate) async fn page(
    client: &impl GenericClient,
    after: Option<u64>,
) -> Result<Option<(u64, Vec<Erased>)>, StoreError> {
    let rows = sql::all(
        client,
        "-- erasures
         SELECT idx, event
         FROM entries
         WHERE stream >= 'erasure/' AND stream < 'erasure0' AND idx > $1
         ORDER BY idx
         LIMIT $2",
        &[/* after */ &after.map_or(-1, number), /* limit */ &PAGE],
    )
    .await?;
    let mut found = Vec::new();
    let mut last = None;
    for row in &rows {
        let index = size(row, 0)?;
        let event = Event::parse(row.try_get(1)?)
            .map_err(|error| damaged(format!("the entry {index} is no event: {error}")))?;
        found.extend(fields_of(index, &event));
        last = Some(index);
    }
    Ok(last.map(|last| (last, found)))
}

/// Does again what every `fields-erased` of the log asks for: an older copy of the openings may have been restored.
pub(crate) async fn replay(client: &Object) -> Result<u64, StoreError> {
    let (mut after, mut deleted) = (None, 0);
    while let Some((last, fields)) = page(client, after).await? {
        deleted += delete(client, &fields).await?;
        after = Some(last);
    }
    if deleted > 0 {
        warn!(
            deleted,
            "Deleted {deleted} openings that were there though the log says that they are erased, as after a restore"
        );
    }
    Ok(deleted)
}
