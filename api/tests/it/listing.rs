//! Lists, look-ups, proofs, jobs and the queue.

use axum::http::StatusCode;
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::proof_file::ProofFile;
use daybook_testkit::{signer, workflow};
use daybook_world::{ORIGIN, World, id};
use futures::FutureExt as _;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::hub::{Hub, append_body};

impl Hub {
    /// Submits a job to wessex; it is then the world's job.
    pub(crate) async fn submit(&mut self) -> Uuid {
        let submission = id(&format!("submission {}", self.world.entries().len()));
        let draft = self.world.submission(submission, &["wessex"]);
        self.say(&draft).await;
        let job = id(&format!("job of {submission} at wessex"));
        self.world.job = Some(job);
        job
    }
}

fn indexes(page: &Value) -> Vec<u64> {
    let entries = page["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["index"].as_u64().unwrap()).collect()
}

/// An entry as every route tells it.
fn told(index: usize, event: &Event) -> Value {
    let claims = event.claims();
    json!({
        "index": index, "leaf_hash": event.leaf().to_base64url(), "stream": claims.sub.to_string(), "seq": claims.seq,
        "type": claims.kind, "author": claims.iss.to_string(), "event": event.as_str(),
        "at": jiff::Timestamp::from_second(claims.iat).unwrap().to_string(),
    })
}

/// The indexes of the world's entries that a test picks.
fn those(world: &World, pick: impl Fn(&Event) -> bool) -> Vec<u64> {
    (0..)
        .zip(world.entries())
        .filter(|(_, event)| pick(event))
        .map(|(index, _)| index)
        .collect()
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repeat() {
    let hub = Hub::new().await;
    let all = those(&hub.world, |_| true);
    for limit in [1, 7, 500] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = hub.get(&format!("/v1/events?limit={limit}{cursor}")).await.json();
            assert_eq!(page["tree_size"], all.len());
            found.extend(indexes(&page));
            assert!(found.len() <= all.len(), "pages repeat entries");
            match &page["next"] {
                Value::Null => break,
                next => cursor = format!("&cursor={}", next.as_str().unwrap()),
            }
        }
        assert_eq!(found, all, "{limit}");
    }
    assert_eq!(
        indexes(&hub.get("/v1/events").await.json()).len(),
        all.len().min(100)
    );
    assert_eq!(indexes(&hub.get("/v1/events?limit=0").await.json()), [0]);
    assert_eq!(
        hub.get("/v1/events?after=18446744073709551615").await.json()["entries"],
        json!([])
    );
    assert_eq!(
        hub.get(&format!("/v1/events?after={}", all.len() - 1))
            .await
            .json()["entries"],
        json!([])
    );
    let page = hub.get("/v1/events?limit=1").await.json();
    let first = &hub.world.entries()[0];
    let entry = told(0, first);
    assert_eq!(page["entries"], json!([entry]));
    assert_eq!(hub.get("/v1/events/0").await.json(), entry);
}

#[tokio::test]
async fn filters_join_and_look_ups_are_exact() {
    let hub = Hub::new().await;
    let world = &hub.world;
    let found = async |query: &str| indexes(&hub.get(&format!("/v1/events?limit=500&{query}")).await.json());
    let of = |event: &Event| event.claims().clone();
    assert_eq!(
        found("stream=tre/wessex").await,
        those(world, |event| of(event).sub.to_string() == "tre/wessex")
    );
    assert_eq!(
        found("author=operator").await,
        those(world, |event| of(event).iss.to_string() == "operator")
    );
    assert_eq!(
        found("type=key-added").await,
        those(world, |event| of(event).kind == "key-added")
    );
    let both = those(world, |event| {
        of(event).sub.to_string() == "tre/wessex" && of(event).kind == "key-added"
    });
    assert_eq!(found("stream=tre/wessex&type=key-added").await, both);
    assert_eq!(
        found(&format!("stream=tre/wessex&type=key-added&after={}", both[0])).await,
        both[1..]
    );
    assert_eq!(found("type=job-released").await, Vec::<u64>::new());
    assert_eq!(found("stream=tre/WESSEX%27%20OR%201=1").await, Vec::<u64>::new());

    for index in [0, world.entries().len() - 1] {
        let event = &world.entries()[index];
        let leaf = event.leaf().to_base64url();
        let claims = of(event);
        assert_eq!(found(&format!("leaf_hash={leaf}")).await, [index as u64]);
        assert_eq!(
            found(&format!("author={}&jti={}", claims.iss, claims.jti)).await,
            [index as u64]
        );
        assert_eq!(
            found(&format!("author=tre/nowhere/relay&jti={}", claims.jti)).await,
            Vec::<u64>::new()
        );
        assert_eq!(
            found(&format!("leaf_hash={leaf}&type=job-released")).await,
            Vec::<u64>::new()
        );
    }
    assert_eq!(
        found(&format!("leaf_hash={}", Hash::of(b"unknown"))).await,
        Vec::<u64>::new()
    );
}

#[tokio::test]
async fn heads_keys_and_tables_are_those_of_the_log() {
    let hub = Hub::new().await;
    let world = &hub.world;
    let head = hub.get("/v1/streams/tre/wessex/head").await.json();
    let last = world
        .entries()
        .iter()
        .rfind(|event| event.claims().sub.to_string() == "tre/wessex")
        .unwrap();
    assert_eq!(
        head,
        json!({ "stream": "tre/wessex", "seq": last.claims().seq, "leaf_hash": last.leaf().to_base64url() })
    );
    let none = format!("job/{}", id("no job"));
    let head = hub.get(&format!("/v1/streams/{none}/head")).await.json();
    assert_eq!(head, json!({ "stream": none, "seq": 0, "leaf_hash": null }));

    let keys = hub.get("/v1/keys").await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), world.known_keys().len());
    let last = keys["keys"].as_array().unwrap().last().unwrap()["index"]
        .as_u64()
        .unwrap();
    let late = hub.get(&format!("/v1/keys?from={last}")).await.json();
    assert!(
        late["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key["index"] == last)
    );
    let relay = hub.get("/v1/keys?actor=tre/wessex/relay").await.json();
    let uses: Vec<&str> = relay["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["use"].as_str().unwrap())
        .collect();
    assert_eq!(uses, ["event", "access"]);

    let table = hub.get(&format!("/v1/rules/{}", world.table().hash())).await;
    assert_eq!(
        (table.text().as_str(), table.status),
        (world.table().canonical(), StatusCode::OK)
    );
    assert_eq!(
        hub.get(&format!("/v1/rules/{}", Hash::of(b"another")))
            .await
            .slug(),
        "not-found"
    );
}

#[tokio::test]
async fn a_receipt_that_waits_for_publication_carries_a_proof_that_verifies() {
    let mut hub = Hub::new().await;
    let draft = workflow(&hub.world, "proved");
    let signed = hub.sign(&draft).await;
    let answer = hub.post("/v1/events?wait=published", &append_body(&signed)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let receipt = answer.json();
    assert_eq!(receipt["index"], hub.world.entries().len());
    assert_eq!(receipt["leaf_hash"], signed.event.leaf().to_base64url());
    assert_eq!(
        answer.header("location"),
        format!("/v1/events/{}", receipt["index"])
    );
    let file = hub.get(&format!("{}/proof", answer.header("location"))).await;
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    let name = format!("attachment; filename=\"daybook-{}.tlog-proof\"", receipt["index"]);
    assert_eq!(file.header("content-disposition"), name);
    for text in [receipt["proof"].as_str().unwrap().to_owned(), file.text()] {
        let proof = ProofFile::parse(text.as_bytes()).unwrap();
        assert_eq!(json!(proof.index()), receipt["index"]);
        let checkpoint = proof
            .verify(signed.event.leaf(), signer().verifier(), ORIGIN)
            .unwrap();
        assert!(checkpoint.size() > proof.index());
        assert!(
            proof
                .verify(&Hash::leaf(b"another"), signer().verifier(), ORIGIN)
                .is_err()
        );
    }
    // Every entry has one.
    for (index, event) in (0..).zip(hub.world.entries()) {
        let file = hub.get(&format!("/v1/events/{index}/proof")).await;
        let proof = ProofFile::parse(&file.body).unwrap();
        assert_eq!(proof.index(), index);
        proof.verify(event.leaf(), signer().verifier(), ORIGIN).unwrap();
    }
}

#[tokio::test]
async fn a_queue_wakes_when_a_job_arrives_and_else_when_the_time_is_over() {
    let mut hub = Hub::new().await;
    let size = hub.world.entries().len();
    let queue =
        async |hub: &Hub, query: String| hub.get(&format!("/v1/tres/wessex/queue{query}")).await.json();
    let empty = json!({ "tre": "wessex", "tree_size": size, "jobs": [], "next": null });
    let begun = Instant::now();
    assert_eq!(queue(&hub, String::new()).await, empty);
    assert_eq!(queue(&hub, format!("?after={}&wait=30", size - 1)).await, empty);
    assert_eq!(queue(&hub, "?wait=30".into()).await, empty);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let begun = Instant::now();
    assert_eq!(queue(&hub, format!("?after={size}&wait=1")).await, empty);
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let router = hub.router.clone();
    let uri = format!("/v1/tres/wessex/queue?after={size}&wait=30");
    let request = axum::http::Request::get(uri)
        .body(axum::body::Body::empty())
        .unwrap();
    let mut waiting = Box::pin(tower::ServiceExt::oneshot(router, request));
    assert!(waiting.as_mut().now_or_never().is_none());
    let begun = Instant::now();
    let job = hub.submit().await;
    let answer = waiting.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX)
        .await
        .unwrap();
    let woken: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(woken["tree_size"], size + 1);
    assert_eq!(woken["jobs"][0]["id"], json!(job));
    assert_eq!(
        woken["jobs"][0]["cause"],
        hub.world.entries()[size].leaf().to_base64url()
    );
    assert_eq!(queue(&hub, String::new()).await, woken);
    assert_eq!(hub.get("/v1/tres/mercia/queue").await.json()["jobs"], json!([]));

    hub.steps(&["job-collected"]).await;
    assert_eq!(queue(&hub, String::new()).await["jobs"], json!([]));
}

#[tokio::test]
async fn a_job_is_told_in_words_and_with_its_whole_history() {
    let mut hub = Hub::new().await;
    let first = hub.world.entries().len();
    let job = hub.submit().await;
    let body = hub.get(&format!("/v1/jobs/{job}")).await.json();
    let state = hub.world.job_state(job);
    for name in [
        "tre",
        "submission",
        "project",
        "member",
        "workflow",
        "datasets",
        "packet",
        "state",
    ] {
        assert_eq!(body[name], state[name], "{name}");
    }
    assert_eq!(body["public"]["word"], "Waiting");
    assert_eq!(body["public"]["turn"], "tre");
    assert!(body["public"]["sentence"].as_str().unwrap().contains("wessex"));
    assert_eq!(
        (&body["seq"], &body["leaf_hash"], &body["results"]),
        (&json!(0), &json!(null), &json!(null))
    );

    let steps = daybook_world::Ending::Withheld.steps();
    hub.steps(&steps).await;
    let body = hub.get(&format!("/v1/jobs/{job}")).await.json();
    assert_eq!(
        (&body["state"], &body["public"]["turn"]),
        (&json!("withheld"), &json!("nobody"))
    );
    assert_eq!(body["public"]["word"], "Results not sent");
    assert_eq!(
        body["leaf_hash"],
        hub.world.entries().last().unwrap().leaf().to_base64url()
    );

    let history = hub.get(&format!("/v1/jobs/{job}/history")).await.json();
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries.len(), steps.len() + 1);
    for (index, (entry, event)) in (first..).zip(entries.iter().zip(&hub.world.entries()[first..])) {
        assert_eq!(*entry, told(index, event));
    }
    let submission = state["submission"].as_str().unwrap();
    let told = hub.get(&format!("/v1/submissions/{submission}")).await.json();
    assert_eq!(told["jobs"], json!([body]));
    assert_eq!((&told["seq"], &told["packet"]), (&json!(1), &state["packet"]));
    for uri in [
        format!("/v1/jobs/{submission}"),
        format!("/v1/submissions/{job}"),
        format!("/v1/jobs/{}", job.to_string().to_uppercase()),
    ] {
        assert_eq!(hub.get(&uri).await.slug(), "not-found");
    }
}
