//! The sequencer: one loop for each hub, one transaction for all that waits.
//!
//! While a commit is in flight the next batch gathers. Several hubs may run against one database: the lock of the head
//! orders their transactions, and each reads on from its own size when another has moved it.

use daybook_core::tree::RightEdge;
use daybook_rules::Table;
use deadpool_postgres::{Object, Pool};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::batch::{Judged, Needs, judge_all};
use super::intake::Waiting;
use super::{AppendError, Candidate, MAX_BATCH, write};
use crate::StoreError;
use crate::error::damaged;
use crate::health::Health;
use crate::identity::Server;
use crate::log::{self, TreeHead};
use crate::policy;

/// With what a sequencer begins.
pub(crate) struct Start {
    pub(crate) origin: String,
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
    table: Table,
}

impl Sequencer {
    /// Reads where the log stands and checks that the right edge gives the root that the head names.
    pub(crate) async fn load(start: Start) -> Result<Self, StoreError> {
        let client = start.pool.get().await?;
        let head = log::head(&client).await?;
        let edge = log::right_edge(&client, head.size).await?;
        if edge.root() != head.root {
            return Err(damaged(format!(
                "the entries up to {} do not give the root of the head",
                head.size
            )));
        }
        let table = policy::in_force(&client).await?;
        start.head.send_replace(head);
        Ok(Self {
            start,
            session: None,
            edge,
            table,
        })
    }

    /// Takes what waits until the queue is closed and empty, or the log turns out to be damaged.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>, hard_stop: CancellationToken) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                let Some(first) = queue.recv().await else { return };
                waiting.push(first);
            }
            while waiting.len() < MAX_BATCH {
                let Ok(next) = queue.try_recv() else { break };
                waiting.push(next);
            }
            // A caller who no longer listens is not served: its event was not yet sent to the database.
            waiting.retain(|next: &Waiting| !next.answer.is_closed());
            if let Some(reason) = self.start.health.stopped() {
                refuse_all(&mut waiting, &reason);
                continue;
            }
            let attempt = tokio::select! {
                attempt = self.attempt(&waiting) => attempt,
                () = hard_stop.cancelled() => return,
            };
            match attempt {
                Ok((session, judged, edge)) => {
                    self.session = Some(session);
                    self.deliver(judged, edge, &mut waiting).await;
                }
                Err(StoreError::Damaged(reason)) => {
                    error!(reason, "The log is damaged; nothing more is written: {reason}");
                    self.start.health.stop(reason);
                }
                Err(error) => {
                    // Whether it committed is unknown. The next attempt takes the lock, which waits for the old
                    // session to end, and finds each event by its leaf hash if it is there.
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "A transaction failed; trying again"
                    );
                    self.start.health.pause().await;
                }
            }
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
        let tx = session.transaction().await?;
        let head = write::lock_head(&tx).await?;
        self.follow(&tx, head).await?;

        let candidates: Vec<&Candidate> = waiting.iter().map(|next| &next.candidate).collect();
        let needs = Needs::of(&self.table, candidates.iter().map(|candidate| &candidate.event));
        let mut known = write::load(&tx, &needs).await?;
        let judged = judge_all(
            &self.start.origin,
            &self.table,
            head.size,
            &mut known,
            &candidates,
        );
        let mut edge = self.edge.clone();
        if judged.accepted.is_empty() {
            tx.rollback().await?;
            return Ok((session, judged, edge));
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
        Ok((session, judged, edge))
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
        self.table = policy::in_force(tx).await?;
        Ok(())
    }

    async fn deliver(&mut self, judged: Judged, edge: RightEdge, waiting: &mut Vec<Waiting>) {
        let head = TreeHead {
            size: edge.size(),
            root: edge.root(),
        };
        self.edge = edge;
        if judged.adopts {
            self.adopt().await;
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

    /// Takes up the table that was adopted just now. A failure here is met again by the next attempt's own reading.
    async fn adopt(&mut self) {
        let table = async { policy::in_force(&self.start.pool.get().await?).await };
        match table.await {
            Ok(table) => self.table = table,
            Err(error) => {
                let reason = format!("the rule table that was adopted cannot be read: {error}");
                error!(reason, "{reason}");
                self.start.health.stop(reason);
            }
        }
    }
}

fn refuse_all(waiting: &mut Vec<Waiting>, reason: &str) {
    for next in waiting.drain(..) {
        drop(next.answer.send(Err(AppendError::Stopped(reason.to_owned()))));
    }
}
