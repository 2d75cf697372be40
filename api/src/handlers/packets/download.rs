//! `GET` and `HEAD`: to those who may read.

use std::ops::Range;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daybook_core::id::{Actor, Organisation, random_id};
use daybook_store::packets::{Packet, PacketKind};
use futures::StreamExt as _;
use serde_json::Value;
use tracing::error;

use super::range::{Wanted, wanted};
use super::upload::store_failed;
use crate::app::App;
use crate::auth::Caller;
use crate::extract::Path;
use crate::problem::{Problem, ProblemKind};

/// States of a job in which its results, or the packet that says how it ended, are for the team.
const OUT: [&str; 5] = ["released", "refused", "withheld", "cancelled", "abandoned"];

/// Gives a packet out, or a part of it, to those who may read it.
pub(crate) async fn get_packet(
    State(app): State<App>,
    Caller(caller): Caller,
    method: Method,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = random_id(&id).map_err(|_| not_found())?;
    let packet = app.packets.list.find(id).await?;
    // Looked up for a packet that is not there too: how long it takes tells nobody that there is one.
    let may_read = may_read(&app, packet.as_ref(), &id.to_string(), &caller).await?;
    let packet = packet.filter(|_| may_read).ok_or_else(not_found)?;
    let etag = format!("\"{}\"", packet.sha256.to_base64url());
    let range = match asked(&headers, &etag, packet.size) {
        Wanted::All => None,
        Wanted::Part(range) => Some(range),
        Wanted::Nothing => return Ok(no_such_range(packet.size)),
    };
    let (status, bytes) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
        None => (StatusCode::OK, 0..packet.size),
    };
    let length = bytes.end - bytes.start;
    let body = if method == Method::HEAD || length == 0 {
        Body::empty()
    } else {
        content(&app, &packet, bytes).await?
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    headers.insert(
        header::LINK,
        HeaderValue::from_static("<https://w3id.org/ro/crate>; rel=\"profile\""),
    );
    put(headers, header::ETAG, &etag);
    if let Some(range) = range {
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, packet.size);
        put(headers, header::CONTENT_RANGE, &text);
    }
    Ok(response)
}

async fn content(app: &App, packet: &Packet, range: Range<u64>) -> Result<Body, Problem> {
    let bytes = app.packets.store.get(&packet.place, packet.size, range).await;
    let bytes = bytes.map_err(|error| store_failed(app, &error))?;
    let (sent, failures) = (app.packets.meter.sent.clone(), app.packets.meter.failures.clone());
    Ok(Body::from_stream(bytes.inspect(move |chunk| match chunk {
        Ok(chunk) => {
            sent.inc_by(chunk.len() as u64);
        }
        Err(error) => {
            failures.inc();
            error!(
                error = error as &dyn std::error::Error,
                "The packet store broke off a download"
            );
        }
    })))
}

/// The range that is asked for, unless `If-Range` names other bytes than these.
fn asked(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    if headers.contains_key(header::IF_RANGE) && text(header::IF_RANGE) != Some(etag) {
        return Wanted::All;
    }
    text(header::RANGE).map_or(Wanted::All, |range| wanted(range, size))
}

fn no_such_range(size: u64) -> Response {
    let detail = format!("The packet has {size} bytes, and none of those that `Range` names.");
    let mut response = Problem::new(ProblemKind::NoSuchRange, detail).into_response();
    put(
        response.headers_mut(),
        header::CONTENT_RANGE,
        &format!("bytes */{size}"),
    );
    response
}

/// Digits, base64url and punctuation always make a header.
fn put(headers: &mut HeaderMap, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

async fn may_read(app: &App, packet: Option<&Packet>, id: &str, caller: &Actor) -> Result<bool, Problem> {
    let reader = caller.organisation();
    let sender = match packet.map(|packet| packet.owner.parse::<Actor>()) {
        Some(Ok(owner)) => owner.organisation(),
        Some(Err(error)) => return Err(Problem::internal(&error)),
        None => reader.clone(),
    };
    // A request goes from a project to a TRE, results go back; nobody else reads either.
    let (project, tre) = match (&sender, &reader) {
        (Organisation::Project(project), Organisation::Tre(tre))
        | (Organisation::Tre(tre), Organisation::Project(project)) => (project.to_string(), tre.as_str()),
        _ => (String::new(), ""),
    };
    let jobs = app.reader.jobs_of_packet(id, &project, tre).await?;
    let Some(packet) = packet else { return Ok(false) };
    if sender == reader {
        return Ok(true);
    }
    Ok(jobs.iter().any(|job| {
        let text = |name: &str| job.state.get(name).and_then(Value::as_str);
        let is_out = text("state").is_some_and(|state| OUT.contains(&state));
        match (packet.kind, &sender) {
            (PacketKind::Request, Organisation::Project(_)) => text("packet") == Some(id),
            (PacketKind::Result, Organisation::Tre(_)) => {
                text("results") == Some(id) && is_out && !job.state.contains_key("expired")
            }
            _ => false,
        }
    }))
}

fn not_found() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "There is no such packet, or it is not for you.",
    )
}
