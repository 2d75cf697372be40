//! `/v1/packets`: the bytes of requests and results, never public.
//!
//! Readers of a request are its sender's project and the TREs that it names; readers of a result are the project's members
//! from its release until it is recalled or expires, and the TRE that sent it. A packet's id stands in clear in the log, so
//! a job that names it opens it only where the job is of the sender's own project or TRE. Unknown and forbidden are
//! answered alike.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use daybook_core::id::{Actor, Organisation, random_id};
use daybook_store::packets::{Packet, PacketKind};
use futures::TryStreamExt as _;
use object_store::path::Path as StorePath;
use object_store::{ObjectStoreExt as _, PutPayload, WriteMultipart};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tracing::error;
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::extract::{Path, Query};
use crate::problem::{Problem, ProblemKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutQuery {
    sha256: String,
}

/// Parts of a packet that may be on their way to the disk at once. A part is 5 MiB.
const MAX_PARTS: usize = 4;

/// Takes a packet in. The digest is checked while the bytes come; nothing is kept where it differs.
pub(crate) async fn put_packet(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(query): Query<PutQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let id = random_id(&id).map_err(|error| Problem::because(ProblemKind::MalformedRequest, &error))?;
    let wanted = Hash::from_base64url(&query.sha256);
    let detail = "`sha256` is the digest of the packet in 43 characters of unpadded base64url.";
    let wanted = wanted.ok_or_else(|| Problem::new(ProblemKind::MalformedRequest, detail))?;
    let kind = match caller {
        Actor::Member { .. } => PacketKind::Request,
        Actor::Tre(..) => PacketKind::Result,
        _ => {
            return Err(Problem::new(
                ProblemKind::NotAllowed,
                "Only members and TREs send packets.",
            ));
        }
    };
    check_length(request.headers(), app.max_packet)?;
    if let Some(known) = app.packets.find(id).await? {
        return same_again(&known, &wanted, &caller);
    }
    let path = place(id, &wanted);
    let size = receive(&app, &path, &wanted, request.into_body()).await?;
    let packet = Packet {
        id,
        sha256: wanted,
        size,
        kind,
        owner: caller.to_string(),
    };
    if app.packets.insert(&packet).await? {
        return Ok((StatusCode::CREATED, axum::Json(body(&packet))).into_response());
    }
    // Another sender was faster. What lies here is the other's too where the bytes are the same.
    let known = app.packets.find(id).await?.ok_or_else(not_found)?;
    if known.sha256 != wanted {
        app.packet_store
            .delete(&path)
            .await
            .map_err(|error| failed(&error))?;
    }
    same_again(&known, &wanted, &caller)
}

/// Where a packet's bytes lie. Digest and id name it, so that two senders of one id never write into one another.
fn place(id: Uuid, sha256: &Hash) -> StorePath {
    StorePath::from(format!("packets/{id}.{}", sha256.to_base64url()))
}

fn same_again(known: &Packet, wanted: &Hash, caller: &Actor) -> Result<Response, Problem> {
    if known.sha256 == *wanted && known.owner == caller.to_string() {
        return Ok((StatusCode::OK, axum::Json(body(known))).into_response());
    }
    Err(Problem::new(
        ProblemKind::Conflict,
        "Another packet has that id. Make a fresh random one.",
    ))
}

fn body(packet: &Packet) -> Value {
    json!({ "id": packet.id, "sha256": packet.sha256.to_base64url(), "size": packet.size, "kind": packet.kind.as_str() })
}

fn check_length(headers: &HeaderMap, limit: u64) -> Result<(), Problem> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        None => Err(Problem::new(
            ProblemKind::LengthRequired,
            "A packet needs `Content-Length`.",
        )),
        Some(length) if length > limit => Err(Problem::new(
            ProblemKind::TooLarge,
            format!("A packet is at most {limit} bytes, this one is {length}."),
        )),
        Some(_) => Ok(()),
    }
}

async fn receive(app: &App, path: &StorePath, wanted: &Hash, body: Body) -> Result<u64, Problem> {
    let upload = app
        .packet_store
        .put_multipart(path)
        .await
        .map_err(|error| failed(&error))?;
    let mut upload = WriteMultipart::new(upload);
    let mut digest = Sha256::new();
    let mut size = 0_u64;
    let mut chunks = body.into_data_stream();
    loop {
        let chunk = match chunks.try_next().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(_) => {
                abort(upload).await;
                return Err(Problem::new(
                    ProblemKind::MalformedRequest,
                    "The packet broke off before its end.",
                ));
            }
        };
        size += chunk.len() as u64;
        if size > app.max_packet {
            abort(upload).await;
            return Err(Problem::new(
                ProblemKind::TooLarge,
                format!("A packet is at most {} bytes.", app.max_packet),
            ));
        }
        digest.update(&chunk);
        if let Err(error) = upload.wait_for_capacity(MAX_PARTS).await {
            abort(upload).await;
            return Err(failed(&error));
        }
        upload.put(chunk);
    }
    let found = Hash(digest.finalize().into());
    if found != *wanted {
        abort(upload).await;
        let detail = format!("The {size} bytes that came have the SHA-256 {found}, and {wanted} was stated.");
        return Err(Problem::new(ProblemKind::DigestMismatch, detail));
    }
    if size == 0 {
        abort(upload).await;
        app.packet_store
            .put(path, PutPayload::new())
            .await
            .map_err(|error| failed(&error))?;
        return Ok(0);
    }
    upload.finish().await.map_err(|error| failed(&error))?;
    Ok(size)
}

async fn abort(upload: WriteMultipart) {
    if let Err(error) = upload.abort().await {
        error!(
            error = &error as &dyn std::error::Error,
            "A part of a packet could not be removed"
        );
    }
}

/// Gives a packet out, to those who may read it.
pub(crate) async fn get_packet(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = random_id(&id).map_err(|_| not_found())?;
    let packet = app.packets.find(id).await?.ok_or_else(not_found)?;
    if !may_read(&app, &packet, &caller).await? {
        return Err(not_found());
    }
    let stored = app
        .packet_store
        .get(&place(id, &packet.sha256))
        .await
        .map_err(|error| failed(&error))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (header::CONTENT_LENGTH, HeaderValue::from(packet.size)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-store"),
        ),
        (
            header::LINK,
            HeaderValue::from_static("<https://w3id.org/ro/crate>; rel=\"profile\""),
        ),
    ];
    Ok((headers, Body::from_stream(stored.into_stream())).into_response())
}

async fn may_read(app: &App, packet: &Packet, caller: &Actor) -> Result<bool, Problem> {
    let sender = match packet.owner.parse::<Actor>() {
        Ok(owner) => owner.organisation(),
        Err(error) => return Err(Problem::internal(&error)),
    };
    let reader = caller.organisation();
    if sender == reader {
        return Ok(true);
    }
    // A request goes from a project to a TRE, results go back; nobody else reads either.
    let ends = match packet.kind {
        PacketKind::Request => (&sender, &reader),
        PacketKind::Result => (&reader, &sender),
    };
    let (Organisation::Project(project), Organisation::Tre(tre)) = ends else {
        return Ok(false);
    };
    let id = packet.id.to_string();
    let jobs = app
        .reader
        .jobs_of_packet(&id, &project.to_string(), tre.as_str())
        .await?;
    Ok(jobs.iter().any(|job| {
        let has = |name: &str, value: &str| job.state.get(name).and_then(Value::as_str) == Some(value);
        match packet.kind {
            PacketKind::Request => has("packet", &id),
            PacketKind::Result => {
                has("results", &id) && has("state", "released") && !job.state.contains_key("expired")
            }
        }
    }))
}

fn not_found() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "There is no such packet, or it is not for you.",
    )
}

fn failed(error: &object_store::Error) -> Problem {
    error!(error = error as &dyn std::error::Error, "The packet store failed");
    Problem::new(
        ProblemKind::Internal,
        "The packet store failed. The reason is in the hub's own log.",
    )
}
