//! The entries on which an entry of the register rests, with what of them is meant for the public.
//!
//! A version of a register entry names them by their leaf hashes. Their openings are read here and nowhere else in the
//! engine, and only for a view that says that it needs them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use daybook_core::Hash;
use daybook_core::sealed::Opening;
use deadpool_postgres::GenericClient;
use serde_json::Value;

use super::batch::BatchError;
use super::entry::Entry;
use crate::row::{hash, number, parsed, size};
use crate::{StoreError, sql};

/// An entry on which another one rests.
#[derive(Clone, Debug, PartialEq)]
pub struct Rest {
    /// The entry.
    pub entry: Entry,
    /// Openings of its public fields, as far as they are still there, in the order of their digests.
    pub openings: Vec<PublicOpening>,
}

/// The opening of a field that is meant for the public.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicOpening {
    /// The digest that stands in the entry, base64url.
    pub digest: String,
    /// The field.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// Adds to each entry those on which it rests. One that is not in the log is left out: rules do not ask that it is.
pub(super) async fn add(client: &impl GenericClient, entries: &mut [Entry]) -> Result<(), BatchError> {
    let wanted: BTreeSet<Hash> = entries.iter().flat_map(leaves).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let found = find(client, &wanted).await?;
    for entry in entries {
        let rests = leaves(entry).into_iter();
        entry.rests = rests.filter_map(|leaf| found.get(&leaf).cloned()).collect();
    }
    Ok(())
}

fn leaves(entry: &Entry) -> Vec<Hash> {
    let named = if entry.kind == "register-published" {
        entry.texts("rests_on")
    } else {
        Vec::new()
    };
    named
        .iter()
        .filter_map(|text| Hash::from_base64url(text))
        .collect()
}

async fn find(
    client: &impl GenericClient,
    wanted: &BTreeSet<Hash>,
) -> Result<HashMap<Hash, Arc<Rest>>, BatchError> {
    let leaves: Vec<&[u8]> = wanted.iter().map(Hash::as_ref).collect();
    let rows = sql::all(
        client,
        "-- entries_rested_on
         SELECT idx, leaf, event
         FROM entries
         WHERE leaf = ANY ($1)",
        &[/* leaves */ &leaves],
    )
    .await
    .map_err(StoreError::from)?;
    let indexes: Result<Vec<u64>, StoreError> = rows.iter().map(|row| size(row, 0)).collect();
    let mut openings = public_openings(client, &indexes?).await?;
    let rest = |row: &tokio_postgres::Row| {
        let (index, leaf) = (size(row, 0)?, hash(row, 1)?);
        let event: &str = row.try_get(2).map_err(StoreError::from)?;
        let entry = Entry::read(index, leaf.as_ref(), event).map_err(BatchError::Entries)?;
        let openings = openings.remove(&index).unwrap_or_default();
        Ok((leaf, Arc::new(Rest { entry, openings })))
    };
    rows.iter().map(rest).collect()
}

async fn public_openings(
    client: &impl GenericClient,
    indexes: &[u64],
) -> Result<BTreeMap<u64, Vec<PublicOpening>>, BatchError> {
    let indexes: Vec<i64> = indexes.iter().copied().map(number).collect();
    let rows = sql::all(
        client,
        "-- public_openings_of
         SELECT idx, digest, opening
         FROM public_openings
         WHERE idx = ANY ($1)
         ORDER BY idx, digest",
        &[/* indexes */ &indexes],
    )
    .await
    .map_err(StoreError::from)?;
    let mut openings: BTreeMap<u64, Vec<PublicOpening>> = BTreeMap::new();
    for row in &rows {
        let opening = parsed(row, 2, "an opening", |text| Opening::parse(text).ok())?;
        let digest = hash(row, 1)?.to_base64url();
        openings.entry(size(row, 0)?).or_default().push(PublicOpening {
            digest,
            name: opening.name().to_owned(),
            value: opening.value().clone(),
        });
    }
    Ok(openings)
}
