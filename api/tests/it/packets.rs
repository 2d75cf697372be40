//! Packets: their bytes, and who may have them.

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use daybook_api::{PacketLimits, ProblemKind};
use daybook_core::id::{Actor, TreRole};
use daybook_world::{Cast, id};
use futures::{FutureExt as _, StreamExt as _, stream};
use serde_json::json;
use std::io;
use std::sync::Arc;
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::hub::{Answer, Hub, Keeping, MAX_PACKET, access_key, insider, outsider, relay, sha256, token};

mod ranges;
mod sweeps;
mod uploads;

/// Runs a test with packets in a folder, and with packets in a bucket.
macro_rules! in_both {
    ($($name:ident)*) => { $(
        mod $name {
            use daybook_api::PacketLimits;

            use crate::hub::{Hub, Keeping, MAX_PACKET};

            #[tokio::test]
            async fn in_a_folder() {
                super::$name(Hub::keeping(Keeping::Folder, PacketLimits::usual(MAX_PACKET)).await).await;
            }

            #[tokio::test]
            async fn in_a_bucket() {
                super::$name(Hub::keeping(Keeping::Bucket, PacketLimits::usual(MAX_PACKET)).await).await;
            }
        }
    )* };
}
pub(crate) use in_both;

in_both! {
    a_request_is_for_its_senders_project_and_the_tres_that_it_names
    an_id_is_used_once
    of_two_that_come_at_once_one_is_kept
    what_does_not_come_whole_leaves_nothing
    packets_of_any_size_up_to_the_limit_come_back_as_they_were
}

const ZIP: &[u8] = b"PK\x05\x06 the bytes of a bag";

/// Sends a packet with that length and body.
async fn put_as(
    hub: &Hub,
    caller: &Actor,
    packet: &str,
    digest: &str,
    length: Option<u64>,
    body: Body,
) -> Answer {
    let path = format!("/v1/packets/{packet}");
    let token = token(caller, &Method::PUT, &path).sign(&access_key(caller));
    let uri = format!("{path}?sha256={digest}");
    let mut request = Request::put(uri).header(header::AUTHORIZATION, format!("Bearer {token}"));
    if let Some(length) = length {
        request = request.header(header::CONTENT_LENGTH, length);
    }
    hub.send(request.body(body).unwrap()).await
}

async fn put(hub: &Hub, caller: &Actor, packet: Uuid, bytes: &[u8]) -> Answer {
    let body = Body::from(Bytes::copy_from_slice(bytes));
    put_as(
        hub,
        caller,
        &packet.to_string(),
        &sha256(bytes),
        Some(bytes.len() as u64),
        body,
    )
    .await
}

async fn get(hub: &Hub, caller: &Actor, packet: Uuid) -> Answer {
    hub.get_as(caller, &format!("/v1/packets/{packet}")).await
}

/// Exactly these may have the packet; to all others it is as if it were not there.
async fn check_readers(hub: &Hub, packet: Uuid, bytes: &[u8], readers: &[&Actor]) {
    let world = &hub.world;
    let mut all = vec![
        insider(world),
        outsider(world),
        Actor::Editor,
        world.cast.registrar.clone(),
        world.cast.auditor.clone(),
    ];
    for tre in Cast::TRES {
        all.extend([TreRole::Relay, TreRole::Runner, TreRole::Review].map(|role| Cast::tre(tre, role)));
    }
    for caller in &all {
        let answer = get(hub, caller, packet).await;
        if readers.contains(&caller) {
            assert_eq!(
                (answer.status, &answer.body[..]),
                (StatusCode::OK, bytes),
                "{caller}"
            );
            assert_eq!(answer.header("content-type"), "application/zip");
            assert_eq!(answer.header("content-length"), bytes.len().to_string());
            assert_eq!(answer.header("cache-control"), "private, no-store");
        } else {
            let unknown = get(hub, caller, id("a packet that nobody sent")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{caller}");
            assert_eq!(told(&answer), told(&unknown), "{caller}");
        }
    }
    let public = hub.get(&format!("/v1/packets/{packet}")).await;
    assert_eq!(public.slug(), "not-authenticated");
}

/// All that an answer says, but for the number that each request has of its own.
fn told(answer: &Answer) -> (serde_json::Value, header::HeaderMap) {
    let (mut problem, mut headers) = (answer.problem(), answer.headers.clone());
    problem.as_object_mut().unwrap().remove("request_id");
    headers.remove("x-request-id");
    (problem, headers)
}

fn services(tre: &str) -> [Actor; 3] {
    [TreRole::Relay, TreRole::Runner, TreRole::Review].map(|role| Cast::tre(tre, role))
}

async fn a_request_is_for_its_senders_project_and_the_tres_that_it_names(mut hub: Hub) {
    let (sender, packet) = (insider(&hub.world), id("request"));
    let answer = put(&hub, &sender, packet, ZIP).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let body = json!({ "id": packet, "sha256": sha256(ZIP), "size": ZIP.len(), "kind": "request" });
    assert_eq!(answer.json(), body);
    check_readers(&hub, packet, ZIP, &[&sender]).await;

    let draft = hub
        .world
        .submission(id("submission"), &["wessex"])
        .with("packet", packet.to_string().into());
    hub.say(&draft).await;
    let [relay, runner, review] = services("wessex");
    check_readers(&hub, packet, ZIP, &[&sender, &relay, &runner, &review]).await;
}

#[tokio::test]
async fn naming_anothers_packet_opens_it_to_nobody() {
    let mut hub = Hub::new().await;
    let (sender, packet) = (insider(&hub.world), id("request"));
    put(&hub, &sender, packet, ZIP).await;
    // Its id stands in clear in the log, so a member of another project can write it into a job of that project.
    let thief = outsider(&hub.world);
    let draft = hub
        .world
        .submission(id("theft"), &["mercia"])
        .by(&thief)
        .with("packet", packet.to_string().into());
    hub.say(&draft).await;
    check_readers(&hub, packet, ZIP, &[&sender]).await;

    hub.submit().await;
    // And a TRE can release a job of its own with another TRE's result.
    let result = id("result of wessex");
    let services = services("wessex");
    put(&hub, &services[0], result, ZIP).await;
    let state =
        json!({ "tre": "mercia", "project": hub.world.cast.project, "state": "released", "results": result });
    let sql = "INSERT INTO stream_heads (stream, seq, leaf, state, tre, packet, results, waits)
        SELECT $1, 0, NULL, state, state ->> 'tre', state ->> 'packet', state ->> 'results',
            state ->> 'state' = 'submitted'
        FROM (SELECT $2::text::json AS state) AS s";
    let job = format!("job/{}", id("job of mercia"));
    hub.owner()
        .await
        .execute(sql, &[&job, &state.to_string()])
        .await
        .unwrap();
    check_readers(&hub, result, ZIP, &[&services[0], &services[1], &services[2]]).await;
}

#[tokio::test]
async fn a_result_is_out_from_its_release_until_it_is_recalled_or_expires() {
    for end in ["release-recalled", "results-expired"] {
        let mut hub = Hub::new().await;
        hub.submit().await;
        hub.steps(&daybook_world::Ending::Released.steps()[..11]).await;
        let result = id("results");
        let [relay, runner, review] = services("wessex");
        let answer = put(&hub, &relay, result, ZIP).await;
        assert_eq!(answer.json()["kind"], "result");
        check_readers(&hub, result, ZIP, &[&relay, &runner, &review]).await;
        hub.steps(&["job-released"]).await;
        let member = insider(&hub.world);
        check_readers(&hub, result, ZIP, &[&relay, &runner, &review, &member]).await;
        hub.steps(&[end]).await;
        check_readers(&hub, result, ZIP, &[&relay, &runner, &review]).await;
    }
}

#[tokio::test]
async fn only_members_and_tres_send() {
    let hub = Hub::new().await;
    for caller in [
        Actor::Editor,
        hub.world.cast.registrar.clone(),
        hub.world.cast.auditor.clone(),
    ] {
        assert_eq!(
            put(&hub, &caller, id("packet"), ZIP).await.slug(),
            "not-allowed",
            "{caller}"
        );
    }
    let uri = format!("/v1/packets/{}?sha256={}", id("packet"), sha256(ZIP));
    assert_eq!(
        hub.call(Method::PUT, &uri, None, ZIP.into()).await.slug(),
        "not-authenticated"
    );
    assert!(hub.stored().is_empty());
}

async fn an_id_is_used_once(hub: Hub) {
    let (sender, packet) = (insider(&hub.world), id("packet"));
    assert_eq!(put(&hub, &sender, packet, ZIP).await.status, StatusCode::CREATED);
    let again = put(&hub, &sender, packet, ZIP).await;
    assert_eq!(
        (again.status, &again.json()["size"]),
        (StatusCode::OK, &json!(ZIP.len()))
    );
    assert_eq!(
        put(&hub, &sender, packet, b"other bytes").await.slug(),
        "conflict"
    );
    // Not even with the same bytes: it would tell a stranger what somebody has sent.
    assert_eq!(
        put(&hub, &outsider(&hub.world), packet, ZIP).await.slug(),
        "conflict"
    );
    assert_eq!(
        put(&hub, &outsider(&hub.world), packet, b"other").await.slug(),
        "conflict"
    );
    assert_eq!(hub.stored().len(), 1);
    check_readers(&hub, packet, ZIP, &[&sender]).await;
}

async fn of_two_that_come_at_once_one_is_kept(hub: Hub) {
    let sender = insider(&hub.world);
    for (name, bytes, loser) in [
        ("same", [ZIP, ZIP], StatusCode::OK),
        ("other", [ZIP, b"other bytes"], StatusCode::CONFLICT),
    ] {
        let barrier = Arc::new(Barrier::new(2));
        let packet = id(name);
        let send = |bytes: &'static [u8]| {
            let barrier = barrier.clone();
            let late = async move {
                // Both are past every look at what is known when the first one ends.
                barrier.wait().await;
                Ok::<_, io::Error>(Bytes::from_static(&bytes[5..]))
            };
            let first = stream::once(async { Ok(Bytes::from_static(&bytes[..5])) });
            let body = Body::from_stream(first.chain(stream::once(late)));
            let (sender, hub) = (&sender, &hub);
            async move {
                put_as(
                    hub,
                    sender,
                    &packet.to_string(),
                    &sha256(bytes),
                    Some(bytes.len() as u64),
                    body,
                )
                .await
            }
        };
        let (one, other) = futures::join!(send(bytes[0]), send(bytes[1]));
        let mut found = [one.status, other.status];
        found.sort();
        let mut expected = [StatusCode::CREATED, loser];
        expected.sort();
        assert_eq!(found, expected, "{name}");
        let kept = if one.status == StatusCode::CREATED {
            bytes[0]
        } else {
            bytes[1]
        };
        check_readers(&hub, packet, kept, &[&sender]).await;
        let files = hub.stored();
        let mine = files.iter().filter(|file| file.starts_with(&packet.to_string()));
        assert_eq!(mine.count(), 1, "{files:?}");
    }
}

async fn what_does_not_come_whole_leaves_nothing(hub: Hub) {
    let (sender, packet) = (insider(&hub.world), id("packet").to_string());
    let send = async |digest: &str, length: Option<u64>, body: Body| {
        let answer = put_as(&hub, &sender, &packet, digest, length, body).await;
        assert_eq!(hub.stored(), Vec::<String>::new());
        answer.slug()
    };
    let length = Some(ZIP.len() as u64);
    assert_eq!(
        send(&sha256(b"other"), length, ZIP.into()).await,
        "digest-mismatch"
    );
    assert_eq!(
        send(&sha256(b"other"), Some(0), Body::empty()).await,
        "digest-mismatch"
    );
    assert_eq!(send(&sha256(ZIP), None, ZIP.into()).await, "length-required");
    assert_eq!(
        send(&sha256(ZIP), Some(MAX_PACKET + 1), ZIP.into()).await,
        "too-large"
    );
    let large = vec![7; usize::try_from(MAX_PACKET).unwrap() + 1];
    assert_eq!(
        send(&sha256(&large), Some(10), large.clone().into()).await,
        "too-large"
    );
    for digest in [
        "",
        "x",
        &sha256(ZIP)[1..],
        &format!("{}=", sha256(ZIP)),
        "..%2F..%2Fx",
    ] {
        assert_eq!(
            send(digest, length, ZIP.into()).await,
            "malformed-request",
            "{digest}"
        );
    }
    let broken = stream::iter([
        Ok(Bytes::from_static(ZIP)),
        Err(io::Error::other("the line is cut")),
    ]);
    assert_eq!(
        send(&sha256(ZIP), length, Body::from_stream(broken)).await,
        "malformed-request"
    );

    // A sender who goes away in the middle.
    let body = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(ZIP)) }).chain(stream::pending());
    let digest = sha256(ZIP);
    let mut sending = Box::pin(put_as(
        &hub,
        &sender,
        &packet,
        &digest,
        Some(1000),
        Body::from_stream(body),
    ));
    while hub.stored().is_empty() {
        assert!(sending.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(sending);
    while !hub.stored().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&hub, &sender, id("packet")).await.slug(), "not-found");
    // The id is as free as before.
    assert_eq!(
        put(&hub, &sender, id("packet"), ZIP).await.status,
        StatusCode::CREATED
    );
}

async fn packets_of_any_size_up_to_the_limit_come_back_as_they_were(hub: Hub) {
    let sender = insider(&hub.world);
    for size in [0, 1, MAX_PACKET] {
        let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let packet = id(&format!("packet of {size}"));
        let answer = put(&hub, &sender, packet, &bytes).await;
        assert_eq!(
            (answer.status, &answer.json()["size"]),
            (StatusCode::CREATED, &json!(size))
        );
        check_readers(&hub, packet, &bytes, &[&sender]).await;
    }
}

#[tokio::test]
async fn an_id_is_a_random_uuid_and_nothing_else() {
    let hub = Hub::new().await;
    let sender = insider(&hub.world);
    let upper = id("packet").to_string().to_uppercase();
    for name in [
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e",
        ".",
        "%00",
        "packet",
        &upper,
        &id("packet").simple().to_string(),
        "00000000-0000-0000-0000-000000000000",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    ] {
        let answer = put_as(
            &hub,
            &sender,
            name,
            &sha256(ZIP),
            Some(ZIP.len() as u64),
            ZIP.into(),
        )
        .await;
        assert_eq!(answer.slug(), "malformed-request", "{name}");
        assert_eq!(
            hub.get_as(&sender, &format!("/v1/packets/{name}")).await.slug(),
            "not-found",
            "{name}"
        );
    }
    for path in ["../../etc/passwd", "", "x/y"] {
        assert_eq!(
            hub.get_as(&sender, &format!("/v1/packets/{path}")).await.slug(),
            "not-found",
            "{path}"
        );
    }
    assert!(hub.stored().is_empty());
}

#[tokio::test]
async fn a_head_of_a_packet_says_its_length() {
    let hub = Hub::new().await;
    let (sender, packet) = (insider(&hub.world), id("packet"));
    put(&hub, &sender, packet, ZIP).await;
    let uri = format!("/v1/packets/{packet}");
    let head = hub.call(Method::HEAD, &uri, Some(&sender), Body::empty()).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (StatusCode::OK, ZIP.len().to_string().as_str())
    );
    assert_eq!(
        hub.call(Method::HEAD, &uri, Some(&relay("mercia")), Body::empty())
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

/// A request that meets a problem which only packets have, at a hub of its own.
pub(crate) async fn provoke(kind: ProblemKind) -> Answer {
    let mut limits = PacketLimits::usual(MAX_PACKET);
    if kind == ProblemKind::OverQuota {
        limits.quota.packets = 0;
    }
    let hub = Hub::keeping(Keeping::Bucket, limits).await;
    let (sender, packet) = (insider(&hub.world), id("packet"));
    if kind == ProblemKind::NoSuchRange {
        put(&hub, &sender, packet, ZIP).await;
        let range = [(header::RANGE, "bytes=999-")];
        return get_with(&hub, Method::GET, &sender, packet, &range).await;
    }
    if let (ProblemKind::PacketsUnavailable, Some(s3)) = (kind, &hub.s3) {
        s3.die().await;
    }
    put(&hub, &sender, packet, ZIP).await
}

/// Asks for a packet with more headers.
async fn get_with(
    hub: &Hub,
    method: Method,
    caller: &Actor,
    packet: Uuid,
    headers: &[(header::HeaderName, &str)],
) -> Answer {
    let path = format!("/v1/packets/{packet}");
    let token = token(caller, &method, &path).sign(&access_key(caller));
    let mut request = Request::builder().method(method).uri(&path);
    request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    hub.send(request.body(Body::empty()).unwrap()).await
}
