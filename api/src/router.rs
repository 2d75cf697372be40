//! Every route, on one screen.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Method;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use tower::ServiceExt as _;
use tower_http::cors::{Any, CorsLayer};

use crate::app::App;
use crate::front::stand_in_front;
use crate::handlers::{
    cose, events, health, jobs, lists, log, openapi, packets, problems, streams, witnesses,
};

/// Bytes of a body that is not a packet: an event with its openings.
const MAX_BODY: usize = 512 * 1024;

/// All routes of the hub.
pub fn router(app: App) -> Router {
    // Verifiers run in other sites' pages too.
    let open = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD]);
    let log = Router::new()
        .route("/log/checkpoint", get(log::get_checkpoint))
        .route("/log/policy", get(witnesses::get_policy))
        .route("/log/cosignatures", post(witnesses::post_cosignatures))
        .route("/log/tile/{*path}", get(log::get_tile));
    let public = Router::new()
        .route("/v1/events", get(events::list_events).post(events::append_event))
        .route("/v1/event-batches", post(events::append_batch))
        .route("/v1/events/{index}", get(events::get_event))
        .route("/v1/events/{index}/proof", get(events::get_event_proof))
        .route(
            "/v1/events/{index}/cose-receipt",
            get(cose::get_event_cose_receipt),
        )
        .route("/v1/events/{index}/openings", get(events::get_event_openings))
        .route("/v1/streams/{*rest}", get(streams::get_stream_head))
        .route("/v1/checkpoints/{size}", get(witnesses::get_checkpoint_of_size))
        .route("/v1/cose-keys", get(cose::get_cose_keys))
        .route("/v1/witnesses", get(witnesses::list_witnesses))
        .route("/v1/keys", get(streams::list_keys))
        .route("/v1/rules/{hash}", get(streams::get_rules))
        .route("/v1/jobs/{id}", get(jobs::get_job))
        .route("/v1/jobs/{id}/history", get(jobs::get_job_history))
        .route("/v1/submissions/{id}", get(jobs::get_submission))
        .route("/v1/tres/{tre}/queue", get(jobs::get_queue))
        .merge(lists())
        .route("/openapi.json", get(openapi::get_openapi))
        .route("/problems", get(problems::list_problems))
        .route("/problems/{slug}", get(problems::get_problem))
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
        .fallback(elsewhere)
        .method_not_allowed_fallback(health::no_method)
        .layer(middleware::from_fn_with_state(app.clone(), stand_in_front))
        .with_state(app)
}

/// What no route above takes: a page for people, or nothing. What a program asks for is answered as to a program.
async fn elsewhere(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path();
    let is_for_programs = ["/v1", "/log", "/problems"].iter().any(|root| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    match app.pages.clone().filter(|_| !is_for_programs) {
        Some(pages) => pages.oneshot(request).await.into_response(),
        None => health::no_route(request.uri()).into_response(),
    }
}

/// What the views list.
fn lists() -> Router<App> {
    Router::new()
        .route("/v1/jobs", get(lists::list_jobs))
        .route("/v1/submissions", get(lists::list_submissions))
        .route("/v1/projects", get(lists::list_projects))
        .route("/v1/projects/{id}", get(lists::get_project))
        .route("/v1/projects/{id}/members", get(lists::list_members))
        .route("/v1/datasets", get(lists::list_datasets))
        .route("/v1/datasets/{id}", get(lists::get_dataset))
        .route("/v1/tres", get(lists::list_tres))
        .route("/v1/tres/{tre}", get(lists::get_tre))
        .route("/v1/workflows", get(lists::list_workflows))
        .route("/v1/workflows/{id}", get(lists::get_workflow))
        .route("/v1/approvals", get(lists::list_approvals))
        .route("/v1/register", get(lists::list_register))
        .route("/v1/activity", get(lists::list_activity))
}
