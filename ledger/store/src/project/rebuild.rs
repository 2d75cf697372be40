//! Filling a view anew beside the live one, and putting the copy in its place.

use deadpool_postgres::{Object, Pool};
use thiserror::Error;
use tokio_postgres::error::SqlState;

use super::batch::{self, BatchError, Place};
use super::entry::FoldError;
use super::{Difference, MAX_FOLD, View, check as compare, cursor, schema, schema_of};
use crate::{Address, StoreError, connect};

/// How often the swap is tried when somebody holds what it needs.
const TRIES: usize = 10;

/// A view was not rebuilt, checked or pruned.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// It was never made.
    #[error("the view {0} is not in this database yet; `daybook serve` makes it")]
    Absent(String),
    /// Somebody else is at it.
    #[error("another process is making, rebuilding or pruning views; try again when it has ended")]
    Busy,
    /// The swap did not get its locks.
    #[error(
        "the view {0} is in use all the time, so the rebuilt copy could not take its place; nothing has changed, try again"
    )]
    InUse(String),
}

impl From<BatchError> for ProjectError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Entries(error) | BatchError::View(error, _) => Self::Fold(error),
            BatchError::Store(error) => Self::Store(error),
        }
    }
}

impl From<tokio_postgres::Error> for ProjectError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<deadpool_postgres::PoolError> for ProjectError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Store(error.into())
    }
}

/// Fills a copy of a view from the first entry on and puts it in the place of the live one. Hubs may go on: they fold into
/// the live one until the swap, and into the rebuilt one from then on. Answers with the size at the swap; `told` hears how
/// far the copy has come and how far it has to go.
pub async fn rebuild(
    address: &Address,
    view: &dyn View,
    told: impl FnMut(u64, u64),
) -> Result<u64, ProjectError> {
    let mut copy = Copy::make(address, view, "rebuild", told).await?;
    for _ in 0..TRIES {
        match copy.swap().await {
            Ok(size) => return Ok(size),
            Err(ProjectError::Store(StoreError::Postgres(error)))
                if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {}
            Err(error) => {
                copy.drop_it().await?;
                return Err(error);
            }
        }
    }
    copy.drop_it().await?;
    Err(ProjectError::InUse(copy.live))
}

/// Fills a copy of a view from the first entry on to where the live one is, and compares them row for row. Answers with the
/// size, and with the first row that differs. The copy is dropped.
pub async fn check(
    address: &Address,
    view: &dyn View,
    told: impl FnMut(u64, u64),
) -> Result<(u64, Option<Difference>), ProjectError> {
    let mut copy = Copy::make(address, view, "check", told).await?;
    let outcome = copy.compare(address).await;
    copy.drop_it().await?;
    outcome
}

/// A copy that is being filled.
struct Copy<'a> {
    view: &'a dyn View,
    live: String,
    schema: String,
    /// Makes, swaps and drops schemas, and holds the lock that keeps others from doing so.
    owner: tokio_postgres::Client,
    writer: Object,
    size: u64,
    _pool: Pool,
}

impl<'a> Copy<'a> {
    async fn make(
        address: &Address,
        view: &'a dyn View,
        kind: &str,
        mut told: impl FnMut(u64, u64),
    ) -> Result<Self, ProjectError> {
        let live = schema_of(view);
        let schema = format!("{live}_{kind}");
        let mut owner = connect::open(address, "daybook rebuild").await?;
        if !schema::tend(&owner).await? {
            return Err(ProjectError::Busy);
        }
        let tx = owner.transaction().await?;
        // What an attempt left that broke off.
        schema::drop_schema(&tx, &schema).await?;
        schema::create(&tx, view, &schema, true).await?;
        tx.commit().await?;
        let pool = connect::view_pool(address)?;
        let mut copy = Self {
            view,
            live,
            schema,
            owner,
            writer: pool.get().await?,
            size: 0,
            _pool: pool,
        };
        match copy.fill(&mut told).await {
            Ok(()) => Ok(copy),
            Err(error) => {
                copy.drop_it().await?;
                Err(error)
            }
        }
    }

    /// Folds until less than a batch is missing.
    async fn fill(&mut self, told: &mut impl FnMut(u64, u64)) -> Result<(), ProjectError> {
        loop {
            let goal = self.live_size().await?;
            told(self.size, goal);
            if goal.saturating_sub(self.size) < MAX_FOLD {
                return Ok(());
            }
            self.fold_to(goal.min(self.size + MAX_FOLD)).await?;
        }
    }

    async fn live_size(&self) -> Result<u64, ProjectError> {
        let cursors = cursor::all(&self.writer).await?;
        let live = cursors.into_iter().find(|(schema, _)| *schema == self.live);
        live.map(|(_, size)| size)
            .ok_or_else(|| ProjectError::Absent(self.live.clone()))
    }

    async fn fold_to(&mut self, to: u64) -> Result<(), ProjectError> {
        while self.size < to {
            let tx = self.writer.transaction().await?;
            let into = [Place {
                view: self.view,
                schema: &self.schema,
            }];
            let folded = batch::fold(&tx, &into, self.size, to).await?;
            tx.commit().await?;
            if folded.size == self.size {
                return Err(FoldError::Gap { index: self.size }.into());
            }
            self.size = folded.size;
        }
        Ok(())
    }

    /// Catches up under the lock of the live cursor, which keeps every projector from it, and exchanges the two.
    async fn swap(&mut self) -> Result<u64, ProjectError> {
        let goal = self.live_size().await?;
        self.fold_to(goal).await?;
        let tx = self.owner.transaction().await?;
        let row = tx
            .query_opt(
                "-- lock_live_cursor
                 SELECT size
                 FROM view_cursors
                 WHERE schema = $1
                 FOR UPDATE",
                &[/* schema */ &self.live],
            )
            .await?;
        let row = row.ok_or_else(|| ProjectError::Absent(self.live.clone()))?;
        let size = crate::row::size(&row, 0)?;
        // On the other session: the tables of the copy are locked by nobody yet.
        let writer = &mut self.writer;
        while self.size < size {
            let copy = writer.transaction().await?;
            let into = [Place {
                view: self.view,
                schema: &self.schema,
            }];
            let folded = batch::fold(&copy, &into, self.size, size).await?;
            copy.commit().await?;
            if folded.size == self.size {
                return Err(FoldError::Gap { index: self.size }.into());
            }
            self.size = folded.size;
        }
        let (live, schema) = (&self.live, &self.schema);
        tx.batch_execute(&format!(
            "DROP SCHEMA {live} CASCADE;
             ALTER SCHEMA {schema} RENAME TO {live};"
        ))
        .await?;
        tx.execute(
            "-- drop_copy_cursor
             DELETE FROM view_cursors
             WHERE schema = $1",
            &[/* schema */ schema],
        )
        .await?;
        tx.commit().await?;
        Ok(size)
    }

    /// Compares with the live view as one snapshot sees it, so that projectors go on meanwhile.
    async fn compare(&mut self, address: &Address) -> Result<(u64, Option<Difference>), ProjectError> {
        let mut reader = connect::open(address, "daybook check").await?;
        let snapshot = reader
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let row = snapshot
            .query_opt(
                "-- live_cursor
                 SELECT size
                 FROM view_cursors
                 WHERE schema = $1",
                &[/* schema */ &self.live],
            )
            .await?;
        let row = row.ok_or_else(|| ProjectError::Absent(self.live.clone()))?;
        let size = crate::row::size(&row, 0)?;
        if size < self.size {
            return Err(ProjectError::Busy);
        }
        self.fold_to(size).await?;
        for table in self.view.tables() {
            let live = table.walk(&self.live);
            let copy = table.walk(&self.schema);
            if let Some(found) = compare::first(&snapshot, &live, &self.owner, &copy, table).await? {
                return Ok((size, Some(found)));
            }
        }
        Ok((size, None))
    }

    async fn drop_it(&mut self) -> Result<(), ProjectError> {
        let tx = self.owner.transaction().await?;
        schema::drop_schema(&tx, &self.schema).await?;
        tx.commit().await?;
        Ok(())
    }
}
