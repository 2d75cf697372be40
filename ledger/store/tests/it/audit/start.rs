//! What a start finds of what was changed behind the hub's back.

use daybook_store::{OpenError, Store, StoreError};

use super::{Copies, eventful};

/// Changes that a start must find, and words of what it says.
const CHANGES: [(&str, &str); 18] = [
    // The head, and the right edge of the tree.
    ("UPDATE log_head SET root = sha256('x')", "log_head one, root"),
    (
        "UPDATE entries SET leaf = set_byte(leaf, 3, get_byte(leaf, 3) # 1) WHERE idx = (SELECT max(idx) FROM entries)",
        "not a continuation of the published log",
    ),
    (
        "UPDATE entries SET event = left(event, 300) || CASE substr(event, 301, 1) WHEN 'A' THEN 'B' ELSE 'A' END
            || substr(event, 302) WHERE idx = (SELECT max(idx) FROM entries)",
        "entries ",
    ),
    (
        "UPDATE entries SET event = overlay(event PLACING CASE right(left(event, -5), 1) WHEN 'A' THEN 'B' ELSE 'A' END
            FROM length(event) - 5 FOR 1) WHERE idx = 30",
        "entries 30, ",
    ),
    ("UPDATE entries SET jti = gen_random_uuid() WHERE idx = 290", "entries 290, jti"),
    ("UPDATE entries SET seq = 9 WHERE idx = 290", "entries 290, seq"),
    ("UPDATE entries SET type = 'job-held' WHERE idx = 290", "entries 290, type"),
    (
        "UPDATE tiles SET root = set_byte(root, 0, get_byte(root, 0) # 1)",
        "not a continuation of the published log",
    ),
    (
        "UPDATE tiles SET data = set_byte(data, 4000, get_byte(data, 4000) # 1)",
        "tiles level 0 n 0, data",
    ),
    // What was published.
    ("UPDATE publication SET root = sha256('x')", "publication one, size and root"),
    (
        "UPDATE checkpoints SET note = overlay(note PLACING 'AAA' FROM length(note) - 30)
            WHERE size = (SELECT max(size) FROM checkpoints)",
        "checkpoints ",
    ),
    // What the append derives.
    ("UPDATE actor_seen SET size = size - 1 WHERE actor = 'tre/wessex/relay'", "actor_seen tre/wessex/relay"),
    ("UPDATE keys SET use = 'access' WHERE actor = 'tre/wessex/runner'", "keys "),
    ("UPDATE stream_heads SET leaf = sha256('x') WHERE stream = 'tre/mercia'", "stream_heads tre/mercia"),
    (
        "UPDATE stream_heads SET state = replace(state::text, '\"joined\"', '\"joinec\"')::json
            WHERE stream = 'tre/mercia'",
        "stream_heads tre/mercia, state",
    ),
    // A job's, which another stream's event has made and marked.
    (
        "UPDATE stream_heads SET state = replace(state::text, '\"packet\":\"', '\"packed\":\"')::json
            WHERE stream = (SELECT max(stream) FROM stream_heads WHERE stream < 'job0' AND stream >= 'job/')",
        "stream_heads job/",
    ),
    ("UPDATE stream_heads SET tre = 'x' WHERE stream = 'federation'", "stream_heads federation, tre"),
    (
        "UPDATE stream_heads SET state = (state::jsonb - 'keys')::json WHERE stream = 'federation'",
        "stream_heads federation, state",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn start_refuses_what_was_changed_at_the_right_edge_the_head_or_the_states() {
    let original = Copies::of(eventful().await).await;
    for (sql, said) in CHANGES {
        let copy = original.changed(sql).await;
        let Err(error) = Store::open(original.start(&copy)).await else {
            panic!("a hub has started after {sql}")
        };
        assert!(
            matches!(
                error,
                OpenError::Store(StoreError::Damaged(_)) | OpenError::Guard(_)
            ),
            "{sql}: {error:?}"
        );
        let text = error.to_string();
        assert!(text.contains(said), "{sql}: {text}");
    }
    let copy = original.changed("SELECT 1").await;
    Store::open(original.start(&copy)).await.unwrap().close().await;
}
