//! The projector: one thread for each hub, which folds what the log has gained into all views.
//!
//! It has a runtime of its own, at a lower priority: to read and to fold a batch keeps a processor busy for milliseconds on end,
//! and requests that come meanwhile go before.
//!
//! Views whose cursors stand at the same place are folded together, so that an entry is read once for all of them. A view
//! that is still being filled takes turns with those that follow the head. Any number of hubs may run: who does not get
//! the lock of a cursor leaves that view to the other.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, error, info, warn};

use super::batch::{self, BatchError, Place};
use super::{Progress, View, ViewList, cursor, prune, schema, schema_of, wake};
use crate::log::TreeHead;
use crate::{Address, StoreError, connect};

/// How often the log is looked at although nobody has told of news.
const POLL: Duration = Duration::from_millis(250);
/// The least time between two transactions that each found less than a full batch: an entry in a batch of 64 was measured to
/// cost three times what one of 2,000 does.
const GATHER: Duration = Duration::from_millis(100);
/// The same where the transaction before found this many: jobs then move on several times between two of them, and each row
/// is written once.
const GATHER_BUSY: (u64, Duration) = (1_000, Duration::from_millis(300));
/// The first and the longest time until a failed database is asked again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What is added to the niceness of the hub's other threads: beside one of those that wants all of a processor it gets a quarter.
const NICE: i32 = 5;
/// How long the last transaction may take at the end.
const LAST: Duration = Duration::from_secs(5);

/// With what a projector begins.
pub struct Start {
    /// The database.
    pub address: Address,
    /// What is folded.
    pub views: ViewList,
    /// The committed head as this hub knows it: it wakes the projector.
    pub head: watch::Receiver<TreeHead>,
    /// Entries that are folded in one transaction at most; usually [`super::MAX_FOLD`].
    pub batch: u64,
}

/// A projector that runs.
pub struct Projector {
    progress: Progress,
    stop: CancellationToken,
    /// Ends it in the middle of a transaction.
    abort: CancellationToken,
    /// Hears nothing but that the thread has ended.
    ended: oneshot::Receiver<()>,
    _ends_with_it: DropGuard,
}

impl Projector {
    /// Makes the schemas that are missing, and begins to follow the log.
    pub async fn start(start: Start) -> Result<Self, StoreError> {
        let Start {
            address,
            views,
            head,
            batch,
        } = start;
        prepare(&address, &views).await?;
        let progress = Progress::new(views.iter().map(|view| view.name()));
        let (stop, news) = (CancellationToken::new(), Arc::new(Notify::new()));
        let work = Work {
            pool: connect::view_pool(&address)?,
            address: address.clone(),
            views,
            progress: progress.clone(),
            session: None,
            turn: 0,
            limit: batch,
            batch,
            until: u64::MAX,
            singly: 0,
        };
        let waking = wake::run(address, head.clone(), news.clone(), stop.clone());
        let projecting = work.run(head, news, stop.clone());
        let abort = CancellationToken::new();
        let ended = on_a_thread(abort.clone().run_until_cancelled_owned(async {
            tokio::join!(projecting, waking);
        }))?;
        Ok(Self {
            progress,
            abort,
            ended,
            _ends_with_it: stop.clone().drop_guard(),
            stop,
        })
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Ends after the transaction in flight, for which it waits five seconds at most.
    pub async fn stop(self) {
        let Self {
            stop,
            abort,
            mut ended,
            ..
        } = self;
        stop.cancel();
        if tokio::time::timeout(LAST, &mut ended).await.is_err() {
            warn!("Views did not end in time: what they were at is done again at the next start");
            abort.cancel();
            drop(ended.await);
        }
    }
}

/// Does something on a new thread of low priority; what comes back hears of its end.
fn on_a_thread<F>(work: F) -> Result<oneshot::Receiver<()>, StoreError>
where
    F: Future + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StoreError::Thread)?;
    let (end, ended) = oneshot::channel::<()>();
    let body = move || {
        // Linux has a priority for each thread. Without, it is as quick as everybody.
        if let Err(error) = rustix::process::nice(NICE) {
            debug!(%error, "Views keep the priority of the hub");
        }
        runtime.block_on(work);
        drop(end);
    };
    let thread = std::thread::Builder::new().name("views".to_owned());
    thread.spawn(body).map_err(StoreError::Thread)?;
    Ok(ended)
}

async fn prepare(address: &Address, views: &ViewList) -> Result<(), StoreError> {
    let mut client = connect::open(address, "daybook views").await?;
    let views: Vec<&dyn View> = views.iter().map(AsRef::as_ref).collect();
    schema::ensure(&mut client, &views).await
}

/// What a step found.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A batch was as large as it may be, or there is another reason to go on at once.
    More,
    /// So many entries, less than a batch.
    Some(u64),
    /// Nothing.
    Nothing,
}

struct Work {
    pool: Pool,
    address: Address,
    views: ViewList,
    progress: Progress,
    session: Option<Object>,
    /// Counts steps, so that views that are filled and views that follow take turns.
    turn: u64,
    /// Entries in the next batch at most, and in any.
    limit: u64,
    batch: u64,
    /// Fold only up to here: the entry that follows made a fold fail.
    until: u64,
    /// For how many steps each view is folded alone, since one of them made a transaction fail.
    singly: usize,
}

/// Views whose cursors stand at one place.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    size: u64,
    views: Vec<usize>,
}

impl Work {
    async fn run(mut self, mut head: watch::Receiver<TreeHead>, news: Arc<Notify>, stop: CancellationToken) {
        let mut pause = BACK_OFF.0;
        loop {
            let wait = match self.step().await {
                Ok(Step::More) => Duration::ZERO,
                Ok(Step::Some(found)) if found >= GATHER_BUSY.0 => GATHER_BUSY.1,
                Ok(Step::Some(_)) => GATHER,
                Ok(Step::Nothing) => {
                    tokio::select! {
                        changed = head.changed() => {
                            if changed.is_err() {
                                // The hub is ending; until it says so, polling will do.
                                tokio::time::sleep(POLL).await;
                            }
                        }
                        () = news.notified() => {}
                        () = tokio::time::sleep(POLL) => {}
                        () = stop.cancelled() => return,
                    }
                    Duration::ZERO
                }
                Err(problem) => {
                    self.session = None;
                    if pause == BACK_OFF.0 {
                        warn!(
                            error = &problem as &dyn std::error::Error,
                            "Views stand still: the database failed; trying again"
                        );
                    }
                    let now = pause;
                    pause = (pause * 2).min(BACK_OFF.1);
                    self.wait(now, &stop).await;
                    if stop.is_cancelled() {
                        return;
                    }
                    continue;
                }
            };
            if pause != BACK_OFF.0 {
                info!("Views follow the log again");
                pause = BACK_OFF.0;
            }
            self.wait(wait, &stop).await;
            if stop.is_cancelled() {
                return;
            }
        }
    }

    async fn wait(&self, time: Duration, stop: &CancellationToken) {
        if !time.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// A session that took part in a failure is never used again.
    async fn session(&mut self) -> Result<Object, StoreError> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let session = self.pool.get().await?;
        // First: what was pruned until then is made anew, and what is there then is not pruned.
        prune::claim(&session, &self.views).await?;
        if let Err(error) = prepare(&self.address, &self.views).await {
            drop(Object::take(session));
            return Err(error);
        }
        Ok(session)
    }

    async fn step(&mut self) -> Result<Step, StoreError> {
        let mut session = self.session().await?;
        match self.transact(&mut session).await {
            Ok(step) => {
                self.session = Some(session);
                Ok(step)
            }
            Err(error) => {
                drop(Object::take(session));
                Err(error)
            }
        }
    }

    async fn transact(&mut self, session: &mut Object) -> Result<Step, StoreError> {
        let names: Vec<String> = self.views.iter().map(|view| schema_of(view.as_ref())).collect();
        let tx = session.transaction().await?;
        let free = cursor::lock_free(&tx, &names).await?;
        let cursors = free.into_iter().filter_map(|(schema, size)| {
            let nth = names.iter().position(|name| *name == schema)?;
            self.progress.tell(self.views[nth].name(), size);
            (!self.progress.has_stopped(self.views[nth].name())).then_some((nth, size))
        });
        let mut groups = group(cursors.collect());
        let is_all = groups.iter().map(|group| group.views.len()).sum::<usize>() == names.len();
        if self.singly > 0 {
            self.singly -= 1;
            groups = apart(groups);
        }
        for (nth, to) in order(&groups, self.turn) {
            let chosen = &groups[nth];
            let to = to.min(chosen.size + self.limit);
            let to = if chosen.size < self.until {
                to.min(self.until)
            } else {
                to
            };
            let into: Vec<Place<'_>> = chosen
                .views
                .iter()
                .map(|view| Place {
                    view: self.views[*view].as_ref(),
                    schema: &names[*view],
                })
                .collect();
            match batch::fold(&tx, &into, chosen.size, to).await {
                Ok(folded) if folded.size == chosen.size => {}
                Ok(folded) => {
                    tx.commit().await?;
                    self.turn += 1;
                    self.limit = folded.next.min(self.batch);
                    for view in &chosen.views {
                        self.progress.tell(self.views[*view].name(), folded.size);
                    }
                    let is_full = folded.size == to;
                    return Ok(if is_full {
                        Step::More
                    } else {
                        Step::Some(folded.size - chosen.size)
                    });
                }
                Err(error) => {
                    drop(tx);
                    return self.failed(error, &groups.swap_remove(nth));
                }
            }
        }
        tx.commit().await?;
        if !is_all {
            self.ask_others(session, &names).await?;
        }
        Ok(Step::Nothing)
    }

    /// What another hub has folded.
    async fn ask_others(&self, session: &Object, names: &[String]) -> Result<(), StoreError> {
        for (schema, size) in cursor::all(session).await? {
            if let Some(nth) = names.iter().position(|name| *name == schema) {
                self.progress.tell(self.views[nth].name(), size);
            }
        }
        Ok(())
    }

    fn failed(&mut self, error: BatchError, group: &Group) -> Result<Step, StoreError> {
        self.turn += 1;
        match error {
            BatchError::Entries(reason) => self.stop(&group.views, &reason),
            BatchError::View(reason, _) if reason.index() > group.size => self.until = reason.index(),
            BatchError::View(reason, nth) => self.stop(&group.views[nth..=nth], &reason),
            BatchError::Store(problem) if is_of_the_rows(&problem) => {
                if let [view] = group.views[..] {
                    self.stop(&[view], &problem);
                } else {
                    self.singly = group.views.len() * 2;
                }
                // The transaction is over, but the session is whole.
            }
            BatchError::Store(problem) => return Err(problem),
        }
        Ok(Step::More)
    }

    /// Says once that views have stopped, and why.
    fn stop(&self, views: &[usize], reason: &dyn std::error::Error) {
        for view in views {
            let name = self.views[*view].name();
            let reason = text(reason);
            if self.progress.stop(name, reason.clone()) {
                error!(view = name, reason, "The view {name} has stopped: {reason}");
            }
        }
    }
}

/// An error with its causes, as one line.
fn text(problem: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(problem.source(), |cause| cause.source());
    causes.fold(problem.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whether the server refused what was to be written, as it would again.
fn is_of_the_rows(error: &StoreError) -> bool {
    let StoreError::Postgres(error) = error else {
        return matches!(error, StoreError::Unreadable(_));
    };
    let class = error.code().and_then(|code| code.code().get(..2));
    matches!(class, Some("21" | "22" | "23" | "42" | "54"))
}

/// Puts views together whose cursors stand at the same place, the furthest last.
fn group(cursors: Vec<(usize, u64)>) -> Vec<Group> {
    let mut groups: std::collections::BTreeMap<u64, Vec<usize>> = std::collections::BTreeMap::new();
    for (view, size) in cursors {
        groups.entry(size).or_default().push(view);
    }
    groups
        .into_iter()
        .map(|(size, views)| Group { size, views })
        .collect()
}

/// Each view for itself.
fn apart(groups: Vec<Group>) -> Vec<Group> {
    let alone = |group: Group| {
        let size = group.size;
        group.views.into_iter().map(move |view| Group {
            size,
            views: vec![view],
        })
    };
    groups.into_iter().flat_map(alone).collect()
}

/// In which order groups are tried, and up to where each may go: those that are behind stop where the next one stands, so
/// that they join it. Every second turn belongs to those that are behind, whatever else is to do.
fn order(groups: &[Group], turn: u64) -> Vec<(usize, u64)> {
    let next = |nth: usize| {
        let size = groups[nth].size;
        let ahead = groups.iter().map(|group| group.size).find(|other| *other > size);
        ahead.unwrap_or(u64::MAX)
    };
    let mut order: Vec<(usize, u64)> = (0..groups.len()).map(|nth| (nth, next(nth))).collect();
    if turn.is_multiple_of(2) {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::FoldError;

    #[test]
    fn views_at_one_place_are_folded_together_and_those_behind_join_them() {
        let groups = group(vec![(0, 9), (1, 4), (2, 9)]);
        assert_eq!(groups.len(), 2);
        assert_eq!((groups[0].size, &groups[0].views[..]), (4, &[1][..]));
        assert_eq!((groups[1].size, &groups[1].views[..]), (9, &[0, 2][..]));
        assert_eq!(order(&groups, 1), [(0, 9), (1, u64::MAX)]);
        assert_eq!(order(&groups, 2), [(1, u64::MAX), (0, 9)]);
        let single = apart(groups);
        assert_eq!(single.len(), 3);
        assert_eq!(order(&single, 1), [(0, 9), (1, u64::MAX), (2, u64::MAX)]);
    }

    #[test]
    fn reasons_tell_their_causes() {
        let reason = FoldError::Gap { index: 4 };
        assert_eq!(text(&reason), "entry 4 is missing in the log");
    }
}
