//! Parts of packets.

use axum::http::{Method, StatusCode, header};
use daybook_world::id;

use super::{ZIP, get_with, in_both, put};
use crate::hub::{Hub, insider, relay, sha256};

in_both! {
    parts_put_together_are_the_packet
    what_is_no_range_of_the_packet_is_told_from_what_is_no_range
}

async fn parts_put_together_are_the_packet(hub: Hub) {
    let (sender, packet) = (insider(&hub.world), id("packet"));
    put(&hub, &sender, packet, ZIP).await;
    let etag = format!("\"{}\"", sha256(ZIP));
    let size = ZIP.len();
    for cut in [1, size / 2, size - 1] {
        let mut whole = Vec::new();
        for (range, bounds) in [
            (format!("bytes=0-{}", cut - 1), 0..cut),
            (format!("bytes={cut}-"), cut..size),
        ] {
            let headers = [(header::RANGE, range.as_str()), (header::IF_RANGE, etag.as_str())];
            let answer = get_with(&hub, Method::GET, &sender, packet, &headers).await;
            assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
            let stated = format!("bytes {}-{}/{size}", bounds.start, bounds.end - 1);
            assert_eq!(answer.header("content-range"), stated);
            assert_eq!(answer.header("content-length"), bounds.len().to_string());
            assert_eq!(answer.header("etag"), etag);
            whole.extend_from_slice(&answer.body);
        }
        assert_eq!(whole, ZIP);
    }
    let last = get_with(&hub, Method::GET, &sender, packet, &[(header::RANGE, "bytes=-3")]).await;
    assert_eq!(last.body, &ZIP[size - 3..]);
    let head = get_with(
        &hub,
        Method::HEAD,
        &sender,
        packet,
        &[(header::RANGE, "bytes=2-4")],
    )
    .await;
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (StatusCode::PARTIAL_CONTENT, "3", 0)
    );
}

async fn what_is_no_range_of_the_packet_is_told_from_what_is_no_range(hub: Hub) {
    let (sender, packet) = (insider(&hub.world), id("packet"));
    put(&hub, &sender, packet, ZIP).await;
    let beyond = format!("bytes={}-", ZIP.len());
    for range in [beyond.as_str(), "bytes=-0", "bytes=9999-10000"] {
        let answer = get_with(&hub, Method::GET, &sender, packet, &[(header::RANGE, range)]).await;
        assert_eq!(answer.slug(), "no-such-range", "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes */{}", ZIP.len()));
        // To those who may not read, no range tells that there is a packet.
        let stranger = get_with(
            &hub,
            Method::GET,
            &relay("mercia"),
            packet,
            &[(header::RANGE, range)],
        )
        .await;
        assert_eq!(
            (stranger.slug().as_str(), stranger.header("etag")),
            ("not-found", "")
        );
    }
    for range in ["bytes=5-4", "bytes=0-1,3-4", "lines=1-2", "bytes=x-y"] {
        let answer = get_with(&hub, Method::GET, &sender, packet, &[(header::RANGE, range)]).await;
        assert_eq!(
            (answer.status, &answer.body[..]),
            (StatusCode::OK, ZIP),
            "{range}"
        );
        assert_eq!(answer.header("accept-ranges"), "bytes");
    }
    // Whoever has the beginning of other bytes is given all of these.
    let other = format!("\"{}\"", sha256(b"other"));
    let weak = format!("W/\"{}\"", sha256(ZIP));
    for etag in [other.as_str(), weak.as_str(), "Sun, 22 Nov 2026 10:00:00 GMT", ""] {
        let headers = [(header::RANGE, "bytes=3-"), (header::IF_RANGE, etag)];
        let answer = get_with(&hub, Method::GET, &sender, packet, &headers).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, ZIP), "{etag}");
    }
    let empty = id("empty");
    put(&hub, &sender, empty, b"").await;
    let answer = get_with(&hub, Method::GET, &sender, empty, &[(header::RANGE, "bytes=0-")]).await;
    assert_eq!(
        (answer.slug().as_str(), answer.header("content-range")),
        ("no-such-range", "bytes */0")
    );
}
