//! The clerk: the hub's service that keeps the log's own stream, with a key of its own.
//!
//! While entries arrive it marks the time, at most every five minutes, so that the log dates itself. The rules let no mark
//! be earlier than the one before: one mark from a clock that is far ahead would silence the clerk until that time comes.
//! So it marks nothing while its clock is in doubt.
//!
//! Once an hour it puts the newest cosigned checkpoint into the log ([`statements`]), so that what witnesses said is kept
//! where everybody keeps it; once a day the root over the heads of all streams, so that a pack of evidence can show that it
//! leaves nothing out.

mod statements;

use std::time::Duration;

use anyhow::{Context as _, Result};
use daybook_core::Hash;
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::id::Stream;
use daybook_store::Store;
use daybook_store::append::{Appender, Candidate};
use daybook_store::calm::Calm;
use daybook_store::log::TreeHead;
use daybook_store::monitor::Monitor;
use daybook_store::publish::Published;
use daybook_store::read::Reader;
use daybook_store::witnessed::Witnesses;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use daybook_agent::keyfile::Keys;
use daybook_agent::random;

/// Seconds between two marks.
const INTERVAL: i64 = 300;
/// Seconds by which the last mark may be ahead of the clock before that is worth a word.
const MAX_AHEAD: i64 = 60;
/// Seconds that a clock may be ahead of the newest entry of anybody else. Entries come late, but not all of them.
const MAX_LEAD: i64 = 24 * 60 * 60;
/// Entries that are looked at for one of somebody else.
const MAX_LOOK: u64 = 64;
/// How often the clerk looks.
const LOOK: Duration = Duration::from_secs(5);

pub(super) struct Clerk {
    origin: String,
    keys: Keys,
    appender: Appender,
    reader: Reader,
    published: Published,
    head: watch::Receiver<TreeHead>,
    monitor: Monitor,
    failed: Calm,
    doubted: Calm,
    /// Size of the log after the last mark.
    marked: u64,
    /// Who cosigns, where anybody does.
    witnesses: Option<Witnesses>,
    /// Size of the log after the last statement of the clerk's own: what only it has said is no reason to say more.
    stated: u64,
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
            monitor: store.monitor.clone(),
            failed: Calm::new(),
            doubted: Calm::new(),
            marked: 0,
            witnesses: None,
            stated: 0,
        }
    }

    /// Also anchors what these witnesses cosign.
    pub(super) fn with_witnesses(mut self, witnesses: Option<Witnesses>) -> Self {
        self.witnesses = witnesses;
        self
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = stop.cancelled() => return,
            }
            let now = random::now();
            let outcome = match self.mark(now).await {
                Ok(true) => self.state(now).await,
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => self.failed.forget(),
                Err(error) => {
                    if let Some(unsaid) = self.failed.may_say() {
                        warn!(
                            error = error.as_ref() as &dyn std::error::Error,
                            unsaid, "The clerk could not say what is due; trying again"
                        );
                    }
                }
            }
        }
    }

    /// Marks the time if that is due; `false` where the clock is in doubt, and nothing may be dated.
    async fn mark(&mut self, now: i64) -> Result<bool> {
        let size = self.head.borrow().size;
        let Some(released) = self.published.latest() else {
            return Ok(true);
        };
        if size <= self.marked {
            return Ok(true);
        }
        let stream = self.reader.stream_head(&Stream::Log.to_string()).await?;
        let (seq, leaf, state) =
            stream.map_or((0, None, Map::new()), |head| (head.seq, head.leaf, head.state));
        let before = state.get("time").and_then(Value::as_i64).unwrap_or(0);
        if before <= now + MAX_AHEAD && now < before + INTERVAL {
            return Ok(true);
        }
        if let Some(doubt) = self.doubt(before, now, size).await? {
            if self.doubted.may_say().is_some() {
                error!("No time is marked: {doubt}");
            }
            return Ok(false);
        }
        self.doubted.forget();
        let index = self
            .say("time-marked", Map::new(), (seq, leaf), released.head, now)
            .await?;
        self.marked = index + 1;
        Ok(true)
    }

    /// Appends the next event of the log's own stream.
    async fn say(
        &self,
        kind: &str,
        data: Map<String, Value>,
        (seq, prev): (u64, Option<Hash>),
        seen: TreeHead,
        now: i64,
    ) -> Result<u64> {
        let claims = Claims {
            aud: self.origin.clone(),
            data,
            iat: now,
            iss: self.keys.actor.clone(),
            jti: random::id()?,
            prev,
            seen: Some(Seen {
                root: seen.root,
                size: seen.size,
            }),
            seq: seq + 1,
            sub: Stream::Log,
            kind: kind.to_owned(),
            version: 1,
        };
        let event = Event::sign(&claims, &self.keys.event)?;
        let openings = Vec::new();
        let receipt = self.appender.append(Candidate { event, openings }, now).await;
        Ok(receipt.with_context(|| format!("{kind} was not appended"))?.index)
    }

    /// Why the clock is not to be believed, if there is a reason.
    async fn doubt(&self, before: i64, now: i64, size: u64) -> Result<Option<String>> {
        if before > now + MAX_AHEAD {
            return Ok(Some(format!(
                "the last mark in the log is {} s ahead of this clock. Set the clock if it is slow; if the mark was wrong, \
                 the rules allow no other until that time has come",
                before - now
            )));
        }
        let checks = self.monitor.checks(now).await;
        let clock = checks.iter().find(|check| check.name == "clock" && !check.holds);
        if let Some(clock) = clock {
            return Ok(Some(clock.words.clone()));
        }
        Ok(match self.newest(now, size).await? {
            Some(newest) if now > newest + MAX_LEAD => Some(format!(
                "this clock is {} h ahead of the newest entry of anybody else. If it is right, the next entry that is signed \
                 now will show it",
                (now - newest) / 3_600
            )),
            _ => None,
        })
    }

    /// The latest time that anybody else states in the newest entries; `None` where there are only marks.
    async fn newest(&self, now: i64, size: u64) -> Result<Option<i64>> {
        let mut newest = None;
        let from = size.saturating_sub(MAX_LOOK).max(self.marked);
        for index in (from..size).rev() {
            let Some(entry) = self.reader.entry(index).await? else {
                continue;
            };
            let event = Event::parse(&entry.event)?;
            if event.claims().iss != self.keys.actor {
                newest = newest.max(Some(event.claims().iat));
            }
            // One that is about now is enough.
            if newest.is_some_and(|newest| now <= newest + MAX_LEAD) {
                break;
            }
        }
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use daybook_core::id::Actor;
    use daybook_testkit::{TestLog, workflow};

    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    /// The clerk of a log in which a federation works already. What stands there is marked.
    async fn clerk(log: &TestLog) -> Clerk {
        let size = log.store.head.borrow().size;
        log.store.published.clone().covering(size).await.unwrap();
        let keys = Keys {
            event: log.world.key(&Actor::Clerk),
            actor: Actor::Clerk,
            access: None,
        };
        let mut clerk = Clerk::new(daybook_testkit::identity().origin.as_str(), keys, &log.store);
        clerk.marked = size;
        clerk
    }

    /// Appends an event of somebody else that is dated so.
    async fn dated(log: &mut TestLog, name: &str, iat: i64) {
        let draft = workflow(&log.world, name);
        let mut candidate = log.sign(&draft).await;
        let mut claims = candidate.event.claims().clone();
        claims.iat = iat;
        candidate.event = Event::sign(&claims, &log.world.key(&draft.actor)).unwrap();
        let appended = log.store.appender.append(candidate, iat).await.unwrap();
        log.store
            .published
            .clone()
            .covering(appended.index + 1)
            .await
            .unwrap();
    }

    async fn last_mark(log: &TestLog) -> Option<i64> {
        let head = log.store.reader.stream_head("log").await.unwrap()?;
        head.state.get("time").and_then(Value::as_i64)
    }

    #[tokio::test]
    async fn a_clock_that_is_far_ahead_marks_nothing_and_the_right_one_still_may() {
        let mut log = TestLog::founded().await;
        let mut clerk = clerk(&log).await;
        let before = last_mark(&log).await;
        let now = random::now();
        dated(&mut log, "fresh", now).await;
        for wrong in [now + 400 * DAY, now + 3_600, now + 120] {
            clerk.mark(wrong).await.unwrap();
            assert_eq!(last_mark(&log).await, before, "{} s ahead", wrong - now);
        }
        let doubt = clerk
            .doubt(0, now + 3_600, clerk.marked + 1)
            .await
            .unwrap()
            .unwrap();
        assert!(doubt.contains("ahead of the database server's"), "{doubt}");
        // What was found of the database a moment ago still counts.
        let marked = async {
            while last_mark(&log).await != Some(now) {
                clerk.mark(now).await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), marked)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn hub_and_database_that_are_both_ahead_are_told_by_what_others_sign() {
        let mut log = TestLog::founded().await;
        let mut clerk = clerk(&log).await;
        let before = last_mark(&log).await;
        let now = random::now();
        dated(&mut log, "late", now - 2 * DAY).await;
        clerk.mark(now).await.unwrap();
        assert_eq!(last_mark(&log).await, before);
        let doubt = clerk.doubt(0, now, clerk.marked + 1).await.unwrap().unwrap();
        assert!(doubt.contains("48 h ahead of the newest entry"), "{doubt}");
        dated(&mut log, "fresh", now).await;
        clerk.mark(now).await.unwrap();
        assert_eq!(last_mark(&log).await, Some(now));
    }

    #[tokio::test]
    async fn a_mark_that_is_ahead_of_the_clock_is_said() {
        let log = TestLog::founded().await;
        let clerk = clerk(&log).await;
        let now = random::now();
        let doubt = clerk
            .doubt(now + 5_000, now, clerk.marked)
            .await
            .unwrap()
            .unwrap();
        assert!(doubt.contains("5000 s ahead of this clock"), "{doubt}");
    }

    #[tokio::test]
    async fn heads_are_committed_once_a_day_while_others_write() {
        let mut log = TestLog::founded().await;
        let mut clerk = clerk(&log).await;
        let now = random::now();
        clerk.state(now).await.unwrap();
        let said = || async { log.store.reader.last_of("log", "heads-committed").await.unwrap() };
        let first = said().await.unwrap();
        let event = Event::parse(&first.event).unwrap();
        assert_eq!(
            event.claims().data["size"],
            first.index,
            "all that stood before it"
        );
        let heads = log.world.heads();
        assert_eq!(event.claims().data["heads"], heads.root().to_base64url());
        assert_eq!(event.claims().data["streams"], heads.streams());
        // Not again on the same day, nor when only the clerk has written.
        clerk.state(now + 60).await.unwrap();
        clerk.state(now + 2 * DAY).await.unwrap();
        assert_eq!(said().await.unwrap().index, first.index);
        dated(&mut log, "later", now).await;
        // An author may be five minutes ahead, and the clerk is one.
        clerk.state(now + 60).await.unwrap();
        let again = log.store.reader.last_of("log", "heads-committed").await.unwrap();
        assert_eq!(again.unwrap().index, first.index);
    }
}
