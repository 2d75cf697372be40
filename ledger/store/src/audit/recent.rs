//! What a start checks: the part of the integrity check that takes well under a second however long the log is.
//!
//! In one snapshot: head and right edge; the last checkpoint, its signature and `publication`; of the last 1,000 entries
//! every column, signature and tile that they fill; the keys, `actor_seen` and stream heads that they made; and the states
//! of the streams that they touched, and of the federation's, folded anew from all their events. A state of which the
//! history is long is left out when 4,000 events have been folded. What lies further back is for the whole check.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use daybook_core::Hash;
use daybook_core::canonical;
use daybook_core::constitution::{self, State};
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::note::VerifierKey;
use daybook_core::tree::RightEdge;
use daybook_rules::{Table, refold, writes_across};
use deadpool_postgres::Object;
use serde_json::Value;

use super::check::{self, Entry, Keys};
use super::compare::{Inconsistent, difference, inconsistent};
use super::fetch::{self, StoredCheckpoint, StoredTile};
use super::raw::Raw;
use super::{AuditError, Finding};
use crate::error::damaged;
use crate::log::{self, TreeHead};
use crate::row::size;
use crate::{Address, StoreError, connect, identity, publish, sql};

/// Entries that are looked at.
pub(crate) const ENTRIES: u64 = 1000;
/// Events that are folded for the states of the streams that those touched.
pub(crate) const EVENTS: u64 = 4000;

/// Checks it, and stops at the first thing that differs.
pub(crate) async fn check(address: &Address, own: &[VerifierKey]) -> Result<(), StoreError> {
    let pool = connect::auditor_pool(address)?;
    let client = pool.get().await?;
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let found = look(&client, own).await;
    client.batch_execute("ROLLBACK").await?;
    match found {
        Ok(None) => Ok(()),
        Ok(Some(finding)) => Err(damaged(finding.to_string())),
        Err(AuditError::Store(error)) => Err(error),
        Err(other) => Err(damaged(other.to_string())),
    }
}

async fn look(client: &Object, own: &[VerifierKey]) -> Result<Option<Finding>, AuditError> {
    let named = identity::log_keys(client).await?;
    let log_keys: Arc<[VerifierKey]> = own.iter().cloned().chain(named).collect();
    let row = sql::one(
        client,
        "-- recent_head
         SELECT size, root
         FROM log_head",
        &[],
    )
    .await?;
    let head = TreeHead::from_row(&row)?;
    let root = log::right_edge(client, head.size).await?.root();
    if root != head.root {
        return Ok(Some(Finding::new("log_head", "one", "root", head.root, root)));
    }
    if let Some(finding) = published(client, &log_keys).await? {
        return Ok(Some(finding));
    }
    let (entries, mut findings) = entries(client, log_keys, head.size).await?;
    findings.extend(made(client, &entries).await?);
    if findings.is_empty() {
        findings.extend(states(client, &entries).await?);
    }
    Ok(findings.into_iter().next())
}

/// The last checkpoint is one that the log's key signed, of the tree that is there, and the one that `publication` names.
async fn published(client: &Object, log_keys: &[VerifierKey]) -> Result<Option<Finding>, AuditError> {
    let row = sql::one(
        client,
        "-- recent_publication
         SELECT size, root
         FROM publication",
        &[],
    )
    .await?;
    let named = TreeHead::from_row(&row)?;
    let empty = TreeHead {
        size: 0,
        root: Hash::empty_root(),
    };
    let last = publish::latest(client).await?;
    let there = last.as_ref().map_or(empty, |last| last.head);
    if named != there {
        let shown = |head: TreeHead| format!("size {} and root {}", head.size, head.root);
        let finding = Finding::new("publication", "one", "size and root", shown(named), shown(there));
        return Ok(Some(finding));
    }
    let Some(last) = last else { return Ok(None) };
    let stored = StoredCheckpoint {
        size: last.head.size,
        root: Raw(last.head.root.as_ref().to_vec()),
        note: Raw(last.note.as_bytes().to_vec()),
    };
    if let Some(finding) = check::note(&stored, log_keys) {
        return Ok(Some(finding));
    }
    let root = log::root(client, last.head.size).await?;
    let differs = root != last.head.root;
    Ok(differs.then(|| Finding::new("checkpoints", last.head.size, "root", last.head.root, root)))
}

/// The last entries, whole tiles of them, each by itself, and the tiles that they fill.
async fn entries(
    client: &Object,
    log_keys: Arc<[VerifierKey]>,
    end: u64,
) -> Result<(Vec<Entry>, Vec<Finding>), AuditError> {
    let keys = Keys::default();
    let mut from = end.saturating_sub(ENTRIES) / fetch::PIECE * fetch::PIECE;
    let (mut entries, mut findings) = (Vec::new(), Vec::new());
    while from < end {
        let to = (from + fetch::PIECE).min(end);
        let piece = fetch::piece(client, from, to).await?;
        let expected = (from..to).find(|index| !piece.entries.iter().any(|entry| entry.idx == *index));
        if let Some(index) = expected {
            findings.push(Finding::missing(
                "entries",
                index,
                "an entry at each index below the size",
            ));
            return Ok((entries, findings));
        }
        let checked = check::check(client, keys.clone(), log_keys.clone(), piece).await?;
        findings.extend(checked.findings.into_iter().map(|(_, finding)| finding));
        for entry in &checked.entries {
            if entry.event.is_some() && !entry.is_signed {
                let there = "one that the key named in it did not make";
                let signature = "event (signature)";
                findings.push(Finding::new(
                    "entries",
                    entry.index,
                    signature,
                    there,
                    "its author's signature",
                ));
            }
        }
        findings.extend(tile(&checked.entries, &checked.piece.tiles));
        entries.extend(checked.entries);
        from = to;
    }
    Ok((entries, findings))
}

/// The tile of 256 entries.
fn tile(entries: &[Entry], stored: &[StoredTile]) -> Option<Finding> {
    let mut edge = RightEdge::new();
    let mut filled = entries.iter().flat_map(|entry| edge.append(entry.leaf));
    let filled = filled.next()?;
    let n = entries.first()?.index / fetch::PIECE;
    let key = format!("level 0 n {n}");
    let Some(stored) = stored.iter().find(|tile| tile.id.level == 0) else {
        return Some(Finding::missing(
            "tiles",
            key,
            format!("a tile of root {}", filled.root),
        ));
    };
    if stored.data.0 != filled.to_bytes() {
        let finding = Finding::new(
            "tiles",
            key,
            "data",
            "other hashes",
            "the leaf hashes of its entries",
        );
        return Some(finding);
    }
    let differs = !stored.root.is_hash(&filled.root);
    differs.then(|| Finding::new("tiles", key, "root", stored.root.encoded(), filled.root))
}

/// What these entries made in `keys`, `actor_seen` and the heads of streams.
async fn made(client: &Object, entries: &[Entry]) -> Result<Option<Finding>, AuditError> {
    let events = || {
        entries
            .iter()
            .filter_map(|entry| Some((entry.index, entry.event.as_ref()?)))
    };
    let (mut seen, mut heads, mut keys) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (index, event) in events() {
        let claims = event.claims();
        if let Some(stated) = claims.seen {
            seen.insert(claims.iss.to_string(), stated.size.to_string());
        }
        heads.insert(claims.sub.to_string(), format!("{} {}", claims.seq, event.leaf()));
        for new in constitution::registrations(event).unwrap_or_default() {
            let columns = format!("{} {} {} {index}", new.actor, new.usage.as_str(), new.key.to_x());
            keys.insert(new.kid.to_string(), columns);
        }
    }
    let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
    let rows = sql::all(
        client,
        "-- recent_seen
         SELECT actor, size
         FROM actor_seen
         WHERE actor = ANY ($1)",
        &[/* actor */ &names(&seen)],
    )
    .await?;
    let there = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.to_string())));
    let mut finding = first_difference("actor_seen", "size", seen, there)?;
    let rows = sql::all(
        client,
        "-- recent_heads
         SELECT stream, seq, leaf
         FROM stream_heads
         WHERE stream = ANY ($1)",
        &[/* stream */ &names(&heads)],
    )
    .await?;
    let there = rows.iter().map(|row| {
        let leaf: Option<Raw> = row.try_get(2)?;
        let columns = format!(
            "{} {}",
            row.try_get::<_, i64>(1)?,
            leaf.unwrap_or_default().encoded()
        );
        Ok((row.try_get(0)?, columns))
    });
    finding = finding.or(first_difference("stream_heads", "seq and leaf", heads, there)?);
    let kids: Vec<Hash> = keys.keys().filter_map(|kid| Hash::from_base64url(kid)).collect();
    let kids: Vec<&[u8]> = kids.iter().map(Hash::as_ref).collect();
    let rows = sql::all(
        client,
        "-- recent_keys
         SELECT kid, actor, use, x, idx
         FROM keys
         WHERE kid = ANY ($1)",
        &[/* kid */ &kids],
    )
    .await?;
    let there = rows.iter().map(|row| {
        let (kid, actor, usage): (Raw, Raw, Raw) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (x, index): (Raw, i64) = (row.try_get(3)?, row.try_get(4)?);
        let columns = format!("{} {} {} {index}", actor.text(), usage.text(), x.encoded());
        Ok((kid.encoded(), columns))
    });
    let columns = "actor, use, x and idx";
    Ok(finding.or(first_difference("keys", columns, keys, there)?))
}

fn first_difference(
    table: &str,
    column: &str,
    derived: BTreeMap<String, String>,
    there: impl Iterator<Item = Result<(String, String), tokio_postgres::Error>>,
) -> Result<Option<Finding>, AuditError> {
    let there: BTreeMap<String, String> = there.collect::<Result<_, _>>()?;
    let finding = derived
        .into_iter()
        .find_map(|(key, derived)| match there.get(&key) {
            Some(stored) if *stored == derived => None,
            Some(stored) => Some(Finding::new(table, key, column, stored, derived)),
            None => Some(Finding::missing(table, key, derived)),
        });
    Ok(finding)
}

/// The tables that were adopted, each with the index of its entry.
async fn tables(client: &Object) -> Result<Vec<(u64, Table)>, AuditError> {
    let rows = sql::all(
        client,
        "-- recent_tables
         SELECT idx, event
         FROM entries
         WHERE stream = 'federation' AND type = 'policy-adopted'
         ORDER BY seq",
        &[],
    )
    .await?;
    let mut found = Vec::new();
    for row in &rows {
        let event: String = row.try_get(1)?;
        let table = Event::parse(&event)
            .ok()
            .and_then(|event| Table::from_value(event.claims().data.get("table")?).ok());
        let table = table.ok_or_else(|| damaged("a rule table that was adopted cannot be read"))?;
        found.push((size(row, 0)?, table));
    }
    Ok(found)
}

/// The states of the streams that these entries touched, from all the events that made them.
async fn states(client: &Object, entries: &[Entry]) -> Result<Option<Finding>, AuditError> {
    let tables = tables(client).await?;
    let followed = ("submission".to_owned(), "job".to_owned());
    // A table under which yet other streams are written to by foreign events: their states are for the whole check.
    let foreign: BTreeSet<String> = tables
        .iter()
        .flat_map(|(_, table)| writes_across(table))
        .filter(|pair| *pair != followed)
        .map(|(_, written)| written)
        .collect();
    let newest = entries.iter().rev().filter_map(|entry| entry.event.as_ref());
    let touched = newest.map(|event| event.claims().sub.clone());
    let mut known = BTreeSet::new();
    let wanted: Vec<Stream> = std::iter::once(Stream::Federation)
        .chain(touched)
        .filter(|stream| !foreign.contains(stream.kind()) && known.insert(stream.clone()))
        .collect();
    let stored = stored(client, &wanted).await?;
    let (mut room, mut chosen) = (EVENTS, BTreeSet::new());
    for stream in &wanted {
        let Some(row) = stored.get(stream) else { continue };
        let needed = row.seq + row.submission_seq;
        if needed <= room {
            room -= needed;
            chosen.insert(stream.clone());
        }
    }
    let sources: BTreeSet<String> = chosen
        .iter()
        .flat_map(|stream| [Some(stream.to_string()), stored[stream].submission.clone()])
        .flatten()
        .collect();
    let derived = fold(client, &tables, sources.into_iter().collect()).await?;
    for stream in chosen {
        let state = derived.get(&stream).cloned().unwrap_or_default();
        let (there, state) = (
            stored[&stream].state.text(),
            canonical::text(&Value::Object(state)),
        );
        if there != state {
            let (there, state) = difference(&there, &state);
            return Ok(Some(Finding::new("stream_heads", stream, "state", there, state)));
        }
        if let Some((column, there, said)) = stored[&stream].inconsistent.clone() {
            let (there, said) = difference(&there, &said);
            return Ok(Some(Finding::new("stream_heads", stream, column, there, said)));
        }
    }
    Ok(None)
}

/// A row of `stream_heads`, and of the submission that a job's state names, how long that is.
struct Stored {
    seq: u64,
    state: Raw,
    submission: Option<String>,
    submission_seq: u64,
    inconsistent: Option<Inconsistent>,
}

async fn stored(client: &Object, streams: &[Stream]) -> Result<BTreeMap<Stream, Stored>, AuditError> {
    let names: Vec<String> = streams.iter().map(Stream::to_string).collect();
    let rows = sql::all(
        client,
        "-- recent_states
         SELECT h.stream, h.seq, h.state, s.stream, s.seq, h.tre, h.packet, h.results, h.waits
         FROM stream_heads AS h
         LEFT JOIN stream_heads AS s ON h.stream >= 'job/' AND h.stream < 'job0'
             AND s.stream = 'submission/' || (h.state ->> 'submission')
         WHERE h.stream = ANY ($1)",
        &[/* stream */ &names],
    )
    .await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let stream: Stream = crate::row::parsed(row, 0, "a stream", |text| text.parse().ok())?;
        let state: Raw = row.try_get(2)?;
        let stored = Stored {
            inconsistent: inconsistent(row, 5, &state)?,
            seq: size(row, 1)?,
            state,
            submission: row.try_get(3)?,
            submission_seq: row.try_get::<_, Option<i64>>(4)?.map_or(0, i64::unsigned_abs),
        };
        found.insert(stream, stored);
    }
    Ok(found)
}

/// Folds all events of some streams in the order of the log.
async fn fold(
    client: &Object,
    tables: &[(u64, Table)],
    streams: Vec<String>,
) -> Result<BTreeMap<Stream, State>, AuditError> {
    let mut states = BTreeMap::new();
    let mut after = -1_i64;
    loop {
        let rows = sql::all(
            client,
            "-- recent_histories
             SELECT e.idx, e.event
             FROM unnest($1::text[]) AS s (stream)
             CROSS JOIN LATERAL (
                 SELECT idx, event
                 FROM entries
                 WHERE stream = s.stream AND idx > $2
                 ORDER BY seq
                 LIMIT 500
             ) AS e
             ORDER BY e.idx
             LIMIT 500",
            &[/* streams */ &streams, /* after */ &after],
        )
        .await?;
        let Some(last) = rows.last() else {
            return Ok(states);
        };
        after = last.try_get(0)?;
        for row in &rows {
            let index = size(row, 0)?;
            let text: String = row.try_get(1)?;
            let event = Event::parse(&text)
                .map_err(|error| damaged(format!("the entry {index} is no event: {error}")))?;
            let adopted = tables.iter().rev().find(|(at, _)| *at < index);
            let table = match adopted {
                Some((_, table)) => table,
                None => Table::v1(),
            };
            refold(table, &mut states, &event).map_err(|refusal| {
                damaged(format!("the entry {index} cannot stand where it does: {refusal}"))
            })?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_differs_or_is_missing_is_named() {
        let derived = || BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let row = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        let same = [row("b", "2"), row("a", "1")];
        assert_eq!(
            first_difference("t", "c", derived(), same.into_iter()).unwrap(),
            None
        );
        let other = first_difference("t", "c", derived(), [row("a", "1"), row("b", "3")].into_iter());
        assert_eq!(other.unwrap(), Some(Finding::new("t", "b", "c", "3", "2")));
        let none = first_difference("t", "c", derived(), [row("a", "1")].into_iter());
        assert_eq!(none.unwrap(), Some(Finding::missing("t", "b", "2")));
    }
}
