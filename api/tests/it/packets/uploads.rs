//! Uploads that are large, many, cut off, or meet a packet store that dies.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use daybook_api::PacketLimits;
use daybook_core::{Hash, base64url};
use daybook_store::packets::{Begun, Finished, Packet, PacketKind};
use daybook_world::id;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use super::sweeps::sweep;
use super::{ZIP, check_readers, get, in_both, put, put_as};
use crate::hub::{Hub, Keeping, access_key, insider, outsider, relay, sha256, token};

const MIB: usize = 1024 * 1024;

in_both! {
    a_sender_who_is_cut_off_anywhere_leaves_nothing_and_may_send_again
    what_is_stored_and_named_by_nothing_counts_and_what_a_job_names_does_not
    eight_come_at_once_and_a_ninth_is_told_to_wait
    a_hub_that_is_killed_before_it_lists_a_packet_leaves_no_packet
}

/// Bytes that count themselves while they are in memory.
struct Counted {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The n-th of a packet's mebibytes, which no other is.
fn mebibyte(n: usize) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(n % 251).unwrap(); MIB];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// Sends so many mebibytes and answers how many of them were in memory at once, before the store's own copies.
async fn pass_through(keeping: Keeping, mebibytes: usize) -> usize {
    let hub = Hub::keeping(keeping, PacketLimits::usual((mebibytes * MIB) as u64)).await;
    let (sender, packet) = (insider(&hub.world), id("large"));
    let mut digest = Sha256::new();
    (0..mebibytes).for_each(|n| digest.update(mebibyte(n)));
    let digest = base64url::encode(&digest.finalize());
    let (alive, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counting, highest) = (alive.clone(), most.clone());
    let chunks = stream::iter(0..mebibytes).map(move |n| {
        highest.fetch_max(counting.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let alive = counting.clone();
        let bytes = mebibyte(n);
        Ok::<_, io::Error>(Bytes::from_owner(Counted { bytes, alive }))
    });
    let length = Some((mebibytes * MIB) as u64);
    let answer = put_as(
        &hub,
        &sender,
        &packet.to_string(),
        &digest,
        length,
        Body::from_stream(chunks),
    )
    .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(alive.load(Ordering::Relaxed), 0);

    let path = format!("/v1/packets/{packet}");
    let token = token(&sender, &Method::GET, &path).sign(&access_key(&sender));
    let request = Request::get(&path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = hub
        .router
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let back = answer.into_body().into_data_stream();
    let found = back.try_fold(Sha256::new(), async |mut found, chunk| {
        assert!(chunk.len() <= 8 * MIB, "it is given out in pieces");
        found.update(&chunk);
        Ok(found)
    });
    assert_eq!(base64url::encode(&found.await.unwrap().finalize()), digest);
    most.load(Ordering::Relaxed)
}

#[tokio::test]
async fn three_hundred_mebibytes_pass_through_a_few_on_their_way_to_a_folder() {
    let most = pass_through(Keeping::Folder, 300).await;
    assert!(most <= 6, "{most} MiB were in memory at once");
}

#[tokio::test]
async fn a_packet_of_many_parts_passes_through_a_few_on_its_way_to_a_bucket() {
    let most = pass_through(Keeping::Bucket, 48).await;
    assert!(most <= 18, "{most} MiB were in memory at once");
}

async fn a_sender_who_is_cut_off_anywhere_leaves_nothing_and_may_send_again(hub: Hub) {
    let (sender, packet) = (insider(&hub.world), id("packet"));
    for cut in [0, 1, ZIP.len() / 2, ZIP.len() - 1, ZIP.len()] {
        let sent = stream::once(async move { Ok::<_, io::Error>(Bytes::copy_from_slice(&ZIP[..cut])) });
        let broken = sent.chain(stream::once(async { Err(io::Error::other("the line is cut")) }));
        let length = Some(ZIP.len() as u64);
        let body = Body::from_stream(broken);
        let answer = put_as(&hub, &sender, &packet.to_string(), &sha256(ZIP), length, body).await;
        assert_eq!(answer.slug(), "malformed-request", "{cut}");
        assert!(hub.stored().is_empty(), "{cut}: {:?}", hub.stored());
        assert_eq!(places(&hub).await, 0, "{cut}");
    }
    assert_eq!(put(&hub, &sender, packet, ZIP).await.status, StatusCode::CREATED);
    check_readers(&hub, packet, ZIP, &[&sender]).await;
}

/// How many places are written down that are no packet's.
pub(super) async fn places(hub: &Hub) -> i64 {
    let row = hub
        .owner()
        .await
        .query_one("SELECT count(*) FROM packet_places", &[])
        .await;
    row.unwrap().get(0)
}

async fn what_is_stored_and_named_by_nothing_counts_and_what_a_job_names_does_not(mut hub: Hub) {
    let sender = insider(&hub.world);
    let quota = PacketLimits::usual(crate::hub::MAX_PACKET).quota;
    let large = vec![1; usize::try_from(quota.bytes / 4).unwrap()];
    for n in 0..4 {
        assert_eq!(
            put(&hub, &sender, id(&format!("{n}")), &large).await.status,
            StatusCode::CREATED
        );
    }
    let refused = put(&hub, &sender, id("one more"), b"1").await;
    assert_eq!(refused.slug(), "over-quota");
    assert!(refused.text().contains("4 packets"), "{}", refused.text());
    // What is there already takes no more room, and others have room of their own.
    assert_eq!(put(&hub, &sender, id("0"), &large).await.status, StatusCode::OK);
    let other = outsider(&hub.world);
    assert_eq!(
        put(&hub, &other, id("another's"), b"1").await.status,
        StatusCode::CREATED
    );
    // A job of another project that names it makes no room.
    let draft = hub.world.submission(id("theft"), &["mercia"]).by(&other);
    hub.say(&draft.with("packet", id("1").to_string().into())).await;
    assert_eq!(
        put(&hub, &sender, id("one more"), b"1").await.slug(),
        "over-quota"
    );
    let draft = hub.world.submission(id("submission"), &["wessex"]);
    hub.say(&draft.with("packet", id("1").to_string().into())).await;
    assert_eq!(
        put(&hub, &sender, id("one more"), b"1").await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn small_packets_are_counted_too() {
    let mut limits = PacketLimits::usual(1000);
    limits.quota.packets = 2;
    let hub = Hub::keeping(Keeping::Folder, limits).await;
    let sender = insider(&hub.world);
    for (name, expected) in [
        ("a", StatusCode::CREATED),
        ("b", StatusCode::CREATED),
        ("c", StatusCode::TOO_MANY_REQUESTS),
    ] {
        assert_eq!(put(&hub, &sender, id(name), b"").await.status, expected, "{name}");
    }
}

async fn eight_come_at_once_and_a_ninth_is_told_to_wait(hub: Hub) {
    let sender = insider(&hub.world);
    let hold = async || {
        let body =
            stream::once(async { Ok::<_, io::Error>(Bytes::from_static(ZIP)) }).chain(stream::pending());
        let packet = uuid::Uuid::from_u128(0x4000_8000_0000_0000_0000_u128).to_string();
        put_as(
            &hub,
            &sender,
            &packet,
            &sha256(ZIP),
            Some(1000),
            Body::from_stream(body),
        )
        .await
    };
    let mut open: Vec<_> = (0..8).map(|_| Box::pin(hold())).collect();
    while places(&hub).await < 8 {
        for upload in &mut open {
            assert!(upload.as_mut().now_or_never().is_none());
        }
        tokio::task::yield_now().await;
    }
    let ninth = put(&hub, &outsider(&hub.world), id("ninth"), ZIP).await;
    assert_eq!(
        (ninth.slug().as_str(), ninth.header("retry-after")),
        ("busy", "1")
    );
    drop(open);
    while places(&hub).await > 0 {
        tokio::task::yield_now().await;
    }
    assert!(hub.stored().is_empty());
    let ninth = put(&hub, &outsider(&hub.world), id("ninth"), ZIP).await;
    assert_eq!(ninth.status, StatusCode::CREATED);
}

/// What a hub that is killed leaves: all is written and the packet is not listed, or was given up meanwhile.
async fn a_hub_that_is_killed_before_it_lists_a_packet_leaves_no_packet(hub: Hub) {
    let (sender, packet) = (insider(&hub.world), id("packet"));
    put(&hub, &sender, packet, ZIP).await;
    let undo = "WITH p AS (DELETE FROM packets RETURNING place, owner, size)
        INSERT INTO packet_places (place, owner, size, touched_at)
        SELECT place, owner, size, now() - interval '23 hours' FROM p";
    hub.owner().await.batch_execute(undo).await.unwrap();
    assert_eq!(get(&hub, &sender, packet).await.slug(), "not-found");
    // Another hub may still be at it.
    assert_eq!(sweep(&hub).await.emptied, 0);
    assert_eq!(hub.stored().len(), 1);
    // The sender sends again and is given a place of its own.
    assert_eq!(put(&hub, &sender, packet, ZIP).await.status, StatusCode::CREATED);
    let age = "UPDATE packet_places SET touched_at = now() - interval '25 hours'";
    hub.owner().await.batch_execute(age).await.unwrap();
    let swept = sweep(&hub).await;
    assert_eq!((swept.given_up, swept.emptied), (1, 1));
    assert_eq!((hub.stored().len(), places(&hub).await), (1, 0));
    check_readers(&hub, packet, ZIP, &[&sender]).await;
}

#[tokio::test]
async fn a_frozen_hub_whose_upload_was_given_up_lists_nothing() {
    for keeping in [Keeping::Folder, Keeping::Bucket] {
        let hub = Hub::keeping(keeping, PacketLimits::usual(1000)).await;
        let (sender, packet) = (insider(&hub.world), id("packet"));
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let late = stream::once(async move {
            wait.await.unwrap();
            Ok::<_, io::Error>(Bytes::from_static(&ZIP[4..]))
        });
        let body = stream::once(async { Ok(Bytes::from_static(&ZIP[..4])) }).chain(late);
        let length = Some(ZIP.len() as u64);
        let digest = sha256(ZIP);
        let packet_id = packet.to_string();
        let upload = put_as(
            &hub,
            &sender,
            &packet_id,
            &digest,
            length,
            Body::from_stream(body),
        );
        let meanwhile = async {
            let age = "UPDATE packet_places SET touched_at = now() - interval '25 hours'";
            let owner = hub.owner().await;
            // Until no sign of life of its beginning comes in between.
            loop {
                owner.execute(age, &[]).await.unwrap();
                let swept = hub.app.packet_sweeper().sweep().await.unwrap();
                if swept.is_some_and(|swept| swept.given_up == 1) {
                    break;
                }
            }
            go.send(()).unwrap();
        };
        let (answer, ()) = futures::join!(upload, meanwhile);
        assert_eq!(answer.slug(), "packets-unavailable", "{keeping:?}");
        assert_eq!(get(&hub, &sender, packet).await.slug(), "not-found");
        while !hub.stored().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(put(&hub, &sender, packet, ZIP).await.status, StatusCode::CREATED);
    }
}

/// The same when all its bytes were there already: what a sweep has given up is no packet's any more.
#[tokio::test]
async fn a_place_that_was_given_up_becomes_no_packet() {
    let hub = Hub::new().await;
    let (list, packet) = (&hub.store.packets, id("packet"));
    let quota = PacketLimits::usual(1000).quota;
    let Begun::At(place) = list.begin(packet, "tre/wessex/relay", 6, quota).await.unwrap() else {
        panic!("there is room")
    };
    assert!(list.touch(&place, Some("unfinished")).await.unwrap());
    assert_eq!(list.give_up_silent(Duration::ZERO).await.unwrap(), 1);
    assert!(!list.touch(&place, None).await.unwrap());
    let whole = Packet {
        id: packet,
        sha256: Hash::of(b"packet"),
        size: 6,
        kind: PacketKind::Result,
        owner: "tre/wessex/relay".to_owned(),
        place,
    };
    assert_eq!(list.finish(&whole).await.unwrap(), Finished::GivenUp);
    assert_eq!(list.find(packet).await.unwrap(), None);
    assert_eq!(
        list.stale("").await.unwrap()[0].multipart.as_deref(),
        Some("unfinished")
    );
}

#[tokio::test]
async fn a_bucket_that_dies_in_the_middle_is_told_and_swept_when_it_is_back() {
    let hub = Hub::keeping(Keeping::Bucket, PacketLimits::usual(64 << 20)).await;
    let s3 = hub.s3.as_ref().unwrap();
    let (sender, packet) = (insider(&hub.world), id("packet"));
    let bytes: Vec<u8> = (0..12).flat_map(mebibyte).collect();
    let (first, second) = (
        Bytes::copy_from_slice(&bytes[..6 * MIB]),
        Bytes::copy_from_slice(&bytes[6 * MIB..]),
    );
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let late = stream::once(async move {
        wait.await.unwrap();
        Ok::<_, io::Error>(second)
    });
    let body = Body::from_stream(stream::once(async { Ok(first) }).chain(late));
    let (length, digest, packet_id) = (Some(bytes.len() as u64), sha256(&bytes), packet.to_string());
    let upload = put_as(&hub, &sender, &packet_id, &digest, length, body);
    let death = async {
        // A part has arrived.
        while !hub.stored().iter().any(|file| file.contains(".part-")) {
            tokio::task::yield_now().await;
        }
        s3.die().await;
        go.send(()).unwrap();
    };
    let (answer, ()) = futures::join!(upload, death);
    assert_eq!(
        (answer.slug().as_str(), answer.header("retry-after")),
        ("packets-unavailable", "1")
    );
    assert_eq!(places(&hub).await, 1, "what is left there is written down");
    assert!(!hub.stored().is_empty());
    // While it is away, a sweep says so and forgets nothing.
    assert!(hub.app.packet_sweeper().sweep().await.is_err());
    assert_eq!(places(&hub).await, 1);
    s3.rise().await;
    let swept = sweep(&hub).await;
    assert_eq!((swept.emptied, places(&hub).await), (1, 0));
    assert_eq!(hub.stored(), Vec::<String>::new());
    let answer = put(&hub, &sender, packet, &bytes).await;
    assert_eq!(answer.json()["size"], json!(bytes.len()));
    assert_eq!(get(&hub, &sender, packet).await.body, bytes);
    s3.die().await;
    assert_eq!(get(&hub, &sender, packet).await.slug(), "packets-unavailable");
}

#[tokio::test]
async fn those_who_have_nothing_to_send_send_nothing() {
    let mut hub = Hub::new().await;
    let relay = relay("wessex");
    assert_eq!(put(&hub, &relay, id("result"), ZIP).await.slug(), "not-allowed");
    hub.submit().await;
    assert_eq!(
        put(&hub, &relay, id("result"), ZIP).await.status,
        StatusCode::CREATED
    );
    let sender = insider(&hub.world);
    let close = hub.world.usual("project-closed");
    hub.say(&close).await;
    assert_eq!(put(&hub, &sender, id("request"), ZIP).await.slug(), "not-allowed");
    assert_eq!(hub.stored().len(), 1);
}
