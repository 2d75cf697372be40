//! What the hub counts, in the text that monitoring reads. `docs/OPERATING.md` lists every name.

mod labels;
mod process;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, header};
use axum::response::IntoResponse;
use axum::routing::get;
use daybook_store::monitor::Monitor;
use daybook_store::witnessed::Witnesses;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use self::labels::{By, ByKind, ByPlace, ByPool, ByRoute, ByView, ByWitness, Request, method_name};
use self::process::Process;
use crate::app::now;
use crate::handlers::packets::PacketMeter;
use crate::problem::ProblemKind;
use crate::ready::{Disk, Trail};

type Seconds = Family<ByRoute, Histogram, fn() -> Histogram>;

/// Everything that is counted. Shared by whoever counts.
pub struct Metrics {
    registry: Registry,
    monitor: Monitor,
    process: Process,
    requests: Family<Request, Counter>,
    seconds: Seconds,
    problems: Family<ByKind, Counter>,
    limited: Family<By, Counter>,
    open: Family<By, Gauge>,
    connections: Gauge,
    turned_away: Counter,
    figures: Figures,
    watched: Mutex<Watched>,
}

/// What is looked at when somebody asks.
#[derive(Default)]
struct Figures {
    queue_events: Gauge,
    queue_bytes: Gauge,
    head_size: Gauge,
    published_size: Gauge,
    unpublished: Gauge<f64, AtomicU64>,
    stopped: Gauge,
    pool_used: Family<ByPool, Gauge>,
    pool_most: Family<ByPool, Gauge>,
    pool_waiting: Family<ByPool, Gauge>,
    view_lag: Family<ByView, Gauge>,
    view_stopped: Family<ByView, Gauge>,
    disk_free: Family<ByPlace, Gauge>,
    witnessed_size: Gauge,
    witness_size: Family<ByWitness, Gauge>,
    witness_age: Family<ByWitness, Gauge>,
    witness_trouble: Family<ByWitness, Gauge>,
}

/// What the hub is told to look at beside its log.
#[derive(Default)]
struct Watched {
    disks: Vec<Disk>,
    trail: Option<Trail>,
    witnesses: Option<Witnesses>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Counts down again when it goes.
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new(monitor: Monitor, packets: &PacketMeter) -> Self {
        let latencies = || Histogram::new(exponential_buckets(0.000_5, 2.5, 12));
        let mut metrics = Self {
            registry: Registry::default(),
            monitor,
            process: Process::default(),
            requests: Family::default(),
            seconds: Seconds::new_with_constructor(latencies),
            problems: Family::default(),
            limited: Family::default(),
            open: Family::default(),
            connections: Gauge::default(),
            turned_away: Counter::default(),
            figures: Figures::default(),
            watched: Mutex::default(),
        };
        // There from the beginning, so that an alarm sees the first one as a change.
        for kind in ProblemKind::ALL {
            metrics.problems.get_or_create_owned(&ByKind::of(*kind));
        }
        for by in ["address", "actor"] {
            metrics.limited.get_or_create_owned(&By { by });
        }
        for by in ["usual", "append", "wait", "stream", "packet"] {
            metrics.open.get_or_create_owned(&By { by });
        }
        let mut registry = Registry::default();
        metrics.monitor.meter().register(&mut registry);
        let hub = registry.sub_registry_with_prefix("daybook");
        metrics.register(hub);
        metrics.register_witnesses(hub);
        packets.register(hub);
        metrics.process.register(&mut registry);
        metrics.registry = registry;
        metrics
    }

    fn register(&self, hub: &mut Registry) {
        let figures = &self.figures;
        hub.register(
            "http_requests",
            "Requests answered, by route and status",
            self.requests.clone(),
        );
        hub.register_with_unit(
            "http_request",
            "Time until a request was answered",
            Unit::Seconds,
            self.seconds.clone(),
        );
        hub.register(
            "problems",
            "Problem documents sent, by their type",
            self.problems.clone(),
        );
        hub.register(
            "rate_limited",
            "Requests and events that came too fast",
            self.limited.clone(),
        );
        hub.register(
            "http_open",
            "Requests being answered, by what they are",
            self.open.clone(),
        );
        hub.register(
            "http_connections",
            "Connections that are open",
            self.connections.clone(),
        );
        hub.register(
            "http_connections_refused",
            "Connections for which there was no room",
            self.turned_away.clone(),
        );
        hub.register(
            "append_queue_events",
            "Events that wait for the sequencer",
            figures.queue_events.clone(),
        );
        hub.register_with_unit(
            "append_queue",
            "Bytes of events that wait or are being appended",
            Unit::Bytes,
            figures.queue_bytes.clone(),
        );
        hub.register(
            "head_size",
            "Entries after the last commit",
            figures.head_size.clone(),
        );
        hub.register(
            "published_size",
            "Entries that the newest checkpoint covers",
            figures.published_size.clone(),
        );
        hub.register_with_unit(
            "unpublished",
            "For how long something committed has waited to be published",
            Unit::Seconds,
            figures.unpublished.clone(),
        );
        hub.register(
            "stopped",
            "1 where the hub has stopped writing",
            figures.stopped.clone(),
        );
        hub.register(
            "pool_used",
            "Database connections in use",
            figures.pool_used.clone(),
        );
        hub.register(
            "pool_size",
            "Database connections at most",
            figures.pool_most.clone(),
        );
        hub.register(
            "pool_waiting",
            "Who waits for a database connection",
            figures.pool_waiting.clone(),
        );
        hub.register(
            "view_lag_entries",
            "Entries that a view is behind the log",
            figures.view_lag.clone(),
        );
        hub.register(
            "view_stopped",
            "1 where a view met what it does not know",
            figures.view_stopped.clone(),
        );
        hub.register_with_unit(
            "disk_free",
            "Room left on a file system",
            Unit::Bytes,
            figures.disk_free.clone(),
        );
    }

    fn register_witnesses(&self, hub: &mut Registry) {
        let figures = &self.figures;
        hub.register(
            "witnessed_size",
            "Entries that the newest checkpoint with the quorum's cosignatures covers",
            figures.witnessed_size.clone(),
        );
        hub.register(
            "witness_size",
            "Entries that a witness has cosigned last",
            figures.witness_size.clone(),
        );
        hub.register_with_unit(
            "witness_age",
            "How long ago a witness has cosigned last, by its clock",
            Unit::Seconds,
            figures.witness_age.clone(),
        );
        hub.register(
            "witness_trouble",
            "1 where a witness did not cosign when it was asked last",
            figures.witness_trouble.clone(),
        );
    }

    /// From now on it is told how these witnesses stand, and not before: a hub without any has no such figures.
    pub(crate) fn watch_witnesses(&self, witnesses: Witnesses) {
        self.watched().witnesses = Some(witnesses);
    }

    pub(crate) fn watch_disks(&self, disks: Vec<Disk>) {
        self.watched().disks = disks;
    }

    pub(crate) fn watch_views(&self, trail: Trail) {
        self.watched().trail = Some(trail);
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn opens(&self, by: &'static str) -> Open {
        let gauge = self.open.get_or_create_owned(&By { by });
        gauge.inc();
        Open(gauge)
    }

    pub(crate) fn connects(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    pub(crate) fn turned_away(&self) {
        self.turned_away.inc();
    }

    pub(crate) fn limited(&self, by: &'static str) {
        self.limited.get_or_create(&By { by }).inc();
    }

    pub(crate) fn problem(&self, kind: ProblemKind) {
        self.problems.get_or_create(&ByKind::of(kind)).inc();
    }

    pub(crate) fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let route = ByRoute {
            route: route.to_owned(),
        };
        self.seconds.get_or_create(&route).observe(took.as_secs_f64());
        let request = Request {
            method: method_name(method),
            route: route.route,
            status,
        };
        self.requests.get_or_create(&request).inc();
    }

    /// Everything, in the text format that Prometheus reads.
    pub fn text(&self) -> String {
        self.look();
        let mut text = String::new();
        // Writing into a text does not fail.
        _ = encode(&mut text, &self.registry);
        text
    }

    fn look(&self) {
        let (found, figures) = (self.monitor.figures(), &self.figures);
        figures.queue_events.set(whole(found.queue_events));
        figures.queue_bytes.set(whole(found.queue_bytes));
        figures.head_size.set(whole(found.head_size));
        figures.published_size.set(whole(found.published_size));
        figures.unpublished.set(found.unpublished_for.as_secs_f64());
        figures.stopped.set(i64::from(found.is_stopped));
        for pool in found.pools {
            let by = ByPool { pool: pool.name };
            figures.pool_used.get_or_create(&by).set(whole(pool.used));
            figures.pool_most.get_or_create(&by).set(whole(pool.most));
            figures.pool_waiting.get_or_create(&by).set(whole(pool.waiting));
        }
        let told = self.watched();
        for view in told.trail.iter().flat_map(|trail| trail()) {
            let by = ByView { view: view.name };
            let lag = found.head_size.saturating_sub(view.size);
            figures.view_lag.get_or_create(&by).set(whole(lag));
            figures
                .view_stopped
                .get_or_create(&by)
                .set(i64::from(view.has_stopped));
        }
        if let Some(witnesses) = &told.witnesses {
            figures.look_at(witnesses);
        }
        for disk in &told.disks {
            if let Some(free) = disk.free() {
                let by = ByPlace { place: disk.place };
                figures.disk_free.get_or_create(&by).set(whole(free));
            }
        }
        self.process.look();
    }
}

impl Figures {
    fn look_at(&self, witnesses: &Witnesses) {
        let newest = witnesses.witnessed().map_or(0, |released| released.head.size);
        self.witnessed_size.set(whole(newest));
        let (standings, now) = (witnesses.standings(), now().unsigned_abs());
        for witness in witnesses.policy().witnesses() {
            let Some(standing) = standings.get(&witness.key.to_string()) else {
                continue;
            };
            // The names are those of the policy: nobody outside can make more of them.
            let by = ByWitness {
                witness: witness.name().into_owned(),
            };
            self.witness_size.get_or_create(&by).set(whole(standing.size));
            if let Some(time) = standing.time {
                let age = now.saturating_sub(time);
                self.witness_age.get_or_create(&by).set(whole(age));
            }
            let is_troubled = standing.trouble.is_some();
            self.witness_trouble
                .get_or_create(&by)
                .set(i64::from(is_troubled));
        }
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The routes of the private port: `/metrics`.
pub fn metrics_router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/metrics", get(get_metrics))
        .with_state(metrics)
}

async fn get_metrics(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.text())
}
