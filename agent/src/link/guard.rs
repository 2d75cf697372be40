//! Who calls: every request passes here before it is routed, and every answer on its way back.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use daybook_core::id::{Actor, TreRole};

use super::answer::chain;
use super::token::{Call, Presented, TokenError, sign_answer};
use super::wire::{ANSWER_HEADER, Problem};
use crate::random;
use crate::relay::Desk;

/// What the routes share.
#[derive(Clone)]
pub(super) struct Relay {
    pub(super) desk: Arc<Desk>,
    /// The name that every token states.
    pub(super) name: Arc<str>,
    /// Bytes of a request at most, which are those of one output.
    pub(super) max_body: usize,
}

/// Who calls; set by the guard alone.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) TreRole);

/// The digest of a body that is streamed, so that the answer can be signed before its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streamed(pub(super) Hash);

/// Lets through what is signed by a peer for exactly this call, and signs the answer.
pub(super) async fn guard(State(relay): State<Relay>, request: Request, next: Next) -> Response {
    let text = bearer(request.headers()).unwrap_or_default().to_owned();
    let response = match admit(&relay, request, &text).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    sign(&relay, response, &text).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn admit(relay: &Relay, request: Request, text: &str) -> Result<Request, Problem> {
    let presented = Presented::parse(text).map_err(|error| unknown(&error))?;
    let actor = presented.caller().clone();
    let peer = relay.desk.identity().peer(&actor).ok_or_else(|| {
        Problem::new(
            401,
            "not-authenticated",
            format!("{actor} is nobody whom this relay's configuration names"),
        )
    })?;
    let (mut parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let expected = Call {
        link: relay.name.to_string(),
        caller: actor.clone(),
        method: parts.method.to_string(),
        target: target.to_owned(),
        body: *presented.body(),
    };
    // Before the body is read: nobody else gets so much memory.
    presented
        .verify(&peer.access, &expected, random::now())
        .map_err(|error| unknown(&error))?;
    let body = axum::body::to_bytes(body, relay.max_body).await.map_err(|_| {
        Problem::new(
            413,
            "too-large",
            format!("a request has at most {} bytes here", relay.max_body),
        )
    })?;
    if Hash::of(&body) != *presented.body() {
        return Err(unknown(&TokenError::Other("body")));
    }
    if let Actor::Tre(_, role) = actor {
        parts.extensions.insert(Caller(role));
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn unknown(error: &TokenError) -> Problem {
    Problem::new(401, "not-authenticated", chain(error))
}

/// Signs status and body over the token of the call, whether that held or not.
async fn sign(relay: &Relay, response: Response, call: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let (digest, body) = if let Some(Streamed(digest)) = parts.extensions.get::<Streamed>().copied() {
        (digest, body)
    } else if let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await {
        (Hash::of(&bytes), Body::from(bytes))
    } else {
        parts.status = StatusCode::INTERNAL_SERVER_ERROR;
        (Hash::of(b""), Body::empty())
    };
    let keys = &relay.desk.identity().keys;
    let answer = keys
        .access
        .as_ref()
        .map(|key| sign_answer(&relay.name, call, parts.status.as_u16(), &digest, key));
    if let Some(answer) = answer.and_then(|answer| HeaderValue::from_str(&answer).ok()) {
        parts.headers.insert(ANSWER_HEADER, answer);
    }
    Response::from_parts(parts, body)
}
