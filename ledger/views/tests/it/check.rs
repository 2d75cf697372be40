//! A row that was changed by hand is found.

use daybook_store::project::{Difference, check};

use crate::support::{Log, everything};

async fn found(log: &Log, view: &str) -> Option<Difference> {
    let views = daybook_views::all();
    let view = views.iter().find(|other| other.name() == view).unwrap();
    let (size, difference) = check(&log.db.config().into(), view.as_ref(), |_, _| {})
        .await
        .unwrap();
    assert_eq!(size, log.size);
    difference
}

#[tokio::test]
async fn row_changed_by_hand_is_found_in_each_table_of_each_view() {
    let log = Log::with(everything().entries()).await;
    log.fold().await.stop().await;
    log.check().await;
    let mut empty = Vec::new();
    for view in daybook_views::all().iter() {
        for table in view.tables() {
            let name = format!("{}_v{}.{}", view.name(), view.version(), table.name);
            let last = table.columns.last().unwrap();
            let column = last.name;
            let other = match last.sent {
                "bigint" => format!("coalesce({column}, 0) + 1"),
                "uuid" => "'00000000-0000-4000-8000-000000000000'".to_owned(),
                "text" if last.column.starts_with("text[]") => format!("array_append({column}, 'x')"),
                "text" => format!("coalesce({column}, '') || 'x'"),
                "jsonb" => "to_tsvector('simple', 'other')".to_owned(),
                other => panic!("{other}"),
            };
            let sql = format!(
                "UPDATE {name} AS t SET {column} = {other}
                 WHERE ctid = (SELECT ctid FROM {name} LIMIT 1)
                 RETURNING t::text"
            );
            let row = log
                .owner
                .query_opt(&sql, &[])
                .await
                .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            let Some(row) = row else {
                empty.push(table.name);
                continue;
            };
            let difference = found(&log, view.name()).await.expect(&name);
            assert_eq!(difference.table, table.name);
            let changed: String = row.get(0);
            let seen = difference.to_string();
            if column_is_key(table, column) {
                assert!(seen.contains("missing or too many"), "{seen}");
            } else {
                assert!(seen.contains(&changed), "{seen} does not hold {changed}");
            }
            // A rebuild puts it right.
            let rebuilt =
                daybook_store::project::rebuild(&log.db.config().into(), view.as_ref(), |_, _| {}).await;
            assert_eq!(rebuilt.unwrap(), log.size);
            assert_eq!(found(&log, view.name()).await, None);
        }
    }
    // This log has no openings beside it; `register.rs` folds one that has.
    assert_eq!(empty, ["rested", "opened", "uses", "things"]);
    let left = "SELECT count(*) FROM view_cursors WHERE is_copy";
    assert_eq!(log.owner.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

fn column_is_key(table: &daybook_store::project::Table, column: &str) -> bool {
    table.columns[..table.keys].iter().any(|key| key.name == column)
}

#[tokio::test]
async fn row_that_is_missing_and_row_too_many_are_found() {
    let log = Log::with(everything().entries()).await;
    log.fold().await.stop().await;
    log.owner
        .batch_execute("DELETE FROM tres_v1.tres WHERE id = 'wessex'")
        .await
        .unwrap();
    let difference = found(&log, "tres").await.unwrap();
    assert_eq!(difference.live, None);
    assert_eq!(difference.expected.as_ref().unwrap().0, "(wessex)");
    log.owner
        .batch_execute(
            "INSERT INTO keys_v1.keys (kid, registered, actor, usage, x) VALUES ('!', 1, 'a', 'event', 'x')",
        )
        .await
        .unwrap();
    let difference = found(&log, "keys").await.unwrap();
    assert_eq!(difference.live.as_ref().unwrap().0, "(!)");
}

#[tokio::test]
async fn view_that_was_never_made_cannot_be_checked() {
    let log = Log::with(&everything().entries()[..3]).await;
    let views = daybook_views::all();
    let error = check(&log.db.config().into(), views[0].as_ref(), |_, _| {})
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("is not in this database yet"),
        "{error}"
    );
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%check'";
    assert_eq!(
        log.owner.query_one(left, &[]).await.unwrap().get::<_, i64>(0),
        0,
        "nothing is left behind"
    );
}
