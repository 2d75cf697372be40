//! `/log`, byte for byte.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::Note;
use daybook_testkit::{signer, workflow};
use daybook_world::ORIGIN;
use futures::future::join_all;
use serde_json::Value;

use crate::hub::{Answer, Hub, insider};

/// RFC 6962 §2.1, as it is written there.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::node(&root(left), &root(right))
        }
    }
}

/// Every entry, as `/v1/events` tells it.
async fn entries(hub: &Hub) -> Vec<String> {
    let mut entries = Vec::new();
    let mut after = String::new();
    loop {
        let page = hub.get(&format!("/v1/events?limit=500{after}")).await.json();
        let texts = page["entries"].as_array().unwrap().iter();
        entries.extend(texts.map(|entry| entry["event"].as_str().unwrap().to_owned()));
        assert!(
            entries.len() as u64 <= page["tree_size"].as_u64().unwrap(),
            "pages repeat entries"
        );
        match &page["next_after"] {
            Value::Null => return entries,
            next => after = format!("&after={next}"),
        }
    }
}

fn checkpoint(answer: &Answer) -> Checkpoint {
    let note = Note::parse(&answer.body).unwrap();
    Checkpoint::open(&note, signer().verifier(), ORIGIN).unwrap()
}

/// A hub whose log has more than one tile, all of it published.
async fn grown(count: usize) -> Hub {
    let mut hub = Hub::new().await;
    let mut signed = Vec::new();
    for n in 0..count {
        let draft = workflow(&hub.world, &format!("workflow {n}"));
        signed.push(hub.sign(&draft).await);
    }
    let answers = join_all(signed.iter().map(|signed| hub.offer(signed))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::CREATED));
    let size = hub.world.entries().len() + count;
    hub.store.published.clone().covering(size as u64).await.unwrap();
    hub
}

#[tokio::test]
async fn tiles_and_bundles_of_every_width_are_those_of_the_entries() {
    let hub = grown(300).await;
    let entries = entries(&hub).await;
    let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry.as_bytes())).collect();
    let found = checkpoint(&hub.get("/log/checkpoint").await);
    assert_eq!(
        (found.size(), *found.root()),
        (leaves.len() as u64, root(&leaves))
    );
    assert!((256..512).contains(&leaves.len()));

    let immutable = "public, max-age=31536000, immutable";
    for n in 0..2 {
        let first = n * 256;
        for width in 1..=(leaves.len() - first).min(256) {
            let partial = if width == 256 {
                String::new()
            } else {
                format!(".p/{width}")
            };
            let tile = hub.get(&format!("/log/tile/0/00{n}{partial}")).await;
            let expected: Vec<u8> = leaves[first..first + width]
                .iter()
                .flat_map(|leaf| leaf.0)
                .collect();
            assert_eq!(tile.body, expected, "tile {n}{partial}");
            let bundle = hub.get(&format!("/log/tile/entries/00{n}{partial}")).await;
            let mut expected = Vec::new();
            for entry in &entries[first..first + width] {
                expected.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
                expected.extend(entry.as_bytes());
            }
            assert_eq!(bundle.body, expected, "bundle {n}{partial}");
            for answer in [tile, bundle] {
                assert_eq!(answer.header("content-type"), "application/octet-stream");
                assert_eq!(answer.header("cache-control"), immutable);
                assert_eq!(answer.header("access-control-allow-origin"), "*");
            }
        }
    }
    let above = hub.get("/log/tile/1/000.p/1").await;
    assert_eq!(above.body, root(&leaves[..256]).0.to_vec());

    let size = leaves.len();
    for beyond in [
        format!("tile/0/001.p/{}", size - 255),
        format!("tile/entries/001.p/{}", size - 255),
        "tile/0/001".into(),
        "tile/0/002.p/1".into(),
        "tile/1/000.p/2".into(),
        "tile/1/000".into(),
        "tile/2/000.p/1".into(),
        "tile/63/000.p/1".into(),
        "tile/0/x018/x446/x744/x073/x709/x551/615".into(),
    ] {
        let answer = hub.get(&format!("/log/{beyond}")).await;
        assert_eq!(answer.slug(), "not-found", "{beyond}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
}

#[tokio::test]
async fn there_is_one_spelling_of_each_path() {
    let hub = Hub::new().await;
    for path in [
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/+0/000",
        "tile/-1/000",
        "tile/64/000.p/1",
        "tile/256/000.p/1",
        "tile/0/x000/000.p/1",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "tile/0/%30%30%30.p/1",
        "tile/0//000",
        "tile/Entries/000.p/1",
        "tile/entries/1",
        "tile/0/000.p/1/..",
        "tile/..%2fcheckpoint",
        "tile/x",
    ] {
        let answer = hub.get(&format!("/log/{path}")).await;
        assert_eq!(answer.slug(), "malformed-request", "{path}");
    }
    for path in ["", "tile", "tile/", "checkpoint/", "Checkpoint", "policy/x"] {
        assert_eq!(
            hub.get(&format!("/log/{path}")).await.slug(),
            "not-found",
            "{path}"
        );
    }
}

#[tokio::test]
async fn nothing_is_served_before_it_is_published() {
    let mut hub = Hub::new().await;
    let old = checkpoint(&hub.get("/log/checkpoint").await).size();
    let owner = hub.unpublishing().await;
    let draft = workflow(&hub.world, "early");
    hub.say(&draft).await;
    let paths = ["0", "entries"].map(|kind| format!("/log/tile/{kind}/000.p/{}", old + 1));
    for path in &paths {
        assert_eq!(hub.get(path).await.slug(), "not-found");
    }
    assert_eq!(
        hub.get(&format!("/v1/events/{old}/proof")).await.slug(),
        "not-published"
    );
    assert_eq!(checkpoint(&hub.get("/log/checkpoint").await).size(), old);
    owner.batch_execute("COMMIT").await.unwrap();
    hub.store.published.clone().covering(old + 1).await.unwrap();
    for path in &paths {
        assert_eq!(hub.get(path).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_checkpoint_never_goes_back_and_continues_itself() {
    let mut hub = Hub::new().await;
    let mut last = checkpoint(&hub.get("/log/checkpoint").await);
    for n in 0..8 {
        let draft = workflow(&hub.world, &format!("step {n}"));
        let (_, receipt) = hub.say(&draft).await;
        if n % 3 == 0 {
            let size = receipt["index"].as_u64().unwrap() + 1;
            hub.store.published.clone().covering(size).await.unwrap();
        }
        let answer = hub.get("/log/checkpoint").await;
        assert_eq!(answer.header("cache-control"), "public, max-age=1");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let next = checkpoint(&answer);
        assert!(next.size() >= last.size());
        let leaves: Vec<Hash> = entries(&hub)
            .await
            .iter()
            .map(|entry| Hash::leaf(entry.as_bytes()))
            .collect();
        for checkpoint in [&last, &next] {
            let size = usize::try_from(checkpoint.size()).unwrap();
            assert_eq!(*checkpoint.root(), root(&leaves[..size]));
        }
        last = next;
    }
}

#[tokio::test]
async fn a_log_without_entries_has_no_checkpoint() {
    let hub = Hub::empty().await;
    for path in [
        "/log/checkpoint",
        "/log/tile/0/000.p/1",
        "/v1/events/0",
        "/v1/events/0/proof",
    ] {
        assert_eq!(hub.get(path).await.slug(), "not-found", "{path}");
    }
    assert_eq!(hub.get("/v1/events").await.json()["tree_size"], 0);
    assert_eq!(hub.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let hub = Hub::new().await;
    for uri in [
        "/log/checkpoint",
        "/log/policy",
        "/log/tile/0/000.p/9",
        "/v1/events",
        "/v1/events/0",
        "/v1/events/0/proof",
        "/healthz",
    ] {
        let get = hub.get(uri).await;
        let head = hub.call(Method::HEAD, uri, None, Body::empty()).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{uri}");
        for name in ["content-type", "cache-control", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{uri} {name}");
        }
    }
    let head = hub
        .call(Method::HEAD, "/log/tile/0/999", None, Body::empty())
        .await;
    assert_eq!(
        (head.status, head.header("cache-control")),
        (StatusCode::NOT_FOUND, "no-store")
    );
    let policy = hub.get("/log/policy").await.text();
    assert!(policy.contains(&format!("\nlog {}\n", signer().verifier())));
}

#[tokio::test]
async fn other_sites_may_read_what_is_public_and_write_nothing() {
    let hub = Hub::new().await;
    let ask = async |method: &str, uri: &str| {
        let request = Request::options(uri)
            .header(header::ORIGIN, "https://elsewhere.example")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, method);
        hub.send(request.body(Body::empty()).unwrap())
            .await
            .header("access-control-allow-methods")
            .to_owned()
    };
    assert_eq!(ask("GET", "/log/checkpoint").await, "GET,HEAD");
    assert_eq!(ask("POST", "/v1/events").await, "GET,HEAD");
    // Packets are nobody's but their readers'.
    let request = Request::get(format!("/v1/packets/{}", daybook_world::id("p")))
        .header(header::ORIGIN, "https://x.example");
    let answer = hub.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(
        hub.get_as(&insider(&hub.world), "/log/checkpoint")
            .await
            .header("access-control-allow-credentials"),
        ""
    );
}
