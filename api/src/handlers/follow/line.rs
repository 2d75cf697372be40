//! One follower's stream: first what it has missed, then what comes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use daybook_store::StoreError;
use daybook_store::publish::{Published, Released};
use daybook_store::read::{Filter, Reader};
use futures::Stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Interest;
use super::feed::{Feed, News, Subscription};
use crate::app::App;

/// Entries that are read at once for one who catches up.
const PAGE: u16 = 100;

/// A stream of messages. It does nothing while nobody takes them.
pub(super) struct Line {
    interest: Interest,
    reader: Reader,
    feed: Feed,
    published: Published,
    ending: CancellationToken,
    /// Where each of the interest's streams goes on, where it is about streams alone.
    streams: Option<Vec<(String, u64)>>,
    /// No entry before this one is to be shown any more.
    next: u64,
    live: Option<Subscription>,
    /// Whether anything was heard since it began to listen.
    has_heard: bool,
    /// Messages that wait to be taken.
    ready: VecDeque<Event>,
    /// The last entry shown, until a checkpoint that covers it was told.
    unpublished: Option<u64>,
    /// Given back when the stream ends.
    _place: Option<OwnedSemaphorePermit>,
}

/// What happened to a stream that is up to date.
enum Came {
    Entry(Arc<News>),
    Published(Released),
    /// More than the buffer holds.
    TooMuch,
    /// The hub ends.
    End,
}

impl Line {
    pub(super) async fn new(
        app: &App,
        feed: Feed,
        interest: Interest,
        from: u64,
    ) -> Result<Self, StoreError> {
        let streams = match interest.streams() {
            None => None,
            Some(names) => {
                let mut streams = Vec::with_capacity(names.len());
                for name in names {
                    let filter = Filter {
                        stream: Some(name.clone()),
                        ..Filter::default()
                    };
                    streams.push((name, app.reader.position(&filter, from).await?));
                }
                Some(streams)
            }
        };
        Ok(Self {
            interest,
            reader: app.reader.clone(),
            feed,
            published: app.published.clone(),
            ending: CancellationToken::new(),
            streams,
            next: from,
            live: None,
            has_heard: false,
            ready: VecDeque::new(),
            unpublished: None,
            _place: None,
        })
    }

    /// The same with its place among the streams, the hub's end, and when to come again after being cut off.
    pub(super) fn kept(
        mut self,
        place: OwnedSemaphorePermit,
        ending: CancellationToken,
        retry: Duration,
    ) -> Self {
        self.ready.push_back(Event::default().retry(retry));
        Self {
            ending,
            _place: Some(place),
            ..self
        }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut line| async {
            let event = line.next_event().await?;
            Some((Ok(event), line))
        })
    }

    /// The next message; `None` where the stream ends. Whoever is interested comes again, after the last index it saw.
    async fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ending.is_cancelled() {
                return None;
            }
            let Some(live) = &mut self.live else {
                self.live = Some(self.feed.subscribe());
                continue;
            };
            if self.next < live.from {
                let target = live.from;
                if let Err(error) = self.catch_up(target).await {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "What a follower has missed could not be read; it is let go"
                    );
                    return None;
                }
                continue;
            }
            match self.wait().await? {
                Came::Entry(news) => {
                    self.has_heard = true;
                    self.show(&news);
                }
                // What was told while it caught up is read like the rest.
                Came::TooMuch if !self.has_heard => self.live = None,
                Came::TooMuch => {
                    debug!("A stream of events ends: its reader is too slow");
                    return None;
                }
                Came::Published(released) => self.tell_checkpoint(&released),
                Came::End => return None,
            }
        }
    }

    /// Reads one page of what comes before an entry that will be told.
    async fn catch_up(&mut self, target: u64) -> Result<(), StoreError> {
        let (entries, next) = if let Some(streams) = &mut self.streams {
            let entries = self.reader.entries_of_streams(streams, PAGE).await?;
            // Those beyond are told, or read once more where the telling was too fast.
            for entry in entries.iter().filter(|entry| entry.index < target) {
                let stream = streams.iter_mut().find(|(name, _)| *name == entry.stream);
                if let Some((_, seq)) = stream {
                    *seq = entry.seq + 1;
                }
            }
            let is_full = entries.len() == usize::from(PAGE);
            let last = entries.last().filter(|_| is_full);
            let next = last.map_or(target, |last| last.index + 1);
            (entries, next)
        } else {
            let Interest::Log(filter) = &self.interest else {
                return Ok(());
            };
            let page = self.reader.page(filter, self.next, target, PAGE).await?;
            (page.entries, page.next.unwrap_or(target))
        };
        for entry in entries.into_iter().filter(|entry| entry.index < target) {
            self.show(&News::new(entry));
        }
        self.next = self.next.max(next.min(target));
        Ok(())
    }

    /// Shows an entry if it is of interest and was not shown before.
    fn show(&mut self, news: &News) {
        let entry = &news.entry;
        if entry.index < self.next {
            return;
        }
        self.next = entry.index + 1;
        if !self.interest.takes(entry) {
            return;
        }
        let message = Event::default()
            .id(entry.index.to_string())
            .event(&entry.kind)
            .data(news.json());
        self.ready.push_back(message);
        self.unpublished = Some(entry.index);
    }

    /// Says that everything shown so far is covered by a checkpoint. It has no id: to resume after it would miss nothing.
    fn tell_checkpoint(&mut self, released: &Released) {
        self.unpublished = None;
        let data = json!({ "size": released.head.size, "note": &*released.note });
        let message = Event::default().event("checkpoint").data(data.to_string());
        self.ready.push_back(message);
    }

    /// Waits for whatever comes first. Nobody who takes nothing is waited for: the feed goes on without it.
    async fn wait(&mut self) -> Option<Came> {
        let Self {
            live,
            published,
            ending,
            unpublished,
            ..
        } = self;
        let live = live.as_mut()?;
        let covered = async {
            match unpublished {
                Some(index) => published.covering(*index + 1).await,
                None => std::future::pending().await,
            }
        };
        let news = tokio::select! {
            () = ending.cancelled() => Came::End,
            told = live.told.recv() => match told {
                Ok(news) => Came::Entry(news),
                Err(RecvError::Lagged(_)) => Came::TooMuch,
                Err(RecvError::Closed) => Came::End,
            },
            released = covered => released.map_or(Came::End, Came::Published),
        };
        Some(news)
    }
}
