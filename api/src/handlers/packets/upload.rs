//! `PUT`: a packet comes in. The digest is checked while the bytes come; nothing is kept where it differs.
//!
//! The order is what keeps a 201 true: a place is written down, its bytes become durable, the packet is listed, the answer
//! goes out. Whatever ends in between leaves a place that is written down, and a sweep empties it.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use daybook_core::id::{Actor, Stream, random_id};
use daybook_store::packets::{Begun, Finished, Packet, PacketKind};
use futures::TryStreamExt as _;
use object_store::WriteMultipart;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::PacketParts;
use crate::app::App;
use crate::auth::Caller;
use crate::extract::{Path, Query};
use crate::problem::{Problem, ProblemKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutQuery {
    sha256: String,
}

/// Parts of a packet that may be on their way to the store at once.
const MAX_PARTS: usize = 2;
/// How often an upload that goes on says so.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// Takes a packet in.
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
    let kind = kind_of(&caller)?;
    let size = stated_length(request.headers(), app.packets.limits.max_bytes)?;
    let list = &app.packets.list;
    if let Some(known) = list.find(id).await? {
        let answer = same_again(&known, &wanted, &caller)?;
        if list.sent_again(id).await? {
            return Ok(answer);
        }
    }
    check_sender(&app, &caller).await?;
    let turn = app.packets.uploads.clone().try_acquire_owned();
    let turn = turn.map_err(|_| {
        let detail = "As many packets come in as are taken at once. Send this one again in a moment.";
        Problem::new(ProblemKind::Busy, detail)
    })?;
    let packet = Packet {
        id,
        sha256: wanted,
        size,
        kind,
        owner: caller.to_string(),
        place: String::new(),
    };
    // A task of its own: a sender who goes away ends what comes in, and nothing in the middle of a step.
    let gone = CancellationToken::new();
    let _sender = gone.clone().drop_guard();
    let upload = tokio::spawn(async move {
        let _turn = turn;
        receive(app, packet, request.into_body(), &caller, gone).await
    });
    upload.await.map_err(|error| Problem::internal(&error))?
}

/// Takes the bytes of a packet in, if its sender's quota has room for them.
async fn receive(
    app: App,
    packet: Packet,
    bytes: Body,
    caller: &Actor,
    gone: CancellationToken,
) -> Result<Response, Problem> {
    let (list, quota) = (&app.packets.list, app.packets.limits.quota);
    match list.begin(packet.id, &packet.owner, packet.size, quota).await? {
        Begun::At(place) => {
            let packet = Packet { place, ..packet };
            let upload = Upload {
                parts: app.packets.clone(),
                packet,
                multipart: None,
                gone,
            };
            let meter = &app.packets.meter;
            meter.uploads.inc();
            let answer = upload.run(&app, bytes, caller).await;
            meter.uploads.dec();
            answer
        }
        Begun::OverQuota { bytes, packets } => Err(over_quota(&app, packet.size, bytes, packets)),
    }
}

fn kind_of(caller: &Actor) -> Result<PacketKind, Problem> {
    match caller {
        Actor::Member { .. } => Ok(PacketKind::Request),
        Actor::Tre(..) => Ok(PacketKind::Result),
        _ => Err(Problem::new(
            ProblemKind::NotAllowed,
            "Only members and TREs send packets.",
        )),
    }
}

/// Only those who have something to send may: members of an open project, TREs with a job to which no results belong yet.
async fn check_sender(app: &App, caller: &Actor) -> Result<(), Problem> {
    let detail = match caller {
        Actor::Member { project, .. } => {
            let home = app
                .reader
                .stream_head(&Stream::Project(*project).to_string())
                .await?;
            let state = home.as_ref().and_then(|head| head.state.get("state"));
            if state.and_then(Value::as_str) == Some("open") {
                return Ok(());
            }
            "The project is closed: nothing more is submitted for it."
        }
        Actor::Tre(tre, _) => {
            if app.packets.list.may_send_results(tre.as_str()).await? {
                return Ok(());
            }
            "The TRE has no job to which no results belong yet."
        }
        _ => "Only members and TREs send packets.",
    };
    Err(Problem::new(ProblemKind::NotAllowed, detail))
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

fn stated_length(headers: &HeaderMap, limit: u64) -> Result<u64, Problem> {
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
        Some(length) => Ok(length),
    }
}

fn over_quota(app: &App, size: u64, bytes: u64, packets: u64) -> Problem {
    let quota = app.packets.limits.quota;
    let detail = format!(
        "You have {packets} packets of {bytes} bytes here that no job names, and this one has {size}. At most {} \
         packets of {} bytes are kept so. Name them in a job, or wait until they are removed.",
        quota.packets, quota.bytes
    );
    Problem::new(ProblemKind::OverQuota, detail)
}

/// One upload. However it ends, its place becomes a packet's or is emptied.
struct Upload {
    parts: PacketParts,
    packet: Packet,
    multipart: Option<String>,
    gone: CancellationToken,
}

impl Upload {
    async fn run(mut self, app: &App, bytes: Body, caller: &Actor) -> Result<Response, Problem> {
        if let Err(problem) = self.receive(app, bytes).await {
            self.settle().await;
            return Err(problem);
        }
        match self.parts.list.finish(&self.packet).await {
            Ok(Finished::Listed) => {
                self.parts.meter.stored.inc();
                Ok((StatusCode::CREATED, axum::Json(body(&self.packet))).into_response())
            }
            Ok(Finished::Taken) => {
                // Another upload of that id was faster.
                self.settle().await;
                let known = self.parts.list.find(self.packet.id).await?;
                known.map_or_else(
                    || Err(given_up()),
                    |known| same_again(&known, &self.packet.sha256, caller),
                )
            }
            Ok(Finished::GivenUp) => {
                self.settle().await;
                Err(given_up())
            }
            // It may be listed. A sweep finds out: a place that is still written down is no packet's.
            Err(error) => Err(error.into()),
        }
    }

    async fn receive(&mut self, app: &App, bytes: Body) -> Result<(), Problem> {
        let begun = self.parts.store.begin(&self.packet.place, self.packet.size).await;
        let (mut writer, multipart) = begun.map_err(|error| store_failed(app, &error))?;
        self.multipart = multipart;
        let received = self.copy(app, bytes, &mut writer).await;
        let found = match received {
            Ok(found) => found,
            Err(problem) => {
                self.abort(writer).await;
                return Err(problem);
            }
        };
        if found != self.packet.sha256 {
            self.abort(writer).await;
            let detail = format!(
                "The {} bytes that came have the SHA-256 {found}, and {} was stated.",
                self.packet.size, self.packet.sha256
            );
            return Err(Problem::new(ProblemKind::DigestMismatch, detail));
        }
        if self.packet.size == 0 {
            self.abort(writer).await;
            let put = self.parts.store.put_empty(&self.packet.place).await;
            return put.map_err(|error| store_failed(app, &error));
        }
        let finished = writer.finish().await;
        finished.map(|_| ()).map_err(|error| store_failed(app, &error))
    }

    /// Copies what comes to the store and answers with its digest. It is as long as was stated.
    async fn copy(&self, app: &App, bytes: Body, writer: &mut WriteMultipart) -> Result<Hash, Problem> {
        self.sign_of_life().await?;
        let mut seen_alive = Instant::now();
        let (mut digest, mut size) = (Sha256::new(), 0_u64);
        let mut chunks = bytes.into_data_stream();
        loop {
            let chunk = tokio::select! {
                chunk = chunks.try_next() => chunk.map_err(|_| broke_off())?,
                () = self.gone.cancelled() => return Err(broke_off()),
            };
            let Some(chunk) = chunk else { break };
            size += chunk.len() as u64;
            if size > self.packet.size {
                let detail = format!("More bytes came than the {} that were stated.", self.packet.size);
                return Err(Problem::new(ProblemKind::TooLarge, detail));
            }
            self.parts.meter.received.inc_by(chunk.len() as u64);
            digest.update(&chunk);
            let ready = writer.wait_for_capacity(MAX_PARTS).await;
            ready.map_err(|error| store_failed(app, &error))?;
            writer.put(chunk);
            if seen_alive.elapsed() > SIGN_OF_LIFE {
                self.sign_of_life().await?;
                seen_alive = Instant::now();
            }
        }
        if size < self.packet.size {
            return Err(broke_off());
        }
        Ok(Hash(digest.finalize().into()))
    }

    async fn sign_of_life(&self) -> Result<(), Problem> {
        let multipart = self.multipart.as_deref();
        if self.parts.list.touch(&self.packet.place, multipart).await? {
            Ok(())
        } else {
            Err(given_up())
        }
    }

    async fn abort(&mut self, writer: WriteMultipart) {
        match writer.abort().await {
            Ok(()) => self.multipart = None,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(
                    error,
                    "A broken-off upload could not be aborted; its place is emptied"
                );
            }
        }
    }

    /// Empties the place. What cannot be emptied now stays written down for a sweep.
    async fn settle(&self) {
        empty(&self.parts, &self.packet.place, self.multipart.as_deref()).await;
    }
}

/// Empties a place that becomes no packet, and forgets it.
async fn empty(parts: &PacketParts, place: &str, multipart: Option<&str>) {
    parts.meter.broken.inc();
    if let Err(error) = parts.list.give_up(place).await {
        // Nothing is removed that might be a packet yet.
        let error = &error as &dyn std::error::Error;
        warn!(error, "An upload could not be given up; a sweep will");
        return;
    }
    if let Err(error) = parts.store.empty(place, multipart).await {
        parts.meter.failures.inc();
        let error = &error as &dyn std::error::Error;
        warn!(error, "A broken-off upload could not be removed; a sweep will");
        return;
    }
    if let Err(error) = parts.list.emptied(place).await {
        let error = &error as &dyn std::error::Error;
        warn!(error, "An emptied place could not be forgotten; a sweep will");
    }
}

fn broke_off() -> Problem {
    Problem::new(
        ProblemKind::MalformedRequest,
        "The packet broke off before its end.",
    )
}

fn given_up() -> Problem {
    let detail = "The upload was silent for so long that it was given up. Send the packet again.";
    Problem::new(ProblemKind::PacketsUnavailable, detail)
}

/// The packet store did not do what it must. It may in a moment.
pub(super) fn store_failed(app: &App, error: &object_store::Error) -> Problem {
    app.packets.meter.failures.inc();
    error!(error = error as &dyn std::error::Error, "The packet store failed");
    if matches!(error, object_store::Error::NotFound { .. }) {
        return Problem::new(
            ProblemKind::Internal,
            "The packet is listed and its bytes are not there. The reason is in the hub's own log.",
        );
    }
    Problem::new(
        ProblemKind::PacketsUnavailable,
        "What keeps the packets did not do what it must. The reason is in the hub's own log.",
    )
}
