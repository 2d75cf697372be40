//! Every column of every table of the log is changed once, behind the hub's back, and the check names it.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use super::{Copies, eventful};

/// Tables that hold nothing of the log: the schema's own story, views' cursors, which views check themselves, and whom
/// the hub asked last.
const OTHERS: [&str; 6] = [
    "refinery_schema_history",
    "schema_window",
    "view_cursors",
    "packet_places",
    "witnesses",
    "public_openings",
];

/// Columns whose value nothing else tells: a clock that one side read once, or a place that the packets' folder tells.
const UNTOLD: [(&str, &str); 7] = [
    ("checkpoints", "published_at"),
    ("packets", "stored_at"),
    ("packets", "named_at"),
    ("packets", "ended_at"),
    // These three are told by the packet store: see the command's own test.
    ("packets", "id"),
    ("packets", "place"),
    ("packets", "sha256"),
];

/// What is done to a column, and how the first finding begins.
struct Change {
    column: (&'static str, &'static str),
    sql: &'static str,
    found: &'static str,
}

fn change(table: &'static str, column: &'static str, sql: &'static str, found: &'static str) -> Change {
    Change {
        column: (table, column),
        sql,
        found,
    }
}

fn changes() -> Vec<Change> {
    let mut all = entries();
    all.extend(tree());
    all.extend(derived());
    all.extend(beside());
    all.extend(cosigned());
    all
}

fn entries() -> Vec<Change> {
    vec![
        change("entries", "idx", "UPDATE entries SET idx = 1000000 WHERE idx = 20", "entries 20, row"),
        change(
            "entries",
            "leaf",
            "UPDATE entries SET leaf = set_byte(leaf, 31, get_byte(leaf, 31) # 1) WHERE idx = 20",
            "entries 20, leaf",
        ),
        change(
            "entries",
            "stream",
            "UPDATE entries SET stream = stream || 'x' WHERE idx = 20",
            "entries 20, stream",
        ),
        change("entries", "seq", "UPDATE entries SET seq = 77 WHERE idx = 20", "entries 20, seq"),
        change("entries", "iss", "UPDATE entries SET iss = 'operator' WHERE idx = 20", "entries 20, iss"),
        change(
            "entries",
            "jti",
            "UPDATE entries SET jti = gen_random_uuid() WHERE idx = 20",
            "entries 20, jti",
        ),
        change("entries", "type", "UPDATE entries SET type = 'job-held' WHERE idx = 20", "entries 20, type"),
        change(
            "entries",
            "event",
            "UPDATE entries SET event = left(event, 300) || CASE substr(event, 301, 1) WHEN 'A' THEN 'B' ELSE 'A' END
                || substr(event, 302) WHERE idx = 20",
            "entries 20, ",
        ),
    ]
}

fn tree() -> Vec<Change> {
    vec![
        change(
            "tiles",
            "level",
            "UPDATE tiles SET level = 3",
            "tiles level 0 n 0, row",
        ),
        change("tiles", "n", "UPDATE tiles SET n = 9", "tiles level 0 n 0, row"),
        change(
            "tiles",
            "root",
            "UPDATE tiles SET root = set_byte(root, 0, get_byte(root, 0) # 1)",
            "tiles level 0 n 0, root",
        ),
        change(
            "tiles",
            "data",
            "UPDATE tiles SET data = set_byte(data, 4000, get_byte(data, 4000) # 1)",
            "tiles level 0 n 0, data",
        ),
        change(
            "log_head",
            "size",
            "UPDATE log_head SET size = size + 1",
            "log_head one, size",
        ),
        change(
            "log_head",
            "root",
            "UPDATE log_head SET root = sha256('x')",
            "log_head one, root",
        ),
        change("log_head", "one", "DELETE FROM log_head", "log_head one, row"),
        change(
            "publication",
            "size",
            "UPDATE publication SET size = size - 1",
            "publication one, size",
        ),
        change(
            "publication",
            "root",
            "UPDATE publication SET root = sha256('x')",
            "publication one, root",
        ),
        change(
            "publication",
            "one",
            "DELETE FROM publication",
            "publication one, row",
        ),
        change(
            "checkpoints",
            "size",
            "UPDATE checkpoints SET size = 1000000 WHERE size = (SELECT max(size) FROM checkpoints)",
            "publication one, size",
        ),
        change(
            "checkpoints",
            "root",
            "UPDATE checkpoints SET root = sha256('x') WHERE size = (SELECT max(size) FROM checkpoints)",
            "checkpoints ",
        ),
        change(
            "checkpoints",
            "note",
            "UPDATE checkpoints SET note = overlay(note PLACING 'AA' FROM length(note) - 30)
                WHERE size = (SELECT max(size) FROM checkpoints)",
            "checkpoints ",
        ),
        change(
            "log_identity",
            "one",
            "DELETE FROM log_identity",
            "log_identity one, row",
        ),
        change(
            "log_identity",
            "origin",
            "UPDATE log_identity SET origin = 'x'",
            "log_identity one, origin",
        ),
        change(
            "log_identity",
            "log_key",
            "UPDATE log_identity SET log_key = log_key || 'A'",
            "log_identity one, log_key",
        ),
    ]
}

fn derived() -> Vec<Change> {
    vec![
        change(
            "stream_heads",
            "stream",
            "UPDATE stream_heads SET stream = 'log' WHERE stream = 'tre/mercia'",
            "stream_heads log, row",
        ),
        change(
            "stream_heads",
            "seq",
            "UPDATE stream_heads SET seq = seq + 1 WHERE stream = 'tre/mercia'",
            "stream_heads tre/mercia, seq",
        ),
        change(
            "stream_heads",
            "leaf",
            "UPDATE stream_heads SET leaf = sha256('x') WHERE stream = 'tre/mercia'",
            "stream_heads tre/mercia, leaf",
        ),
        change(
            "stream_heads",
            "state",
            "UPDATE stream_heads SET state = replace(state::text, '\"joined\"', '\"joinec\"')::json
                WHERE stream = 'tre/mercia'",
            "stream_heads tre/mercia, state",
        ),
        change(
            "stream_heads",
            "tre",
            "UPDATE stream_heads SET tre = 'mercia' WHERE stream = 'federation'",
            "stream_heads federation, tre",
        ),
        change(
            "stream_heads",
            "packet",
            "UPDATE stream_heads SET packet = 'x' WHERE stream = 'federation'",
            "stream_heads federation, packet",
        ),
        change(
            "stream_heads",
            "results",
            "UPDATE stream_heads SET results = 'x' WHERE stream = 'federation'",
            "stream_heads federation, results",
        ),
        change(
            "stream_heads",
            "waits",
            "UPDATE stream_heads SET waits = NOT coalesce(waits, FALSE) WHERE stream = 'federation'",
            "stream_heads federation, waits",
        ),
        // The same JSON in another spelling.
        change(
            "stream_heads",
            "state",
            "UPDATE stream_heads SET state = (state::text || ' ')::json WHERE stream = 'federation'",
            "stream_heads federation, state",
        ),
        change(
            "keys",
            "kid",
            "UPDATE keys SET kid = sha256('x') WHERE idx = 0 AND actor = 'hub/clerk'",
            "keys ",
        ),
        change(
            "keys",
            "actor",
            "UPDATE keys SET actor = 'hub/editor' WHERE idx = 0",
            "keys ",
        ),
        change(
            "keys",
            "use",
            "UPDATE keys SET use = 'access' WHERE idx = 0",
            "keys ",
        ),
        change(
            "keys",
            "x",
            "UPDATE keys SET x = set_byte(x, 7, get_byte(x, 7) # 1) WHERE actor = 'tre/wessex/runner'",
            "keys ",
        ),
        change("keys", "idx", "UPDATE keys SET idx = 1 WHERE idx = 0", "keys "),
        change(
            "actor_seen",
            "actor",
            "UPDATE actor_seen SET actor = 'hub/nobody' WHERE actor = 'tre/wessex/relay'",
            "actor_seen hub/nobody, row",
        ),
        change(
            "actor_seen",
            "size",
            "UPDATE actor_seen SET size = size - 1 WHERE actor = 'tre/wessex/relay'",
            "actor_seen tre/wessex/relay, size",
        ),
    ]
}

fn beside() -> Vec<Change> {
    vec![
        change(
            "openings",
            "idx",
            "UPDATE openings SET idx = idx + 1 WHERE (idx, digest) = (SELECT idx, digest FROM openings
                WHERE name = 'lay_summary' LIMIT 1)",
            "openings entry ",
        ),
        change(
            "openings",
            "digest",
            "UPDATE openings SET digest = sha256(digest) WHERE idx = (SELECT max(idx) FROM openings)",
            "openings entry ",
        ),
        change(
            "openings",
            "name",
            "UPDATE openings SET name = 'nome' WHERE name = 'title'",
            "openings entry ",
        ),
        change(
            "openings",
            "class",
            "UPDATE openings SET class = 'public' WHERE class = 'auditor'",
            "openings entry ",
        ),
        change(
            "openings",
            "opening",
            "UPDATE openings SET opening = overlay(opening PLACING 'A' FROM 8) WHERE name = 'title'",
            "openings entry ",
        ),
        change(
            "openings",
            "retain_until",
            "UPDATE openings SET retain_until = retain_until + interval '100 years' WHERE retain_until IS NOT NULL",
            "openings entry ",
        ),
        change(
            "openings",
            "retain_until",
            "UPDATE openings SET retain_until = now() + interval '1 year' WHERE class = 'public'",
            "openings entry ",
        ),
        change(
            "packets",
            "kind",
            "UPDATE packets SET kind = 'result'",
            "packets 10000000-0000-4000-8000-000000000000, kind",
        ),
        change(
            "packets",
            "owner",
            "UPDATE packets SET owner = replace(owner, 'member', 'mumber')",
            "packets 10000000-0000-4000-8000-000000000000, owner",
        ),
        change(
            "packets",
            "size",
            "UPDATE packets SET size = -1",
            "packets 10000000-0000-4000-8000-000000000000, size",
        ),
    ]
}

fn cosigned() -> Vec<Change> {
    vec![
        change(
            "cosignatures",
            "size",
            "UPDATE cosignatures SET size = (SELECT min(size) FROM checkpoints)",
            "cosignatures ",
        ),
        change(
            "cosignatures",
            "witness",
            "UPDATE cosignatures SET witness = replace(witness, 'w.example', 'v.example')",
            "cosignatures ",
        ),
        change(
            "cosignatures",
            "time",
            "UPDATE cosignatures SET time = time + 1",
            "cosignatures ",
        ),
        change(
            "cosignatures",
            "line",
            "UPDATE cosignatures SET line = replace(line, 'w.example', 'v.example')",
            "cosignatures ",
        ),
    ]
}

async fn columns(client: &Client) -> BTreeSet<(String, String)> {
    // The server itself makes what is generated from the row's other columns, and takes nothing else.
    let sql = "SELECT table_name::text, column_name::text
         FROM information_schema.columns
         WHERE table_schema = 'public' AND is_generated = 'NEVER'";
    let rows = client.query(sql, &[]).await.unwrap();
    let all = rows.iter().map(|row| (row.get(0), row.get(1)));
    all.filter(|(table, _): &(String, String)| !OTHERS.contains(&table.as_str()))
        .collect()
}

/// A log with one packet and one cosignature.
async fn with_packet() -> Copies {
    let log = eventful().await;
    let owner = log.world.cast.researcher().to_string();
    let sql = format!(
        "INSERT INTO packets (id, sha256, size, kind, owner)
         VALUES ('10000000-0000-4000-8000-000000000000', sha256('x'), 1, 'request', '{owner}')"
    );
    log.owner().await.batch_execute(&sql).await.unwrap();
    crate::witnessed::cosign(&log).await;
    Copies::of(log).await
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_value_in_any_column_is_found_and_named() {
    let original = with_packet().await;
    let all = changes();
    let told = all.iter().map(|change| change.column);
    let tried = told
        .chain(UNTOLD)
        .map(|(table, column)| (table.to_owned(), column.to_owned()));
    let copy = original.changed("SELECT 1").await;
    let client = daybook_store::open(&copy.config(), "daybook test").await.unwrap();
    assert_eq!(
        columns(&client).await,
        tried.collect(),
        "each column of the log's tables is changed by a test, or listed as untold"
    );
    drop(client);
    let report = original.audit(&copy).await;
    assert!(report.holds(), "{:#?}", report.findings);

    for change in all {
        let copy = original.changed(change.sql).await;
        let report = original.audit(&copy).await;
        let first = report
            .findings
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            first.starts_with(change.found),
            "{}: the first is {first:?} of {:#?}",
            change.sql,
            report.counts
        );
        let of_table = |kind: &String| kind.starts_with(change.column.0);
        assert!(
            report.counts.keys().any(of_table),
            "{}: {:#?}",
            change.sql,
            report.counts
        );
    }
}
