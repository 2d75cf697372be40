//! What an operator sees: names of requests, lines, numbers, readiness.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use daybook_api::{Disk, Trailing, metrics_router};
use daybook_testkit::workflow;
use daybook_world::id;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tracing::Level;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::MakeWriter;

use crate::hub::{Hub, append_body, insider};
use crate::witnesses;

/// Lines of the log that this test's own task writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// The lines of what was done, each a JSON object.
    async fn of<T>(level: Level, doing: impl Future<Output = T>) -> (T, Vec<Value>) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(level)
            .with_writer(lines.clone())
            .finish();
        let done = doing.with_subscriber(subscriber).await;
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (done, lines.collect())
    }
}

fn request(uri: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn every_answer_says_under_which_name_it_was_asked_for() {
    let hub = Hub::new().await;
    let told = hub.send(request("/v1/keys", &[("x-request-id", "call-7")])).await;
    assert_eq!(told.header("x-request-id"), "call-7");
    let told = hub.send(request("/v1/none", &[("x-request-id", "call-8")])).await;
    assert_eq!(told.header("x-request-id"), "call-8");
    assert_eq!(told.problem()["request_id"], "call-8");
    let trace = (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    let told = hub.send(request("/v1/none", &[trace])).await;
    assert_eq!(told.problem()["request_id"], "0af7651916cd43dd8448eb211c80319c");
    let made = [
        hub.get("/v1/none").await,
        hub.send(request("/v1/none", &[("x-request-id", "a b")])).await,
    ];
    let names = made
        .each_ref()
        .map(|told| told.problem()["request_id"].as_str().unwrap().to_owned());
    assert_ne!(names[0], names[1]);
    for (told, name) in made.iter().zip(&names) {
        assert_eq!(told.header("x-request-id"), name);
        assert_eq!(name.len(), 25);
    }
}

#[tokio::test]
async fn one_line_a_request_with_its_name_and_without_its_query() {
    let hub = Hub::new().await;
    let ask = hub.send(request(
        "/v1/events/3/openings?author=query-that-nobody-logs",
        &[
            ("x-request-id", "call-9"),
            ("authorization", "Bearer token-that-nobody-logs"),
        ],
    ));
    let (told, lines) = Lines::of(Level::INFO, ask).await;
    assert_eq!(told.status, StatusCode::UNAUTHORIZED);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/v1/events/3/openings");
    assert_eq!(line["status"], 401);
    assert_eq!(line["span"]["id"], "call-9");
    assert!(line["ms"].is_u64());
    let (_, lines) = Lines::of(
        Level::TRACE,
        hub.send(request("/secret-path-that-nobody-logs", &[])),
    )
    .await;
    let (_, more) = Lines::of(Level::TRACE, hub.get("/v1/keys?actor=query-that-nobody-logs")).await;
    let said = json!([line, lines, more]).to_string();
    assert!(lines.iter().any(|line| line["path"] == "(no route)"), "{lines:?}");
    assert!(!said.contains("that-nobody-logs"), "{said}");
}

#[tokio::test]
async fn events_and_probes_make_no_line_at_the_usual_level() {
    let mut hub = Hub::new().await;
    let draft = workflow(&hub.world, "quiet");
    let signed = hub.sign(&draft).await;
    let quiet = async {
        hub.offer(&signed).await;
        hub.post("/v1/events", &json!({ "event": "x.y.z" })).await;
        hub.post("/v1/event-batches", &json!({ "events": [append_body(&signed)] }))
            .await;
        hub.get("/healthz").await;
        hub.get("/readyz").await
    };
    let (_, lines) = Lines::of(Level::INFO, quiet).await;
    assert_eq!(lines, Vec::<Value>::new());
    let (_, lines) = Lines::of(Level::DEBUG, hub.offer(&signed)).await;
    let answered = lines.iter().filter(|line| line["message"] == "Answered");
    assert_eq!(answered.count(), 1, "{lines:?}");
}

/// A database that takes no connection any more.
async fn cut_off(hub: &Hub) -> tokio_postgres::Client {
    let name = hub.database().get_dbname().unwrap().to_owned();
    let mut elsewhere = hub.database();
    elsewhere.dbname("postgres");
    let client = daybook_store::open(&elsewhere, "daybook tests").await.unwrap();
    let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    client.batch_execute(&sql).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
    client.query(end, &[&name]).await.unwrap();
    client
}

#[tokio::test]
async fn a_database_that_is_away_fills_no_log() {
    let hub = Hub::new().await;
    let away = cut_off(&hub).await;
    let asks = async {
        for _ in 0..20 {
            assert_eq!(hub.get("/v1/keys").await.slug(), "unavailable");
        }
    };
    let ((), lines) = Lines::of(Level::WARN, asks).await;
    assert!(lines.len() <= 2, "{lines:?}");
    drop(away);
}

/// The names that the page for operators lists, with their types.
fn documented() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATING.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let name = cells.next()?.trim().trim_matches('`').to_owned();
        let name = name.split('{').next()?.to_owned();
        let is_metric = name.starts_with("daybook_") || name.starts_with("process_");
        is_metric.then(|| format!("{name} {}", cells.next().unwrap_or_default().trim()))
    });
    rows.collect()
}

/// The names that a hub serves, with their types.
fn served(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(str::to_owned).collect()
}

/// A hub that looks after everything.
async fn watched() -> Hub {
    watching(Hub::new().await)
}

fn watching(mut hub: Hub) -> Hub {
    let disk = Disk {
        place: "guard",
        folder: "/".into(),
        keep_free: 0,
    };
    let trail = || {
        vec![Trailing {
            name: "jobs".to_owned(),
            size: 3,
            has_stopped: false,
        }]
    };
    hub.app = hub.app.clone().on_disks(vec![disk]).with_trail(Arc::new(trail));
    hub.router = daybook_api::router(hub.app.clone());
    hub
}

#[tokio::test]
async fn the_page_lists_every_metric_that_is_served_and_no_other() {
    let (hub, _guard) = witnesses::witnessed(false).await;
    let hub = watching(hub);
    hub.get("/v1/keys").await;
    let note = witnesses::cosigned(&hub, &["w"]).await;
    assert_eq!(witnesses::bring(&hub, note).await.status, StatusCode::OK);
    // The hub looks at what was brought in its own time.
    let begin = Instant::now();
    while !hub.app.metrics().text().contains("daybook_witness_age_seconds{") {
        assert!(begin.elapsed() < Duration::from_secs(30), "nobody looked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let found = served(&hub.app.metrics().text());
    let documented = documented();
    let missing: Vec<_> = found.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&found).collect();
    assert!(missing.is_empty(), "docs/OPERATING.md does not list {missing:?}");
    assert!(
        gone.is_empty(),
        "docs/OPERATING.md lists what nobody serves: {gone:?}"
    );
}

/// The value of one line of the metrics.
fn value(text: &str, line: &str) -> f64 {
    let found = text
        .lines()
        .find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    found
        .unwrap_or_else(|| panic!("no {line} in {text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let mut hub = watched().await;
    let head = hub.store.head.borrow().size;
    let batch = |text: &str| value(text, "daybook_append_batch_events_count");
    let before = hub.app.metrics().text();
    let draft = workflow(&hub.world, "counted");
    hub.say(&draft).await;
    hub.get("/v1/none").await;
    hub.get_as(&insider(&hub.world), &format!("/v1/packets/{}", id("none")))
        .await;
    hub.store.published.clone().covering(head + 1).await.unwrap();
    let text = hub.app.metrics().text();
    assert!((batch(&text) - batch(&before) - 1.0).abs() < 1e-9);
    let size = f64::from(u32::try_from(head).unwrap());
    for (line, expected) in [
        ("daybook_append_events_total", 1.0),
        ("daybook_append_queue_events", 0.0),
        ("daybook_append_queue_bytes", 0.0),
        ("daybook_append_step_seconds_count{step=\"verify\"}", 1.0),
        ("daybook_append_step_seconds_count{step=\"commit\"}", 1.0),
        ("daybook_head_size", size + 1.0),
        ("daybook_published_size", size + 1.0),
        ("daybook_stopped", 0.0),
        ("daybook_pool_size{pool=\"reader\"}", 8.0),
        ("daybook_view_lag_entries{view=\"jobs\"}", size + 1.0 - 3.0),
        ("daybook_problems_total{kind=\"not-found\"}", 2.0),
        ("daybook_problems_total{kind=\"internal\"}", 0.0),
        (
            "daybook_http_requests_total{method=\"POST\",route=\"/v1/events\",status=\"201\"}",
            1.0,
        ),
        (
            "daybook_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}",
            1.0,
        ),
        (
            "daybook_http_requests_total{method=\"GET\",route=\"/v1/packets/{id}\",status=\"404\"}",
            1.0,
        ),
        ("daybook_http_open{by=\"usual\"}", 0.0),
    ] {
        assert!(
            (value(&text, line) - expected).abs() < 1e-9,
            "{line} is not {expected}: {text}"
        );
    }
    assert!(value(&text, "daybook_guard_write_seconds_count") >= 1.0);
    assert!(value(&text, "daybook_checkpoints_total") >= 1.0);
    assert!(value(&text, "daybook_disk_free_bytes{place=\"guard\"}") > 0.0);
    assert!(value(&text, "process_resident_memory_bytes") > 1e6);
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn metrics_have_a_port_of_their_own() {
    let hub = watched().await;
    assert_eq!(hub.get("/metrics").await.slug(), "not-found");
    let private = metrics_router(hub.app.metrics().clone());
    let told = private.oneshot(request("/metrics", &[])).await.unwrap();
    assert_eq!(told.status(), StatusCode::OK);
    let kind = told.headers()[header::CONTENT_TYPE].to_str().unwrap();
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
}

/// Names of the checks that do not hold.
fn failing(told: &Value) -> Vec<String> {
    let checks = told["checks"].as_array().unwrap();
    for check in checks {
        assert!(check["words"].as_str().unwrap().ends_with('.'), "{check}");
    }
    let failing = checks.iter().filter(|check| check["holds"] == json!(false));
    failing
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_hub_that_can_do_everything_is_ready_and_says_what_it_looked_at() {
    let hub = watched().await;
    let told = hub.get("/readyz").await;
    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(told.header("cache-control"), "no-store");
    assert_eq!(told.json()["ready"], true);
    let names: Vec<_> = told.json()["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "writing",
        "sequencer",
        "publisher",
        "database",
        "schema",
        "rules",
        "clock",
        "disk of the guard",
        "views",
    ];
    assert_eq!(names, expected);
    assert!(failing(&told.json()).is_empty());
}

#[tokio::test]
async fn without_its_database_a_hub_is_not_ready_and_when_it_is_back_it_is() {
    let hub = Hub::new().await;
    let elsewhere = cut_off(&hub).await;
    let until = async |wanted: &[&str]| {
        for _ in 0..2_000 {
            let told = hub.get("/readyz").await;
            let body: Value = serde_json::from_slice(&told.body).unwrap();
            let failing = failing(&body);
            if wanted
                .iter()
                .all(|name| failing.iter().any(|found| found == name))
                && wanted.is_empty() == failing.is_empty()
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("never {wanted:?}");
    };
    until(&["publisher", "database"]).await;
    let name = hub.database().get_dbname().unwrap().to_owned();
    let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    elsewhere.batch_execute(&sql).await.unwrap();
    until(&[]).await;
}
