//! Pages that follow one another by a key: entries, histories, keys, queues.

use serde_json::{Value, json};

use crate::hub::Hub;

impl Hub {
    /// All items of a list, page by page, with the number of pages.
    async fn all(&self, uri: &str, name: &str) -> (Vec<Value>, usize) {
        let joint = if uri.contains('?') { '&' } else { '?' };
        let (mut items, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let page = self.get(&format!("{uri}{cursor}")).await.json();
            items.extend(page[name].as_array().unwrap().iter().cloned());
            pages += 1;
            assert!(pages < 5_000, "the pages never end");
            match &page["next"] {
                Value::Null => return (items, pages),
                next => cursor = format!("{joint}cursor={}", next.as_str().unwrap()),
            }
        }
    }
}

#[tokio::test]
async fn pages_of_any_length_hold_the_same_entries() {
    let hub = Hub::new().await;
    for query in [
        "",
        "stream=tre/wessex",
        "author=operator",
        "type=key-added",
        "stream=tre/wessex&type=key-added",
        "stream=federation&author=operator",
        "after=3&before=20",
        "stream=tre/wessex&after=3&before=40",
        "type=key-added&after=3&before=40",
        "stream=tre/nowhere",
        "type=nothing-of-the-kind",
    ] {
        let whole = hub.get(&format!("/v1/events?limit=500&{query}")).await.json();
        assert_eq!(whole["next"], json!(null), "{query}");
        let whole = whole["entries"].as_array().unwrap().clone();
        for limit in [1, 2, 7] {
            let (found, _) = hub
                .all(&format!("/v1/events?limit={limit}&{query}"), "entries")
                .await;
            assert_eq!(found, whole, "{query} {limit}");
        }
    }
}

#[tokio::test]
async fn bounds_are_indexes_whatever_is_filtered() {
    let hub = Hub::new().await;
    for filter in ["", "stream=tre/wessex", "type=key-added", "author=operator"] {
        let indexes = async |bounds: &str| {
            let page = hub.get(&format!("/v1/events?limit=500&{filter}{bounds}")).await;
            let entries = page.json()["entries"].as_array().unwrap().clone();
            let index = |entry: &Value| entry["index"].as_u64().unwrap();
            entries.iter().map(index).collect::<Vec<u64>>()
        };
        let all = indexes("").await;
        assert!(all.len() > 3, "{filter}");
        for at in [all[0], all[1], all[1] + 1, all[all.len() - 1], 10_000] {
            let (early, late) = all.iter().partition::<Vec<u64>, _>(|index| **index < at);
            assert_eq!(indexes(&format!("&before={at}")).await, early, "{filter} {at}");
            let late: Vec<u64> = late.into_iter().filter(|index| *index != at).collect();
            assert_eq!(indexes(&format!("&after={at}")).await, late, "{filter} {at}");
        }
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let hub = Hub::new().await;
    let cursor = async |uri: &str| hub.get(uri).await.json()["next"].as_str().unwrap().to_owned();
    let log = cursor("/v1/events?limit=1").await;
    let stream = cursor("/v1/events?limit=1&stream=federation").await;
    let keys = cursor("/v1/keys?limit=1").await;
    for uri in [
        format!("/v1/events?stream=federation&cursor={log}"),
        format!("/v1/events?cursor={stream}"),
        format!("/v1/events?cursor={keys}"),
        format!("/v1/keys?cursor={log}"),
        format!("/v1/tres/wessex/queue?cursor={keys}"),
        "/v1/events?cursor=".to_owned(),
        "/v1/events?cursor=7".to_owned(),
        "/v1/keys?cursor=!".to_owned(),
    ] {
        assert_eq!(hub.get(&uri).await.slug(), "malformed-request", "{uri}");
    }
}

/// Puts rows behind the log that no append made, so that there is much to look through.
async fn grow(hub: &Hub, rows: u64) {
    let sql = format!(
        "INSERT INTO entries (idx, leaf, stream, seq, iss, jti, type, event)
         SELECT h.size + n, sha256(n::text::bytea), 'workflow/' || n, 1, 'registrar/many', gen_random_uuid(),
             CASE n WHEN {rows} THEN 'rare' ELSE 'usual' END, 'x.y.z'
         FROM log_head AS h, generate_series(1, {rows}) AS n;
         UPDATE log_head SET size = size + {rows} + 1"
    );
    hub.owner().await.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn a_filter_that_finds_little_is_answered_in_bounded_steps() {
    let hub = Hub::new().await;
    let first = hub.world.entries().len() as u64;
    grow(&hub, 50_000).await;
    for query in ["type=rare", "author=registrar/many&type=rare"] {
        let (found, pages) = hub.all(&format!("/v1/events?{query}"), "entries").await;
        let indexes: Vec<&Value> = found.iter().map(|entry| &entry["index"]).collect();
        assert_eq!(indexes, [&json!(first + 50_000)]);
        assert_eq!(pages, 3, "each looks at no more than 20,000 entries");
    }
    // What needs no such look does not stop early.
    let (found, pages) = hub
        .all(
            &format!("/v1/events?limit=500&after={}", first + 49_000),
            "entries",
        )
        .await;
    assert_eq!((found.len(), pages), (1_000, 2));
    // An entry that is no event is shown as it stands, with no time.
    assert_eq!(
        (&found[0]["event"], &found[0]["at"]),
        (&json!("x.y.z"), &json!(null))
    );
}

#[tokio::test]
async fn a_history_is_whole_page_by_page() {
    let mut hub = Hub::new().await;
    let job = hub.submit().await;
    hub.steps(&daybook_world::Ending::Withheld.steps()).await;
    let uri = format!("/v1/jobs/{job}/history");
    let whole = hub.get(&uri).await.json();
    assert_eq!(whole["next"], json!(null));
    for limit in [1, 3] {
        let (found, _) = hub.all(&format!("{uri}?limit={limit}"), "entries").await;
        assert_eq!(json!(found), whole["entries"]);
    }
    let cursor = hub.get(&format!("{uri}?limit=1")).await.json()["next"].clone();
    let other = hub.submit().await;
    let answer = hub
        .get(&format!(
            "/v1/jobs/{other}/history?cursor={}",
            cursor.as_str().unwrap()
        ))
        .await;
    assert_eq!(answer.slug(), "malformed-request");
}

#[tokio::test]
async fn keys_of_one_entry_are_not_lost_between_pages() {
    let hub = Hub::new().await;
    let whole = hub.get("/v1/keys").await.json();
    assert_eq!(whole["next"], json!(null));
    let keys = whole["keys"].as_array().unwrap();
    let shared = keys.windows(2).any(|pair| pair[0]["index"] == pair[1]["index"]);
    assert!(shared, "an entry registers two keys");
    for limit in [1, 2, 5] {
        let (found, _) = hub.all(&format!("/v1/keys?limit={limit}"), "keys").await;
        assert_eq!(found, *keys, "{limit}");
    }
    let (relay, pages) = hub.all("/v1/keys?actor=tre/wessex/relay&limit=1", "keys").await;
    assert_eq!((relay.len(), pages), (2, 2));
}

#[tokio::test]
async fn a_queue_is_whole_page_by_page() {
    let mut hub = Hub::new().await;
    for _ in 0..5 {
        hub.submit().await;
    }
    let whole = hub.get("/v1/tres/wessex/queue").await.json();
    let jobs = whole["jobs"].as_array().unwrap();
    assert_eq!((jobs.len(), &whole["next"]), (5, &json!(null)));
    assert!(jobs.iter().all(|job| job["cause"].is_string()));
    for limit in [1, 2, 5] {
        let (found, pages) = hub
            .all(&format!("/v1/tres/wessex/queue?limit={limit}"), "jobs")
            .await;
        assert_eq!((found, pages), (jobs.clone(), 5_usize.div_ceil(limit)));
    }
}

#[tokio::test]
async fn an_entry_has_one_address() {
    let hub = Hub::new().await;
    for index in ["+1", "01", "00", "1.0", "%201", "1%20", "0x1", "1e1", "-0", "١"] {
        for rest in ["", "/proof", "/openings"] {
            let uri = format!("/v1/events/{index}{rest}");
            let uri = uri.replace('١', "%D9%A1");
            assert_eq!(hub.get(&uri).await.slug(), "not-found", "{uri}");
        }
    }
    assert_eq!(hub.get("/v1/events/1").await.json()["index"], 1);
}
