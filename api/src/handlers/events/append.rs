//! Appending one event, or only trying it.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daybook_core::event::{Event, FormError};
use daybook_core::sealed::{Opening, OpeningError};
use daybook_rules::Table;
use daybook_rules::deid::screen_openings;
use daybook_store::append::{Candidate, Receipt};
use daybook_store::publish::Released;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

use crate::app::{App, now};
use crate::extract::Query;
use crate::problem::{Problem, ProblemKind};

/// Bytes of a body: an event with its openings.
const MAX_BODY: usize = 512 * 1024;
/// How long `wait=published` waits.
const WAIT: Duration = Duration::from_secs(10);
/// Openings beside one event at most.
const MAX_OPENINGS: usize = 64;

/// An event with the openings that travel beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `event` and `openings`")]
pub(super) struct AppendBody {
    pub(super) event: String,
    #[serde(default)]
    pub(super) openings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppendQuery {
    wait: Option<Wait>,
    #[serde(default)]
    dry_run: bool,
}

/// What an answer may wait for.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wait {
    Published,
    Witnessed,
}

impl Wait {
    /// The member of the answer that says whether it came in time.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Witnessed => "witnessed",
        }
    }
}

/// Appends an event: 201 with where it stands, 200 where it stood there before. With `dry_run`, says what would happen.
pub(crate) async fn append_event(
    State(app): State<App>,
    Query(query): Query<AppendQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let wait = waits(&app, query.wait)?;
    if wait.is_some() && query.dry_run {
        return Err(Problem::new(
            ProblemKind::MalformedRequest,
            "A dry run appends nothing that could be waited for: leave out `wait` or `dry_run`.",
        ));
    }
    let held = app.bodies.read::<AppendBody>(request, MAX_BODY).await?;
    let candidate = candidate(&held.body)?;
    let (stream, seq) = (
        candidate.event.claims().sub.to_string(),
        candidate.event.claims().seq,
    );
    if query.dry_run {
        return rehearse(&app, candidate).await;
    }
    let receipt = app.appender.append(candidate, now()).await?;
    // Who only waits to be published takes no room from others.
    drop(held);
    let mut answer = receipt_body(&receipt, &stream, seq);
    if let Some(wait) = wait {
        let proof = published_proof(&app, wait, &receipt).await;
        answer[wait.word()] = json!(proof.is_some());
        if let Some(proof) = proof {
            answer["proof"] = proof.into();
        }
    }
    let status = status(&receipt);
    let location = HeaderValue::from_str(&format!("/v1/events/{}", receipt.index));
    let location = location.map_err(|error| Problem::internal(&error))?;
    Ok((status, [(header::LOCATION, location)], axum::Json(answer)).into_response())
}

/// What an append would answer now, from a snapshot: another event may come before it.
async fn rehearse(app: &App, candidate: Candidate) -> Result<Response, Problem> {
    let claims = candidate.event.claims();
    let mut answer = json!({
        "dry_run": true, "would": "append", "leaf_hash": candidate.event.leaf().to_base64url(),
        "stream": claims.sub.to_string(), "seq": claims.seq,
    });
    answer["hits"] = hits(&candidate);
    let rehearsal = app.appender.rehearse(candidate, now()).await?;
    answer["tree_size"] = rehearsal.size.into();
    if let Some(index) = rehearsal.stands_at {
        answer["would"] = "repeat".into();
        answer["index"] = index.into();
    }
    Ok(axum::Json(answer).into_response())
}

/// What the screen finds in what the event would make public, without the words that it found.
fn hits(candidate: &Candidate) -> Value {
    let found = screen_openings(Table::v1(), &candidate.event, &candidate.openings);
    let told = found.iter().map(|found| {
        let mut told = json!({
            "field": found.field, "kind": found.hit.kind.as_str(),
            "from": found.characters.0, "to": found.characters.1,
        });
        if let Some(item) = found.item {
            told["item"] = item.into();
        }
        told
    });
    told.collect()
}

/// Reads an event and its openings.
pub(super) fn candidate(body: &AppendBody) -> Result<Candidate, Problem> {
    let event = Event::parse(&body.event).map_err(|error| {
        let kind = match error {
            FormError::TooLong { .. } => ProblemKind::TooLarge,
            _ => ProblemKind::MalformedEvent,
        };
        Problem::because(kind, &error)
    })?;
    let openings = parse_openings(&body.openings)?;
    Ok(Candidate { event, openings })
}

fn parse_openings(texts: &[String]) -> Result<Vec<Opening>, Problem> {
    if texts.len() > MAX_OPENINGS {
        let detail = format!(
            "An event has at most {MAX_OPENINGS} openings, this one comes with {}.",
            texts.len()
        );
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    let openings: Result<_, _> = texts.iter().map(|text| Opening::parse(text)).collect();
    openings.map_err(|error| {
        let kind = match error {
            OpeningError::TooLong(_) => ProblemKind::TooLarge,
            _ => ProblemKind::MalformedOpening,
        };
        Problem::because(kind, &error)
    })
}

/// What the answer waits for. What cannot be waited for is refused before anything is appended.
pub(super) fn waits(app: &App, wait: Option<Wait>) -> Result<Option<Wait>, Problem> {
    let asks = |app: &App| {
        let witnessing = app.witnessing.as_ref();
        witnessing.is_some_and(|one| one.witnesses.policy().asks_for_witnesses())
    };
    match wait {
        Some(Wait::Witnessed) if !asks(app) => Err(Problem::new(
            ProblemKind::NoWitnesses,
            "No witness cosigns this log's checkpoints, so that waiting for one would never end. Nothing was appended.",
        )),
        wait => Ok(wait),
    }
}

/// A receipt as it is told.
pub(super) fn receipt_body(receipt: &Receipt, stream: &str, seq: u64) -> Value {
    json!({
        "index": receipt.index, "leaf_hash": receipt.leaf.to_base64url(), "stream": stream, "seq": seq,
    })
}

/// 201, or 200 for bytes that stood in the log before.
pub(super) fn status(receipt: &Receipt) -> StatusCode {
    if receipt.is_repeat {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    }
}

/// A checkpoint over so many entries, as far as it is waited for; `None` where none came in time.
pub(super) async fn published(app: &App, wait: Wait, size: u64) -> Option<Released> {
    let released = async {
        match (wait, &app.witnessing) {
            (Wait::Witnessed, Some(witnessing)) => witnessing.witnesses.covering(size).await,
            _ => app.published.clone().covering(size).await,
        }
    };
    let released = tokio::time::timeout(WAIT, released).await.ok().flatten();
    released.map(|released| app.decorated(released))
}

/// The `.tlog-proof` of what was appended just now. It stands in the log whether or not there is one to show yet.
async fn published_proof(app: &App, wait: Wait, receipt: &Receipt) -> Option<String> {
    let released = published(app, wait, receipt.index + 1).await?;
    match app.reader.proof(receipt.index, &released).await {
        Ok(proof) => proof.map(|proof| proof.to_string()),
        Err(error) => {
            warn!(
                error = &error as &dyn std::error::Error,
                "An event was appended and its proof could not be read"
            );
            None
        }
    }
}
