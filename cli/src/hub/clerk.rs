//! The clerk: the hub's service that keeps the log's own stream, with a key of its own.
//!
//! While entries arrive it marks the time, at most every five minutes, so that the log dates itself.

use std::time::Duration;

use anyhow::{Context as _, Result};
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::id::Stream;
use daybook_store::Store;
use daybook_store::append::{Appender, Candidate};
use daybook_store::log::TreeHead;
use daybook_store::publish::Published;
use daybook_store::read::Reader;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::keyfile::Keys;
use crate::random;

/// Seconds between two marks.
const INTERVAL: i64 = 300;
/// How often the clerk looks.
const LOOK: Duration = Duration::from_secs(5);

pub(super) struct Clerk {
    origin: String,
    keys: Keys,
    appender: Appender,
    reader: Reader,
    published: Published,
    head: watch::Receiver<TreeHead>,
    /// Size of the log after the last mark.
    marked: u64,
}

impl Clerk {
    pub(super) fn new(origin: &str, keys: Keys, store: &Store) -> Self {
        Self {
            origin: origin.to_owned(),
            keys,
            appender: store.appender.clone(),
            reader: store.reader.clone(),
            published: store.published.clone(),
            head: store.head.clone(),
            marked: 0,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.mark().await {
                warn!(
                    error = error.as_ref() as &dyn std::error::Error,
                    "The time could not be marked; trying again"
                );
            }
        }
    }

    async fn mark(&mut self) -> Result<()> {
        let size = self.head.borrow().size;
        let Some(released) = self.published.latest() else {
            return Ok(());
        };
        if size <= self.marked {
            return Ok(());
        }
        let stream = self.reader.stream_head(&Stream::Log.to_string()).await?;
        let (seq, leaf, state) =
            stream.map_or((0, None, Map::new()), |head| (head.seq, head.leaf, head.state));
        let before = state.get("time").and_then(Value::as_i64).unwrap_or(0);
        let now = random::now();
        if now < before + INTERVAL {
            return Ok(());
        }
        let claims = Claims {
            aud: self.origin.clone(),
            data: Map::new(),
            iat: now,
            iss: self.keys.actor.clone(),
            jti: random::id()?,
            prev: leaf,
            seen: Some(Seen {
                root: released.head.root,
                size: released.head.size,
            }),
            seq: seq + 1,
            sub: Stream::Log,
            kind: "time-marked".to_owned(),
            version: 1,
        };
        let event = Event::sign(&claims, &self.keys.event)?;
        let receipt = self
            .appender
            .append(
                Candidate {
                    event,
                    openings: Vec::new(),
                },
                now,
            )
            .await;
        self.marked = receipt.context("the mark was not appended")?.index + 1;
        Ok(())
    }
}
