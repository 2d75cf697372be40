//! Taking events in: through the door, into the queue, and back with the sequencer's answer.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::door::{Door, Learned};
use super::gate::Counted;
use super::rehearsal::{Rehearsal, Stage};
use super::{AppendError, Candidate, Gate, MAX_WAITING_BYTES, Receipt};
use crate::meter::Meter;
use crate::publish::Published;
use crate::read::Reader;

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A candidate in the queue, with the way back to its caller.
pub(crate) struct Waiting {
    pub(super) candidate: Arc<Candidate>,
    pub(super) answer: oneshot::Sender<Result<Receipt, AppendError>>,
    /// Held until the answer is given: what bounds the bytes that wait.
    pub(super) _bytes: OwnedSemaphorePermit,
    pub(super) counted: Counted,
}

/// Takes events in. Cheap to clone.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
    door: Door,
    stage: Arc<Stage>,
    /// Answers that did not come in time.
    unknown: Counter,
}

/// An event in the queue, on its way to an answer.
struct Queued {
    answered: oneshot::Receiver<Result<Receipt, AppendError>>,
    deadline: Instant,
    unknown: Counter,
}

/// One event of a batch: waiting for its answer, or refused already.
pub struct Offered(Result<Queued, AppendError>);

/// Many events that are taken in one after the other: see [`Appender::batch`].
pub struct Batch {
    appender: Appender,
    learned: Learned,
    now: i64,
    /// Whether an event found no room: none that follows is taken.
    is_cut: bool,
}

impl Appender {
    pub(crate) fn new(
        queue: mpsc::Sender<Waiting>,
        reader: Reader,
        published: Published,
        stage: Stage,
    ) -> Self {
        Self {
            queue,
            bytes: Arc::new(Semaphore::new(MAX_WAITING_BYTES)),
            door: Door::new(reader, published),
            stage: Arc::new(stage),
            unknown: Counter::default(),
        }
    }

    /// The same, with a gate that keeps authors to a pace, and a meter that counts.
    pub(crate) fn watched(mut self, gate: Gate, meter: Meter) -> Self {
        self.unknown = meter.unknown_outcomes.clone();
        self.door = self.door.watched(gate, meter);
        self
    }

    /// Events that wait or are being appended, and their bytes.
    pub(crate) fn queued(&self) -> (u64, u64) {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let events = self.queue.max_capacity() - self.queue.capacity();
        (
            count(events),
            count(MAX_WAITING_BYTES.saturating_sub(self.bytes.available_permits())),
        )
    }

    /// Appends an event and answers once it is committed, or with why it is not.
    ///
    /// `now` is the hub's clock in seconds since 1970. The same bytes again answer with the same index.
    pub async fn append(&self, candidate: Candidate, now: i64) -> Result<Receipt, AppendError> {
        let counted = self.door.check(&candidate.event, now).await?;
        self.enqueue(candidate, counted)?.answer().await
    }

    /// Says what [`Appender::append`] would answer now, and appends nothing.
    ///
    /// The same checks at the door, then the same rules against a consistent snapshot without the lock of the head. What is
    /// in the queue counts only once it is committed. A rehearsal takes room among the bytes that wait, and few may wait.
    pub async fn rehearse(&self, candidate: Candidate, now: i64) -> Result<Rehearsal, AppendError> {
        let mut counted = self.door.check(&candidate.event, now).await?;
        let _bytes = self.room_for(&candidate)?;
        let rehearsal = self.stage.rehearse(&candidate).await;
        if rehearsal
            .as_ref()
            .is_ok_and(|rehearsal| rehearsal.stands_at.is_some())
        {
            return rehearsal;
        }
        counted.keep();
        rehearsal
    }

    /// Begins to take a batch in. `now` is the hub's clock in seconds since 1970.
    pub fn batch(&self, now: i64) -> Batch {
        Batch {
            appender: self.clone(),
            learned: Learned::new(),
            now,
            is_cut: false,
        }
    }

    fn room_for(&self, candidate: &Candidate) -> Result<OwnedSemaphorePermit, AppendError> {
        let size = u32::try_from(candidate.bytes()).map_err(|_| AppendError::Busy)?;
        let bytes = self.bytes.clone().try_acquire_many_owned(size);
        bytes.map_err(|_| AppendError::Busy)
    }

    fn enqueue(&self, candidate: Candidate, counted: Counted) -> Result<Queued, AppendError> {
        let bytes = self.room_for(&candidate)?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            candidate: Arc::new(candidate),
            answer,
            _bytes: bytes,
            counted,
        };
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::Busy,
            mpsc::error::TrySendError::Closed(_) => AppendError::Stopped("it is shutting down".to_owned()),
        })?;
        let deadline = Instant::now() + PATIENCE;
        Ok(Queued {
            answered,
            deadline,
            unknown: self.unknown.clone(),
        })
    }
}

impl Batch {
    /// Takes the next events of the batch in, in their order; each sees those before it, their keys included.
    ///
    /// An event that is refused here harms no other. From the first one on for which there is no room, all are refused, so
    /// that no event is judged without those that it may depend on. About 64 at a time keep other callers from waiting.
    pub async fn offer(&mut self, candidates: Vec<Candidate>) -> Vec<Offered> {
        if self.is_cut {
            return candidates.iter().map(|_| Offered::cut()).collect();
        }
        let count = candidates.len();
        let door = self.appender.door.clone();
        let checked = match door.check_all(candidates, &mut self.learned, self.now).await {
            Ok(checked) => checked,
            Err(error) => {
                self.is_cut = true;
                let rest = std::iter::repeat_with(Offered::cut).take(count.saturating_sub(1));
                return std::iter::once(Offered(Err(error))).chain(rest).collect();
            }
        };
        checked
            .into_iter()
            .map(|checked| match checked {
                Ok(_) if self.is_cut => Offered::cut(),
                Ok((candidate, counted)) => {
                    let queued = self.appender.enqueue(candidate, counted);
                    self.is_cut = queued.is_err();
                    Offered(queued)
                }
                Err(refusal) => {
                    self.is_cut |= matches!(refusal, AppendError::TooFast { .. });
                    Offered(Err(refusal))
                }
            })
            .collect()
    }
}

impl Offered {
    fn cut() -> Self {
        Self(Err(AppendError::Cut))
    }

    /// Waits for the answer: once it is committed, or with why it is not.
    pub async fn answer(self) -> Result<Receipt, AppendError> {
        self.0?.answer().await
    }
}

impl Queued {
    async fn answer(self) -> Result<Receipt, AppendError> {
        if let Ok(Ok(answer)) = tokio::time::timeout_at(self.deadline, self.answered).await {
            return answer;
        }
        self.unknown.inc();
        Err(AppendError::OutcomeUnknown)
    }
}
