//! The rows about witnesses.

use deadpool_postgres::Object;

use super::Standing;
use crate::log::TreeHead;
use crate::publish::Released;
use crate::row::{number, size};
use crate::{StoreError, sql};

/// Rows that are read at once, the newest first: those of some hundred checkpoints.
const MAX_ROWS: i64 = 1_000;

/// Whether nobody has asked that witness within a second; from now on somebody has.
pub(super) async fn take_turn(client: &Object, witness: &str) -> Result<bool, StoreError> {
    let taken = sql::execute(
        client,
        "-- take_turn
         INSERT INTO witnesses (witness, asked_at)
         VALUES ($1, clock_timestamp())
         ON CONFLICT (witness) DO UPDATE
         SET asked_at = excluded.asked_at
         WHERE witnesses.asked_at <= excluded.asked_at - interval '1 second'",
        &[/* witness */ &witness],
    )
    .await?;
    Ok(taken == 1)
}

pub(super) async fn note_trouble(
    client: &Object,
    witness: &str,
    trouble: Option<&str>,
) -> Result<(), StoreError> {
    sql::execute(
        client,
        "-- note_trouble
         UPDATE witnesses
         SET trouble = $2
         WHERE witness = $1 AND trouble IS DISTINCT FROM $2",
        &[/* witness */ &witness, /* trouble */ &trouble],
    )
    .await?;
    Ok(())
}

pub(super) async fn standing(client: &Object, witness: &str) -> Result<Standing, StoreError> {
    let row = sql::one(
        client,
        "-- standing
         SELECT coalesce(max(c.size), 0), max(c.time), (SELECT w.trouble FROM witnesses AS w WHERE w.witness = $1)
         FROM cosignatures AS c
         WHERE c.witness = $1",
        &[/* witness */ &witness],
    )
    .await?;
    Ok(Standing {
        size: size(&row, 0)?,
        time: row.try_get::<_, Option<i64>>(1)?.map(i64::unsigned_abs),
        trouble: row.try_get(2)?,
    })
}

pub(super) async fn insert(
    client: &Object,
    size: u64,
    witness: &str,
    time: u64,
    line: &str,
) -> Result<(), StoreError> {
    sql::execute(
        client,
        "-- insert_cosignature
         INSERT INTO cosignatures (size, witness, time, line)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        &[
            /* size */ &number(size),
            /* witness */ &witness,
            /* time */ &number(time),
            /* line */ &line,
        ],
    )
    .await?;
    Ok(())
}

/// The checkpoint of a size, as it was released.
pub(crate) async fn checkpoint(client: &Object, size: u64) -> Result<Option<Released>, StoreError> {
    let row = sql::optional(
        client,
        "-- checkpoint_of_size
         SELECT size, root, note
         FROM checkpoints
         WHERE size = $1",
        &[/* size */ &number(size)],
    )
    .await?;
    row.map(|row| {
        Ok(Released {
            head: TreeHead::from_row(&row)?,
            note: row.try_get::<_, String>(2)?.into(),
        })
    })
    .transpose()
}

/// The cosignatures of one checkpoint: witness and line.
pub(super) async fn lines(client: &Object, size: u64) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sql::all(
        client,
        "-- cosignatures_of_size
         SELECT witness, line
         FROM cosignatures
         WHERE size = $1",
        &[/* size */ &number(size)],
    )
    .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

/// The newest checkpoints with cosignatures, from a size on, the newest first.
pub(super) async fn cosigned_from(
    client: &Object,
    from: u64,
) -> Result<Vec<(Released, Vec<(String, String)>)>, StoreError> {
    let rows = sql::all(
        client,
        "-- cosigned_from
         SELECT c.size, c.root, c.note, s.witness, s.line
         FROM cosignatures AS s
         JOIN checkpoints AS c ON c.size = s.size
         WHERE s.size >= $1
         ORDER BY s.size DESC, s.witness
         LIMIT $2",
        &[/* from */ &number(from), /* limit */ &MAX_ROWS],
    )
    .await?;
    let mut found: Vec<(Released, Vec<(String, String)>)> = Vec::new();
    for row in &rows {
        let head = TreeHead::from_row(row)?;
        let line = (row.try_get(3)?, row.try_get(4)?);
        match found.last_mut() {
            Some((last, lines)) if last.head == head => lines.push(line),
            _ => {
                let note = row.try_get::<_, String>(2)?.into();
                found.push((Released { head, note }, vec![line]));
            }
        }
    }
    Ok(found)
}
