//! Dry runs: the answer of an append, and no append.

use axum::http::StatusCode;
use daybook_core::event::Event;
use daybook_core::id::Actor;
use daybook_core::key::SecretKey;
use daybook_testkit::workflow;
use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::append::spliced;
use crate::batch::{filler, lock_head};
use crate::hub::{Answer, Hub, Signed, append_body, now};

impl Hub {
    /// Tries an event out, and checks that nothing was written.
    async fn rehearse(&self, body: &Value) -> Answer {
        let before = self.content().await;
        let answer = self.post("/v1/events?dry_run=true", body).await;
        assert_eq!(self.content().await, before, "a dry run changed something");
        answer
    }
}

async fn fresh(hub: &mut Hub, name: &str) -> Signed {
    let draft = workflow(&hub.world, name);
    hub.sign(&draft).await
}

#[tokio::test]
async fn what_would_be_appended_is_said_and_not_done() {
    let mut hub = Hub::new().await;
    let size = hub.world.entries().len();
    let signed = fresh(&mut hub, "tried").await;
    let body = append_body(&signed);
    let answer = hub.rehearse(&body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let claims = signed.event.claims();
    let mut expected = json!({
        "dry_run": true, "would": "append", "leaf_hash": signed.event.leaf().to_base64url(),
        "stream": claims.sub.to_string(), "seq": claims.seq, "tree_size": size, "hits": [],
    });
    assert_eq!(answer.json(), expected);
    // As often as one likes, and afterwards it is appended like any other.
    assert_eq!(hub.rehearse(&body).await.json(), expected);
    assert_eq!(hub.offer(&signed).await.status, StatusCode::CREATED);
    expected["would"] = "repeat".into();
    expected["index"] = size.into();
    expected["tree_size"] = (size + 1).into();
    assert_eq!(hub.rehearse(&body).await.json(), expected);
}

#[tokio::test]
async fn what_an_append_refuses_a_dry_run_refuses_alike() {
    let mut hub = Hub::new().await;
    let (one, other) = (fresh(&mut hub, "one").await, fresh(&mut hub, "other").await);
    let known = fresh(&mut hub, "known").await;
    assert_eq!(hub.offer(&known).await.status, StatusCode::CREATED);
    let jti = known.event.claims().jti;
    let by = |key: &SecretKey| json!({ "event": Event::sign(one.event.claims(), key).unwrap().as_str() });
    let mut bodies = vec![
        ("malformed-event", json!({ "event": "x.y.z" })),
        ("malformed-request", json!({ "events": [] })),
        (
            "bad-signature",
            json!({ "event": spliced(&one.event, &other.event) }),
        ),
        ("unknown-key", by(&SecretKey::from_seed(&[4; 32]))),
        ("not-your-key", by(&hub.world.key(&Actor::Operator))),
        ("refused", json!({ "event": one.event.as_str() })),
        (
            "refused",
            json!({ "event": one.event.as_str(), "openings": append_body(&other)["openings"] }),
        ),
        (
            "too-large",
            json!({ "event": one.event.as_str(), "openings": vec!["A"; 65] }),
        ),
    ];
    let draft = workflow(&hub.world, "changed");
    let ahead = hub.sign_changed(&draft, |claims| claims.iat = now() + 400).await;
    let conflict = hub.sign_changed(&draft, |claims| claims.jti = jti).await;
    let elsewhere = hub
        .sign_changed(&draft, |claims| claims.aud = "log.example/other".into())
        .await;
    let chain = hub.chain(2).await;
    let draft = hub.world.usual("tre-reinstated");
    let state = hub.sign(&draft).await;
    let draft = hub.world.usual("tre-amended").by(&Actor::Operator);
    let stranger = hub.sign(&draft).await;
    for (slug, signed) in [
        ("dated-ahead", &ahead),
        ("conflict", &conflict),
        ("other-log", &elsewhere),
        ("not-next", &chain[1]),
        ("refused", &state),
        ("not-your-stream", &stranger),
    ] {
        bodies.push((slug, append_body(signed)));
    }
    for (slug, body) in bodies {
        let tried = hub.rehearse(&body).await;
        let offered = hub.refusal_of(&body).await;
        assert_eq!(tried.slug(), slug, "{}", tried.text());
        let told = |answer: &Answer| {
            let mut problem = answer.problem();
            problem.as_object_mut().unwrap().remove("request_id");
            if slug == "dated-ahead" {
                // By how much changes from one second to the next.
                problem["detail"] = Value::Null;
            }
            problem
        };
        assert_eq!(told(&tried), told(&offered), "{slug}");
    }
}

#[tokio::test]
async fn a_dry_run_waits_neither_for_the_head_nor_for_a_checkpoint() {
    let mut hub = Hub::new().await;
    let signed = fresh(&mut hub, "tried").await;
    let lock = lock_head(&hub).await;
    let answer = hub
        .post("/v1/events?dry_run=true", &append_body(&signed))
        .await
        .json();
    assert_eq!(answer["would"], "append");
    lock.batch_execute("COMMIT").await.unwrap();
    for query in [
        "dry_run=true&wait=published",
        "dry_run=maybe",
        "dry_run=",
        "dry_run=1",
    ] {
        let answer = hub
            .post(&format!("/v1/events?{query}"), &append_body(&signed))
            .await;
        assert_eq!(answer.slug(), "malformed-request", "{query}");
    }
    let answer = hub.post("/v1/events?dry_run=false", &append_body(&signed)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[tokio::test]
async fn dry_runs_count_among_what_waits() {
    let mut hub = Hub::new().await;
    let known = fresh(&mut hub, "known").await;
    assert_eq!(hub.offer(&known).await.status, StatusCode::CREATED);
    let lock = lock_head(&hub).await;
    let mut waiting = Box::pin(hub.store.appender.append(filler(&known, 500), now()));
    assert!(waiting.as_mut().now_or_never().is_none());
    let uri = "/v1/events?dry_run=true";
    assert_eq!(hub.post(uri, &append_body(&known)).await.slug(), "busy");
    lock.batch_execute("COMMIT").await.unwrap();
    assert!(waiting.await.unwrap().is_repeat);
    assert_eq!(
        hub.post(uri, &append_body(&known)).await.json()["would"],
        "repeat"
    );
}

#[tokio::test]
async fn a_hub_that_has_stopped_rehearses_nothing() {
    let mut hub = Hub::new().await;
    let tamper = "UPDATE log_head SET size = size - 1";
    hub.owner().await.batch_execute(tamper).await.unwrap();
    let signed = fresh(&mut hub, "doubtful").await;
    assert_eq!(hub.offer(&signed).await.slug(), "stopped");
    let answer = hub.post("/v1/events?dry_run=true", &append_body(&signed)).await;
    assert_eq!(answer.slug(), "stopped");
}

#[tokio::test]
async fn a_dry_run_follows_the_table_that_was_adopted_meanwhile() {
    let mut hub = Hub::new().await;
    let signed = fresh(&mut hub, "tried").await;
    assert_eq!(
        hub.rehearse(&append_body(&signed)).await.json()["would"],
        "append"
    );
    let mut table = hub.world.table().to_value();
    table["events"]["workflow-registered"]["by"] = json!(["operator"]);
    let draft = hub.world.usual("policy-adopted").with("table", table);
    hub.say(&draft).await;
    let answer = hub.rehearse(&append_body(&signed)).await;
    assert_eq!(answer.slug(), "not-allowed", "{}", answer.text());
}

#[tokio::test]
async fn authors_see_what_the_screen_finds_before_anything_is_in_the_log() {
    let mut hub = Hub::new().await;
    let draft = hub
        .world
        .usual("project-registered")
        .seal(
            "lay_summary",
            "Ŵyth: ring 07700 900123 and ask for Ada Lovelock.".into(),
        )
        .seal("organisations", json!(["Wessex", "jo.bloggs@hotmail.co.uk"]))
        .seal("lead", "Ada Lovelock".into())
        .seal("reference", "call 07700 900124".into());
    let signed = hub.sign(&draft).await;
    let answer = hub.rehearse(&append_body(&signed)).await.json();
    let mut hits: Vec<String> = answer["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    hits.sort();
    assert_eq!(
        hits,
        [
            r#"{"field":"lay_summary","from":11,"kind":"telephone","to":23}"#,
            r#"{"field":"lay_summary","from":36,"kind":"name","to":48}"#,
            r#"{"field":"organisations","from":0,"item":1,"kind":"email","to":23}"#,
        ]
    );
    assert!(
        !answer.to_string().contains("900123"),
        "the words stay with their author"
    );
}
