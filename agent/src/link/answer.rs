//! Answers: problems as the desk has them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use daybook_rules::Refusal;

use super::wire::{PlaceBody, Problem};
use crate::outbox::{OutboxError, Place};
use crate::relay::DeskError;
use crate::spool::SpoolError;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}

impl From<Place> for PlaceBody {
    fn from(place: Place) -> Self {
        Self {
            seq: place.seq,
            prev: place.prev.map(|prev| prev.to_base64url()),
        }
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        let detail = chain(&error);
        match error {
            DeskError::NoJob(_) => Self::new(404, "not-found", detail),
            DeskError::NotHere(_) => Self::new(422, "malformed", detail),
            DeskError::Held => Self::new(409, "on-hold", detail),
            DeskError::Refused(refusal) => refused(&refusal, detail),
            DeskError::Leased(_) => Self::new(409, "leased", detail),
            DeskError::NotCleared => Self::new(403, "not-cleared", detail),
            DeskError::NotAsApproved(_) => Self::new(422, "not-as-approved", detail),
            DeskError::Outbox(OutboxError::NotNext { place, .. }) => Self {
                place: Some(place.into()),
                ..Self::new(409, "not-next", detail)
            },
            DeskError::Outbox(OutboxError::SeenWentBack { .. }) => Self::new(409, "went-back", detail),
            DeskError::Outbox(OutboxError::Spool(error)) | DeskError::Spool(error) => broken(&error, detail),
            DeskError::Standing(_) | DeskError::Outbox(OutboxError::Content(_)) => {
                Self::new(500, "internal", detail)
            }
        }
    }
}

/// What a job does not pass because it is held is said in a word of its own: it passes once the hold ends.
fn refused(refusal: &Refusal, detail: String) -> Problem {
    let is_held = matches!(refusal, Refusal::WrongState { state, .. } if state == "on-hold");
    Problem::new(409, if is_held { "on-hold" } else { refusal.code() }, detail)
}

fn broken(error: &SpoolError, detail: String) -> Problem {
    let code = if error.is_full() { "full" } else { "internal" };
    Problem::new(507, code, detail)
}

/// An error with all its sources, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
