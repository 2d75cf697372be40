//! Problem documents (RFC 9457): a closed set of types, each with a page of its own in `docs/PROBLEMS.md`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use daybook_core::constitution::Breach;
use daybook_rules::Refusal;
use daybook_store::StoreError;
use daybook_store::append::AppendError;
use daybook_store::calm::Calm;
use serde_json::{Map, Value, json};
use tracing::error;

use crate::front::RequestId;

macro_rules! problems {
    ($($name:ident $slug:literal $status:ident $title:literal $remedy:literal;)*) => {
        /// What kind of problem it is. The set only grows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant's title and remedy say what it is")]
        pub enum ProblemKind { $($name),* }

        impl ProblemKind {
            /// Every kind, in the order of `docs/PROBLEMS.md`.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The last part of the problem's `type`.
            pub fn slug(self) -> &'static str { match self { $(Self::$name => $slug),* } }

            /// The problem's `type`: the path of its page.
            pub fn type_uri(self) -> String { format!("/problems/{}", self.slug()) }

            /// The HTTP status.
            pub fn status(self) -> StatusCode { match self { $(Self::$name => StatusCode::$status),* } }

            /// One short sentence, the same for each occurrence.
            pub fn title(self) -> &'static str { match self { $(Self::$name => $title),* } }

            /// What to do about it.
            pub fn remedy(self) -> &'static str { match self { $(Self::$name => $remedy),* } }
        }
    };
}

problems! {
    MalformedRequest "malformed-request" BAD_REQUEST "The request cannot be read"
        "The detail names the part. Compare with the API's description of the route.";
    MalformedEvent "malformed-event" BAD_REQUEST "The event is not of the one form"
        "The detail names the claim or the part. An event is refused for any other spelling of the same content: canonical JSON, unpadded base64url, the exact header.";
    MalformedOpening "malformed-opening" BAD_REQUEST "An opening is not of the one form"
        "An opening is base64url of the canonical JSON of salt, name and value.";
    NotAuthenticated "not-authenticated" UNAUTHORIZED "No valid access token"
        "Send `Authorization: Bearer` with a token signed by a key that is registered for access, for this method and path, at most five minutes old.";
    UnknownKey "unknown-key" UNAUTHORIZED "The signing key is not registered"
        "Register the key first. If the event that does so was sent just now, send this one again.";
    BadSignature "bad-signature" UNAUTHORIZED "The signature does not verify"
        "Sign exactly the bytes that are sent, with the key whose thumbprint is `kid`.";
    NotYourKey "not-your-key" UNAUTHORIZED "The key is not a valid key of that author now"
        "The key was revoked, belongs to another actor, or is registered for another use. Sign with a valid key.";
    NotYourStream "not-your-stream" FORBIDDEN "That author may not write that stream"
        "A stream has one author organisation. An event about somebody else's event stands in a stream of your own and names it in `data.cause`.";
    NotAllowed "not-allowed" FORBIDDEN "That role may not sign that event"
        "`docs/EVENTS.md` says who signs what.";
    NotFound "not-found" NOT_FOUND "There is nothing there, or nothing for you"
        "What is unknown and what is forbidden are answered alike.";
    NotPublished "not-published" NOT_FOUND "The entry is not covered by a published checkpoint yet"
        "Ask again after the time in `Retry-After`.";
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "The route does not take that method"
        "The header `Allow` lists those that it takes.";
    NotNext "not-next" CONFLICT "The event is not the next one of its stream"
        "`seq` and `prev` in this document are those of the next event. Sign it again with them and a new `jti`, if what it says is still so.";
    Conflict "conflict" CONFLICT "Other bytes are known under that id"
        "A `jti` is used once by each author; a packet's id once. Make a fresh random one.";
    TooSlow "too-slow" REQUEST_TIMEOUT "The body came too slowly"
        "Send it again over a better connection; the detail has the times.";
    UriTooLong "uri-too-long" URI_TOO_LONG "Path and query are longer than what is taken"
        "The detail names the limit.";
    TooLarge "too-large" PAYLOAD_TOO_LARGE "The request is larger than what is taken"
        "The detail names the limit.";
    NoSuchRange "no-such-range" RANGE_NOT_SATISFIABLE "The packet has none of the bytes that are asked for"
        "`Content-Range` says how many it has.";
    OverQuota "over-quota" TOO_MANY_REQUESTS "The actor has as much stored as one may have"
        "Name the packets in a job, or wait until they are removed. The detail has the numbers.";
    LengthRequired "length-required" LENGTH_REQUIRED "The length must be stated"
        "Send `Content-Length`.";
    OtherLog "other-log" UNPROCESSABLE_ENTITY "The event is for another log"
        "`aud` must be this log's origin.";
    DatedAhead "dated-ahead" UNPROCESSABLE_ENTITY "The event is dated too far ahead"
        "Set the author's clock.";
    SeenUnknown "seen-unknown" UNPROCESSABLE_ENTITY "The author has seen a tree that this hub did not publish"
        "Fetch the checkpoint again and verify it against the one before. If they disagree, keep both: they prove that somebody forged or forked.";
    Refused "refused" UNPROCESSABLE_ENTITY "The rules do not allow the event now"
        "`code` and the detail say which rule. Nothing was appended.";
    NoWitnesses "no-witnesses" UNPROCESSABLE_ENTITY "This log has no witnesses to wait for"
        "Wait for `published` instead, or for nothing.";
    BadCosignature "bad-cosignature" UNPROCESSABLE_ENTITY "The cosignature is not taken"
        "It must be by a witness of this log's policy, over the text of a checkpoint that this log published. Fetch the checkpoint again, verify that it continues the one before, and cosign it as it is.";
    TooFarBack "too-far-back" UNPROCESSABLE_ENTITY "The stream cannot begin so far back"
        "Read the pages of `GET /v1/events` to the end, then follow after the last index of them.";
    DigestMismatch "digest-mismatch" UNPROCESSABLE_ENTITY "The bytes do not have the stated digest"
        "Send the packet again; state the SHA-256 of its bytes.";
    RateLimited "rate-limited" TOO_MANY_REQUESTS "Too many requests in too short a time"
        "Wait as long as `Retry-After` says, then go on more slowly. Many who share one address share its limit: ask the operator to raise it.";
    Busy "busy" SERVICE_UNAVAILABLE "As much waits as is taken"
        "Send the same bytes again after the time in `Retry-After`.";
    OutcomeUnknown "outcome-unknown" SERVICE_UNAVAILABLE "It is not known yet whether the event was appended"
        "Send the same bytes again: the answer then is true either way, and nothing is appended twice.";
    Stopped "stopped" SERVICE_UNAVAILABLE "The hub has stopped writing"
        "A person must look at the hub. Keep the event and send it again later.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The database does not answer"
        "Try again after the time in `Retry-After`.";
    ViewBehind "view-behind" SERVICE_UNAVAILABLE "The list has not followed the log so far yet"
        "`as_of` is how far it has come. Ask again after the time in `Retry-After`, or without `at_least`.";
    NotReady "not-ready" SERVICE_UNAVAILABLE "The hub is not ready"
        "`checks` says what holds and what does not. It is for whoever runs the hub; each request is still answered as well as can be.";
    PacketsUnavailable "packets-unavailable" SERVICE_UNAVAILABLE "What keeps the packets does not answer as it must"
        "Send the same request again after the time in `Retry-After`.";
    Internal "internal" INTERNAL_SERVER_ERROR "Something is wrong in the hub"
        "It is logged. Tell the operator `request_id`.";
}

/// One occurrence of a problem.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    more: Map<String, Value>,
    /// Seconds until it is worth another try, where that is known.
    wait: Option<u64>,
}

impl Problem {
    /// A problem and what is particular about it.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            more: Map::new(),
            wait: None,
        }
    }

    /// Something is wrong in the hub: the reason is logged, and not told.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        error!(error, "A request found something wrong in the hub");
        Self::new(
            ProblemKind::Internal,
            "The hub could not answer. The reason is in its own log.",
        )
    }

    /// Somebody goes faster than the limits allow.
    pub(crate) fn too_fast(detail: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self {
            wait: Some(seconds.max(1)),
            ..Self::new(ProblemKind::RateLimited, detail)
        }
    }

    /// A problem whose detail is an error with all its sources.
    pub(crate) fn because(kind: ProblemKind, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(kind, chain(error))
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The document.
    pub fn to_json(&self) -> Value {
        let mut document = self.more.clone();
        document.insert("type".to_owned(), self.kind.type_uri().into());
        document.insert("title".to_owned(), self.kind.title().into());
        document.insert("status".to_owned(), self.kind.status().as_u16().into());
        document.insert("detail".to_owned(), self.detail.as_str().into());
        Value::Object(document)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let mut document = self.to_json();
        if let Some(id) = RequestId::current() {
            document["request_id"] = (*id.0).into();
        }
        let mut response = (status, Json(document)).into_response();
        response.extensions_mut().insert(Extension(self.kind));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let again_soon = status == StatusCode::SERVICE_UNAVAILABLE || self.kind == ProblemKind::NotPublished;
        if again_soon {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(wait) = self.wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // While the database is away every request meets this.
        static FAILED: Calm = Calm::new();
        if let Some(unsaid) = FAILED.may_say() {
            error!(
                error = &error as &dyn std::error::Error,
                unsaid, "The database failed a request"
            );
        }
        match error {
            StoreError::Postgres(_) | StoreError::Pool(_) => Self::new(
                ProblemKind::Unavailable,
                "The hub's database did not answer in time.",
            ),
            _ => Self::new(
                ProblemKind::Internal,
                "The hub could not answer. The reason is in its own log.",
            ),
        }
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let kind = match &error {
            AppendError::Ahead { .. } => ProblemKind::DatedAhead,
            AppendError::UnknownKey(_) => ProblemKind::UnknownKey,
            AppendError::Signature(_) => ProblemKind::BadSignature,
            AppendError::SeenUnknown(_) => ProblemKind::SeenUnknown,
            AppendError::Conflict(_) => ProblemKind::Conflict,
            AppendError::Busy | AppendError::Cut => ProblemKind::Busy,
            AppendError::OutcomeUnknown => ProblemKind::OutcomeUnknown,
            AppendError::TooFast { wait } => {
                return Self::too_fast("This author sends more events than one may.", *wait);
            }
            AppendError::Stopped(_) => {
                return Self::new(
                    ProblemKind::Stopped,
                    "The hub has found a doubt about its log and writes nothing.",
                );
            }
            AppendError::Refused(refusal) => return refused(refusal),
            AppendError::Store(_) => {
                let AppendError::Store(error) = error else {
                    return Self::new(ProblemKind::Internal, "");
                };
                return error.into();
            }
        };
        Self::because(kind, &error)
    }
}

/// The rules' refusals keep their own code; those of the constitution that say who may act have kinds of their own.
fn refused(refusal: &Refusal) -> Problem {
    let kind = match refusal {
        Refusal::Breach(Breach::OtherLog { .. }) => ProblemKind::OtherLog,
        Refusal::Breach(Breach::NotYourStream { .. }) => ProblemKind::NotYourStream,
        Refusal::Breach(Breach::NotYourKey { .. }) => ProblemKind::NotYourKey,
        Refusal::Breach(Breach::NotNext { .. }) => ProblemKind::NotNext,
        Refusal::NotYourRole { .. } => ProblemKind::NotAllowed,
        _ => ProblemKind::Refused,
    };
    let problem = Problem::because(kind, refusal).with("code", refusal.code());
    match refusal {
        Refusal::Breach(Breach::NotNext { seq, prev, .. }) => problem
            .with("seq", *seq)
            .with("prev", json!(prev.map(|prev| prev.to_base64url()))),
        _ => problem,
    }
}

/// An error and its sources in one line: `Display` never repeats a source.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
