//! The relay's routes for its own zone.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router, middleware};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::{Stream, TreRole, random_id};
use daybook_core::sealed::Opening;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::guard::{Caller, Relay, Streamed, guard};
use super::wire::{
    Cancellation, EventAnswer, EventRequest, Gate, JobList, JobView, Lease, LeaseRequest, MAX_WAIT,
    OutputsAnswer, OutputsRequest, PlaceAnswer, Problem, ROOT, Thing,
};
use crate::random;

type Answer<T> = Result<Json<T>, Problem>;

/// Every route, behind the guard.
pub(super) fn router(relay: Relay) -> Router {
    let routes = Router::new()
        .route("/jobs", get(jobs))
        .route("/jobs/{job}", get(job))
        .route("/jobs/{job}/packet", get(packet))
        .route("/jobs/{job}/gate", get(gate))
        .route("/jobs/{job}/lease", post(lease).delete(give_back))
        .route("/jobs/{job}/outputs", put(announce))
        .route("/jobs/{job}/outputs/{at}", put(output))
        .route("/jobs/{job}/cancellation", put(cancel))
        .route("/things/{digest}", get(thing))
        .route("/place", get(place))
        .route("/events", post(take));
    Router::new()
        .nest(ROOT, routes)
        .fallback(|| async { Problem::new(404, "not-found", "the link has no such path").into_response() })
        .layer(middleware::from_fn_with_state(relay.clone(), guard))
        .with_state(relay)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    after: Option<u64>,
    wait: Option<u64>,
}

async fn jobs(State(relay): State<Relay>, Query(query): Query<ListQuery>) -> Answer<JobList> {
    if let (Some(after), Some(wait)) = (query.after, query.wait) {
        let mut version = relay.desk.version();
        let patience = Duration::from_secs(wait.min(MAX_WAIT));
        drop(tokio::time::timeout(patience, version.wait_for(|version| *version != after)).await);
    }
    Ok(Json(relay.desk.list()))
}

async fn job(State(relay): State<Relay>, Path(job): Path<String>) -> Answer<JobView> {
    Ok(Json(relay.desk.view(id(&job)?)?))
}

async fn gate(State(relay): State<Relay>, Path(job): Path<String>) -> Answer<Gate> {
    Ok(Json(relay.desk.gate(id(&job)?).await?))
}

async fn lease(
    State(relay): State<Relay>,
    Extension(caller): Extension<Caller>,
    Path(job): Path<String>,
    body: Bytes,
) -> Answer<Lease> {
    only(&caller, TreRole::Runner)?;
    let request: LeaseRequest = parse(&body)?;
    Ok(Json(relay.desk.lease(
        id(&job)?,
        request.holder,
        random::now(),
    )?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolderQuery {
    holder: Uuid,
}

async fn give_back(
    State(relay): State<Relay>,
    Extension(caller): Extension<Caller>,
    Path(job): Path<String>,
    Query(query): Query<HolderQuery>,
) -> Answer<()> {
    only(&caller, TreRole::Runner)?;
    relay.desk.give_back(id(&job)?, query.holder)?;
    Ok(Json(()))
}

async fn packet(State(relay): State<Relay>, Path(job): Path<String>) -> Result<Response, Problem> {
    let job = id(&job)?;
    let packet = relay.desk.notes(job)?.packet.ok_or_else(missing)?;
    stream(relay.desk.packet_file(job), &packet).await
}

async fn thing(
    State(relay): State<Relay>,
    Extension(caller): Extension<Caller>,
    Path(digest): Path<String>,
) -> Result<Response, Problem> {
    only(&caller, TreRole::Runner)?;
    let hash = Hash::from_base64url(&digest).ok_or_else(missing)?;
    let (path, thing) = relay.desk.thing(&hash).ok_or_else(missing)?;
    stream(path, &thing).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceQuery {
    stream: String,
    since: u64,
}

async fn place(State(relay): State<Relay>, Query(query): Query<PlaceQuery>) -> Answer<PlaceAnswer> {
    let stream: Stream = query.stream.parse().map_err(|error| malformed(&error))?;
    let place = relay.desk.place(&stream)?.into();
    let (checkpoint, consistency) = relay.desk.newer_than(query.since).await;
    Ok(Json(PlaceAnswer {
        place,
        checkpoint,
        consistency,
    }))
}

async fn take(
    State(relay): State<Relay>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer<EventAnswer> {
    let request: EventRequest = parse(&body)?;
    let event = Event::parse(&request.event).map_err(|error| malformed(&error))?;
    let openings: Result<Vec<Opening>, _> =
        request.openings.iter().map(|text| Opening::parse(text)).collect();
    let openings = openings.map_err(|error| malformed(&error))?;
    let claims = event.claims();
    if !matches!(&claims.iss, daybook_core::id::Actor::Tre(_, role) if *role == caller.0) {
        let detail = format!(
            "{} hands over its own events, and this one is by {}",
            caller.0.as_str(),
            claims.iss
        );
        return Err(Problem::new(403, "not-allowed", detail));
    }
    relay.desk.take(&event, &openings).await?;
    Ok(Json(EventAnswer {
        seq: claims.seq,
        leaf: event.leaf().to_base64url(),
    }))
}

async fn announce(
    State(relay): State<Relay>,
    Extension(caller): Extension<Caller>,
    Path(job): Path<String>,
    body: Bytes,
) -> Answer<OutputsAnswer> {
    only(&caller, TreRole::Runner)?;
    let request: OutputsRequest = parse(&body)?;
    Ok(Json(relay.desk.announce(id(&job)?, &request)?))
}

async fn output(
    State(relay): State<Relay>,
    Extension(caller): Extension<Caller>,
    Path((job, at)): Path<(String, usize)>,
    body: Bytes,
) -> Answer<OutputsAnswer> {
    only(&caller, TreRole::Runner)?;
    Ok(Json(relay.desk.put_output(id(&job)?, at, &body)?))
}

async fn cancel(
    State(relay): State<Relay>,
    Extension(caller): Extension<Caller>,
    Path(job): Path<String>,
    body: Bytes,
) -> Answer<()> {
    only(&caller, TreRole::Review)?;
    let request: Cancellation = parse(&body)?;
    relay.desk.note(id(&job)?, |notes| {
        // The team's own wish, which names its event, stays.
        notes.cancellation.get_or_insert(request);
        Ok(())
    })?;
    Ok(Json(()))
}

fn only(caller: &Caller, role: TreRole) -> Result<(), Problem> {
    if caller.0 == role {
        Ok(())
    } else {
        let detail = format!("that is for the {} alone", role.as_str());
        Err(Problem::new(403, "not-allowed", detail))
    }
}

fn id(text: &str) -> Result<Uuid, Problem> {
    random_id(text).map_err(|error| malformed(&error))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

fn malformed(error: &dyn std::error::Error) -> Problem {
    Problem::new(400, "malformed", super::answer::chain(error))
}

fn missing() -> Problem {
    Problem::new(404, "not-found", "there is nothing of that kind here")
}

/// A file whose digest is known.
async fn stream(path: PathBuf, thing: &Thing) -> Result<Response, Problem> {
    let digest = Hash::from_base64url(&thing.sha256).ok_or_else(missing)?;
    let file = tokio::fs::File::open(&path).await.map_err(|_| missing())?;
    let mut response = Response::new(Body::from_stream(ReaderStream::new(file)));
    response.extensions_mut().insert(Streamed(digest));
    Ok(response)
}
