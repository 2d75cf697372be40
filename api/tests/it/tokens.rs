//! Access tokens: who is let in, and who is not.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use daybook_core::access::AccessToken;
use daybook_core::id::Actor;
use daybook_core::key::SecretKey;
use daybook_world::id;
use serde_json::json;

use crate::hub::{Answer, Hub, access_key, insider, now, relay, token};

/// What every token here is for: an event with an opening that TREs may read.
const PATH: &str = "/v1/events/0/openings";

async fn ask(hub: &Hub, method: Method, uri: &str, authorization: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::AUTHORIZATION, authorization);
    hub.send(request.body(Body::empty()).unwrap()).await
}

async fn present(hub: &Hub, token: &AccessToken, key: &SecretKey) -> Answer {
    ask(hub, Method::GET, PATH, &format!("Bearer {}", token.sign(key))).await
}

fn good() -> AccessToken {
    token(&relay("wessex"), &Method::GET, PATH)
}

#[tokio::test]
async fn a_good_token_opens_and_none_is_the_public() {
    let hub = Hub::new().await;
    let answer = present(&hub, &good(), &access_key(&relay("wessex"))).await;
    assert!(!answer.json()["openings"].as_array().unwrap().is_empty());
    let public = hub.get(PATH).await.json();
    assert!(public["openings"].as_array().unwrap().is_empty());
    // Which optional fields were said is not told by their number: decoys count too.
    let rule = daybook_rules::Table::v1().rule("log-opened").unwrap();
    assert_eq!(public["withheld"].as_u64().unwrap(), rule.digests as u64);
    // The query is not bound, a HEAD has a token of its own.
    let token = good().sign(&access_key(&relay("wessex")));
    assert_eq!(
        ask(
            &hub,
            Method::GET,
            &format!("{PATH}?x=1"),
            &format!("Bearer {token}")
        )
        .await
        .status,
        StatusCode::OK
    );
    assert_eq!(
        ask(&hub, Method::HEAD, PATH, &format!("Bearer {token}"))
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn what_a_team_says_to_one_tre_is_for_no_other_of_the_submission() {
    let mut hub = Hub::new().await;
    let submission = id("to both");
    let draft = hub.world.submission(submission, &["wessex", "mercia"]);
    let (_, submitted) = hub.say(&draft).await;
    hub.world.job = Some(id(&format!("job of {submission} at wessex")));
    let draft = hub.world.usual("cancellation-requested");
    let (_, asked) = hub
        .say(&draft.seal("text", "The cohort was too small.".into()))
        .await;
    for (receipt, tre, may_read) in [
        (&submitted, "wessex", true),
        (&submitted, "mercia", true),
        (&asked, "wessex", true),
        (&asked, "mercia", false),
    ] {
        let path = format!("/v1/events/{}/openings", receipt["index"]);
        let answer = hub.get_as(&relay(tre), &path).await.json();
        let is_open = !answer["openings"].as_array().unwrap().is_empty();
        assert_eq!(is_open, may_read, "{tre} {answer}");
    }
}

#[tokio::test]
async fn a_token_fits_one_key_log_request_and_time() {
    let hub = Hub::new().await;
    let relay = relay("wessex");
    let key = access_key(&relay);
    for (what, token) in [
        (
            "another log",
            AccessToken {
                aud: "log.example/other".into(),
                ..good()
            },
        ),
        (
            "another method",
            AccessToken {
                method: "PUT".into(),
                ..good()
            },
        ),
        (
            "another path",
            AccessToken {
                path: "/v1/events/1/openings".into(),
                ..good()
            },
        ),
        (
            "a path with a query",
            AccessToken {
                path: format!("{PATH}?x"),
                ..good()
            },
        ),
        (
            "over",
            AccessToken {
                iat: now() - 100,
                exp: now() - 1,
                ..good()
            },
        ),
        (
            "too long a life",
            AccessToken {
                exp: now() + 400,
                ..good()
            },
        ),
        (
            "a life that is over before it begins",
            AccessToken {
                iat: now() + 30,
                exp: now() + 20,
                ..good()
            },
        ),
        (
            "dated ahead",
            AccessToken {
                iat: now() + 120,
                exp: now() + 180,
                ..good()
            },
        ),
        (
            "of another role",
            AccessToken {
                iss: crate::hub::relay("mercia"),
                ..good()
            },
        ),
        (
            "of nobody",
            AccessToken {
                iss: "tre/nowhere/relay".parse().unwrap(),
                ..good()
            },
        ),
        (
            "of the operator",
            AccessToken {
                iss: Actor::Operator,
                ..good()
            },
        ),
    ] {
        assert_eq!(
            present(&hub, &token, &key).await.slug(),
            "not-authenticated",
            "{what}"
        );
    }
}

#[tokio::test]
async fn only_the_actors_own_access_key_signs_its_tokens() {
    let hub = Hub::new().await;
    let relay = relay("wessex");
    for (what, key) in [
        ("a key of nobody", SecretKey::from_seed(&[1; 32])),
        ("the actor's key for events", hub.world.key(&relay)),
        ("another's access key", access_key(&insider(&hub.world))),
    ] {
        assert_eq!(
            present(&hub, &good(), &key).await.slug(),
            "not-authenticated",
            "{what}"
        );
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused_and_not_taken_for_nobody() {
    let hub = Hub::new().await;
    let key = access_key(&relay("wessex"));
    let token = good().sign(&key);
    let event = hub.world.entries()[0].as_str();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for header in [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        format!("bearer {token}"),
        format!("Bearer  {token}"),
        format!("Basic {token}"),
        format!("Bearer {token}="),
        format!("Bearer {signed}"),
        format!("Bearer {signed}."),
        format!("Bearer .{signature}"),
        format!("Bearer {event}"),
        format!("Bearer {}", "A".repeat(5000)),
        "Bearer a.b.c".into(),
        "Bearer \u{e9}".into(),
    ] {
        let answer = ask(&hub, Method::GET, PATH, &header).await;
        assert_eq!(answer.slug(), "not-authenticated", "{header}");
        assert!(!answer.text().contains(signature), "a problem repeats no token");
    }
    let bytes = Request::get(PATH)
        .header(header::AUTHORIZATION, &b"Bearer \xff\xfe"[..])
        .body(Body::empty())
        .unwrap();
    assert_eq!(hub.send(bytes).await.slug(), "not-authenticated");
}

#[tokio::test]
async fn a_revoked_key_and_a_removed_member_are_out_at_once() {
    let mut hub = Hub::new().await;
    let relay = relay("wessex");
    assert_eq!(hub.get_as(&relay, PATH).await.status, StatusCode::OK);
    let kid = access_key(&relay).public().thumbprint().to_base64url();
    let revoked = hub.world.usual("key-revoked").with("kid", kid.into());
    hub.say(&revoked).await;
    assert_eq!(hub.get_as(&relay, PATH).await.slug(), "not-authenticated");

    let member = insider(&hub.world);
    assert_eq!(hub.get_as(&member, PATH).await.status, StatusCode::OK);
    let Actor::Member { member: id, .. } = &member else {
        unreachable!("a member")
    };
    let removed = hub
        .world
        .usual("member-removed")
        .with("member", id.to_string().into());
    hub.say(&removed).await;
    assert_eq!(hub.get_as(&member, PATH).await.slug(), "not-authenticated");

    let auditor = hub.world.cast.auditor.clone();
    assert_eq!(hub.get_as(&auditor, PATH).await.status, StatusCode::OK);
    let ended = hub.world.usual("role-ended");
    hub.say(&ended).await;
    assert_eq!(hub.get_as(&auditor, PATH).await.slug(), "not-authenticated");
}

#[tokio::test]
async fn a_suspended_tre_is_out_until_it_is_reinstated() {
    let mut hub = Hub::new().await;
    let relay = relay("wessex");
    assert_eq!(hub.get_as(&relay, PATH).await.status, StatusCode::OK);
    let suspended = hub.world.usual("tre-suspended").with("tre", "wessex".into());
    hub.say(&suspended).await;
    assert_eq!(hub.get_as(&relay, PATH).await.slug(), "not-authenticated");
    assert_eq!(
        hub.get_as(&crate::hub::relay("mercia"), PATH).await.status,
        StatusCode::OK
    );
    let reinstated = hub.world.usual("tre-reinstated").with("tre", "wessex".into());
    hub.say(&reinstated).await;
    assert_eq!(hub.get_as(&relay, PATH).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_access_key_registers_once_and_for_one_actor() {
    let mut hub = Hub::new().await;
    let keys = json!([crate::hub::key_entry(
        &Actor::Editor,
        daybook_core::key::KeyUse::Access,
        &access_key(&relay("wessex"))
    )]);
    let draft = hub.world.grant("editor").with("keys", keys);
    let signed = hub.sign(&draft).await;
    assert_eq!(hub.refusal(&signed).await.code(), "key-known");
}
