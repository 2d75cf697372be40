//! The sequencer: one loop for each hub, one transaction for all that waits.
//!
//! While a commit is in flight the next batch gathers. Several hubs may run against one database: the lock of the head
//! orders their transactions, and each reads on from its own size when another has moved it.

use daybook_core::event::Event;
use daybook_core::tree::RightEdge;
use deadpool_postgres::{Object, Pool};
use futures::try_join;
use tokio::sync::{mpsc, watch};
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::batch::{Judged, Known, Needs, judge_all};
use super::intake::Waiting;
use super::{AppendError, Candidate, Receipt, write};
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
    edge: RightEdge,
    policy: InForce,
    /// What the last batch left, as long as nobody else appends.
    known: Known,
    /// How many events are still tried one by one, since one of them made a transaction fail.
    singly: usize,
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
    fn new(judged: Judged<'_>, edge: RightEdge) -> Self {
        let last = judged.accepted.last().filter(|_| judged.adopts);
        Self {
            adopted: last.map(|last| last.event.clone()),
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

async fn begin(session: &Object) -> Result<(), StoreError> {
    Ok(session.batch_execute("BEGIN").await?)
}

async fn commit(session: &Object) -> Result<(), StoreError> {
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
            edge,
            policy,
            known: Known::default(),
            singly: 0,
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
        let mut waiting: Vec<Waiting> = Vec::new();
        loop {
            if stop.is_cancelled() {
                queue.close();
            }
            if waiting.is_empty() {
                let first = tokio::select! {
                    first = queue.recv() => first,
                    () = stop.cancelled(), if !stop.is_cancelled() => continue,
                };
                let Some(first) = first else { return };
                waiting.push(first);
            }
            while waiting.len() < self.start.max_batch {
                let Ok(next) = queue.try_recv() else { break };
                waiting.push(next);
            }
            // A caller who no longer listens is not served. If an attempt with an unknown outcome did append its event,
            // the same bytes again will tell.
            waiting.retain(|next| !next.answer.is_closed());
            if let Some(reason) = self.start.health.stopped() {
                refuse_all(&mut waiting, &reason);
            }
            if !waiting.is_empty() {
                self.serve_batch(&mut waiting).await;
            }
        }
    }

    async fn serve_batch(&mut self, waiting: &mut Vec<Waiting>) {
        let width = if self.singly > 0 { 1 } else { waiting.len() };
        self.start.health.sequencer().begins();
        match self.attempt(&waiting[..width]).await {
            Ok(done) => {
                self.start.health.sequencer().worked();
                self.singly = self.singly.saturating_sub(done.answers.len());
                self.deliver(done, waiting);
            }
            Err(StoreError::Damaged(reason)) => {
                error!(reason, "The log is damaged; nothing more is written: {reason}");
                self.start.health.stop(reason);
            }
            Err(error) if is_of_the_events(&error) && width > 1 => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "A batch failed; trying its events one by one"
                );
                self.singly = width;
            }
            Err(error) if is_of_the_events(&error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "The database refuses an event"
                );
                self.singly = self.singly.saturating_sub(1);
                drop(waiting.remove(0).answer.send(Err(error.into())));
            }
            Err(error) => {
                // Whether it committed is unknown. The next attempt takes the lock, which waits for the old session to
                // end, and finds each event by its leaf hash if it is there.
                self.start.meter.retries.inc();
                self.start.health.sequencer().failed(error.plain(), &error);
                if has_waited_in_vain(&error) {
                    self.rescue().await;
                }
                self.start.health.pause().await;
            }
        }
        self.start.health.sequencer().rests();
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
    async fn session(&mut self) -> Result<Object, StoreError> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let session = self.start.pool.get().await?;
        self.start.server.follow(&session).await?;
        Ok(session)
    }

    async fn attempt(&mut self, waiting: &[Waiting]) -> Result<Done, StoreError> {
        let mut session = InTransaction(Some(self.session().await?));
        let known = std::mem::take(&mut self.known);
        let Some(client) = &session.0 else {
            return Err(StoreError::Unreadable("a session"));
        };
        let (done, known) = self.transact(client, known, waiting).await?;
        self.session = session.0.take();
        self.known = known.for_the_next();
        Ok(done)
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

        let candidates: Vec<&Candidate> = waiting.iter().map(|next| &next.candidate).collect();
        let needs = Needs::of(
            &self.policy.table,
            candidates.iter().map(|candidate| &candidate.event),
        );
        let known = if is_ours { known } else { Known::default() };
        let mut known = write::load_more(tx, &needs, known).await?;
        laps.end(Step::Load);
        let judged = judge_all(
            &self.start.origin,
            &self.policy.table,
            head.size,
            &mut known,
            &candidates,
        );
        let mut edge = self.edge.clone();
        if judged.accepted.is_empty() {
            // A commit and not a rollback: what is said to stand in the log must be durable, whoever appended it.
            commit(tx).await?;
            return Ok((Done::new(judged, edge), known));
        }
        let tiles: Vec<_> = judged
            .accepted
            .iter()
            .flat_map(|new| edge.append(*new.event.leaf()))
            .collect();
        let new = TreeHead {
            size: edge.size(),
            root: edge.root(),
        };
        laps.end(Step::Judge);
        write::store(tx, &judged, &known, &tiles, head, new).await?;
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

fn refuse_all(waiting: &mut Vec<Waiting>, reason: &str) {
    for next in waiting.drain(..) {
        drop(next.answer.send(Err(AppendError::Stopped(reason.to_owned()))));
    }
}
