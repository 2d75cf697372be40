//! Cosignatures: each is its witness's over the checkpoint beside which it is kept.

use daybook_core::cosignature::WitnessKey;
use daybook_core::note::{Note, NoteSignature};
use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::raw::Raw;
use super::replay::Replay;
use super::{AuditError, Finding};
use crate::sql;

/// Rows that are read at once.
const PAGE: i64 = 1_000;

/// Compares all of them.
pub(super) async fn all(client: &Object, replay: &mut Replay) -> Result<(), AuditError> {
    let mut after = (i64::MIN, String::new());
    loop {
        let rows = sql::all(
            client,
            "-- audit_cosignatures
             SELECT s.size, s.witness, s.time, s.line, c.note
             FROM cosignatures AS s
             LEFT JOIN checkpoints AS c ON c.size = s.size
             WHERE (s.size, s.witness) > ($1, $2)
             ORDER BY s.size, s.witness
             LIMIT $3",
            &[
                /* after size */ &after.0, /* after witness */ &after.1, /* limit */ &PAGE,
            ],
        )
        .await?;
        for row in &rows {
            if let Some(finding) = compare(row)? {
                replay.report.add(finding);
            }
        }
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.try_get(0)?, last.try_get::<_, Raw>(1)?.text().into_owned());
    }
}

fn compare(row: &Row) -> Result<Option<Finding>, AuditError> {
    let size: i64 = row.try_get(0)?;
    let (witness, line): (Raw, Raw) = (row.try_get(1)?, row.try_get(3)?);
    let (witness, line) = (witness.text().into_owned(), line.text().into_owned());
    let key = format!("{size} {witness}");
    let found = |column, there: String, derived: String| {
        Ok(Some(Finding::new("cosignatures", &key, column, there, derived)))
    };
    let Some(note) = row.try_get::<_, Option<Raw>>(4)? else {
        return found(
            "size",
            size.to_string(),
            "that of a published checkpoint".to_owned(),
        );
    };
    let Ok(verifier) = witness.parse::<WitnessKey>() else {
        return found("witness", witness, "a witness's verifier key".to_owned());
    };
    let signed = NoteSignature::parse(&line).zip(Note::parse(&note.0).ok());
    let time = signed.and_then(|(line, note)| verifier.time_of(note.text(), &line));
    let stored: i64 = row.try_get(2)?;
    match time {
        None => found(
            "line",
            line,
            "that witness's cosignature of that checkpoint".to_owned(),
        ),
        Some(time) if i64::try_from(time) != Ok(stored) => {
            found("time", stored.to_string(), time.to_string())
        }
        Some(_) => Ok(None),
    }
}
