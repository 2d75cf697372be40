//! What is refused at `/v1/events`, with the right problem and without a trace, and what is not.

use axum::http::StatusCode;
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::{Actor, Stream, TreRole};
use daybook_core::key::KeyUse;
use daybook_core::sealed::MAX_OPENING;
use daybook_core::{base64url, jws};
use daybook_testkit::workflow;
use daybook_world::{Cast, Draft, digest, id};
use serde_json::{Value, json};

use crate::hub::{Hub, Signed, access_key, append_body, key_entry, now, relay};

/// The payload of one event under the signature of another.
pub(crate) fn spliced(one: &Event, other: &Event) -> String {
    let (_, signature) = one.as_str().rsplit_once('.').unwrap();
    let (signed, _) = other.as_str().rsplit_once('.').unwrap();
    format!("{signed}.{signature}")
}

async fn fresh(hub: &mut Hub, name: &str) -> Signed {
    let draft = workflow(&hub.world, name);
    hub.sign(&draft).await
}

/// Offers the usual event of a type by another author, or signed by another's key.
async fn refusal_of_draft(hub: &mut Hub, draft: &Draft, key_of: &Actor) -> String {
    let mut signed = hub.sign(draft).await;
    signed.event = Event::sign(signed.event.claims(), &hub.world.key(key_of)).unwrap();
    hub.refusal(&signed).await.slug()
}

#[tokio::test]
async fn a_changed_event_is_refused() {
    let mut hub = Hub::new().await;
    let (one, other) = (fresh(&mut hub, "one").await, fresh(&mut hub, "other").await);
    let slug = hub
        .refusal_of(&json!({ "event": spliced(&one.event, &other.event) }))
        .await
        .slug();
    assert_eq!(slug, "bad-signature");

    let text = one.event.as_str();
    let (_, signature) = text.rsplit_once('.').unwrap();
    let mut bytes = base64url::decode(signature).unwrap();
    for at in [0, 31, 32, 63] {
        bytes[at] ^= 1;
        let changed = text.replace(signature, &base64url::encode(&bytes));
        assert_eq!(
            hub.refusal_of(&json!({ "event": changed })).await.slug(),
            "bad-signature"
        );
        bytes[at] ^= 1;
    }
    let payload = text.split('.').nth(1).unwrap();
    let spaced = String::from_utf8(base64url::decode(payload).unwrap())
        .unwrap()
        .replace(",\"iss\"", ", \"iss\"");
    for changed in [
        format!("{text}="),
        format!("{text}."),
        format!(" {text}"),
        text.replace('.', ".."),
        text.replace(payload, &base64url::encode(spaced.as_bytes())),
        text[..text.len() - 1].to_owned(),
        String::new(),
    ] {
        assert_eq!(
            hub.refusal_of(&json!({ "event": changed })).await.slug(),
            "malformed-event",
            "{changed}"
        );
    }
    // The same key signs other words just as well.
    assert_eq!(hub.offer(&one).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_forged_or_wrongly_keyed_event_is_refused() {
    let mut hub = Hub::new().await;
    let draft = workflow(&hub.world, "forged");
    let signed = hub.sign(&draft).await;
    let claims = signed.event.claims().clone();
    let registrar = hub.world.cast.registrar.clone();
    let keys = [
        (daybook_core::key::SecretKey::from_seed(&[1; 32]), "unknown-key"),
        (hub.world.key(&Actor::Operator), "not-your-key"),
        (hub.world.key(&relay("wessex")), "not-your-key"),
        (access_key(&registrar), "not-your-key"),
    ];
    for (key, slug) in keys {
        let event = Event::sign(&claims, &key).unwrap();
        let forged = Signed {
            event,
            openings: signed.openings.clone(),
        };
        assert_eq!(hub.refusal(&forged).await.slug(), slug);
    }
    assert_eq!(hub.offer(&signed).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_replayed_event_changes_nothing() {
    let mut hub = Hub::new().await;
    let draft = workflow(&hub.world, "again");
    let (signed, receipt) = hub.say(&draft).await;
    let before = hub.content().await;
    for wait in ["", "?wait=published"] {
        let answer = hub
            .post(&format!("/v1/events{wait}"), &append_body(&signed))
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(
            answer.header("location"),
            format!("/v1/events/{}", receipt["index"])
        );
        let mut again = answer.json();
        let waited = again.as_object_mut().unwrap();
        let has_waited = !wait.is_empty();
        assert_eq!(waited.remove("published"), has_waited.then(|| true.into()));
        assert_eq!(waited.remove("proof").is_some(), has_waited);
        assert_eq!(again, receipt);
    }
    // Without its openings, with half of them: they are not taken a second time.
    assert_eq!(
        hub.post("/v1/events", &json!({ "event": signed.event.as_str() }))
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(hub.content().await, before);

    let draft = workflow(&hub.world, "of another");
    let elsewhere = hub
        .sign_changed(&draft, |claims| claims.aud = "log.example/b".into())
        .await;
    assert_eq!(hub.refusal(&elsewhere).await.slug(), "other-log");
    // A log that calls itself the same has another history.
    let draft = hub.world.usual("project-amended");
    let forked = hub
        .sign_changed(&draft, |claims| claims.prev = Some(Hash::of(b"another history")))
        .await;
    assert_eq!(hub.refusal(&forked).await.slug(), "not-next");
}

#[tokio::test]
async fn events_out_of_order_are_told_which_place_is_free() {
    let mut hub = Hub::new().await;
    let draft = hub.world.usual("project-amended");
    let first = hub.sign(&draft).await;
    let (seq, prev) = (first.event.claims().seq, *first.event.leaf());
    let second = hub
        .sign_changed(&draft, |claims| (claims.seq, claims.prev) = (seq + 1, Some(prev)))
        .await;

    let problem = hub.refusal(&second).await.problem();
    assert_eq!(problem["type"], "/problems/not-next");
    assert_eq!(problem["seq"], seq);
    assert_eq!(problem["prev"], first.event.claims().prev.unwrap().to_base64url());
    let uri = format!("/v1/streams/{}/head", draft.stream);
    let head = hub.get(&uri).await.json();
    assert_eq!(
        (&head["seq"], &head["leaf_hash"]),
        (&json!(seq - 1), &problem["prev"])
    );

    assert_eq!(hub.offer(&first).await.status, StatusCode::CREATED);
    assert_eq!(hub.offer(&second).await.status, StatusCode::CREATED);
    let head = hub.get(&uri).await.json();
    assert_eq!(head["leaf_hash"], second.event.leaf().to_base64url());
    let third = hub.sign_changed(&draft, |claims| claims.seq = 1_000_000).await;
    assert_eq!(hub.refusal(&third).await.slug(), "not-next");
}

#[tokio::test]
async fn a_post_dated_event_waits_for_its_time() {
    let mut hub = Hub::new().await;
    let draft = workflow(&hub.world, "tomorrow");
    for ahead in [360, 86_400, 1 << 40] {
        let signed = hub
            .sign_changed(&draft, |claims| claims.iat = now() + ahead)
            .await;
        assert_eq!(hub.refusal(&signed).await.slug(), "dated-ahead", "{ahead}");
    }
    let soon = hub.sign_changed(&draft, |claims| claims.iat = now() + 240).await;
    assert_eq!(hub.offer(&soon).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_told_the_limit() {
    let mut hub = Hub::new().await;
    let draft = workflow(&hub.world, "large");
    let signed = hub.sign(&draft).await;
    let refused = async |body: Value, limit: &str| {
        let answer = hub.refusal_of(&body).await;
        let detail = answer.problem()["detail"].as_str().unwrap().to_owned();
        assert_eq!(answer.slug(), "too-large", "{detail}");
        assert!(detail.contains(limit), "{detail}");
    };
    // One byte more than any event, and an event that only a rule table may be as long as.
    refused(json!({ "event": "e".repeat(48 * 1024 + 1) }), "49152").await;
    let mut payload = serde_json::from_slice::<Value>(
        &base64url::decode(signed.event.as_str().split('.').nth(1).unwrap()).unwrap(),
    )
    .unwrap();
    payload["data"]["padding"] = "p".repeat(14 * 1024).into();
    let long = jws::sign(
        "daybook-event+jwt",
        &payload,
        &hub.world.key(&hub.world.cast.registrar),
    );
    assert!(long.len() > 16 * 1024 && long.len() < 48 * 1024);
    refused(json!({ "event": long }), "16384").await;

    let mut body = append_body(&signed);
    body["openings"] = json!(["A".repeat(MAX_OPENING + 1)]);
    refused(body.clone(), "16384").await;
    body["openings"] = json!(vec![signed.openings[0].as_str(); 65]);
    refused(body.clone(), "64").await;
    body["openings"] = json!([]);
    body["event"] = "e".repeat(512 * 1024).into();
    assert_eq!(hub.refusal_of(&body).await.slug(), "too-large");
    assert_eq!(hub.offer(&signed).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn openings_must_be_those_of_the_event() {
    let mut hub = Hub::new().await;
    let (one, other) = (fresh(&mut hub, "one").await, fresh(&mut hub, "other").await);
    let with = |openings: Vec<_>| Signed {
        event: one.event.clone(),
        openings,
    };
    let first = one.openings[0].clone();
    for (openings, code) in [
        (vec![], "opening-missing"),
        (other.openings.clone(), "opening-not-in-event"),
        ([one.openings.clone(), vec![first]].concat(), "opening-twice"),
    ] {
        let answer = hub.refusal(&with(openings)).await;
        assert_eq!(
            (answer.slug().as_str(), answer.code().as_str()),
            ("refused", code)
        );
    }
    let draft = hub
        .world
        .usual("approval-granted")
        .seal("credential", "kept in the vault".into());
    let (claims, _) = hub.claims(&draft).await;
    let (_, all) = hub.world.claims(&draft);
    // Sealed anew, so that event and openings belong together.
    let mut claims = claims;
    claims.data.insert(
        "_sd".into(),
        daybook_core::sealed::digest_list(&all, &[[1; 32], [2; 32], [3; 32], [4; 32]]),
    );
    let event = Event::sign(&claims, &hub.world.key(&draft.actor)).unwrap();
    let answer = hub.refusal(&Signed { event, openings: all }).await;
    assert_eq!(answer.code(), "opening-issuer-only");
    assert!(!answer.text().contains("vault"));
}

#[tokio::test]
async fn the_operator_makes_no_event_of_a_tre() {
    let mut hub = Hub::new().await;
    let operator = Actor::Operator;
    let tre: Stream = "tre/wessex".parse().unwrap();

    // In its own name it may write no stream of a TRE, in the TRE's name it has no key.
    for kind in [
        "tre-amended",
        "key-added",
        "dataset-registered",
        "approval-withdrawn",
    ] {
        let own = hub.world.usual(kind).by(&operator);
        assert_eq!(
            refusal_of_draft(&mut hub, &own, &operator).await,
            "not-your-stream",
            "{kind}"
        );
        let posing = hub.world.usual(kind);
        assert_eq!(
            refusal_of_draft(&mut hub, &posing, &operator).await,
            "not-your-key",
            "{kind}"
        );
    }
    hub.world.submit(&["wessex"]);
    let job = hub.world.usual("job-collected").by(&operator);
    assert_eq!(
        refusal_of_draft(&mut hub, &job, &operator).await,
        "not-your-stream"
    );

    // It cannot give itself a key of a TRE: not as a role, not by another invitation, not by joining in its place.
    let stolen = json!([key_entry(
        &relay("wessex"),
        KeyUse::Event,
        &hub.world.key(&operator)
    )]);
    let fresh_key = daybook_core::key::SecretKey::from_seed(&[5; 32]);
    let lent = json!([key_entry(&relay("wessex"), KeyUse::Event, &fresh_key)]);
    for (kind, stream, data) in [
        (
            "role-granted",
            Stream::Federation,
            json!({ "id": "wessex", "keys": lent, "role": "relay" }),
        ),
        (
            "role-granted",
            Stream::Federation,
            json!({ "keys": lent, "role": "editor" }),
        ),
        (
            "role-granted",
            Stream::Federation,
            json!({ "id": "x1", "keys": stolen, "role": "registrar" }),
        ),
        (
            "key-added",
            Stream::Federation,
            json!({ "keys": lent, "role": "relay" }),
        ),
        ("key-added", tre.clone(), json!({ "keys": lent, "role": "relay" })),
        (
            "key-revoked",
            tre.clone(),
            json!({ "kid": digest("kid"), "reason": "lost" }),
        ),
        ("tre-joined", tre.clone(), json!({ "keys": lent })),
        (
            "tre-invited",
            Stream::Federation,
            json!({ "root": fresh_key.public().thumbprint().to_base64url(), "tre": "wessex" }),
        ),
    ] {
        let draft = Draft::new(&operator, &stream, kind, data);
        let signed = hub.sign(&draft).await;
        let answer = hub.refusal(&signed).await;
        assert!(
            ["refused", "not-your-stream", "not-allowed"].contains(&answer.slug().as_str()),
            "{kind} {}",
            answer.text()
        );
    }
    // A TRE that was invited begins with its own root only.
    let invited = hub.world.usual("tre-invited");
    hub.say(&invited).await;
    let root = Cast::tre("cornwall", TreRole::Root);
    let keys = json!([key_entry(&root, KeyUse::Event, &fresh_key)]);
    let joined = Draft::new(&root, &root.home(), "tre-joined", json!({ "keys": keys }))
        .seal("name", "Cornwall".into());
    let (claims, openings) = hub.claims(&joined).await;
    let event = Event::sign(&claims, &fresh_key).unwrap();
    let answer = hub.refusal(&Signed { event, openings }).await;
    assert_eq!(answer.code(), "not-invited");
}

#[tokio::test]
async fn a_table_of_the_operators_making_gives_it_no_voice_of_a_tre() {
    let mut hub = Hub::new().await;
    let mut table = hub.world.table().to_value();
    for kind in ["job-collected", "tre-amended", "job-released"] {
        table["events"][kind]["by"] = json!(["operator"]);
    }
    let draft = hub.world.usual("policy-adopted").with("table", table);
    let signed = hub.sign(&draft).await;
    let answer = hub.offer(&signed).await;
    if answer.status.is_success() {
        hub.world.append(&signed.event).unwrap();
    } else {
        assert_eq!(answer.slug(), "refused", "{}", answer.text());
    }
    let draft = hub.world.usual("tre-amended").by(&Actor::Operator);
    assert_eq!(
        refusal_of_draft(&mut hub, &draft, &Actor::Operator).await,
        "not-your-stream"
    );
}

#[tokio::test]
async fn a_key_that_was_revoked_signs_nothing_more() {
    let mut hub = Hub::new().await;
    let reported = hub.world.usual("tre-reported");
    let before = hub.sign(&reported).await;
    assert_eq!(hub.offer(&before).await.status, StatusCode::CREATED);
    hub.world.append(&before.event).unwrap();
    // Signed while the key was good, offered when it is not.
    let late = Draft::new(
        &relay("wessex"),
        &Stream::Dataset(id("late")),
        "dataset-registered",
        json!({}),
    );
    let late = hub.sign(&late).await;
    let revoked = hub.world.usual("key-revoked");
    let (_, receipt) = hub.say(&revoked).await;

    assert_eq!(hub.refusal(&late).await.slug(), "not-your-key");
    let after = hub.sign(&reported).await;
    assert_eq!(hub.refusal(&after).await.slug(), "not-your-key");
    // What stands in the log stands; the runner's key is another one; the list of keys still knows the old one.
    assert_eq!(hub.offer(&before).await.status, StatusCode::OK);
    let by_runner = reported.by(&Cast::tre("wessex", TreRole::Runner));
    hub.say(&by_runner).await;
    let keys = hub.get("/v1/keys?actor=tre/wessex/relay").await.json();
    let kid = revoked.data["kid"].clone();
    assert!(
        keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .any(|key| key["kid"] == kid && key["index"].as_u64() < receipt["index"].as_u64())
    );
}

#[tokio::test]
async fn a_role_that_ended_and_a_member_who_left_sign_nothing_more() {
    let mut hub = Hub::new().await;
    let removed = hub
        .world
        .usual("member-removed")
        .with("member", hub.world.cast.member.to_string().into());
    hub.say(&removed).await;
    let submitted = hub.world.usual("job-submitted");
    let submitted = hub.sign(&submitted).await;
    assert_eq!(hub.refusal(&submitted).await.slug(), "not-your-key");

    let ended = hub.world.usual("role-ended").with("role", "registrar".into());
    hub.say(&ended).await;
    let late = fresh(&mut hub, "late").await;
    assert_eq!(hub.refusal(&late).await.slug(), "not-your-key");
}
