//! Rehearsals: what an append would answer, without the lock of the head and without a trace.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::IsolationLevel;

use super::batch::{Judged, Needs};
use super::{AppendError, Candidate, write};
use crate::health::Health;
use crate::log::TreeHead;
use crate::policy::InForce;
use crate::{StoreError, sql};

/// Rehearsals that may wait for one another.
const MAX_REHEARSALS: usize = 64;
/// How long one waits for its turn and its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an append would have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// Where the event stands already; `None` where it would be appended.
    pub stands_at: Option<u64>,
    /// Number of entries that it was judged after.
    pub size: u64,
}

/// Where rehearsals take place: one at a time, so that they never use more than one connection and one core.
pub(crate) struct Stage {
    origin: String,
    pool: Pool,
    health: Health,
    places: Semaphore,
    /// The table in force as the last rehearsal found it.
    policy: Mutex<Option<InForce>>,
}

impl Stage {
    pub(crate) fn new(origin: String, pool: Pool, health: Health) -> Self {
        Self {
            origin,
            pool,
            health,
            places: Semaphore::new(MAX_REHEARSALS),
            policy: Mutex::new(None),
        }
    }

    /// Judges an event that has passed the door.
    pub(super) async fn rehearse(&self, candidate: &Candidate) -> Result<Rehearsal, AppendError> {
        if let Some(reason) = self.health.stopped() {
            return Err(AppendError::Stopped(reason));
        }
        let _place = self.places.try_acquire().map_err(|_| AppendError::Busy)?;
        let turn = async {
            let mut policy = self.policy.lock().await;
            self.judge(&mut policy, candidate).await
        };
        // Nothing is written, so that a time-out leaves nothing unknown.
        let judged = tokio::time::timeout(PATIENCE, turn).await;
        judged.map_err(|_| AppendError::Busy)?
    }

    async fn judge(
        &self,
        policy: &mut Option<InForce>,
        candidate: &Candidate,
    ) -> Result<Rehearsal, AppendError> {
        let mut client = self.pool.get().await.map_err(StoreError::from)?;
        let judged = self.judge_in_snapshot(&mut client, policy, candidate).await;
        if matches!(&judged, Err(AppendError::Store(_))) {
            // Not back into the pool, where the next to take it would meet what is left of the transaction.
            drop(Object::take(client));
        }
        judged
    }

    async fn judge_in_snapshot(
        &self,
        client: &mut Object,
        policy: &mut Option<InForce>,
        candidate: &Candidate,
    ) -> Result<Rehearsal, AppendError> {
        let tx = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await
            .map_err(StoreError::from)?;
        let head = sql::one(
            &tx,
            "-- snapshot_head
             SELECT size, root
             FROM log_head",
            &[],
        )
        .await
        .map_err(StoreError::from)?;
        let size = TreeHead::from_row(&head)?.size;
        let in_force = match policy.take() {
            Some(mut known) => {
                known.follow(&tx).await?;
                known
            }
            None => InForce::load(&tx).await?,
        };
        let needs = Needs::of(&in_force.table, std::iter::once(&candidate.event));
        let mut known = write::load(&tx, &needs).await?;
        tx.rollback().await.map_err(StoreError::from)?;
        let (mut judged, candidate) = (Judged::default(), Arc::new(candidate.clone()));
        judged.judge(&self.origin, &in_force.table, size, &mut known, [&candidate]);
        *policy = Some(in_force);
        let receipt = judged
            .answers
            .into_iter()
            .next()
            .unwrap_or(Err(AppendError::Busy))?;
        Ok(Rehearsal {
            stands_at: receipt.is_repeat.then_some(receipt.index),
            size,
        })
    }
}
