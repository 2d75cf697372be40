//! What sort of request it is: how long it may take, and how it is counted.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;

use super::Times;
use super::body::Kept;
use crate::limits::OneOpen;
use crate::metrics::Metrics;

const STREAM: &str = "text/event-stream";

/// A sort of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Health and readiness.
    Probe,
    /// Events to append: too many for a line each.
    Append,
    /// A packet in either direction.
    Packet,
    /// A question that waits for something to happen.
    Wait,
    /// Any other.
    Usual,
}

impl Kind {
    pub(super) fn of(method: &Method, route: Option<&str>, uri: &Uri) -> Self {
        match (method, route) {
            (_, Some("/healthz" | "/readyz")) => Self::Probe,
            (&Method::POST, Some("/v1/events" | "/v1/event-batches")) => Self::Append,
            (_, Some("/v1/packets/{id}")) => Self::Packet,
            _ if asks_to_wait(uri) => Self::Wait,
            _ => Self::Usual,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Packet => "packet",
            Self::Wait => "wait",
            Self::Probe | Self::Usual => "usual",
        }
    }

    /// How long an answer may take. An append answers by itself, in words that say what is known of its event.
    pub(super) fn patience(self, times: &Times) -> Option<Duration> {
        match self {
            Self::Append | Self::Packet => None,
            Self::Wait => Some(times.waiting_answer),
            Self::Probe | Self::Usual => Some(times.answer),
        }
    }
}

/// Whether a stream is asked for.
pub(super) fn asks_for_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains(STREAM))
}

/// Keeps a client's place for as long as somebody takes a stream; any other answer needs none.
pub(super) fn hold(response: Response, place: Option<OneOpen>) -> Response {
    match place {
        Some(place) if is_stream(&response) => response.map(|body| Body::new(Kept::new(body, place))),
        _ => response,
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(STREAM.as_bytes()))
}

/// Counts a stream for as long as somebody takes it, which goes on after the handler has ended.
pub(super) fn follow(metrics: &Metrics, response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    let open = metrics.opens("stream");
    response.map(|body| Body::new(Kept::new(body, open)))
}

fn asks_to_wait(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| pair.starts_with("wait=") || pair.starts_with("at_least="))
}
