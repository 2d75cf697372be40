//! The tables that the append derives, row for row against what the entries say.

use std::collections::VecDeque;

use daybook_core::constitution::State;
use daybook_core::{Hash, base64url};
use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::raw::Raw;
use super::scratch::{Scratch, Table};
use super::{AuditError, Finding, Report};
use crate::lookup::Lookup;

/// Rows that are read at once.
const PAGE: usize = 500;

/// One of these tables.
struct Derived {
    table: &'static str,
    scratch: Table,
    columns: &'static [&'static str],
    /// A cursor over the key and the columns, in the order of the key's bytes.
    declare: &'static str,
    fetch: &'static str,
    read: fn(&Row) -> Result<Stored, tokio_postgres::Error>,
    shown: fn(&[u8]) -> String,
}

/// A column that does not say what the state beside it says: its name, what is there, and what should be.
pub(super) type Inconsistent = (&'static str, String, String);

/// A row: the bytes of its key, and its columns as they are shown.
struct Stored {
    key: Vec<u8>,
    columns: Vec<String>,
    inconsistent: Option<Inconsistent>,
}

const HEADS: Derived = Derived {
    table: "stream_heads",
    scratch: Table::Heads,
    columns: &["seq", "leaf", "state"],
    declare: "-- audit_heads
        DECLARE audit_heads NO SCROLL CURSOR FOR
        SELECT stream, seq, leaf, state, tre, packet, results, waits
        FROM stream_heads
        ORDER BY stream",
    fetch: "FETCH FORWARD 500 FROM audit_heads",
    read: |row| {
        let seq: i64 = row.try_get(1)?;
        let leaf: Option<Raw> = row.try_get(2)?;
        let state: Raw = row.try_get(3)?;
        let inconsistent = inconsistent(row, 4, &state)?;
        Ok(Stored {
            key: row.try_get::<_, Raw>(0)?.0,
            inconsistent,
            columns: vec![
                seq.to_string(),
                leaf.unwrap_or_default().encoded(),
                state.text().into_owned(),
            ],
        })
    },
    shown: |key| String::from_utf8_lossy(key).into_owned(),
};

const KEYS: Derived = Derived {
    table: "keys",
    scratch: Table::Keys,
    columns: &["actor", "use", "x", "idx"],
    declare: "-- audit_keys
        DECLARE audit_keys NO SCROLL CURSOR FOR
        SELECT kid, actor, use, x, idx
        FROM keys
        ORDER BY kid",
    fetch: "FETCH FORWARD 500 FROM audit_keys",
    read: |row| {
        let (actor, usage, x): (Raw, Raw, Raw) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let index: i64 = row.try_get(4)?;
        Ok(Stored {
            key: row.try_get::<_, Raw>(0)?.0,
            inconsistent: None,
            columns: vec![
                actor.text().into_owned(),
                usage.text().into_owned(),
                x.encoded(),
                index.to_string(),
            ],
        })
    },
    shown: |key| Hash::from_slice(key).map_or_else(|| base64url::encode(key), |hash| hash.to_string()),
};

const SEEN: Derived = Derived {
    table: "actor_seen",
    scratch: Table::Seen,
    columns: &["size"],
    declare: "-- audit_seen
        DECLARE audit_seen NO SCROLL CURSOR FOR
        SELECT actor, size
        FROM actor_seen
        ORDER BY actor",
    fetch: "FETCH FORWARD 500 FROM audit_seen",
    read: |row| {
        Ok(Stored {
            key: row.try_get::<_, Raw>(0)?.0,
            inconsistent: None,
            columns: vec![row.try_get::<_, i64>(1)?.to_string()],
        })
    },
    shown: |key| String::from_utf8_lossy(key).into_owned(),
};

/// The first of the columns for looking up, from one on, that is not as the state says.
pub(super) fn inconsistent(
    row: &Row,
    from: usize,
    state: &Raw,
) -> Result<Option<Inconsistent>, tokio_postgres::Error> {
    // A state that is not read at all is found to differ by itself.
    let state: State = serde_json::from_slice(&state.0).unwrap_or_default();
    let mut there = Vec::with_capacity(4);
    for column in from..from + 3 {
        let text: Option<Raw> = row.try_get(column)?;
        there.push(text.unwrap_or_default().text().into_owned());
    }
    let waits: Option<bool> = row.try_get(from + 3)?;
    there.push(waits.map_or_else(String::new, |waits| waits.to_string()));
    let said = Lookup::of(&state).shown().into_iter().zip(there);
    let mut different = said.filter(|((_, said), there)| said != there);
    Ok(different.next().map(|((name, said), there)| (name, there, said)))
}

/// Compares all of them.
pub(super) async fn all(client: &Object, scratch: &Scratch, report: &mut Report) -> Result<(), AuditError> {
    for derived in [HEADS, KEYS, SEEN] {
        compare(client, scratch, &derived, report).await?;
    }
    report.streams = scratch.len(Table::Heads)?;
    Ok(())
}

/// Walks along both sides in the order of their keys.
async fn compare(
    client: &Object,
    scratch: &Scratch,
    what: &Derived,
    report: &mut Report,
) -> Result<(), AuditError> {
    client.batch_execute(what.declare).await?;
    let (mut ours, mut theirs) = (VecDeque::new(), VecDeque::new());
    let (mut last, mut at_end) = (None, (false, false));
    loop {
        if ours.is_empty() && !at_end.0 {
            let page = scratch.page(what.scratch, last.as_deref(), PAGE)?;
            at_end.0 = page.len() < PAGE;
            last = page.last().map(|(key, _)| key.clone()).or(last);
            ours.extend(page);
        }
        if theirs.is_empty() && !at_end.1 {
            let rows = client.query(what.fetch, &[]).await?;
            at_end.1 = rows.len() < PAGE;
            for row in &rows {
                theirs.push_back((what.read)(row)?);
            }
        }
        let order = match (ours.front(), theirs.front()) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((key, _)), Some(stored)) => key.cmp(&stored.key),
        };
        let own = order.is_le().then(|| ours.pop_front()).flatten();
        let other = order.is_ge().then(|| theirs.pop_front()).flatten();
        rows(what, own, other, report);
    }
}

fn rows(what: &Derived, own: Option<(Vec<u8>, Vec<u8>)>, other: Option<Stored>, report: &mut Report) {
    match (own, other) {
        (Some((key, value)), Some(stored)) => {
            let value = String::from_utf8_lossy(&value).into_owned();
            let derived = value.splitn(what.columns.len(), '\n');
            for ((column, derived), there) in what.columns.iter().zip(derived).zip(&stored.columns) {
                if derived != there {
                    let (there, derived) = difference(there, derived);
                    report.add(Finding::new(
                        what.table,
                        (what.shown)(&key),
                        column,
                        there,
                        derived,
                    ));
                }
            }
            if let Some((column, there, said)) = stored.inconsistent {
                let (there, said) = difference(&there, &said);
                report.add(Finding::new(what.table, (what.shown)(&key), column, there, said));
            }
        }
        (Some((key, value)), None) => {
            let value = String::from_utf8_lossy(&value).replace('\n', " ");
            report.add(Finding::missing(what.table, (what.shown)(&key), value));
        }
        (None, Some(stored)) => {
            let there = stored.columns.join(" ");
            report.add(Finding::extra(what.table, (what.shown)(&stored.key), there));
        }
        (None, None) => {}
    }
}

/// Two long values from a little before the place where they part.
pub(super) fn difference(there: &str, derived: &str) -> (String, String) {
    const BEFORE: usize = 40;
    let same = there
        .chars()
        .zip(derived.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let from = |text: &str| match same.checked_sub(BEFORE) {
        Some(skip) if text.chars().count() > 150 => {
            format!("…{}", text.chars().skip(skip).collect::<String>())
        }
        _ => text.to_owned(),
    };
    let shown = |text: &str| {
        if text.is_empty() {
            "nothing".to_owned()
        } else {
            from(text)
        }
    };
    (shown(there), shown(derived))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shown_from_where_they_part() {
        let (one, two) = (format!("{}A", "x".repeat(500)), format!("{}B", "x".repeat(500)));
        let (there, derived) = difference(&one, &two);
        assert_eq!(there, format!("…{}A", "x".repeat(40)));
        assert!(derived.ends_with('B'));
        assert_eq!(difference("a", ""), ("a".to_owned(), "nothing".to_owned()));
    }
}
