//! Every route, on one screen.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::routing::{get, put};
use tower_http::cors::{Any, CorsLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::app::App;
use crate::handlers::{events, health, jobs, log, packets, streams};

/// Bytes of a body that is not a packet: an event with its openings.
const MAX_BODY: usize = 512 * 1024;
/// How long a body may pause.
const BODY_PAUSE: Duration = Duration::from_secs(30);

/// All routes of the hub.
pub fn router(app: App) -> Router {
    // Verifiers run in other sites' pages too.
    let open = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD]);
    let log = Router::new()
        .route("/log/checkpoint", get(log::get_checkpoint))
        .route("/log/policy", get(log::get_policy))
        .route("/log/tile/{*path}", get(log::get_tile));
    let public = Router::new()
        .route("/v1/events", get(events::list_events).post(events::append_event))
        .route("/v1/events/{index}", get(events::get_event))
        .route("/v1/events/{index}/proof", get(events::get_event_proof))
        .route("/v1/events/{index}/openings", get(events::get_event_openings))
        .route("/v1/streams/{*rest}", get(streams::get_stream_head))
        .route("/v1/keys", get(streams::list_keys))
        .route("/v1/rules/{hash}", get(streams::get_rules))
        .route("/v1/jobs/{id}", get(jobs::get_job))
        .route("/v1/jobs/{id}/history", get(jobs::get_job_history))
        .route("/v1/submissions/{id}", get(jobs::get_submission))
        .route("/v1/tres/{tre}/queue", get(jobs::get_queue))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    let packets = Router::new()
        .route(
            "/v1/packets/{id}",
            put(packets::put_packet).get(packets::get_packet),
        )
        .layer(DefaultBodyLimit::disable());
    let operation = Router::new()
        .route("/healthz", get(health::get_healthz))
        .route("/readyz", get(health::get_readyz));
    // Given its fallback before the layer: one that is added later would answer other sites' preflights in its place.
    let open = log
        .merge(public)
        .method_not_allowed_fallback(health::no_method)
        .layer(open);
    Router::new()
        .merge(open)
        .merge(packets)
        .merge(operation)
        .fallback(health::no_route)
        .method_not_allowed_fallback(health::no_method)
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(TraceLayer::new_for_http())
        .with_state(app)
}
