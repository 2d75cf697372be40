//! The sequencer: one loop for each hub, one transaction for all that waits.
//!
//! While a commit is in flight the next batch gathers. Several hubs may run against one database: the lock of the head
//! orders their transactions, and each reads on from its own size when another has moved it.

use daybook_core::tree::RightEdge;
use deadpool_postgres::{Object, Pool};
use tokio::sync::{mpsc, watch};
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::batch::{Judged, Needs, judge_all};
use super::intake::Waiting;
use super::{AppendError, Candidate, MAX_BATCH, write};
use crate::error::damaged;
use crate::health::Health;
use crate::identity::Server;
use crate::log::{self, TreeHead};
use crate::policy::InForce;
use crate::{StoreError, connect};

/// With what a sequencer begins.
pub(crate) struct Start {
    pub(crate) origin: String,
    pub(crate) config: Config,
    pub(crate) pool: Pool,
    pub(crate) server: Server,
    pub(crate) health: Health,
    pub(crate) head: watch::Sender<TreeHead>,
}

/// The loop and what it keeps between transactions.
pub(crate) struct Sequencer {
    start: Start,
    session: Option<Object>,
    edge: RightEdge,
    policy: InForce,
    /// How many events are still tried one by one, since one of them made a transaction fail.
    singly: usize,
}

/// When a loop ends: after all that waits, or at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    pub(crate) soft: CancellationToken,
    pub(crate) hard: CancellationToken,
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
            while waiting.len() < MAX_BATCH {
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
        match self.attempt(&waiting[..width]).await {
            Ok((session, judged, edge)) => {
                self.session = Some(session);
                self.singly = self.singly.saturating_sub(judged.answers.len());
                self.deliver(judged, edge, waiting);
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
                warn!(
                    error = &error as &dyn std::error::Error,
                    "A transaction failed; trying again"
                );
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
    async fn session(&mut self) -> Result<Object, StoreError> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let session = self.start.pool.get().await?;
        self.start.server.check(&session).await?;
        Ok(session)
    }

    async fn attempt(&mut self, waiting: &[Waiting]) -> Result<(Object, Judged, RightEdge), StoreError> {
        let mut session = self.session().await?;
        match self.transact(&mut session, waiting).await {
            Ok((judged, edge)) => Ok((session, judged, edge)),
            Err(error) => {
                // Not back into the pool, where the next to take it would meet what is left of the transaction.
                drop(Object::take(session));
                Err(error)
            }
        }
    }

    async fn transact(
        &mut self,
        session: &mut Object,
        waiting: &[Waiting],
    ) -> Result<(Judged, RightEdge), StoreError> {
        let tx = session.transaction().await?;
        let head = write::lock_head(&tx).await?;
        self.follow(&tx, head).await?;

        let candidates: Vec<&Candidate> = waiting.iter().map(|next| &next.candidate).collect();
        let needs = Needs::of(
            &self.policy.table,
            candidates.iter().map(|candidate| &candidate.event),
        );
        let mut known = write::load(&tx, &needs).await?;
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
            tx.commit().await?;
            return Ok((judged, edge));
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
        write::store(&tx, &judged, &known, &tiles, head, new).await?;
        tx.commit().await?;
        debug!(
            size = new.size,
            appended = judged.accepted.len(),
            "Appended a batch"
        );
        Ok((judged, edge))
    }

    /// Reads on to a head that another instance has moved, or stops where it does not continue ours.
    async fn follow(
        &mut self,
        tx: &deadpool_postgres::Transaction<'_>,
        head: TreeHead,
    ) -> Result<(), StoreError> {
        let ours = TreeHead {
            size: self.edge.size(),
            root: self.edge.root(),
        };
        if head == ours {
            return Ok(());
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
        self.policy.follow(tx).await
    }

    fn deliver(&mut self, judged: Judged, edge: RightEdge, waiting: &mut Vec<Waiting>) {
        let head = TreeHead {
            size: edge.size(),
            root: edge.root(),
        };
        self.edge = edge;
        if judged.adopts
            && let Some(last) = judged.accepted.last()
            && let Err(error) = self.policy.adopt(&last.event)
        {
            let reason = format!("the rule table that was adopted cannot be read: {error}");
            error!(reason, "{reason}");
            self.start.health.stop(reason);
        }
        for (next, answer) in waiting.drain(..judged.answers.len()).zip(judged.answers) {
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
