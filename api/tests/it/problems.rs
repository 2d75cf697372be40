//! The closed set of problems.

use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use daybook_api::ProblemKind;
use daybook_core::event::{Event, Seen};
use daybook_core::id::{Actor, Stream};
use daybook_core::key::SecretKey;
use daybook_core::sealed::Opening;
use daybook_store::append::{Candidate, MAX_WAITING_BYTES};
use daybook_testkit::workflow;
use daybook_world::{digest, id};
use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::json;
use tokio_postgres::Client;

use crate::append::spliced;
use crate::hub::{Answer, Hub, Signed, access_key, append_body, insider, now, relay, sha256, token};
use crate::limited;
use crate::{batch, follow, witnesses};

#[test]
fn the_page_of_problems_is_that_of_the_set() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROBLEMS.md");
    let expected = daybook_api::document::problems();
    if std::env::var_os("DAYBOOK_GENERATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/PROBLEMS.md is out of date: run the tests again with DAYBOOK_GENERATE=1 and look at the difference"
    );
}

#[test]
fn slugs_and_titles_name_one_problem_each() {
    for (n, kind) in ProblemKind::ALL.iter().enumerate() {
        for other in &ProblemKind::ALL[..n] {
            assert_ne!(kind.slug(), other.slug());
            assert_ne!(kind.title(), other.title());
        }
    }
}

#[tokio::test]
async fn every_problem_of_the_set_is_met() {
    let mut hub = Hub::new().await;
    for kind in ProblemKind::ALL {
        let answer = Box::pin(provoke(&mut hub, *kind)).await;
        assert_eq!(answer.slug(), kind.slug(), "{}", answer.text());
        assert_eq!(answer.status, kind.status());
    }
}

/// A real request that meets that problem. Whatever harms a hub has one of its own.
async fn provoke(hub: &mut Hub, kind: ProblemKind) -> Answer {
    match kind {
        ProblemKind::MalformedRequest => hub.post("/v1/events", &json!([1, 2])).await,
        ProblemKind::MalformedEvent => hub.post("/v1/events", &json!({ "event": "x.y.z" })).await,
        ProblemKind::MalformedOpening => {
            let mut body = append_body(&fresh(hub, "opened").await);
            body["openings"] = json!(["!"]);
            hub.post("/v1/events", &body).await
        }
        ProblemKind::NoSuchRange | ProblemKind::OverQuota | ProblemKind::PacketsUnavailable => {
            crate::packets::provoke(kind).await
        }
        ProblemKind::TooSlow => limited::too_slow().await,
        ProblemKind::UriTooLong => hub.get(&format!("/healthz?{}", "x".repeat(9_000))).await,
        ProblemKind::RateLimited => limited::rate_limited().await,
        ProblemKind::NotReady => limited::not_ready().await,
        ProblemKind::ViewBehind => crate::lists::view_behind().await,
        ProblemKind::NotAuthenticated => hub.get(&format!("/v1/packets/{}", id("packet"))).await,
        ProblemKind::UnknownKey => {
            let mut signed = fresh(hub, "unknown").await;
            signed.event = Event::sign(signed.event.claims(), &SecretKey::from_seed(&[9; 32])).unwrap();
            hub.refusal(&signed).await
        }
        ProblemKind::BadSignature => {
            let one = fresh(hub, "one").await;
            let other = fresh(hub, "other").await;
            hub.refusal_of(&json!({ "event": spliced(&one.event, &other.event) }))
                .await
        }
        ProblemKind::NotYourKey => {
            let mut signed = fresh(hub, "not mine").await;
            signed.event = Event::sign(signed.event.claims(), &hub.world.key(&Actor::Operator)).unwrap();
            hub.refusal(&signed).await
        }
        ProblemKind::NotYourStream => {
            let draft = hub.world.usual("tre-amended").by(&Actor::Operator);
            let signed = hub.sign(&draft).await;
            hub.refusal(&signed).await
        }
        ProblemKind::NotAllowed => {
            let draft = hub.world.usual("approval-withdrawn").by(&relay("wessex"));
            let signed = hub.sign(&draft).await;
            hub.refusal(&signed).await
        }
        ProblemKind::NotFound => hub.get("/v1/events/999999").await,
        ProblemKind::NotPublished => unpublished(hub).await,
        ProblemKind::MethodNotAllowed => hub.call(Method::DELETE, "/v1/events", None, Body::empty()).await,
        ProblemKind::NotNext | ProblemKind::Conflict => {
            let one = fresh(hub, kind.slug()).await;
            let jti = one.event.claims().jti;
            assert_eq!(hub.offer(&one).await.status, StatusCode::CREATED);
            // The world has not heard of it, and so signs in its place again.
            let draft = workflow(&hub.world, kind.slug()).with("digest", digest("second").into());
            let other = hub.sign_changed(&draft, |claims| {
                if kind == ProblemKind::Conflict {
                    claims.jti = jti;
                }
            });
            let other = other.await;
            let answer = hub.refusal(&other).await;
            hub.world.append(&one.event).unwrap();
            answer
        }
        ProblemKind::TooLarge => {
            let body = json!({ "event": "x".repeat(600 * 1024) });
            hub.post("/v1/events", &body).await
        }
        ProblemKind::OtherLog => changed(hub, |claims| claims.aud = "log.example/other".to_owned()).await,
        ProblemKind::DatedAhead => changed(hub, |claims| claims.iat = now() + 400).await,
        ProblemKind::SeenUnknown => {
            let root = daybook_core::Hash::of(b"forked");
            changed(hub, |claims| claims.seen = Some(Seen { root, size: 3 })).await
        }
        ProblemKind::Refused => {
            let draft = hub.world.usual("tre-reinstated");
            let signed = hub.sign(&draft).await;
            hub.refusal(&signed).await
        }
        ProblemKind::LengthRequired | ProblemKind::DigestMismatch => {
            let uri = format!("/v1/packets/{}?sha256={}", id("refused"), sha256(b"other"));
            put_bare(hub, &uri, kind == ProblemKind::DigestMismatch).await
        }
        ProblemKind::BadCosignature => witnesses::bad_cosignature().await,
        ProblemKind::NoWitnesses => batch::no_witnesses(hub).await,
        ProblemKind::TooFarBack => follow::too_far_back().await,
        ProblemKind::Busy => busy().await,
        ProblemKind::OutcomeUnknown => outcome_unknown().await,
        ProblemKind::Stopped => stopped().await,
        ProblemKind::Unavailable => unavailable().await,
        ProblemKind::Internal => internal().await,
    }
}

async fn fresh(hub: &mut Hub, name: &str) -> Signed {
    let draft = workflow(&hub.world, name);
    hub.sign(&draft).await
}

async fn changed(hub: &mut Hub, change: impl FnOnce(&mut daybook_core::event::Claims)) -> Answer {
    let draft = workflow(&hub.world, "changed");
    let signed = hub.sign_changed(&draft, change).await;
    hub.refusal(&signed).await
}

/// A packet with or without a length; the router alone adds none.
async fn put_bare(hub: &Hub, uri: &str, with_length: bool) -> Answer {
    let member = insider(&hub.world);
    let path = uri.split('?').next().unwrap();
    let token = token(&member, &Method::PUT, path).sign(&access_key(&member));
    let mut request = Request::put(uri).header(header::AUTHORIZATION, format!("Bearer {token}"));
    if with_length {
        request = request.header(header::CONTENT_LENGTH, 6);
    }
    hub.send(request.body("packet".into()).unwrap()).await
}

/// Holds the lock of the head, so that nothing can be appended.
async fn lock_head(hub: &Hub) -> Client {
    let owner = hub.owner().await;
    owner
        .batch_execute("BEGIN; SELECT * FROM log_head FOR UPDATE")
        .await
        .unwrap();
    owner
}

async fn unpublished(hub: &mut Hub) -> Answer {
    let owner = hub.unpublishing().await;
    let draft = workflow(&hub.world, "unpublished");
    let index = hub.say(&draft).await.1["index"].clone();
    let answer = hub.get(&format!("/v1/events/{index}/proof")).await;
    assert_eq!(answer.header("retry-after"), "1");
    owner.batch_execute("COMMIT").await.unwrap();
    answer
}

/// As many bytes wait for the head as may.
async fn busy() -> Answer {
    let mut hub = Hub::new().await;
    let signed = fresh(&mut hub, "patient").await;
    // Its author's key is in memory afterwards, so that the next offer goes to the queue at once.
    assert_eq!(hub.offer(&signed).await.status, StatusCode::CREATED);
    let lock = lock_head(&hub).await;
    let large = Opening::new([1; 16], "title", "x".repeat(11_000).into()).unwrap();
    let count = (MAX_WAITING_BYTES - signed.event.as_str().len()) / large.as_str().len();
    let candidate = Candidate {
        event: signed.event.clone(),
        openings: vec![large.clone(); count],
    };
    let mut waiting = Box::pin(hub.store.appender.append(candidate, now()));
    assert!(waiting.as_mut().now_or_never().is_none());
    let mut body = append_body(&signed);
    body["openings"] = json!([large.as_str()]);
    let answer = hub.post("/v1/events", &body).await;
    lock.batch_execute("COMMIT").await.unwrap();
    assert!(waiting.await.unwrap().is_repeat);
    // There is room again.
    assert_eq!(hub.post("/v1/events", &body).await.status, StatusCode::OK);
    answer
}

async fn outcome_unknown() -> Answer {
    let mut hub = Hub::new().await;
    let lock = lock_head(&hub).await;
    let signed = fresh(&mut hub, "in doubt").await;
    let stop = hub.store.hard_stop();
    let end = async {
        let watcher = hub.owner().await;
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- lock_head%'";
        while watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (answer, ()) = futures::join!(hub.offer(&signed), end);
    lock.batch_execute("COMMIT").await.unwrap();
    answer
}

/// Somebody moved the head beside the hub.
async fn stopped() -> Answer {
    let mut hub = Hub::new().await;
    let tamper = "UPDATE log_head SET size = size - 1";
    hub.owner().await.batch_execute(tamper).await.unwrap();
    let signed = fresh(&mut hub, "doubtful").await;
    let answer = hub.offer(&signed).await;
    assert_eq!(hub.get("/readyz").await.slug(), "not-ready");
    assert_eq!(hub.get("/healthz").await.status, StatusCode::OK);
    answer
}

/// The database takes no connection any more.
async fn unavailable() -> Answer {
    let hub = Hub::new().await;
    let name = hub.database().get_dbname().unwrap().to_owned();
    let mut elsewhere = hub.database();
    elsewhere.dbname("postgres");
    let client = daybook_store::open(&elsewhere, "daybook tests").await.unwrap();
    client
        .batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        .await
        .unwrap();
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
    client.query(end, &[&name]).await.unwrap();
    assert_eq!(hub.get("/readyz").await.slug(), "not-ready");
    let answers = join_all(["/v1/events", "/v1/events/0", "/v1/keys"].map(|uri| hub.get(uri))).await;
    answers
        .into_iter()
        .inspect(|answer| {
            let told = "The hub's database did not answer in time.";
            assert_eq!(
                (answer.slug().as_str(), &answer.problem()["detail"]),
                ("unavailable", &json!(told))
            );
        })
        .next()
        .unwrap()
}

/// An entry that is no event any more.
async fn internal() -> Answer {
    let hub = Hub::new().await;
    let tamper =
        "SET session_replication_role = replica; UPDATE entries SET event = 'SELECT secret' WHERE idx = 3";
    hub.owner().await.batch_execute(tamper).await.unwrap();
    let answer = hub.get("/v1/events/3/openings").await;
    let told = "The hub could not answer. The reason is in its own log.";
    assert_eq!(answer.problem()["detail"], told);
    answer
}

#[tokio::test]
async fn what_cannot_be_read_is_told_in_words_of_the_outside() {
    let hub = Hub::new().await;
    let job = Stream::Job(id("no job"));
    for uri in [
        "/v1/events?limit=x",
        "/v1/events?after=-1",
        "/v1/events?before=x",
        "/v1/events?next_after=1",
        "/v1/jobs/da1e2a3c-5b0d-4d5c-9b2f-0a1b2c3d4e5f?after=x",
        "/v1/events?stream=a&stream=b",
        "/v1/events?unknown=1",
        "/v1/events?leaf_hash=short",
        "/v1/events?jti=6ba7b810-9dad-11d1-80b4-00c04fd430c8&author=operator",
        "/v1/events?jti=da1e2a3c-5b0d-4d5c-9b2f-0a1b2c3d4e5f",
        "/v1/keys?from=x",
        "/v1/tres/wessex/queue?wait=x",
        "/v1/events?stream=%00",
        "/v1/events?jti=da1e2a3c-5b0d-4d5c-9b2f-0a1b2c3d4e5f&author=%00",
        "/v1/keys?actor=a%00b",
        "/v1/streams/nothing/head",
        "/v1/streams/job/1/head",
    ] {
        assert_eq!(hub.get(uri).await.slug(), "malformed-request", "{uri}");
    }
    for uri in [
        "/",
        "/v1",
        "/v1/events/x",
        "/v1/events/-1",
        "/v1/events/0/other",
        "/v1/events/18446744073709551616",
        "/v1/events/18446744073709551615",
        "/v1/events/9223372036854775808/proof",
        "/v1/streams/federation",
        "/v1/jobs/x",
        "/v1/jobs/x/history",
        "/v1/submissions/%00",
        "/v1/tres/UPPER/queue",
        "/v1/tres/%ff/queue",
        "/v1/rules/x",
        &format!("/v1/{job}"),
    ] {
        assert_eq!(hub.get(uri).await.slug(), "not-found", "{uri}");
    }
    for body in [
        "",
        "{",
        "null",
        "\"x\"",
        "[]",
        "{\"event\":1}",
        "{\"event\":\"x\",\"openings\":[1]}",
        "{\"event\":\"x\",\"y\":1}",
    ] {
        let answer = hub.post_text("/v1/events", body.to_owned()).await;
        assert_eq!(answer.slug(), "malformed-request", "{body}");
    }
    let bare = Request::post("/v1/events").body(Body::from("{}")).unwrap();
    assert_eq!(hub.send(bare).await.slug(), "malformed-request");
    assert_eq!(
        hub.post("/v1/events?wait=later", &json!({ "event": "x" }))
            .await
            .slug(),
        "malformed-request"
    );
}

#[tokio::test]
async fn another_method_is_told_which_ones_there_are() {
    let hub = Hub::new().await;
    for (method, uri, allow) in [
        (Method::DELETE, "/v1/events", "GET,HEAD,POST"),
        (Method::PUT, "/v1/events/0", "GET,HEAD"),
        (Method::POST, "/log/checkpoint", "GET,HEAD"),
        (Method::PATCH, "/log/tile/0/000", "GET,HEAD"),
        (Method::POST, "/v1/packets/x", "PUT,GET,HEAD"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let answer = hub.call(method, uri, None, Body::empty()).await;
        assert_eq!(
            (answer.slug().as_str(), answer.header("allow")),
            ("method-not-allowed", allow),
            "{uri}"
        );
    }
}
