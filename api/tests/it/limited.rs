//! Who comes too fast, too slowly, or as one too many.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use daybook_api::{Doors, Limits, Network, Patience, Rate, Service, Times};
use daybook_world::id;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hub::{Answer, Hub, access_key, insider, outsider, sha256, token};
use crate::server::{LIMIT, Served, answer, patient, rest};

const LONG: Duration = Duration::from_mins(10);

fn patient_times() -> Times {
    Times {
        body: LONG,
        packet_start: LONG,
        packet_rate: 1,
        answer: LONG,
        waiting_answer: LONG,
    }
}

fn service() -> Service {
    Service {
        patience: patient(),
        ..Service::default()
    }
}

async fn timed(times: Times) -> Served {
    let mut hub = Hub::new().await;
    hub.router = daybook_api::router(hub.app.clone().timed(times));
    Served::serving(hub, service()).await
}

async fn limited(limits: Limits) -> Served {
    let mut hub = Hub::new().await;
    hub.router = daybook_api::router(hub.app.clone().limited(&hub.store, limits));
    Served::serving(hub, service()).await
}

/// Sends a head, and then one byte after the other until the other side has had enough; what it says.
async fn drip(served: &Served, head: &str) -> String {
    let mut stream = served.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let told = async {
        let mut told = Vec::new();
        // A reset is as good an end as any.
        drop(reading.read_to_end(&mut told).await);
        String::from_utf8_lossy(&told).into_owned()
    };
    let dripping = async {
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::future::pending::<String>().await
    };
    let ended = async {
        tokio::select! {
            told = told => told,
            told = dripping => told,
        }
    };
    timeout(LIMIT, ended)
        .await
        .expect("nobody is listened to for ever")
}

fn problem_of(text: &str) -> serde_json::Value {
    let (_, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    serde_json::from_str(body).unwrap()
}

fn packet_head(served: &Served, length: usize, name: &str) -> String {
    let member = insider(&served.hub.world);
    let path = format!("/v1/packets/{}", id(name));
    let token = token(&member, &Method::PUT, &path).sign(&access_key(&member));
    format!(
        "PUT {path}?sha256={} HTTP/1.1\r\nHost: hub\r\nContent-Length: {length}\r\nAuthorization: Bearer {token}\r\n\r\n",
        sha256(&vec![b'x'; length])
    )
}

#[test]
fn usual_times_and_limits_are_those_of_the_design() {
    let times = Times::default();
    let seconds = [times.body, times.packet_start, times.answer].map(|time| time.as_secs());
    assert_eq!(seconds, [30, 60, 15]);
    assert_eq!(times.packet_rate, 1024 * 1024 / 60);
    assert_eq!(Limits::default().max_connections, 1_536);
}

#[tokio::test]
async fn a_header_that_drips_is_cut() {
    let patience = Patience {
        header: Duration::from_millis(300),
        ..patient()
    };
    let service = Service {
        patience,
        ..service()
    };
    let served = Served::serving(Hub::new().await, service).await;
    // Each byte is a sign of life, and the header as a whole is late all the same.
    let told = drip(&served, "GET /healthz HTTP/1.1\r\nX-Drip:").await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    served.ends().await;
}

#[tokio::test]
async fn a_body_that_drips_is_ended_and_told_so() {
    let served = timed(Times {
        body: Duration::from_millis(300),
        ..patient_times()
    })
    .await;
    for path in ["/v1/events", "/v1/event-batches"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        );
        let told = drip(&served, &head).await;
        assert!(told.starts_with("HTTP/1.1 408"), "{told}");
        assert!(told.to_lowercase().contains("connection: close"), "{told}");
        assert_eq!(problem_of(&told)["type"], "/problems/too-slow");
    }
    served.ends().await;
}

#[tokio::test]
async fn a_packet_that_drips_is_ended_and_leaves_nothing() {
    let served = timed(Times {
        packet_start: Duration::from_millis(300),
        packet_rate: 1_000_000,
        ..patient_times()
    })
    .await;
    let told = drip(&served, &packet_head(&served, 60_000, "slow")).await;
    assert!(told.starts_with("HTTP/1.1 408"), "{told}");
    assert_eq!(problem_of(&told)["type"], "/problems/too-slow");
    assert!(served.hub.stored().is_empty());
    served.ends().await;
}

#[tokio::test]
async fn a_packet_that_keeps_up_takes_as_long_as_it_needs() {
    // What has come earns minutes; the start alone would be over at once.
    let served = timed(Times {
        packet_start: Duration::from_millis(1),
        packet_rate: 1,
        body: Duration::from_millis(1),
        answer: Duration::from_millis(1),
        ..patient_times()
    })
    .await;
    let mut stream = served.connect().await;
    let head = packet_head(&served, 10_000, "steady");
    let first = [head.as_bytes(), &[b'x'; 9_999]].concat();
    stream.write_all(&first).await.unwrap();
    served.until_begun(1).await;
    // Long after the start: other requests have come and gone.
    for _ in 0..20 {
        let mut other = served.connect().await;
        other
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
            .await
            .unwrap();
        answer(&mut other).await;
    }
    stream.write_all(b"x").await.unwrap();
    let told = answer(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 201"), "{told}");
    served.ends().await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let served = timed(Times {
        answer: Duration::from_millis(300),
        ..patient_times()
    })
    .await;
    let owner = served.hub.owner().await;
    owner
        .batch_execute("BEGIN; LOCK TABLE stream_heads IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET /v1/streams/federation/head HTTP/1.1\r\nHost: hub\r\n\r\n")
        .await
        .unwrap();
    let told = answer(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 503"), "{told}");
    assert_eq!(problem_of(&told)["type"], "/problems/unavailable");
    owner.batch_execute("ROLLBACK").await.unwrap();
    served.ends().await;
}

async fn ask(stream: &mut TcpStream, path: &str, more: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

fn is_limited(told: &str) -> bool {
    let is_limited = told.starts_with("HTTP/1.1 429");
    if is_limited {
        assert_eq!(problem_of(told)["type"], "/problems/rate-limited");
        assert!(told.to_lowercase().contains("\r\nretry-after: "), "{told}");
    }
    is_limited
}

/// Three requests at once, and then one an hour.
fn three() -> Rate {
    Rate::new(1, 3)
}

#[tokio::test]
async fn one_address_asks_so_often_and_health_is_never_refused() {
    let served = limited(Limits {
        per_address: three(),
        unlimited: Vec::new(),
        ..Limits::default()
    })
    .await;
    let mut stream = served.connect().await;
    let mut refused = 0;
    for _ in 0..20 {
        refused += u32::from(is_limited(&ask(&mut stream, "/v1/keys?limit=1", "").await));
        assert!(!is_limited(&ask(&mut stream, "/healthz", "").await));
    }
    assert!(refused >= 10, "{refused}");
    // What one writes oneself does not help.
    let said = ask(
        &mut stream,
        "/v1/keys?limit=1",
        "X-Forwarded-For: 203.0.113.5\r\n",
    )
    .await;
    assert!(is_limited(&said));
    served.ends().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_a_limit_of_its_own() {
    let served = limited(Limits {
        per_address: Rate::new(1, 1),
        unlimited: Vec::new(),
        trusted_proxies: Network::this_machine(),
        ..Limits::default()
    })
    .await;
    let mut stream = served.connect().await;
    for client in 1..=20 {
        // Whatever a client puts before it is not believed.
        let hops = format!("X-Forwarded-For: 198.51.100.1, 203.0.113.{client}\r\n");
        assert!(
            !is_limited(&ask(&mut stream, "/v1/keys?limit=1", &hops).await),
            "client {client}"
        );
    }
    let again = async |stream: &mut TcpStream| {
        let hops = "X-Forwarded-For: 192.0.2.77, 203.0.113.200\r\n";
        is_limited(&ask(stream, "/v1/keys?limit=1", hops).await)
    };
    let mut refused = false;
    for _ in 0..20 {
        refused |= again(&mut stream).await;
    }
    assert!(refused);
    served.ends().await;
}

#[tokio::test]
async fn one_author_sends_so_many_events_and_nobody_else_uses_them_up() {
    let mut hub = Hub::new().await;
    let limits = Limits {
        per_actor: Rate::new(1, 2),
        ..Limits::default()
    };
    hub.router = daybook_api::router(hub.app.clone().limited(&hub.store, limits));
    let drafts: Vec<_> = (0..12)
        .map(|n| daybook_testkit::workflow(&hub.world, &format!("paced {n}")))
        .collect();
    // Somebody who has no key of the author's cannot use up the author's pace.
    let signed = [hub.sign(&drafts[0]).await, hub.sign(&drafts[1]).await];
    let [one, other] = signed
        .each_ref()
        .map(|signed| signed.event.as_str().rsplit_once('.').unwrap());
    let forged = json!({ "event": format!("{}.{}", one.0, other.1) });
    for _ in 0..20 {
        assert_eq!(hub.post("/v1/events", &forged).await.slug(), "bad-signature");
    }
    let mut statuses = Vec::new();
    for draft in &drafts {
        let signed = hub.sign(draft).await;
        let told = hub.offer(&signed).await;
        if told.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(told.slug(), "rate-limited");
            assert_eq!(told.header("retry-after"), "1");
        }
        statuses.push(told.status.as_u16());
    }
    assert_eq!(statuses[..2], [201, 201], "{statuses:?}");
    assert!(
        statuses[2..].iter().filter(|status| **status == 429).count() >= 5,
        "{statuses:?}"
    );
    let project = hub.world.usual("job-submitted");
    let signed = hub.sign(&project).await;
    assert_ne!(hub.offer(&signed).await.status.as_u16(), 429);
}

#[tokio::test]
async fn what_stands_in_the_log_is_sent_again_by_anybody_and_uses_up_nothing() {
    let mut hub = Hub::new().await;
    let limits = Limits {
        // Far fewer than are sent again below.
        per_actor: Rate::new(1, 40),
        ..Limits::default()
    };
    hub.router = daybook_api::router(hub.app.clone().limited(&hub.store, limits));
    let draft = |n: u8| daybook_testkit::workflow(&hub.world, &format!("sent again {n}"));
    let (one, other) = (draft(1), draft(2));
    let signed = hub.sign(&one).await;
    assert_eq!(hub.offer(&signed).await.status, StatusCode::CREATED);
    // The log is public, signatures and all.
    let seen = hub.get("/v1/events?type=workflow-registered").await;
    let event = seen.json()["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| json!({ "event": entry["event"] }))
        .next_back()
        .unwrap();
    let many = json!({ "events": vec![event.clone(); 35] });
    for _ in 0..10 {
        let told = hub.post("/v1/event-batches", &many).await;
        assert_eq!(told.json()["results"][34]["status"], 200, "{}", told.json());
        for path in ["/v1/events", "/v1/events?dry_run=true"] {
            for _ in 0..10 {
                assert_eq!(hub.post(path, &event).await.status, StatusCode::OK);
            }
        }
    }
    let signed = hub.sign(&other).await;
    assert_eq!(hub.offer(&signed).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn one_actor_asks_so_often_with_a_token_and_another_still_may() {
    let mut hub = Hub::new().await;
    let limits = Limits {
        per_actor: Rate::new(1, 2),
        ..Limits::default()
    };
    hub.router = daybook_api::router(hub.app.clone().limited(&hub.store, limits));
    let (one, other) = (insider(&hub.world), outsider(&hub.world));
    let path = format!("/v1/packets/{}", id("none"));
    let mut slugs = Vec::new();
    for _ in 0..10 {
        slugs.push(hub.get_as(&one, &path).await.slug());
    }
    assert_eq!(slugs[..2], ["not-found", "not-found"]);
    assert!(
        slugs.iter().filter(|slug| *slug == "rate-limited").count() >= 5,
        "{slugs:?}"
    );
    assert_eq!(hub.get_as(&other, &path).await.slug(), "not-found");
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_the_others_go_on() {
    let hub = Hub::new().await;
    let metrics = hub.app.metrics().clone();
    let two = Limits {
        max_connections: 2,
        ..Limits::default()
    };
    let service = Service {
        doors: Doors::new(&two, metrics.clone()),
        ..service()
    };
    let served = Served::serving(hub, service).await;
    let (mut one, mut two) = (served.connect().await, served.connect().await);
    for stream in [&mut one, &mut two] {
        assert!(ask(stream, "/healthz", "").await.starts_with("HTTP/1.1 200"));
    }
    let mut three = served.connect().await;
    let told = ask(&mut three, "/healthz", "").await;
    assert!(told.starts_with("HTTP/1.1 503"), "{told}");
    assert!(told.contains("Retry-After: 1"), "{told}");
    assert_eq!(problem_of(&told)["type"], "/problems/busy");
    assert_eq!(rest(&mut three).await, "");
    assert!(metrics.text().contains("daybook_http_connections 2\n"));
    assert!(
        metrics
            .text()
            .contains("daybook_http_connections_refused_total 1\n")
    );
    assert!(ask(&mut two, "/healthz", "").await.starts_with("HTTP/1.1 200"));
    drop(one);
    let comes_in = async {
        loop {
            let mut next = served.connect().await;
            if ask(&mut next, "/healthz", "").await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    timeout(LIMIT, comes_in).await.expect("the place is free again");
    served.ends().await;
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_a_proxy_as_many_as_it_needs() {
    for (proxies, may_enter) in [(Vec::new(), false), (Network::this_machine(), true)] {
        let hub = Hub::new().await;
        let limits = Limits {
            connections_per_address: 1,
            unlimited: Vec::new(),
            trusted_proxies: proxies,
            ..Limits::default()
        };
        let service = Service {
            doors: Doors::new(&limits, hub.app.metrics().clone()),
            ..service()
        };
        let served = Served::serving(hub, service).await;
        let (mut one, mut two) = (served.connect().await, served.connect().await);
        assert!(ask(&mut one, "/healthz", "").await.starts_with("HTTP/1.1 200"));
        let told = ask(&mut two, "/healthz", "").await;
        assert_eq!(told.starts_with("HTTP/1.1 200"), may_enter, "{told}");
        assert!(may_enter || problem_of(&told)["type"] == "/problems/busy");
        served.ends().await;
    }
}

#[tokio::test]
async fn one_address_has_so_many_streams_and_may_begin_another_when_one_ends() {
    let served = limited(Limits {
        waiting_per_address: 1,
        unlimited: Vec::new(),
        ..Limits::default()
    })
    .await;
    let stream = "Accept: text/event-stream\r\n";
    let begin = async || {
        let mut one = served.connect().await;
        let request = format!("GET /v1/events HTTP/1.1\r\nHost: hub\r\n{stream}\r\n");
        one.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        one.read_exact(&mut status).await.unwrap();
        (one, String::from_utf8(status.to_vec()).unwrap())
    };
    let (first, said) = begin().await;
    assert_eq!(said, "HTTP/1.1 200");
    assert!(is_limited(
        &ask(&mut served.connect().await, "/v1/events", stream).await
    ));
    let told = ask(&mut served.connect().await, "/v1/jobs?at_least=1", "").await;
    assert!(
        is_limited(&told),
        "a question that waits takes a place too: {told}"
    );
    assert!(!is_limited(
        &ask(&mut served.connect().await, "/v1/keys", "").await
    ));
    drop(first);
    let begins = async { while begin().await.1 != "HTTP/1.1 200" {} };
    timeout(LIMIT, begins).await.expect("the place is free again");
    served.ends().await;
}

#[tokio::test]
async fn who_is_refused_in_the_middle_of_a_long_body_hears_why() {
    let served = Served::serving(Hub::new().await, service()).await;
    for _ in 0..20 {
        let mut stream = served.connect().await;
        let body = 4 * 1024 * 1024;
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: {body}\r\n\r\n"
        );
        let whole = [head.as_bytes(), &vec![b' '; body]].concat();
        // It is refused by its length, and goes on sending as clients do.
        stream.write_all(&whole).await.unwrap();
        let told = rest(&mut stream).await;
        assert!(told.starts_with("HTTP/1.1 413"), "{told}");
        assert_eq!(problem_of(&told)["type"], "/problems/too-large");
    }
    served.ends().await;
}

#[tokio::test]
async fn long_addresses_and_headers_are_refused() {
    let served = Served::serving(Hub::new().await, service()).await;
    let mut stream = served.connect().await;
    let told = ask(&mut stream, &format!("/v1/keys?{}", "x".repeat(9_000)), "").await;
    assert!(told.starts_with("HTTP/1.1 414"), "{told}");
    assert_eq!(problem_of(&told)["type"], "/problems/uri-too-long");
    for header in [
        format!("X-Long: {}\r\n", "x".repeat(33 * 1024)),
        "X-Many: x\r\n".repeat(200),
    ] {
        let mut stream = served.connect().await;
        let told = ask(&mut stream, "/healthz", &header).await;
        assert!(told.starts_with("HTTP/1.1 431"), "{told}");
    }
    served.ends().await;
}

/// An answer over the wire, as the others look.
fn over_the_wire(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut response = axum::http::Response::builder();
    for (n, line) in head.lines().enumerate() {
        if n == 0 {
            let code = line.split(' ').nth(1).unwrap();
            response = response.status(code);
        } else if let Some((name, value)) = line.split_once(": ") {
            response = response.header(name, value);
        }
    }
    let (parts, ()) = response.body(()).unwrap().into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.to_owned().into(),
    }
}

/// A body that came too slowly.
pub(crate) async fn too_slow() -> Answer {
    let served = timed(Times {
        body: Duration::from_millis(100),
        ..patient_times()
    })
    .await;
    let head = "POST /v1/events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n";
    over_the_wire(&drip(&served, head).await)
}

/// One request too many.
pub(crate) async fn rate_limited() -> Answer {
    let mut hub = Hub::new().await;
    let limits = Limits {
        per_actor: Rate::new(1, 1),
        ..Limits::default()
    };
    hub.router = daybook_api::router(hub.app.clone().limited(&hub.store, limits));
    let (one, path) = (insider(&hub.world), format!("/v1/packets/{}", id("none")));
    loop {
        let told = hub.get_as(&one, &path).await;
        if told.status == StatusCode::TOO_MANY_REQUESTS {
            return told;
        }
    }
}

/// A hub whose disk is as good as full.
pub(crate) async fn not_ready() -> Answer {
    let mut hub = Hub::new().await;
    let disk = daybook_api::Disk {
        place: "data",
        folder: "/".into(),
        keep_free: u64::MAX,
    };
    hub.router = daybook_api::router(hub.app.clone().on_disks(vec![disk]));
    let told = hub.get("/readyz").await;
    let failing = told.problem()["checks"].as_array().unwrap().clone();
    let failing: Vec<_> = failing
        .iter()
        .filter(|check| check["holds"] == json!(false))
        .collect();
    assert_eq!(failing.len(), 1, "{failing:?}");
    assert_eq!(failing[0]["name"], "disk of the data");
    told
}
