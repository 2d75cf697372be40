//! Following live: server-sent events.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Request, StatusCode, header};
use daybook_api::{Following, Patience, serve_with};
use daybook_store::append::Candidate;
use daybook_testkit::workflow;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::hub::{Answer, Hub, append_body, now};

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// One message of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
struct Message {
    id: Option<u64>,
    event: String,
    data: Value,
}

/// Somebody who follows.
struct Ear {
    headers: HeaderMap,
    body: BodyDataStream,
    heard: String,
    /// Lines that are no message: comments and `retry`.
    aside: Vec<String>,
}

impl Ear {
    /// The next message; `None` where the stream has ended.
    async fn next(&mut self) -> Option<Message> {
        loop {
            while let Some((block, rest)) = self.heard.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.heard = rest;
                let mut message = Message::default();
                for line in block.lines() {
                    match line
                        .split_once(':')
                        .map(|(name, value)| (name, value.trim_start()))
                    {
                        Some(("id", value)) => message.id = Some(value.parse().unwrap()),
                        Some(("event", value)) => value.clone_into(&mut message.event),
                        Some(("data", value)) => message.data = serde_json::from_str(value).unwrap(),
                        _ => self.aside.push(line.to_owned()),
                    }
                }
                if !message.event.is_empty() {
                    return Some(message);
                }
            }
            let chunk = timeout(LIMIT, self.body.next()).await.expect("something is told");
            self.heard
                .push_str(std::str::from_utf8(&chunk?.unwrap()).unwrap());
        }
    }

    /// The next entry's message.
    async fn entry(&mut self) -> Option<Message> {
        loop {
            let message = self.next().await?;
            if message.id.is_some() {
                return Some(message);
            }
        }
    }

    async fn indexes(&mut self, count: usize) -> Vec<u64> {
        let mut indexes = Vec::new();
        while indexes.len() < count {
            indexes.push(self.entry().await.expect("more entries").id.unwrap());
        }
        indexes
    }
}

fn asks(uri: &str, last: Option<&str>) -> Request<Body> {
    let mut request = Request::get(uri).header(header::ACCEPT, "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.body(Body::empty()).unwrap()
}

impl Hub {
    async fn follow(&self, uri: &str, last: Option<u64>) -> Ear {
        let last = last.map(|last| last.to_string());
        let answer = self.router.clone().oneshot(asks(uri, last.as_deref())).await;
        let (parts, body) = answer.unwrap().into_parts();
        assert_eq!(parts.status, StatusCode::OK, "{uri}");
        assert_eq!(parts.headers[header::CONTENT_TYPE], "text/event-stream");
        Ear {
            headers: parts.headers,
            body: body.into_data_stream(),
            heard: String::new(),
            aside: Vec::new(),
        }
    }

    async fn cannot_follow(&self, uri: &str, last: Option<&str>) -> Answer {
        self.send(asks(uri, last)).await
    }

    /// Appends so many workflows in one batch, and answers with their indexes.
    async fn many(&mut self, name: &str, count: usize) -> Vec<u64> {
        let mut events = Vec::new();
        for n in 0..count {
            let draft = workflow(&self.world, &format!("{name} {n}"));
            events.push(append_body(&self.sign(&draft).await));
        }
        let answer = self
            .post("/v1/event-batches", &json!({ "events": events }))
            .await
            .json();
        let results = answer["results"].as_array().unwrap().iter();
        results
            .map(|one| one["receipt"]["index"].as_u64().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_job_is_followed_from_its_first_event_to_its_last() {
    let mut hub = Hub::new().await;
    let first = hub.world.entries().len() as u64;
    let job = hub.submit().await;
    let submission = hub.world.job_state(job)["submission"]
        .as_str()
        .unwrap()
        .to_owned();
    hub.steps(&["job-collected"]).await;
    let mut ears = Vec::new();
    for uri in [
        format!("/v1/jobs/{job}"),
        format!("/v1/jobs/{job}/history"),
        format!("/v1/submissions/{submission}"),
    ] {
        ears.push(hub.follow(&uri, None).await);
    }
    // Another job's events are nobody's business here.
    hub.submit().await;
    hub.world.job = Some(job);
    hub.steps(&["job-checked"]).await;
    let history = hub.get(&format!("/v1/jobs/{job}/history")).await.json();
    for ear in &mut ears {
        assert_eq!(ear.headers[header::CACHE_CONTROL], "no-store");
        let mut told = Vec::new();
        for _ in 0..3 {
            let message = ear.entry().await.unwrap();
            assert_eq!(message.id, message.data["index"].as_u64());
            assert_eq!(json!(message.event), message.data["type"]);
            told.push(message.data);
        }
        assert_eq!(json!(told), history["entries"]);
        assert_eq!(told[0]["index"], first);
        assert!(ear.aside[0].starts_with("retry: 2") || ear.aside[0].starts_with("retry: 3"));
    }
}

#[tokio::test]
async fn a_checkpoint_is_told_once_it_covers_what_was_shown() {
    let mut hub = Hub::new().await;
    let job = hub.submit().await;
    let size = hub.world.entries().len() as u64;
    hub.store.published.clone().covering(size).await.unwrap();
    let owner = hub.unpublishing().await;
    let mut ear = hub.follow(&format!("/v1/jobs/{job}"), Some(size - 1)).await;
    hub.steps(&["job-collected"]).await;
    let entry = ear.next().await.unwrap();
    assert_eq!((entry.id, entry.event.as_str()), (Some(size), "job-collected"));
    assert!(hub.store.published.latest().unwrap().head.size <= size);
    owner.batch_execute("COMMIT").await.unwrap();
    let checkpoint = ear.next().await.unwrap();
    assert_eq!((checkpoint.id, checkpoint.event.as_str()), (None, "checkpoint"));
    assert!(checkpoint.data["size"].as_u64().unwrap() > size);
    let note = checkpoint.data["note"].as_str().unwrap();
    assert_eq!(note, hub.get("/log/checkpoint").await.text());
}

#[tokio::test]
async fn the_whole_log_is_followed_from_now_on_or_from_an_index() {
    let mut hub = Hub::new().await;
    let size = hub.world.entries().len() as u64;
    let mut live = hub.follow("/v1/events", None).await;
    let mut late = hub.follow("/v1/events?after=4", None).await;
    let mut again = hub.follow("/v1/events?after=4", Some(size - 2)).await;
    let mut filtered = hub
        .follow(
            "/v1/events?type=workflow-registered&author=registrar/main&after=0",
            None,
        )
        .await;
    let mut stream = hub.follow("/v1/events?stream=tre/wessex&after=0", None).await;
    let new = hub.many("followed", 3).await;
    hub.steps(&["tre-reported"]).await;
    assert_eq!(live.indexes(4).await, (size..size + 4).collect::<Vec<_>>());
    assert_eq!(
        late.indexes(usize::try_from(size).unwrap() - 1).await,
        (5..size + 4).collect::<Vec<_>>()
    );
    assert_eq!(again.indexes(5).await, (size - 1..size + 4).collect::<Vec<_>>());
    let listed = async |query: &str| {
        let page = hub
            .get(&format!("/v1/events?limit=500&after=0&{query}"))
            .await
            .json();
        page["entries"].as_array().unwrap().clone()
    };
    let expected = listed("type=workflow-registered&author=registrar/main").await;
    assert!(expected.len() >= new.len());
    for entry in expected {
        assert_eq!(filtered.entry().await.unwrap().data, entry);
    }
    for entry in listed("stream=tre/wessex").await {
        assert_eq!(stream.entry().await.unwrap().data, entry);
    }
}

#[tokio::test]
async fn who_comes_again_after_a_restart_misses_nothing_and_hears_nothing_twice() {
    let mut hub = Hub::new().await;
    let size = hub.world.entries().len() as u64;
    let mut ear = hub.follow("/v1/events", None).await;
    hub.many("before", 3).await;
    let heard = ear.indexes(2).await;
    assert_eq!(heard, [size, size + 1]);
    let mut hub = hub.restart().await;
    // What was on its way still comes; then the stream ends.
    assert_eq!(ear.entry().await.unwrap().id, Some(size + 2));
    assert_eq!(ear.entry().await, None);
    let mut ear = hub.follow("/v1/events", Some(heard[1])).await;
    hub.many("after", 2).await;
    assert_eq!(ear.indexes(3).await, [size + 2, size + 3, size + 4]);
}

#[tokio::test]
async fn where_to_go_on_must_be_an_entry_of_the_log() {
    let mut hub = Hub::new().await;
    let job = hub.submit().await;
    let size = hub.world.entries().len() as u64;
    for uri in ["/v1/events".to_owned(), format!("/v1/jobs/{job}")] {
        for garbage in ["x", "", "-1", "+1", "01", " 1 2", "1.5", "18446744073709551616"] {
            let answer = hub.cannot_follow(&uri, Some(garbage)).await;
            assert_eq!(answer.slug(), "malformed-request", "{garbage:?}");
        }
        for ahead in [size, u64::MAX] {
            let answer = hub.cannot_follow(&uri, Some(&ahead.to_string())).await;
            assert_eq!(answer.slug(), "malformed-request", "{ahead}");
        }
        hub.follow(&uri, Some(size - 1)).await;
    }
    for query in ["after=x", "limit=1", "cursor=x", "leaf_hash=x", "before=9"] {
        let answer = hub.cannot_follow(&format!("/v1/events?{query}"), None).await;
        assert_eq!(answer.slug(), "malformed-request", "{query}");
    }
    let unknown = "/v1/jobs/da1e2a3c-5b0d-4d5c-9b2f-0a1b2c3d4e5f";
    assert_eq!(hub.cannot_follow(unknown, None).await.slug(), "not-found");
}

/// What a problem answers, for the test of the whole set.
pub(crate) async fn too_far_back() -> Answer {
    let mut hub = Hub::new().await;
    hub.follow_within(Following {
        behind: 3,
        ..Following::default()
    });
    let size = hub.world.entries().len() as u64;
    hub.follow(&format!("/v1/events?after={}", size - 4), None).await;
    hub.cannot_follow(&format!("/v1/events?after={}", size - 5), None)
        .await
}

#[tokio::test]
async fn there_are_only_so_many_streams_at_once() {
    let mut hub = Hub::new().await;
    hub.follow_within(Following {
        streams: 2,
        ..Following::default()
    });
    let job = hub.submit().await;
    let one = hub.follow("/v1/events", None).await;
    let _two = hub.follow(&format!("/v1/jobs/{job}"), None).await;
    let answer = hub.cannot_follow("/v1/events", None).await;
    assert_eq!(
        (answer.slug().as_str(), answer.header("retry-after")),
        ("busy", "1")
    );
    // Whoever asks once is answered all the same.
    assert_eq!(hub.get("/v1/events").await.status, StatusCode::OK);
    drop(one);
    hub.follow("/v1/events", None).await;
}

#[tokio::test]
async fn who_is_too_slow_is_let_go_and_holds_up_nobody() {
    let mut hub = Hub::new().await;
    hub.follow_within(Following {
        buffer: 4,
        ..Following::default()
    });
    let mut slow = hub.follow("/v1/events", None).await;
    let mut quick = hub.follow("/v1/events", None).await;
    // The first is read, the second heard: from then on both listen.
    let mut first = Vec::new();
    for name in ["first", "second"] {
        first = hub.many(name, 1).await;
        assert_eq!(slow.indexes(1).await, first);
        assert_eq!(quick.indexes(1).await, first);
    }
    let mut expected = Vec::new();
    for n in 0..10 {
        let new = hub.many(&format!("more {n}"), 2).await;
        assert_eq!(quick.indexes(2).await, new);
        expected.extend(new);
    }
    assert_eq!(slow.entry().await, None);
    let mut again = hub.follow("/v1/events", Some(first[0])).await;
    assert_eq!(again.indexes(20).await, expected);
}

#[tokio::test]
async fn who_has_much_to_catch_up_with_is_not_too_slow() {
    let mut hub = Hub::new().await;
    hub.follow_within(Following {
        buffer: 2,
        ..Following::default()
    });
    let size = hub.world.entries().len() as u64;
    let mut ear = hub.follow("/v1/events?after=0", None).await;
    // The first message makes it listen; then more is told than it has room for.
    assert_eq!(ear.indexes(1).await, [1]);
    hub.many("meanwhile", 150).await;
    assert_eq!(
        ear.indexes(usize::try_from(size).unwrap() + 148).await,
        (2..size + 150).collect::<Vec<_>>()
    );
    let last = hub.many("then", 1).await;
    assert_eq!(ear.indexes(1).await, last);
}

#[tokio::test]
async fn a_stream_without_news_says_that_it_lives() {
    let mut hub = Hub::new().await;
    hub.follow_within(Following {
        heartbeat: Duration::from_millis(20),
        ..Following::default()
    });
    let mut ear = hub.follow("/v1/events", None).await;
    let beats = async {
        while ear.heard.matches(": alive\n\n").count() < 3 {
            let chunk = ear.body.next().await.unwrap().unwrap();
            ear.heard.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    timeout(LIMIT, beats).await.unwrap();
}

#[tokio::test]
async fn what_another_instance_appends_is_followed_too() {
    let mut hub = Hub::new().await;
    let other = hub.second().await;
    let mut ear = hub.follow("/v1/events", None).await;
    for name in ["one", "two"] {
        let draft = workflow(&hub.world, name);
        let signed = hub.sign(&draft).await;
        let candidate = Candidate {
            event: signed.event,
            openings: signed.openings,
        };
        let receipt = other.appender.append(candidate, now()).await.unwrap();
        assert_eq!(ear.indexes(1).await, [receipt.index]);
    }
    other.close().await;
}

#[tokio::test]
async fn who_comes_from_another_instance_hears_nothing_twice() {
    let mut hub = Hub::new().await;
    let other = hub.second().await;
    let mut shown = None;
    for name in ["one", "two", "three"] {
        let draft = workflow(&hub.world, name);
        let signed = hub.sign(&draft).await;
        let candidate = Candidate {
            event: signed.event,
            openings: signed.openings,
        };
        let index = other.appender.append(candidate, now()).await.unwrap().index;
        if let Some(last) = shown {
            let mut ear = hub.follow("/v1/events", Some(last)).await;
            assert_eq!(ear.indexes(1).await, [index]);
        }
        // As if the other had shown it: this instance may not have heard of it yet.
        shown = Some(index);
        let mut ear = hub.follow("/v1/events", shown).await;
        // It listens from now on, whatever this instance knows.
        assert!(ear.entry().now_or_never().is_none());
        let new = hub.many(&format!("after {name}"), 1).await;
        assert_eq!(ear.indexes(1).await, new);
        shown = Some(new[0]);
    }
    other.close().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_hub_does() {
    let hub = Hub::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let long = Duration::from_mins(10);
    let patience = Patience {
        grace: long,
        answer: long,
        ..Patience::default()
    };
    let server = tokio::spawn(serve_with(listener, hub.router.clone(), stop.clone(), patience));
    let mut stream = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
    let request = "GET /v1/events HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains("retry:") {
        assert!(
            timeout(LIMIT, stream.read_buf(&mut bytes))
                .await
                .unwrap()
                .unwrap()
                > 0
        );
    }
    stop.cancel();
    timeout(LIMIT, server).await.expect("the server ends").unwrap();
    timeout(LIMIT, stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.ends_with("0\r\n\r\n"), "an orderly end: {text}");
}

#[tokio::test]
async fn who_follows_and_never_reads_is_cut_off() {
    let mut hub = Hub::new().await;
    hub.follow_within(Following {
        streams: 1,
        ..Following::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let patience = Patience {
        answer: Duration::from_millis(300),
        ..Patience::default()
    };
    let server = tokio::spawn(serve_with(listener, hub.router.clone(), stop.clone(), patience));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(address).await.unwrap();
    let request = "GET /v1/events?after=0 HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n";
    deaf.write_all(request.as_bytes()).await.unwrap();
    // Others go on; its place is free again once the hub has given it up.
    let freed = async {
        for n in 0.. {
            hub.many(&format!("unheard {n}"), 500).await;
            let answer = hub
                .router
                .clone()
                .oneshot(asks("/v1/events", None))
                .await
                .unwrap();
            if answer.status() == StatusCode::OK {
                break;
            }
        }
    };
    timeout(Duration::from_mins(2), freed)
        .await
        .expect("the place is free");
    stop.cancel();
    timeout(LIMIT, server).await.expect("the server ends").unwrap();
}
