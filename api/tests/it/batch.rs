//! Batches: an answer each, in order, and none for all.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use daybook_api::{Problem, ProblemKind};
use daybook_core::event::Event;
use daybook_core::id::{Actor, Stream};
use daybook_core::key::SecretKey;
use daybook_core::note::Note;
use daybook_core::proof_file::ProofFile;
use daybook_core::sealed::Opening;
use daybook_store::append::{Candidate, MAX_WAITING_BYTES};
use daybook_testkit::{signer, workflow};
use daybook_world::{Draft, ORIGIN, digest, id};
use futures::FutureExt as _;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::append::spliced;
use crate::hub::{Answer, Hub, Signed, append_body, both_keys, now};

impl Hub {
    /// Offers a batch that is answered event by event.
    async fn offer_all(&self, events: &[Value]) -> Vec<Value> {
        let answer = self.post("/v1/event-batches", &json!({ "events": events })).await;
        assert_eq!(answer.status, StatusCode::OK);
        let answer = answer.json();
        let results = answer["results"].as_array().unwrap().clone();
        assert_eq!(results.len(), events.len());
        results
    }

    /// Events of the project's stream, each the next of the one before.
    pub(crate) async fn chain(&mut self, count: u64) -> Vec<Signed> {
        let draft = self.world.usual("project-amended");
        let mut chain: Vec<Signed> = Vec::new();
        for n in 0..count {
            let prev = chain.last().map(|before| *before.event.leaf());
            let signed = self
                .sign_changed(&draft, |claims| {
                    claims.seq += n;
                    claims.prev = prev.or(claims.prev);
                })
                .await;
            chain.push(signed);
        }
        chain
    }

    async fn size(&self) -> u64 {
        self.get("/v1/events?limit=1").await.json()["tree_size"]
            .as_u64()
            .unwrap()
    }
}

fn bodies(signed: &[Signed]) -> Vec<Value> {
    signed.iter().map(append_body).collect()
}

fn statuses(results: &[Value]) -> Vec<u64> {
    results
        .iter()
        .map(|one| one["status"].as_u64().unwrap())
        .collect()
}

fn slugs(results: &[Value]) -> Vec<String> {
    let slug = |one: &Value| one["problem"]["type"].as_str().unwrap_or("-").to_owned();
    results
        .iter()
        .map(|one| slug(one).replace("/problems/", ""))
        .collect()
}

async fn fresh(hub: &mut Hub, name: &str) -> Signed {
    let draft = workflow(&hub.world, name);
    hub.sign(&draft).await
}

#[tokio::test]
async fn events_of_a_batch_see_those_before_them() {
    let mut hub = Hub::new().await;
    let first = hub.size().await;
    let mut events = hub.chain(3).await;
    // A key that the batch itself registers signs its next event.
    let second: Actor = "registrar/second".parse().unwrap();
    let keys = both_keys(&hub.world, &second);
    let granted = hub
        .world
        .usual("role-granted")
        .with("keys", keys)
        .with("id", "second".into())
        .with("role", "registrar".into());
    events.push(hub.sign(&granted).await);
    let data = json!({ "digest": digest("second's") });
    let stream = Stream::Workflow(id("second's"));
    let draft = Draft::new(&second, &stream, "workflow-registered", data);
    let (claims, openings) = hub.claims(&draft).await;
    let event = Event::sign(&claims, &hub.world.key(&second)).unwrap();
    events.push(Signed { event, openings });

    let results = hub.offer_all(&bodies(&events)).await;
    assert_eq!(statuses(&results), [201; 5], "{results:?}");
    for (index, (one, signed)) in (first..).zip(results.iter().zip(&events)) {
        let claims = signed.event.claims();
        let expected = json!({
            "index": index, "leaf_hash": signed.event.leaf().to_base64url(), "stream": claims.sub.to_string(),
            "seq": claims.seq,
        });
        assert_eq!(one["receipt"], expected);
    }
    let again = hub.offer_all(&bodies(&events)).await;
    assert_eq!(statuses(&again), [200; 5]);
    assert_eq!(hub.size().await, first + 5);
}

#[tokio::test]
async fn each_event_of_a_batch_is_refused_by_itself() {
    let mut hub = Hub::new().await;
    let size = hub.size().await;
    let good = fresh(&mut hub, "good").await;
    let other = fresh(&mut hub, "other").await;
    let jti = good.event.claims().jti;
    let draft = workflow(&hub.world, "same id");
    let same_id = hub.sign_changed(&draft, |claims| claims.jti = jti).await;
    let mut wrong = fresh(&mut hub, "wrong key").await;
    wrong.event = Event::sign(wrong.event.claims(), &SecretKey::from_seed(&[3; 32])).unwrap();
    let mut unopened = append_body(&fresh(&mut hub, "unopened").await);
    unopened["openings"] = json!(["!"]);
    let mut long = append_body(&fresh(&mut hub, "long").await);
    long["openings"] = json!(vec!["A".repeat(16_000); 5]);
    let last = fresh(&mut hub, "last").await;

    let events = [
        append_body(&good),
        append_body(&good),
        append_body(&same_id),
        append_body(&wrong),
        json!({ "event": "x.y.z" }),
        json!({ "event": spliced(&other.event, &last.event) }),
        unopened,
        long,
        append_body(&last),
    ];
    let results = hub.offer_all(&events).await;
    let expected = [
        "-",
        "-",
        "conflict",
        "unknown-key",
        "malformed-event",
        "bad-signature",
        "malformed-opening",
        "too-large",
        "-",
    ];
    assert_eq!(slugs(&results), expected);
    assert_eq!(statuses(&results), [201, 200, 409, 401, 400, 401, 400, 413, 201]);
    let index = |n: usize| results[n]["receipt"]["index"].as_u64().unwrap();
    assert_eq!((index(0), index(1), index(8)), (size, size, size + 1));
    assert!(
        results[7]["problem"]["detail"]
            .as_str()
            .unwrap()
            .contains("65536")
    );
    assert_eq!(hub.size().await, size + 2);
}

#[tokio::test]
async fn what_follows_a_refused_event_of_its_stream_is_refused() {
    let mut hub = Hub::new().await;
    let mut chain = hub.chain(3).await;
    let elsewhere = fresh(&mut hub, "elsewhere").await;
    chain[1].event = Event::sign(chain[1].event.claims(), &hub.world.key(&Actor::Operator)).unwrap();
    let mut events = bodies(&chain);
    events.push(append_body(&elsewhere));
    let results = hub.offer_all(&events).await;
    assert_eq!(slugs(&results), ["-", "not-your-key", "not-next", "-"]);
    assert_eq!(results[2]["problem"]["seq"], chain[1].event.claims().seq);
}

#[tokio::test]
async fn a_batch_of_the_largest_size_is_appended_in_order_and_a_larger_one_not_at_all() {
    let mut hub = Hub::new().await;
    let size = hub.size().await;
    let mut events = Vec::new();
    for n in 0..1_001 {
        events.push(append_body(&fresh(&mut hub, &format!("many {n}")).await));
    }
    let url = "/v1/event-batches";
    let answer = hub.post(url, &json!({ "events": events })).await;
    assert_eq!(answer.slug(), "too-large", "{}", answer.text());
    assert!(answer.text().contains("1000"));
    assert_eq!(hub.size().await, size);

    let results = hub.offer_all(&events[..1_000]).await;
    let indexes = results
        .iter()
        .map(|one| one["receipt"]["index"].as_u64().unwrap());
    assert_eq!(
        indexes.collect::<Vec<_>>(),
        (size..size + 1_000).collect::<Vec<_>>()
    );
    assert_eq!(hub.offer_all(&[]).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_body_of_four_mebibytes_is_taken_and_one_byte_more_is_not() {
    let mut hub = Hub::new().await;
    let text = json!({ "events": [append_body(&fresh(&mut hub, "padded").await)] }).to_string();
    let padded = |bytes: usize| text.clone() + &" ".repeat(bytes - text.len());
    let limit = 4 * 1024 * 1024;
    let before = hub.content().await;
    let answer = hub.post_text("/v1/event-batches", padded(limit + 1)).await;
    assert_eq!(answer.slug(), "too-large");
    assert!(answer.text().contains("4194304"));
    // The same where the length is not announced.
    let chunks: Vec<_> = padded(limit + 1)
        .into_bytes()
        .chunks(65_536)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
        .collect();
    let body = Body::from_stream(futures::stream::iter(chunks));
    let request = Request::post("/v1/event-batches").header(header::CONTENT_TYPE, "application/json");
    assert_eq!(hub.send(request.body(body).unwrap()).await.slug(), "too-large");
    assert_eq!(hub.content().await, before);
    let answer = hub.post_text("/v1/event-batches", padded(limit)).await;
    assert_eq!(answer.json()["results"][0]["status"], 201);
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_refused_whole() {
    let hub = Hub::new().await;
    for body in [
        "",
        "[]",
        "{}",
        "null",
        "{\"events\":{}}",
        "{\"events\":[\"x\"]}",
        "{\"events\":[],\"more\":1}",
        "{\"events\":[{\"event\":\"x\",\"more\":1}]}",
        "{\"events\":[{\"event\":\"x\"}]",
    ] {
        let answer = hub.post_text("/v1/event-batches", body.to_owned()).await;
        assert_eq!(answer.slug(), "malformed-request", "{body}");
    }
    for query in ["?wait=later", "?dry_run=true", "?wait=published&wait=published"] {
        let answer = hub
            .post(&format!("/v1/event-batches{query}"), &json!({ "events": [] }))
            .await;
        assert_eq!(answer.slug(), "malformed-request", "{query}");
    }
    let answer = hub
        .call(Method::GET, "/v1/event-batches", None, Body::empty())
        .await;
    assert_eq!(
        (answer.slug().as_str(), answer.header("allow")),
        ("method-not-allowed", "POST")
    );
}

#[tokio::test]
async fn a_batch_that_waits_shares_one_checkpoint_that_covers_it() {
    let mut hub = Hub::new().await;
    let chain = hub.chain(3).await;
    let body = json!({ "events": bodies(&chain) });
    let answer = hub.post("/v1/event-batches?wait=published", &body).await.json();
    assert_eq!(answer["published"], true);
    let note = Note::parse(answer["checkpoint"].as_str().unwrap().as_bytes()).unwrap();
    let checkpoint = daybook_core::checkpoint::Checkpoint::open(&note, signer().verifier(), ORIGIN).unwrap();
    for (one, signed) in answer["results"].as_array().unwrap().iter().zip(&chain) {
        let index = one["receipt"]["index"].as_u64().unwrap();
        assert!(checkpoint.size() > index);
        let file = hub.get(&format!("/v1/events/{index}/proof")).await;
        let proof = ProofFile::parse(&file.body).unwrap();
        proof
            .verify(signed.event.leaf(), signer().verifier(), ORIGIN)
            .unwrap();
    }
    // Where nothing was appended there is nothing to cover.
    let body = json!({ "events": [{ "event": "x" }] });
    let answer = hub.post("/v1/event-batches?wait=published", &body).await.json();
    assert_eq!(
        (&answer["published"], answer.get("checkpoint")),
        (&json!(false), None)
    );
}

#[tokio::test]
async fn waiting_for_witnesses_is_refused_before_anything_is_appended() {
    let mut hub = Hub::new().await;
    let signed = fresh(&mut hub, "witnessed").await;
    let before = hub.content().await;
    let single = hub.post("/v1/events?wait=witnessed", &append_body(&signed)).await;
    let batch = json!({ "events": [append_body(&signed)] });
    let batch = hub.post("/v1/event-batches?wait=witnessed", &batch).await;
    for answer in [single, batch] {
        assert_eq!(answer.slug(), "no-witnesses");
    }
    assert_eq!(hub.content().await, before);
}

/// Holds the lock of the head, so that nothing can be appended.
pub(crate) async fn lock_head(hub: &Hub) -> Client {
    let owner = hub.owner().await;
    owner
        .batch_execute("BEGIN; SELECT * FROM log_head FOR UPDATE")
        .await
        .unwrap();
    owner
}

/// Waits until the sequencer waits for the lock of the head.
pub(crate) async fn until_sequencer_waits(hub: &Hub) {
    let watcher = hub.owner().await;
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- lock_head%'";
    while watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
}

/// An event that stands in the log, with so many openings that little room is left in the queue.
pub(crate) fn filler(signed: &Signed, room: usize) -> Candidate {
    let large = Opening::new([1; 16], "title", "x".repeat(11_000).into()).unwrap();
    let small = Opening::new([2; 16], "title", "x".into()).unwrap();
    let bytes = MAX_WAITING_BYTES - signed.event.as_str().len() - room;
    let many = bytes / large.as_str().len();
    let few = (bytes - many * large.as_str().len()) / small.as_str().len();
    Candidate {
        event: signed.event.clone(),
        openings: [vec![large; many], vec![small; few]].concat(),
    }
}

#[tokio::test]
async fn from_the_first_event_without_room_on_all_are_busy_and_the_same_batch_again_ends_it() {
    let mut hub = Hub::new().await;
    let patient = fresh(&mut hub, "patient").await;
    assert_eq!(hub.offer(&patient).await.status, StatusCode::CREATED);
    let mut events = hub.chain(5).await;
    events.push(fresh(&mut hub, "small and independent").await);
    let bytes = |signed: &Signed| {
        let openings = signed.openings.iter().map(|opening| opening.as_str().len());
        signed.event.as_str().len() + openings.sum::<usize>()
    };
    let room = bytes(&events[0]) + bytes(&events[1]) + bytes(&events[2]) / 2;

    let lock = lock_head(&hub).await;
    let mut waiting = Box::pin(hub.store.appender.append(filler(&patient, room), now()));
    assert!(waiting.as_mut().now_or_never().is_none());
    let mut batch = hub.store.appender.batch(now());
    let candidates = events.iter().map(|signed| Candidate {
        event: signed.event.clone(),
        openings: signed.openings.clone(),
    });
    let offered = batch.offer(candidates.collect()).await;
    // Another batch finds no room from its first event on.
    let other = hub.offer_all(&bodies(&events[2..4])).await;
    assert_eq!(slugs(&other), ["busy", "busy"]);
    assert_ne!(other[0]["problem"]["detail"], other[1]["problem"]["detail"]);
    lock.batch_execute("COMMIT").await.unwrap();
    assert!(waiting.await.unwrap().is_repeat);
    let mut kinds = Vec::new();
    for one in offered {
        kinds.push(
            one.answer()
                .await
                .map_err(|error| Problem::from(error).kind())
                .err(),
        );
    }
    let busy = Some(ProblemKind::Busy);
    assert_eq!(kinds, [None, None, busy, busy, busy, busy]);
    let again = hub.offer_all(&bodies(&events)).await;
    assert_eq!(statuses(&again), [200, 200, 201, 201, 201, 201]);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_batch_can_send_it_again() {
    let mut hub = Hub::new().await;
    let size = hub.size().await;
    let events = bodies(&hub.chain(4).await);
    let lock = lock_head(&hub).await;
    let posted = hub.offer_all(&events);
    tokio::select! {
        _ = posted => panic!("the head is locked"),
        () = until_sequencer_waits(&hub) => {}
    }
    lock.batch_execute("COMMIT").await.unwrap();
    let results = hub.offer_all(&events).await;
    let indexes: Vec<u64> = results
        .iter()
        .map(|one| one["receipt"]["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indexes, (size..size + 4).collect::<Vec<_>>(), "{results:?}");
    assert_eq!(hub.size().await, size + 4);
}

/// What a problem answers, for the test of the whole set.
pub(crate) async fn no_witnesses(hub: &Hub) -> Answer {
    hub.post("/v1/events?wait=witnessed", &json!({ "event": "x" }))
        .await
}
