//! What the TRE counts of its own events, for `tre-reported`.

use std::collections::BTreeSet;

use daybook_core::Hash;
use daybook_core::id::Stream;
use serde_json::{Value, json};

use super::{Desk, DeskError};
use crate::author::{self, Draft, sign_at};
use crate::outbox::{Item, OutboxError, look, look_aside, look_at_stream};
use crate::random;
use crate::spool::names;

/// The events of this TRE's jobs, as the relay has them on its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Events that were made, those that the hub has refused for good among them.
    pub made: u64,
    /// Of these, the ones that the log is proved to hold.
    pub acknowledged: u64,
    /// Of these, the ones that are still to be sent or proved.
    pub waiting: u64,
    /// Engine starts that the runner has signed and the log is proved to hold.
    pub runs: u64,
    /// A digest over the leaf hashes of these, in the order of their times: whoever reads the log can compute it.
    pub journal: Hash,
}

impl Counts {
    fn of(there: &[Item], refused: u64) -> Self {
        let there = there
            .iter()
            .filter(|item| matches!(item.event.claims().sub, Stream::Job(_)));
        let (mut made, mut acknowledged, mut starts) = (refused, 0, BTreeSet::new());
        for item in there {
            made += 1;
            if !item.is_proved {
                continue;
            }
            acknowledged += 1;
            let claims = item.event.claims();
            if claims.kind == "run-started" {
                starts.insert((claims.iat, item.event.leaf().0));
            }
        }
        let mut journal = Vec::new();
        for (_, leaf) in &starts {
            journal.extend_from_slice(leaf);
        }
        Self {
            made,
            acknowledged,
            waiting: made - refused - acknowledged,
            runs: starts.len() as u64,
            journal: Hash::of(&journal),
        }
    }

    fn data(&self) -> Value {
        json!({
            "made": self.made, "acknowledged": self.acknowledged, "waiting": self.waiting, "runs": self.runs,
            "journal": self.journal.to_base64url(),
        })
    }
}

impl Desk {
    /// Counts what lies in the spool, of jobs that have ended too.
    pub fn counts(&self) -> Result<Counts, DeskError> {
        let mut there = look(&self.file("outbox"))?;
        let ended = self.file("ended");
        for job in names(&ended)? {
            there.extend(look_at_stream(&ended.join(job).join("outbox"))?);
        }
        let mut refused = 0;
        let aside = self.file("refused");
        for stream in names(&aside)? {
            let items = look_aside(&aside.join(stream))?;
            let of_jobs = |item: &&Item| matches!(item.event.claims().sub, Stream::Job(_));
            refused += items.iter().filter(of_jobs).count() as u64;
        }
        Ok(Counts::of(&there, refused))
    }

    /// Says what the TRE counts, at the end of its own stream, if it still `is_due` once the log was asked when it was said
    /// last; answers whether something was said. Nothing is while an earlier report waits to be proved.
    pub async fn report(&self, is_due: impl FnOnce(Option<i64>) -> bool) -> Result<bool, DeskError> {
        let stream = Stream::Tre(self.identity.tre.clone());
        let waits = |item: &Item| !item.is_proved;
        if self.with_outbox(|outbox| outbox.events(&stream).iter().any(waits)) {
            return Ok(false);
        }
        let head = {
            let mut standing = self.standing.lock().await;
            standing.refresh(std::slice::from_ref(&stream)).await?;
            standing.head(&stream)
        };
        if !is_due(self.reported().await) {
            return Ok(false);
        }
        let (seq, prev) = head.ok_or_else(|| DeskError::NotHere("the TRE has not joined yet".to_owned()))?;
        let seen = self.log.lock().await.seen();
        let counts = self.counts()?;
        let draft = Draft {
            stream: stream.clone(),
            kind: "tre-reported",
            clear: counts.data(),
            sealed: Vec::new(),
        };
        let place = author::Place {
            stream: stream.to_string(),
            seq: seq + 1,
            prev: Some(prev.to_base64url()),
        };
        let (keys, origin) = (&self.identity.keys, self.identity.origin());
        let signed = sign_at(keys, origin, &draft, &place, seen, random::now())
            .map_err(|error| DeskError::NotHere(format!("{error:#}")))?;
        self.with_outbox(|outbox| {
            // The root writes there too: the stream's end is what the log proves.
            outbox.set_head(&stream, seq, prev)?;
            outbox.take(&signed.event, &[], &[])?;
            Ok::<_, OutboxError>(())
        })?;
        self.changed();
        Ok(true)
    }

    /// Whether the log is proved to hold anything of this TRE's jobs.
    pub fn has_history(&self) -> bool {
        self.with_outbox(|outbox| outbox.all().iter().any(|item| item.is_proved))
            || names(&self.file("ended")).is_ok_and(|ended| !ended.is_empty())
    }

    /// When the TRE reported last, by the log; `None` where it never did or the log was not followed yet.
    pub async fn reported(&self) -> Option<i64> {
        let stream = Stream::Tre(self.identity.tre.clone());
        let standing = self.standing.lock().await;
        standing.state(&stream)?.get("reported")?.as_i64()
    }
}
