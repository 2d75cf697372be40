//! Following live: server-sent events (the WHATWG's `text/event-stream`).
//!
//! What is shown is committed, and may not be published yet; a message `checkpoint` says when it is. One reader of the log
//! serves all who follow it, and a follower takes what it has room for: whoever is too slow is let go and resumes by index.

mod feed;
mod line;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use daybook_store::Store;
use daybook_store::read::{Entry, Filter};
use tokio::sync::Semaphore;

use self::feed::Feed;
use self::line::Line;
use crate::app::App;
use crate::problem::{Problem, ProblemKind};
use crate::server::Ending;

/// Where a client that comes again says what it has seen last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// When a client that was cut off should come again; each a little later than the one before, up to twice that.
const RETRY: Duration = Duration::from_secs(2);

/// How much following there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// Streams at once, of all routes.
    pub streams: usize,
    /// Entries that a stream may be behind the newest before it is let go.
    pub buffer: usize,
    /// Entries that the log may be ahead of where a stream of it begins.
    pub behind: u64,
    /// How often a stream without news says that it lives.
    pub heartbeat: Duration,
}

impl Default for Following {
    /// 500 streams, 1,024 entries of room for each, 100,000 entries back at most, a sign of life every 15 seconds.
    fn default() -> Self {
        Self {
            streams: 500,
            buffer: 1_024,
            behind: 100_000,
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// Those who follow. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Follow {
    limits: Following,
    places: Arc<Semaphore>,
    feed: Feed,
    /// Streams that were ever begun: spreads the times at which they come again.
    begun: Arc<AtomicU64>,
}

/// What a stream is about.
#[derive(Clone, Debug)]
pub(crate) enum Interest {
    /// The whole log, or what a filter takes of it.
    Log(Filter),
    /// All events of some streams.
    Streams(Vec<String>),
    /// A job's events, and the first of its submission.
    Job {
        /// The job's stream.
        job: String,
        /// The submission's.
        submission: String,
    },
}

impl Interest {
    /// Whether an entry is to be shown.
    fn takes(&self, entry: &Entry) -> bool {
        match self {
            Self::Log(filter) => filter.takes(entry),
            Self::Streams(streams) => streams.contains(&entry.stream),
            Self::Job { job, submission } => {
                entry.stream == *job || (entry.seq == 1 && entry.stream == *submission)
            }
        }
    }

    /// The only streams that it is about, if there are such.
    fn streams(&self) -> Option<Vec<String>> {
        match self {
            Self::Log(filter) => filter.stream.clone().map(|stream| vec![stream]),
            Self::Streams(streams) => Some(streams.clone()),
            Self::Job { job, submission } => Some(vec![submission.clone(), job.clone()]),
        }
    }
}

impl Follow {
    pub(crate) fn new(store: &Store, limits: Following) -> Self {
        Self {
            limits,
            places: Arc::new(Semaphore::new(limits.streams)),
            feed: Feed::new(store.reader.clone(), store.head.clone(), limits.buffer),
            begun: Arc::default(),
        }
    }

    /// A stream of what somebody is interested in, from the entry `from` on.
    pub(crate) async fn answer(
        &self,
        app: &App,
        interest: Interest,
        from: u64,
        ending: Option<Extension<Ending>>,
    ) -> Result<Response, Problem> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{} streams are open already, which is all.", self.limits.streams);
            Problem::new(ProblemKind::Busy, detail)
        })?;
        let head = app.head.borrow().size;
        if matches!(interest, Interest::Log(_)) && head.saturating_sub(from) > self.limits.behind {
            let detail = format!(
                "The log has {head} entries, and a stream of it begins at most {} back.",
                self.limits.behind
            );
            return Err(Problem::new(ProblemKind::TooFarBack, detail));
        }
        let Extension(Ending(ending)) = ending.unwrap_or_default();
        let turn = self.begun.fetch_add(1, Ordering::Relaxed) % 16;
        let retry = RETRY + RETRY * u32::try_from(turn).unwrap_or(0) / 16;
        let line = Line::new(app, self.feed.clone(), interest, from)
            .await?
            .kept(place, ending, retry);
        let alive = KeepAlive::new().interval(self.limits.heartbeat).text("alive");
        let mut answer = Sse::new(line.into_stream()).keep_alive(alive).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        // Proxies of the usual kind would gather what is to be told at once.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(answer)
    }
}

/// Whether somebody asks for a stream of events and not for one answer.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    accepted.any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// The entry with which a stream goes on, where the request says: after `Last-Event-ID`, which a client sends when it comes
/// again, or after `after`.
pub(crate) async fn resume(
    app: &App,
    headers: &HeaderMap,
    after: Option<u64>,
) -> Result<Option<u64>, Problem> {
    let malformed = |detail: String| Problem::new(ProblemKind::MalformedRequest, detail);
    let last = match headers.get(LAST_EVENT_ID) {
        None => after,
        Some(id) => {
            let text = id.to_str().unwrap_or_default();
            let index = text.parse::<u64>().ok().filter(|index| index.to_string() == text);
            let garbage = || malformed("`Last-Event-ID` is the index of an entry.".to_owned());
            Some(index.ok_or_else(garbage)?)
        }
    };
    let Some(last) = last else { return Ok(None) };
    let next = last.saturating_add(1);
    // Another instance may have shown what this one has not heard of.
    if next > app.head.borrow().size && next > app.reader.head_size().await? {
        return Err(malformed(format!(
            "The log has no entry {last} yet. If one was shown under that index, it was by another log."
        )));
    }
    Ok(Some(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_wanted_by_name_only() {
        for (accept, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; q=0.9", true),
            ("application/json, text/event-stream", true),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("text/event-streams", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(is_wanted(&headers), expected, "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[test]
    fn limits_are_those_of_the_design() {
        let Following {
            streams,
            buffer,
            behind,
            heartbeat,
        } = Following::default();
        assert_eq!(
            (streams, buffer, behind, heartbeat.as_secs()),
            (500, 1_024, 100_000, 15)
        );
    }
}
