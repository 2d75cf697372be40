//! A witness over HTTP: C2SP tlog-witness, submission and monitoring under one prefix.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use daybook_core::witness::{AddCheckpoint, MAX_REQUEST_LEN, Refusal};
use tracing::{error, info, warn};

use super::{NotCosigned, Witness};
use crate::random;

/// The type of the body of a 409.
const SIZE: HeaderValue = HeaderValue::from_static("text/x.tlog.size");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What a witness serves: `POST /add-checkpoint`, and `GET /<SHA-256 of the origin>/checkpoint`.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(get_checkpoint))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_LEN))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let request = match AddCheckpoint::parse(&body) {
        Ok(request) => request,
        Err(error) => return words(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let (origin, note) = (request.origin().to_owned(), request.checkpoint.to_string());
    // Deciding waits for the disk.
    let decided = tokio::task::spawn_blocking(move || witness.add(&request, random::now())).await;
    match decided {
        Ok(Ok(line)) => ([(header::CONTENT_TYPE, TEXT)], line.to_string()).into_response(),
        Ok(Err(NotCosigned::Refused(refusal))) => {
            match &refusal {
                // The log's own key vouches for both: whoever keeps them can prove the fork.
                Refusal::Inconsistent(_) | Refusal::EmptyRoot => error!(
                    origin,
                    note,
                    "A checkpoint under the log's key is not proved to continue what was cosigned; keep it"
                ),
                refusal => info!(origin, %refusal, "Refused a checkpoint"),
            }
            refused(&refusal)
        }
        Ok(Err(error)) => {
            error!(
                origin,
                error = &error as &dyn std::error::Error,
                "Nothing is cosigned"
            );
            words(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the witness cannot keep its record now",
            )
        }
        Err(error) => {
            warn!(
                error = &error as &dyn std::error::Error,
                "A request has ended by a fault of this program"
            );
            words(StatusCode::INTERNAL_SERVER_ERROR, "the witness has failed")
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refusal {
        Refusal::Conflict(size) => {
            (status, [(header::CONTENT_TYPE, SIZE)], format!("{size}\n")).into_response()
        }
        other => words(status, &other.to_string()),
    }
}

fn words(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], format!("{text}\n")).into_response()
}

async fn get_checkpoint(State(witness): State<Arc<Witness>>, Path(origin): Path<String>) -> Response {
    match witness.monitored(&origin) {
        Some(note) => {
            let brief = HeaderValue::from_static("public, max-age=5");
            (
                [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, brief)],
                note,
            )
                .into_response()
        }
        None => words(StatusCode::NOT_FOUND, "nothing of that log was cosigned"),
    }
}
