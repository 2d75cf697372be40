//! Judging ahead: while a batch is being written, the events that come meanwhile are judged as if it had been.
//!
//! What that rests on is true only if the head, once it is locked, is the one that the batch stands on: then nobody else has
//! appended since, and what was read on another connection meanwhile, together with what the batches before it add, is what
//! would be read under the lock. Otherwise all of it is thrown away, and the events are judged anew under the lock.

use std::sync::Arc;

use daybook_core::tree::{FullTile, RightEdge};
use daybook_rules::Table;
use deadpool_postgres::Object;
use futures::join;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Candidate;
use super::batch::{Judged, Known, Needs};
use super::intake::Waiting;
use super::sequencer::{begin, commit};
use super::write::{self, Heads};
use crate::StoreError;
use crate::log::TreeHead;
use crate::meter::{Meter, Step};

/// Events that are read for at once: one round trip, and some milliseconds until they are judged.
const AT_ONCE: usize = 128;
/// Events that are judged before others have a turn on the same task: well below a millisecond of work.
const TURN: usize = 32;

/// By what is judged.
#[derive(Clone, Copy)]
pub(super) struct Judging<'a> {
    pub(super) origin: &'a str,
    pub(super) table: &'a Table,
    pub(super) meter: &'a Meter,
    /// Events of a batch at most.
    pub(super) most: usize,
}

/// Events that were judged after a head that was not locked.
pub(super) struct Ahead {
    /// The tree without them.
    edge: RightEdge,
    known: Known,
    judged: Judged,
}

/// The same with all that is written for them.
pub(super) struct Ready {
    pub(super) judged: Judged,
    pub(super) edge: RightEdge,
    heads: Heads,
    tiles: Vec<FullTile>,
    old: TreeHead,
}

/// What has been taken from the queue: those who wait, and the judgement over the first of them, if there is one.
#[derive(Default)]
pub(super) struct Hand {
    pub(super) waiting: Vec<Waiting>,
    pub(super) ahead: Option<Ahead>,
}

fn head(edge: &RightEdge) -> TreeHead {
    let (size, root) = (edge.size(), edge.root());
    TreeHead { size, root }
}

impl Ahead {
    /// Nothing yet, after a tree of which something is known.
    pub(super) fn after(edge: RightEdge, known: Known) -> Self {
        let judged = Judged::default();
        Self { edge, known, judged }
    }

    /// Events that were judged.
    pub(super) fn count(&self) -> usize {
        self.judged.answers.len()
    }

    /// What is known, of no use any more for what was judged.
    pub(super) fn into_known(self) -> Known {
        self.known
    }

    /// Judges more events.
    pub(super) async fn go_on(
        &mut self,
        session: &Object,
        judging: Judging<'_>,
        candidates: &[Arc<Candidate>],
    ) -> Result<(), StoreError> {
        let mut laps = judging.meter.laps();
        let needs = Needs::of(judging.table, candidates.iter().map(|candidate| &candidate.event));
        let known = std::mem::take(&mut self.known);
        self.known = write::load_more(session, &needs, known).await?;
        laps.end(Step::Load);
        let (judged, known) = (&mut self.judged, &mut self.known);
        for some in candidates.chunks(TURN) {
            judged.judge(judging.origin, judging.table, self.edge.size(), known, some);
            tokio::task::yield_now().await;
        }
        laps.end(Step::Judge);
        Ok(())
    }

    /// Makes all that is written, and what the next batch may begin with.
    pub(super) fn ready(self) -> (Ready, Self) {
        let Self {
            mut edge,
            known,
            judged,
        } = self;
        let old = head(&edge);
        let tiles = judged
            .accepted
            .iter()
            .flat_map(|new| edge.append(*new.event().leaf()));
        let ready = Ready {
            tiles: tiles.collect(),
            heads: Heads::of(&judged, &known),
            old,
            edge,
            judged,
        };
        let next = Self::after(ready.edge.clone(), known.for_the_next(&ready.judged));
        (ready, next)
    }
}

impl Ready {
    /// Writes it, if the head is the one that it stands on; whether it is. Everything but the commit is sent at once.
    pub(super) async fn write(&self, tx: &Object, meter: &Meter) -> Result<bool, StoreError> {
        let (mut laps, new) = (meter.laps(), head(&self.edge));
        write::prepare_first(tx).await?;
        let locking = async {
            let head = write::lock_head(tx).await;
            laps.end(Step::Lock);
            head
        };
        let storing = async {
            if self.judged.accepted.is_empty() {
                return Ok(());
            }
            write::store(tx, &self.judged, &self.heads, &self.tiles, self.old, new).await
        };
        let (begun, locked, stored) = join!(begin(tx), locking, storing);
        begun?;
        // If it is another, what was sent after it has failed too, or is taken back.
        if locked? != self.old {
            tx.batch_execute("ROLLBACK").await?;
            return Ok(false);
        }
        stored?;
        laps.end(Step::Write);
        // A commit where nothing was written, too: what is said to stand in the log must be durable, whoever appended it.
        commit(tx)
            .await
            .inspect_err(|_| _ = meter.commit_failures.inc())?;
        laps.end(Step::Commit);
        Ok(true)
    }
}

/// Takes what comes until the batch before it has been written, and judges it meanwhile.
pub(super) async fn gather(
    queue: &mut mpsc::Receiver<Waiting>,
    hand: &mut Hand,
    mut ahead: Ahead,
    session: &Object,
    judging: Judging<'_>,
    written: &CancellationToken,
) {
    while hand.waiting.len() < judging.most && !ahead.judged.adopts {
        let first = tokio::select! {
            biased;
            () = written.cancelled() => break,
            first = queue.recv() => first,
        };
        let Some(first) = first else { break };
        let from = hand.waiting.len();
        hand.waiting.push(first);
        hand.fill(queue, judging.most.min(from + AT_ONCE));
        let new: Vec<_> = hand.waiting[from..]
            .iter()
            .map(|next| next.candidate.clone())
            .collect();
        if let Err(error) = ahead.go_on(session, judging, &new).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "Nothing could be judged ahead"
            );
            return;
        }
    }
    hand.ahead = Some(ahead);
}

impl Hand {
    /// Takes more from the queue, as many as there are and no more than `most` in all.
    pub(super) fn fill(&mut self, queue: &mut mpsc::Receiver<Waiting>, most: usize) {
        while self.waiting.len() < most {
            let Ok(next) = queue.try_recv() else { return };
            self.waiting.push(next);
        }
    }
}
