//! What every request passes first: its name, the limits, the time it may take, one line in the log, and the counting.

mod body;
mod id;
mod kind;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::{Instrument as _, debug, error_span, info};

use self::body::Watch;
use self::id::REQUEST_ID;
pub(crate) use self::id::RequestId;
pub(crate) use self::kind::Kind;
use crate::app::App;
use crate::limits::OneOpen;
use crate::metrics::Metrics;
use crate::problem::{Problem, ProblemKind};

/// Bytes of a path with its query at most.
const MAX_URI: usize = 8 * 1024;

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For the whole of a body that is not a packet.
    pub body: Duration,
    /// For a packet to begin; from then on it must keep up with `packet_rate`.
    pub packet_start: Duration,
    /// Bytes a second that a packet must come with, over its whole time.
    pub packet_rate: u32,
    /// For an answer, once the body is there. Not for packets, appends (which have times of their own) and streams.
    pub answer: Duration,
    /// The same for a request that asks to wait.
    pub waiting_answer: Duration,
}

impl Default for Times {
    /// 30 seconds for a body; 1 MiB a minute for a packet, after the first minute; 15 seconds for an answer, 75 where it
    /// waits on purpose.
    fn default() -> Self {
        Self {
            body: Duration::from_secs(30),
            packet_start: Duration::from_mins(1),
            packet_rate: 1024 * 1024 / 60,
            answer: Duration::from_secs(15),
            waiting_answer: Duration::from_secs(75),
        }
    }
}

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What is known of a request before it is answered.
struct Seen {
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    kind: Kind,
    begin: Instant,
}

/// Answers a request, or says why not.
pub(crate) async fn stand_in_front(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let kind = Kind::of(
        request.method(),
        route.as_ref().map(MatchedPath::as_str),
        request.uri(),
    );
    let seen = Seen {
        method: request.method().clone(),
        uri: request.uri().clone(),
        route,
        kind,
        begin: Instant::now(),
    };
    // At this level, so that it names the request in every line that there is.
    let span = error_span!("request", id = &*id.0);
    let answering = id.clone().scope(answer(&app, kind, request, next));
    let response = answering.instrument(span.clone()).await;
    let mut response = span.in_scope(|| seen.tell(&app.metrics, response));
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn answer(app: &App, kind: Kind, request: Request, next: Next) -> Response {
    let place = match admit(app, kind, &request) {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    let open = app.metrics.opens(kind.name());
    let times = app.times;
    let (request, watch) = Watch::over(request, kind, &times);
    let response = match kind.patience(&times) {
        Some(patience) => {
            let body = times.body;
            tokio::select! {
                biased;
                response = next.run(request) => response,
                () = watch.overdue(body, patience) => overdue(patience),
            }
        }
        None => next.run(request).await,
    };
    drop(open);
    // A stream keeps its place until it ends, any other only until it is answered.
    let response = kind::hold(response, place);
    if !watch.was_slow() {
        return response;
    }
    let detail = format!(
        "The body did not come within {} s; a packet may take longer, at {} bytes a second or more.",
        times.body.as_secs(),
        times.packet_rate
    );
    let mut response = Problem::new(ProblemKind::TooSlow, detail).into_response();
    // What is left of it is not waited for.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

fn overdue(patience: Duration) -> Response {
    let detail = format!("The answer took longer than {} s.", patience.as_secs());
    Problem::new(ProblemKind::Unavailable, detail).into_response()
}

/// What is refused before it costs anything.
fn admit(app: &App, kind: Kind, request: &Request) -> Result<Option<OneOpen>, Problem> {
    let length = request
        .uri()
        .path_and_query()
        .map_or(0, |text| text.as_str().len());
    if length > MAX_URI {
        let detail = format!("Path and query are at most {MAX_URI} bytes, these are {length}.");
        return Err(Problem::new(ProblemKind::UriTooLong, detail));
    }
    // Whoever watches a hub is never turned away, or a flood would look like a death.
    let peer = request.extensions().get::<Peer>().copied();
    if kind != Kind::Probe
        && let Some(Peer(peer)) = peer
    {
        let client = app.pacer.client(peer, request.headers());
        if let Err(wait) = app.pacer.request_from(client) {
            app.metrics.limited("address");
            return Err(Problem::too_fast(
                "This address asks more often than it may.",
                wait,
            ));
        }
        if kind == Kind::Wait || kind::asks_for_stream(request.headers()) {
            return app.pacer.waits(client).map_err(|_| {
                app.metrics.limited("address");
                let detail = "This address has as many streams and questions that wait as it may.";
                Problem::too_fast(detail, Duration::from_secs(1))
            });
        }
    }
    Ok(None)
}

impl Seen {
    /// One line and the counts. Never the query: it may hold what is not for a log.
    fn tell(&self, metrics: &Arc<Metrics>, response: Response) -> Response {
        let status = response.status().as_u16();
        let took = self.begin.elapsed();
        // What no route takes may be anything, a secret that was pasted into the wrong place too.
        let (route, path) = match &self.route {
            Some(route) => (route.as_str(), self.uri.path()),
            None => ("none", "(no route)"),
        };
        let method = self.method.as_str();
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match self.kind {
            Kind::Append | Kind::Probe => debug!(method, path, status, ms, "Answered"),
            _ => info!(method, path, status, ms, "Answered"),
        }
        metrics.answered(&self.method, route, status, took);
        if let Some(Extension(kind)) = response.extensions().get::<Extension<ProblemKind>>() {
            metrics.problem(*kind);
        }
        kind::follow(metrics, response)
    }
}
