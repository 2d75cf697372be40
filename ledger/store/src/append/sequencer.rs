//! The sequencer: one loop for each hub, one transaction for all that waits.
//!
//! While a batch is being written the next gathers and is judged ahead. Several hubs may run against one database: the lock of the head
//! orders their transactions, and each reads on from its own size when another has moved it.

use std::sync::Arc;

use daybook_core::event::Event;
use daybook_core::tree::RightEdge;
use deadpool_postgres::{Object, Pool};
use futures::{join, try_join};
use tokio::sync::{mpsc, watch};
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::ahead::{Ahead, Hand, Judging, gather};
use super::batch::{Judged, Known, Needs};
use super::intake::Waiting;
use super::write::{self, Heads};
use super::{AppendError, Candidate, Receipt};
use crate::error::damaged;
use crate::health::Health;
use crate::identity::Server;
use crate::log::{self, TreeHead};
use crate::meter::{Meter, Step};
use crate::policy::InForce;
use crate::{Address, StoreError, connect};

/// With what a sequencer begins.
pub(crate) struct Start {
    pub(crate) origin: String,
    pub(crate) config: Address,
    pub(crate) pool: Pool,
    pub(crate) server: Server,
    pub(crate) health: Health,
    pub(crate) meter: std::sync::Arc<Meter>,
    pub(crate) head: watch::Sender<TreeHead>,
    pub(crate) max_batch: usize,
}

/// The loop and what it keeps between transactions.
pub(crate) struct Sequencer {
    start: Start,
    session: Option<Object>,
    /// A second connection, to look ahead with.
    lookout: Option<Object>,
    edge: RightEdge,
    policy: InForce,
    /// What the last batch left, as long as nobody else appends.
    known: Known,
    /// How many events are still tried one by one, since one of them made a transaction fail.
    singly: usize,
    /// Whether the head was last found where this hub left it: then the next batch is judged before the lock.
    is_alone: bool,
}

/// When a loop ends: after all that waits, or at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    pub(crate) soft: CancellationToken,
    pub(crate) hard: CancellationToken,
}

/// A batch that has committed.
struct Done {
    /// One answer for each candidate that was judged.
    answers: Vec<Result<Receipt, AppendError>>,
    /// The event that adopted another rule table, if one did.
    adopted: Option<Event>,
    edge: RightEdge,
}

impl Done {
    fn new(judged: Judged, edge: RightEdge) -> Self {
        let last = judged.accepted.last().filter(|_| judged.adopts);
        Self {
            adopted: last.map(|last| last.event().clone()),
            answers: judged.answers,
            edge,
        }
    }
}

/// A session in the middle of a transaction. Unless it is taken out in order it is closed, and never goes back into the
/// pool, where the next to take it would meet what is left of the transaction.
struct InTransaction(Option<Object>);

impl Drop for InTransaction {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            drop(Object::take(session));
        }
    }
}

pub(super) async fn begin(session: &Object) -> Result<(), StoreError> {
    Ok(session.batch_execute("BEGIN").await?)
}

pub(super) async fn commit(session: &Object) -> Result<(), StoreError> {
    Ok(session.batch_execute("COMMIT").await?)
}

impl Sequencer {
    /// Reads where the log stands and checks that the right edge gives the root that the head names.
    pub(crate) async fn load(start: Start) -> Result<Self, StoreError> {
        let mut client = start.pool.get().await?;
        let head = log::locked_head(&mut client).await?;
        let edge = log::right_edge(&client, head.size).await?;
        if edge.root() != head.root {
            return Err(damaged(format!(
                "the entries up to {} do not give the root of the head",
                head.size
            )));
        }
        let policy = InForce::load(&client).await?;
        start.head.send_replace(head);
        Ok(Self {
            start,
            session: None,
            lookout: None,
            edge,
            policy,
            known: Known::default(),
            singly: 0,
            is_alone: false,
        })
    }

    /// Takes what waits until it is told to stop, and then what still waits. Whether or not somebody holds an appender
    /// then is no matter: its queue is closed.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>, stop: Stop) {
        let _told = self.start.health.stop_on_panic("sequencer");
        tokio::select! {
            () = self.serve(&mut queue, &stop.soft) => {}
            () = stop.hard.cancelled() => {}
        }
    }

    async fn serve(&mut self, queue: &mut mpsc::Receiver<Waiting>, stop: &CancellationToken) {
        let mut hand = Hand::default();
        loop {
            if stop.is_cancelled() {
                queue.close();
            }
            if hand.waiting.is_empty() {
                // A queue that is not closed yet is never waited at alone: the word to stop may come at any moment.
                let first = if queue.is_closed() {
                    queue.recv().await
                } else {
                    tokio::select! {
                        first = queue.recv() => first,
                        () = stop.cancelled() => continue,
                    }
                };
                let Some(first) = first else { return };
                hand.waiting.push(first);
            }
            if hand.ahead.is_none() {
                hand.fill(queue, self.start.max_batch);
                // A caller who no longer listens is not served. If an attempt with an unknown outcome did append its event,
                // the same bytes again will tell.
                hand.waiting.retain(|next| !next.answer.is_closed());
            }
            if let Some(reason) = self.start.health.stopped() {
                refuse_all(&mut hand, &reason);
            }
            if !hand.waiting.is_empty() {
                self.serve_batch(&mut hand, queue).await;
            }
        }
    }

    async fn serve_batch(&mut self, hand: &mut Hand, queue: &mut mpsc::Receiver<Waiting>) {
        let most = if self.singly > 0 { 1 } else { self.start.max_batch };
        let width = hand.waiting.len().min(most);
        self.start.health.sequencer().begins();
        let mut next = Hand::default();
        let outcome = if self.is_alone && most > 1 {
            self.attempt_ahead(hand, width, queue, &mut next).await
        } else {
            self.attempt(&hand.waiting[..width]).await.map(Some)
        };
        hand.ahead = None;
        match outcome {
            Ok(Some(done)) => {
                self.start.health.sequencer().worked();
                self.singly = self.singly.saturating_sub(done.answers.len());
                self.deliver(done, &mut hand.waiting);
                // Whoever is left comes first.
                hand.ahead = next.ahead.take().filter(|_| hand.waiting.is_empty());
            }
            // Another hub has appended: judged anew under the lock.
            Ok(None) => self.is_alone = false,
            Err(error) => self.failed(error, width, &mut hand.waiting).await,
        }
        hand.waiting.append(&mut next.waiting);
        self.start.health.sequencer().rests();
    }

    async fn failed(&mut self, error: StoreError, width: usize, waiting: &mut Vec<Waiting>) {
        match error {
            StoreError::Damaged(reason) => {
                error!(reason, "The log is damaged; nothing more is written: {reason}");
                self.start.health.stop(reason);
            }
            error if is_of_the_events(&error) && width > 1 => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "A batch failed; trying its events one by one"
                );
                self.singly = width;
            }
            error if is_of_the_events(&error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "The database refuses an event"
                );
                self.singly = self.singly.saturating_sub(1);
                drop(waiting.remove(0).answer.send(Err(error.into())));
            }
            error => {
                // Whether it committed is unknown. The next attempt takes the lock, which waits for the old session to
                // end, and finds each event by its author's id if it is there.
                self.is_alone = false;
                self.start.meter.retries.inc();
                self.start.health.sequencer().failed(error.plain(), &error);
                if has_waited_in_vain(&error) {
                    self.rescue().await;
                }
                self.start.health.pause().await;
            }
        }
    }

    /// Makes the lock of the head free where a frozen hub holds it and the server does not notice.
    async fn rescue(&self) {
        match connect::end_frozen_writers(&self.start.config).await {
            Ok(0) => {}
            Ok(ended) => warn!(ended, "Ended {ended} sessions of a hub that has frozen"),
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "Frozen hubs could not be looked for"
            ),
        }
    }

    /// A session that took part in a failure is never used again.
    async fn session(start: &Start, kept: &mut Option<Object>) -> Result<Object, StoreError> {
        if let Some(session) = kept.take() {
            return Ok(session);
        }
        let session = start.pool.get().await?;
        start.server.follow(&session).await?;
        Ok(session)
    }

    async fn attempt(&mut self, waiting: &[Waiting]) -> Result<Done, StoreError> {
        let mut session = InTransaction(Some(Self::session(&self.start, &mut self.session).await?));
        let known = std::mem::take(&mut self.known);
        let Some(client) = &session.0 else {
            return Err(StoreError::Unreadable("a session"));
        };
        let (done, known) = self.transact(client, known, waiting).await?;
        self.session = session.0.take();
        self.known = known;
        Ok(done)
    }

    /// Writes what was judged before the lock, or is judged now, and takes what comes meanwhile into `next`. Answers with
    /// nothing where another hub has moved the head.
    async fn attempt_ahead(
        &mut self,
        hand: &mut Hand,
        width: usize,
        queue: &mut mpsc::Receiver<Waiting>,
        next: &mut Hand,
    ) -> Result<Option<Done>, StoreError> {
        let mut session = InTransaction(Some(Self::session(&self.start, &mut self.session).await?));
        let mut lookout = InTransaction(Some(Self::session(&self.start, &mut self.lookout).await?));
        let (Some(tx), Some(beside)) = (&session.0, &lookout.0) else {
            return Err(StoreError::Unreadable("a session"));
        };
        let (origin, table, meter) = (&self.start.origin, &self.policy.table, &*self.start.meter);
        let judging = Judging {
            origin,
            table,
            meter,
            most: self.start.max_batch,
        };
        let known = std::mem::take(&mut self.known);
        let ahead = if let Some(ahead) = hand.ahead.take() {
            ahead
        } else {
            let mut ahead = Ahead::after(self.edge.clone(), known);
            let candidates = candidates(&hand.waiting[..width]);
            ahead.go_on(beside, judging, &candidates).await?;
            ahead
        };
        let (ready, after) = ahead.ready();
        let written = CancellationToken::new();
        let writing = async {
            let outcome = ready.write(tx, meter).await;
            written.cancel();
            outcome
        };
        let gathering = async {
            // What another rule table judges waits for it.
            if !ready.judged.adopts {
                gather(queue, next, after, beside, judging, &written).await;
            }
        };
        let (outcome, ()) = join!(writing, gathering);
        let is_written = outcome?;
        self.session = session.0.take();
        if next.ahead.is_some() {
            self.lookout = lookout.0.take();
        }
        if !is_written {
            return Ok(None);
        }
        if let Some(ahead) = next.ahead.take() {
            match ahead.count() {
                0 => self.known = ahead.into_known(),
                _ => next.ahead = Some(ahead),
            }
        }
        meter.took(ready.judged.answers.len(), ready.judged.accepted.len());
        debug!(
            size = ready.edge.size(),
            appended = ready.judged.accepted.len(),
            "Appended a batch"
        );
        Ok(Some(Done::new(ready.judged, ready.edge)))
    }

    async fn transact(
        &mut self,
        tx: &Object,
        known: Known,
        waiting: &[Waiting],
    ) -> Result<(Done, Known), StoreError> {
        let meter = self.start.meter.clone();
        let mut laps = meter.laps();
        // Sent together: the second waits at the server and not here for the first.
        let ((), head) = try_join!(begin(tx), write::lock_head(tx))?;
        let is_ours = self.follow(tx, head).await?;
        laps.end(Step::Lock);

        self.is_alone = is_ours;
        let candidates = candidates(waiting);
        let needs = Needs::of(
            &self.policy.table,
            candidates.iter().map(|candidate| &candidate.event),
        );
        let known = if is_ours { known } else { Known::default() };
        let mut known = write::load_more(tx, &needs, known).await?;
        laps.end(Step::Load);
        let mut judged = Judged::default();
        let (origin, table) = (&self.start.origin, &self.policy.table);
        judged.judge(origin, table, head.size, &mut known, &candidates);
        let mut edge = self.edge.clone();
        if judged.accepted.is_empty() {
            // A commit and not a rollback: what is said to stand in the log must be durable, whoever appended it.
            commit(tx).await?;
            let known = known.for_the_next(&judged);
            return Ok((Done::new(judged, edge), known));
        }
        let leaves = judged.accepted.iter().map(|new| *new.event().leaf());
        let tiles: Vec<_> = leaves.flat_map(|leaf| edge.append(leaf)).collect();
        let new = TreeHead {
            size: edge.size(),
            root: edge.root(),
        };
        laps.end(Step::Judge);
        let heads = Heads::of(&judged, &known);
        write::store(tx, &judged, &heads, &tiles, head, new).await?;
        laps.end(Step::Write);
        commit(tx)
            .await
            .inspect_err(|_| _ = meter.commit_failures.inc())?;
        laps.end(Step::Commit);
        meter.took(judged.answers.len(), judged.accepted.len());
        debug!(
            size = new.size,
            appended = judged.accepted.len(),
            "Appended a batch"
        );
        let known = known.for_the_next(&judged);
        Ok((Done::new(judged, edge), known))
    }

    /// Reads on to a head that another instance has moved, or stops where it does not continue ours. Answers whether it is
    /// where this instance left it.
    async fn follow(&mut self, tx: &Object, head: TreeHead) -> Result<bool, StoreError> {
        let ours = TreeHead {
            size: self.edge.size(),
            root: self.edge.root(),
        };
        if head == ours {
            return Ok(true);
        }
        if head.size < ours.size {
            return Err(damaged(format!(
                "it held {} entries and now holds {}",
                ours.size, head.size
            )));
        }
        if log::root(tx, ours.size).await? != ours.root {
            return Err(damaged(format!(
                "its first {} entries are not those that were there",
                ours.size
            )));
        }
        let edge = log::right_edge(tx, head.size).await?;
        if edge.root() != head.root {
            return Err(damaged(format!(
                "its {} entries do not give the root of its head",
                head.size
            )));
        }
        self.edge = edge;
        self.policy.follow(tx).await?;
        Ok(false)
    }

    fn deliver(&mut self, done: Done, waiting: &mut Vec<Waiting>) {
        let head = TreeHead {
            size: done.edge.size(),
            root: done.edge.root(),
        };
        self.edge = done.edge;
        if let Some(adopted) = done.adopted
            && let Err(error) = self.policy.adopt(&adopted)
        {
            let reason = format!("the rule table that was adopted cannot be read: {error}");
            error!(reason, "{reason}");
            self.start.health.stop(reason);
        }
        for (mut next, answer) in waiting.drain(..done.answers.len()).zip(done.answers) {
            if !answer.as_ref().is_ok_and(|receipt| receipt.is_repeat) {
                next.counted.keep();
            }
            // Nobody listens any more: the caller will ask again with the same bytes.
            drop(next.answer.send(answer));
        }
        self.start.head.send_if_modified(|old| {
            let has_grown = head.size > old.size;
            if has_grown {
                *old = head;
            }
            has_grown
        });
    }
}

/// Whether the lock of the head did not come free in time.
fn has_waited_in_vain(error: &StoreError) -> bool {
    matches!(error, StoreError::Postgres(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
}

/// Whether the server refused what was to be written, as it would again: a constraint or a limit that the rules do not
/// know. Anything else passes, or is the database's own trouble.
fn is_of_the_events(error: &StoreError) -> bool {
    let StoreError::Postgres(error) = error else {
        return false;
    };
    let class = error.code().and_then(|code| code.code().get(..2));
    matches!(class, Some("22" | "23" | "54"))
}

fn candidates(waiting: &[Waiting]) -> Vec<Arc<Candidate>> {
    waiting.iter().map(|next| next.candidate.clone()).collect()
}

fn refuse_all(hand: &mut Hand, reason: &str) {
    hand.ahead = None;
    for next in hand.waiting.drain(..) {
        drop(next.answer.send(Err(AppendError::Stopped(reason.to_owned()))));
    }
}
