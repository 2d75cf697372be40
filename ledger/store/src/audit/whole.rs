//! What is checked once for the whole log: single rows, rows beyond the end, erasures, packets' rows, the guard.

use daybook_core::Hash;
use daybook_core::note::VerifierKey;
use deadpool_postgres::Object;
use uuid::Uuid;

use super::raw::Raw;
use super::replay::Replay;
use super::scratch::Table;
use super::{AuditError, Finding, Options, cosignatures};
use crate::guard::{Guard, GuardError};
use crate::identity::{Server, ServerId};
use crate::log::TreeHead;
use crate::packets::{self, Packet};
use crate::row::number;
use crate::{StoreError, erase, log, sql};

/// Rows of one kind that are named; what is beyond is counted.
const MAX_ROWS: i64 = 1000;

/// How many entries there are, and where the last of them is: the bounds of what is read.
pub(super) async fn end(client: &Object) -> Result<u64, StoreError> {
    let row = sql::one(
        client,
        "-- audit_end
         SELECT count(*), coalesce(max(idx), -1), (SELECT coalesce(max(size), 0) FROM log_head)
         FROM entries",
        &[],
    )
    .await?;
    let (count, last, head): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    // An index that was changed may lie anywhere; it does not make the log longer.
    let end = (last.saturating_add(1)).min(count.max(head));
    Ok(u64::try_from(end).unwrap_or(0))
}

/// Compares all of it.
pub(super) async fn all(
    client: &Object,
    replay: &mut Replay,
    options: &Options,
    guard_file: Option<&Result<Guard, GuardError>>,
) -> Result<(), AuditError> {
    let size = replay.next;
    head(client, replay).await?;
    publication(client, replay).await?;
    identity(client, replay, options).await?;
    for finding in beyond(client, size).await? {
        replay.report.add(finding);
    }
    tiles_beyond(client, replay).await?;
    for (iss, jti, count) in repeated(client).await? {
        let there = format!("in {count} entries");
        let finding = Finding::new("entries", format!("{iss} {jti}"), "jti", there, "in one entry");
        replay.report.add(finding);
    }
    erasures(client, replay).await?;
    cosignatures::all(client, replay).await?;
    packet_rows(client, replay).await?;
    if let Some((path, file)) = options.guard_path.as_deref().zip(guard_file) {
        guard(client, replay, path, file).await?;
    }
    Ok(())
}

/// Size and root of a table that has one row.
async fn single(
    client: &Object,
    replay: &mut Replay,
    table: &'static str,
    statement: &str,
) -> Result<Option<(i64, Raw)>, AuditError> {
    let rows = sql::all(client, statement, &[]).await?;
    if rows.len() != 1 {
        let there = format!("{} rows", rows.len());
        replay
            .report
            .add(Finding::new(table, "one", "row", there, "one row"));
    }
    let row = rows.first();
    Ok(row
        .map(|row| Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?)))
        .transpose()?)
}

fn same_head(
    replay: &mut Replay,
    table: &'static str,
    stored: Option<(i64, Raw)>,
    size: u64,
    root: Option<Hash>,
) {
    let Some((there, stored_root)) = stored else {
        return;
    };
    if there != number(size) {
        replay.report.add(Finding::new(table, "one", "size", there, size));
    }
    if let Some(root) = root.filter(|root| !stored_root.is_hash(root)) {
        let finding = Finding::new(table, "one", "root", stored_root.encoded(), root);
        replay.report.add(finding);
    }
}

async fn head(client: &Object, replay: &mut Replay) -> Result<(), AuditError> {
    let statement = "-- audit_head
         SELECT size, root
         FROM log_head";
    let stored = single(client, replay, "log_head", statement).await?;
    let root = replay.root();
    replay.report.root = root.map(|root| root.to_base64());
    same_head(replay, "log_head", stored, replay.next, root);
    Ok(())
}

/// What was published last is the largest checkpoint.
async fn publication(client: &Object, replay: &mut Replay) -> Result<(), AuditError> {
    let statement = "-- audit_publication
         SELECT size, root
         FROM publication";
    let stored = single(client, replay, "publication", statement).await?;
    let row = sql::one(
        client,
        "-- audit_last_checkpoint
         SELECT coalesce(max(size), 0)
         FROM checkpoints
         WHERE size <= $1",
        &[/* size */ &number(replay.next)],
    )
    .await?;
    let size = u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0);
    let root = if size == 0 {
        Some(Hash::empty_root())
    } else {
        let root = replay.states.scratch.get(Table::Roots, &size.to_be_bytes())?;
        root.and_then(|root| Hash::from_slice(&root))
    };
    same_head(replay, "publication", stored, size, root);
    Ok(())
}

async fn identity(client: &Object, replay: &mut Replay, options: &Options) -> Result<(), AuditError> {
    let rows = sql::all(
        client,
        "-- audit_identity
         SELECT origin, log_key
         FROM log_identity",
        &[],
    )
    .await?;
    let founded = founding_key(replay, options);
    let mut differs = |column: &str, there: String, derived: String| {
        let finding = Finding::new("log_identity", "one", column, there, derived);
        replay.report.add(finding);
    };
    let [row] = rows.as_slice() else {
        differs("row", format!("{} rows", rows.len()), "one row".to_owned());
        return Ok(());
    };
    let (origin, log_key): (Raw, Raw) = (row.try_get(0)?, row.try_get(1)?);
    // The origin stands in every entry: another would have refused them all.
    if !origin.is(&options.origin) {
        differs("origin", origin.text().into_owned(), options.origin.clone());
    }
    // The row says with which key the log was founded; the operator may have named others since.
    if !log_key.is(&founded) {
        differs("log_key", log_key.text().into_owned(), founded);
    }
    let x = daybook_core::base64url::encode(options.log_key.public_key());
    if !replay.log_keys.is_empty() && !replay.log_keys.contains(&x) {
        let named = replay.log_keys.join(", ");
        let finding = Finding::new("log_identity", "one", "log_key (named in the log)", x, named);
        replay.report.add(finding);
    }
    Ok(())
}

/// The verifier key that `log-opened` names; that of the configuration where the log names none.
fn founding_key(replay: &Replay, options: &Options) -> String {
    let x = replay.log_keys.first();
    let x: Option<[u8; 32]> = x.and_then(|x| daybook_core::base64url::decode(x)?.try_into().ok());
    let key = x.and_then(|x| VerifierKey::new(options.log_key.name().clone(), &x).ok());
    key.map_or_else(|| options.log_key.to_string(), |key| key.to_string())
}

/// Rows of places that no entry has.
async fn beyond(client: &Object, size: u64) -> Result<Vec<Finding>, AuditError> {
    let rows = sql::all(
        client,
        "-- audit_beyond
         (SELECT 'entries', idx FROM entries WHERE idx < 0 OR idx >= $1 ORDER BY idx LIMIT $2)
         UNION ALL
         (SELECT 'openings', idx FROM openings WHERE idx < 0 OR idx >= $1 ORDER BY idx LIMIT $2)
         UNION ALL
         (SELECT 'checkpoints', size FROM checkpoints WHERE size <= 0 OR size > $1 ORDER BY size LIMIT $2)",
        &[/* size */ &number(size), /* limit */ &MAX_ROWS],
    )
    .await?;
    rows.iter()
        .map(|row| {
            let (table, key): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
            let there = format!("a row though the log has {size} entries");
            Ok(Finding::extra(table, key, there))
        })
        .collect()
}

/// Tiles that no entry has filled: looked for only where there are more than were compared.
async fn tiles_beyond(client: &Object, replay: &mut Replay) -> Result<(), AuditError> {
    let mut full = Vec::new();
    let mut nodes = replay.next / 256;
    while nodes > 0 {
        full.push(number(nodes));
        nodes /= 256;
    }
    let levels: Vec<i16> = (0..).take(full.len()).collect();
    let rows = sql::all(
        client,
        "-- audit_tiles_beyond
         SELECT t.level, t.n
         FROM tiles AS t
         LEFT JOIN unnest($1::smallint[], $2::bigint[]) AS w (level, full_tiles) ON w.level = t.level
         WHERE t.n < 0 OR t.n >= coalesce(w.full_tiles, 0)
         ORDER BY t.level, t.n
         LIMIT $3",
        &[
            /* level */ &levels, /* full tiles */ &full, /* limit */ &MAX_ROWS,
        ],
    )
    .await?;
    for row in &rows {
        let (level, n): (i16, i64) = (row.try_get(0)?, row.try_get(1)?);
        let key = format!("level {level} n {n}");
        replay
            .report
            .add(Finding::extra("tiles", key, "a tile that no entries have filled"));
    }
    Ok(())
}

/// Ids that an author has used twice. The columns have been compared with the entries.
async fn repeated(client: &Object) -> Result<Vec<(String, String, i64)>, AuditError> {
    let rows = sql::all(
        client,
        "-- audit_repeated_ids
         SELECT iss, jti::text, count(*)
         FROM entries
         GROUP BY iss, jti
         HAVING count(*) > 1
         ORDER BY iss, jti
         LIMIT $1",
        &[/* limit */ &MAX_ROWS],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get::<_, Raw>(0)?.text().into_owned(),
                row.try_get(1)?,
                row.try_get(2)?,
            ))
        })
        .collect()
}

/// No opening is there that the log erases; and of those that must be there, none is missing that it does not.
async fn erasures(client: &Object, replay: &mut Replay) -> Result<(), AuditError> {
    let mut after = None;
    loop {
        let page = match erase::page(client, after).await {
            Ok(page) => page,
            // An entry that is no event: found and told already, and what it erased cannot be known.
            Err(StoreError::Damaged(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some((last, fields)) = page else { break };
        for (key, by) in erase::still_there(client, &fields).await? {
            let there = "an opening";
            let derived = format!("nothing: the entry {by} erases it");
            replay
                .report
                .add(Finding::new("openings", key, "row", there, derived));
        }
        let scratch = &replay.states.scratch;
        for field in &fields {
            if let Some(value) = scratch.get(Table::Missing, field.leaf.as_ref())? {
                let (index, missing) = missing(&value);
                let left = format!("{index}\n{}", missing.saturating_sub(1));
                scratch.put(Table::Missing, field.leaf.as_ref(), left.as_bytes())?;
            }
        }
        after = Some(last);
    }
    let mut last: Option<Vec<u8>> = None;
    loop {
        let page = replay.states.scratch.page(Table::Missing, last.as_deref(), 500)?;
        let Some((key, _)) = page.last() else {
            return Ok(());
        };
        last = Some(key.clone());
        let mut found: Vec<(u64, u64)> = page.iter().map(|(_, value)| missing(value)).collect();
        found.sort_unstable();
        for (index, missing) in found.into_iter().filter(|(_, missing)| *missing > 0) {
            let derived = format!("{missing} more, which the rules ask for and no entry erases");
            let finding = Finding::missing("openings", format!("entry {index}"), derived);
            replay.report.add(finding);
        }
    }
}

fn missing(value: &[u8]) -> (u64, u64) {
    let text = String::from_utf8_lossy(value);
    let mut numbers = text.split('\n').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// What the log can say of a packet's row: that its sender is somebody, of the kind that sends such packets.
async fn packet_rows(client: &Object, replay: &mut Replay) -> Result<(), AuditError> {
    let rows = sql::all(
        client,
        "-- audit_packets
         SELECT p.id::text, p.kind, p.owner, EXISTS (SELECT FROM keys AS k WHERE k.actor = p.owner), p.size,
             octet_length(p.sha256)
         FROM packets AS p
         WHERE NOT EXISTS (SELECT FROM keys AS k WHERE k.actor = p.owner)
             OR (p.kind = 'request') <> (p.owner LIKE 'project/%')
             OR (p.kind = 'result') <> (p.owner LIKE 'tre/%')
             OR p.size < 0
             OR octet_length(p.sha256) <> 32
         ORDER BY p.id
         LIMIT $1",
        &[/* limit */ &MAX_ROWS],
    )
    .await?;
    for row in &rows {
        let key: String = row.try_get(0)?;
        let (kind, owner): (Raw, Raw) = (row.try_get(1)?, row.try_get(2)?);
        let finding = if !row.try_get::<_, bool>(3)? {
            let derived = "an actor with a registered key";
            Finding::new("packets", key, "owner", owner.text(), derived)
        } else if row.try_get::<_, i64>(4)? < 0 {
            Finding::new("packets", key, "size", row.try_get::<_, i64>(4)?, "bytes from 0")
        } else if row.try_get::<_, i32>(5)? != 32 {
            Finding::new("packets", key, "sha256", "another length", "32 bytes")
        } else {
            let derived = format!("what {} sends", owner.text());
            Finding::new("packets", key, "kind", kind.text(), derived)
        };
        replay.report.add(finding);
    }
    Ok(())
}

/// What was let out is continued here.
async fn guard(
    client: &Object,
    replay: &mut Replay,
    path: &std::path::Path,
    file: &Result<Guard, GuardError>,
) -> Result<(), AuditError> {
    let name = path.display();
    let guard = match file {
        Ok(guard) => guard,
        Err(error) => {
            let finding = Finding::new("guard", name, "file", error, "a guard file");
            replay.report.add(finding);
            return Ok(());
        }
    };
    let Some((mark, released)) = guard.mark().cloned().zip(guard.released()) else {
        // A log that has published nothing has no guard yet.
        if sql::one(
            client,
            "-- audit_published\n SELECT count(*) FROM checkpoints",
            &[],
        )
        .await?
        .try_get::<_, i64>(0)?
            > 0
        {
            let derived = "what was let out last";
            replay
                .report
                .add(Finding::new("guard", name, "file", "no such file", derived));
        }
        return Ok(());
    };
    let mut differs = |column: &str, there: String, derived: String| {
        replay
            .report
            .add(Finding::new("guard", &name, column, there, derived));
    };
    if mark.origin != replay.origin {
        differs("origin", mark.origin.clone(), replay.origin.clone());
    }
    let size = replay.next;
    if released.size > size {
        let derived = format!("at most {size}, all that there is: this database is an older copy");
        differs("size", released.size.to_string(), derived);
    } else if let Some(root) = root_at(client, replay, released).await?
        && root != released.root
    {
        let finding = Finding::new("guard", &name, "root", released.root, root);
        replay.report.add(finding);
    }
    let before = ServerId {
        system_identifier: mark.system_identifier,
        timeline: mark.timeline,
    };
    let server = match Server::read(client).await {
        Ok(server) => server.id(),
        // A standby has a place in time of its own.
        Err(StoreError::Standby) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if server != before {
        let finding = Finding::new("guard", &name, "server", before, server);
        replay.report.add(finding);
    }
    Ok(())
}

/// The root at the size that was let out: that of the checkpoint, or what the tiles give, which have been compared.
async fn root_at(client: &Object, replay: &Replay, released: TreeHead) -> Result<Option<Hash>, AuditError> {
    let known = replay
        .states
        .scratch
        .get(Table::Roots, &released.size.to_be_bytes())?;
    if let Some(root) = known.and_then(|root| Hash::from_slice(&root)) {
        return Ok(Some(root));
    }
    match log::root(client, released.size).await {
        Ok(root) => Ok(Some(root)),
        // Rows are missing, which is told already.
        Err(StoreError::Damaged(_) | StoreError::Unreadable(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The packets after an id, in the order of ids.
pub(super) async fn packet_page(client: &Object, after: Option<Uuid>) -> Result<Vec<Packet>, StoreError> {
    let rows = sql::all(
        client,
        "-- audit_packet_page
         SELECT id, sha256, size, kind, owner, place
         FROM packets
         WHERE $1::uuid IS NULL OR id > $1
         ORDER BY id
         LIMIT 500",
        &[/* after */ &after],
    )
    .await?;
    rows.iter().map(packets::packet).collect()
}
