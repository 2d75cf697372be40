//! Answering queries: one statement each, whose snapshot holds the rows and the size up to which they are true.

use std::fmt::Write as _;

use daybook_store::StoreError;
use daybook_store::project::{Columns, Progress, Row, Wait};
use daybook_store::read::Reader;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::ViewError;

/// Rows of one page at most.
pub const MAX_LIMIT: u16 = 200;

/// Conditions of a statement that is prepared once for each connection; one with more is prepared each time.
pub(crate) const MAX_KEPT: usize = 3;

/// Reads the views. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    pub(crate) reader: Reader,
    progress: Progress,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub struct Page<K> {
    /// Only what comes after the row of this key, in the order of the list.
    pub after: Option<K>,
    /// Rows at most, from 1 to [`MAX_LIMIT`]; what is outside is taken for the nearest.
    pub limit: u16,
    /// Only once the view has followed the log up to so many entries.
    pub at_least: Option<u64>,
}

impl<K> Default for Page<K> {
    fn default() -> Self {
        Self {
            after: None,
            limit: 50,
            at_least: None,
        }
    }
}

/// The place of a row in a list that begins with the newest: the entry that made it, and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewestKey {
    /// Index of the entry.
    pub index: u64,
    /// The row's id.
    pub id: Uuid,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// The tree size up to which this is true.
    pub as_of: u64,
    /// The rows; the key of the last one begins the next page.
    pub rows: Vec<T>,
    /// Whether there are more.
    pub has_more: bool,
}

/// One row, or that there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// The tree size up to which this is true.
    pub as_of: u64,
    /// The row.
    pub row: Option<T>,
}

/// A value of a statement.
pub(crate) type Param = Box<dyn ToSql + Sync + Send>;

/// A list to be read: conditions, order, and where to begin.
pub(crate) struct Query {
    view: &'static str,
    version: u32,
    wheres: Vec<String>,
    params: Vec<Param>,
    order: &'static [&'static str],
    is_descending: bool,
}

impl Query {
    /// Reads `table`'s view in the order of these columns, the newest first or the smallest first.
    pub(crate) fn new(
        (view, version): (&'static str, u32),
        order: &'static [&'static str],
        is_descending: bool,
    ) -> Self {
        Self {
            view,
            version,
            wheres: Vec::new(),
            params: Vec::new(),
            order,
            is_descending,
        }
    }

    /// Only rows for which this holds; `$` stands for the value.
    pub(crate) fn only(mut self, condition: &str, value: Option<impl ToSql + Sync + Send + 'static>) -> Self {
        if let Some(value) = value {
            self.params.push(Box::new(value));
            self.wheres
                .push(condition.replace('$', &format!("${}", self.params.len())));
        }
        self
    }

    /// Only rows for which this holds.
    pub(crate) fn always(mut self, condition: &str) -> Self {
        self.wheres.push(condition.to_owned());
        self
    }

    /// Only rows after this key.
    pub(crate) fn after(mut self, key: Option<Vec<Param>>) -> Self {
        let Some(key) = key else { return self };
        let first = self.params.len() + 1;
        self.params.extend(key);
        let places: Vec<String> = (first..=self.params.len()).map(|n| format!("${n}")).collect();
        let sign = if self.is_descending { "<" } else { ">" };
        self.wheres.push(format!(
            "({}) {sign} ({})",
            self.order.join(", "),
            places.join(", ")
        ));
        self
    }

    fn order_by(&self, prefix: &str) -> String {
        let direction = if self.is_descending { " DESC" } else { "" };
        let columns: Vec<String> = self
            .order
            .iter()
            .map(|column| format!("{prefix}{column}{direction}"))
            .collect();
        columns.join(", ")
    }

    /// The statement: the cursor, and beside it the rows if there are any.
    ///
    /// One statement and not two in a snapshot: a rebuilt view that takes the place of the old one between two would be
    /// read as an old snapshot sees it, which is partly or not at all.
    fn sql<R: Row>(&self, limit: usize) -> String {
        let table = R::TABLE;
        let columns = |prefix: &str| {
            let names: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("{prefix}{}", column.name))
                .collect();
            names.join(", ")
        };
        let schema = format!("{}_v{}", self.view, self.version);
        let mut sql = format!(
            "-- list_{name}
             SELECT c.size, p.found, {outer}
             FROM view_cursors AS c
             LEFT JOIN (
                 SELECT TRUE AS found, {inner}
                 FROM {schema}.{name} AS t",
            name = table.name,
            outer = columns("p."),
            inner = columns("t."),
        );
        for (nth, condition) in self.wheres.iter().enumerate() {
            let word = if nth == 0 { "WHERE" } else { "AND" };
            _ = write!(sql, "\n                 {word} {condition}");
        }
        _ = write!(
            sql,
            "
                 ORDER BY {inner}
                 LIMIT {limit}
             ) AS p ON TRUE
             WHERE c.schema = '{schema}'
             ORDER BY {outer}",
            inner = self.order_by(""),
            outer = self.order_by("p."),
        );
        sql
    }
}

impl Views {
    /// Reads with the connections of an open log, and waits by what its projector tells.
    pub fn new(reader: Reader, progress: Progress) -> Self {
        Self { reader, progress }
    }

    /// How far the views have come, and which have stopped.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Waits until a view has followed the log up to a tree size; see [`Page::at_least`].
    pub async fn wait(&self, view: &'static str, at_least: Option<u64>) -> Result<(), ViewError> {
        let Some(wanted) = at_least else { return Ok(()) };
        if self.progress.size(view) >= wanted {
            return Ok(());
        }
        let head = self.reader.head_size().await?;
        if wanted > head {
            return Err(ViewError::Ahead { wanted, head });
        }
        match self.progress.wait(view, wanted).await {
            Wait::Reached => Ok(()),
            Wait::Behind(as_of) => Err(ViewError::Behind { view, as_of, wanted }),
            Wait::Full => Err(ViewError::Full),
        }
    }

    /// A page of a list.
    pub(crate) async fn list<R: Row>(
        &self,
        query: Query,
        limit: u16,
        at_least: Option<u64>,
    ) -> Result<Listed<R>, ViewError> {
        self.wait(query.view, at_least).await?;
        let limit = usize::from(limit.clamp(1, MAX_LIMIT));
        let (as_of, mut rows) = self.read::<R>(&query, step(limit)).await?;
        check_reached(query.view, as_of, at_least)?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Listed {
            as_of,
            rows,
            has_more,
        })
    }

    /// The one row of a key.
    pub(crate) async fn find<R: Row>(
        &self,
        query: Query,
        at_least: Option<u64>,
    ) -> Result<Found<R>, ViewError> {
        self.wait(query.view, at_least).await?;
        let (as_of, rows) = self.read::<R>(&query, 1).await?;
        check_reached(query.view, as_of, at_least)?;
        Ok(Found {
            as_of,
            row: rows.into_iter().next(),
        })
    }

    /// The rows of a query, and the size up to which they are true.
    pub(crate) async fn read<R: Row>(&self, query: &Query, limit: usize) -> Result<(u64, Vec<R>), ViewError> {
        let behind = || ViewError::Behind {
            view: query.view,
            as_of: 0,
            wanted: 0,
        };
        let client = self.reader.connection().await?;
        let params: Vec<&(dyn ToSql + Sync)> = query
            .params
            .iter()
            .map(|param| -> &(dyn ToSql + Sync) { param.as_ref() })
            .collect();
        let rows = async {
            let sql = query.sql::<R>(limit);
            // What is asked in every combination would fill the server's memory with statements.
            let statement = if query.wheres.len() <= MAX_KEPT {
                client.prepare_cached(&sql).await?
            } else {
                client.prepare(&sql).await?
            };
            client.query(&statement, &params).await
        };
        let rows = match rows.await {
            Ok(rows) => rows,
            Err(error) if is_not_made(&error) => return Err(behind()),
            Err(error) => return Err(error.into()),
        };
        let Some(first) = rows.first() else {
            return Err(behind());
        };
        let as_of = u64::try_from(first.try_get::<_, i64>(0)?).unwrap_or_default();
        let is_found = |row: &&tokio_postgres::Row| matches!(row.try_get(1), Ok(Some(true)));
        let rows: Result<Vec<R>, StoreError> = rows
            .iter()
            .filter(is_found)
            .map(|row| R::read(&mut Columns::new(row, 2)))
            .collect();
        Ok((as_of, rows?))
    }
}

/// What is known of a view's progress may be more than the database holds: a crash takes its last moments back.
fn check_reached(view: &'static str, as_of: u64, at_least: Option<u64>) -> Result<(), ViewError> {
    match at_least {
        Some(wanted) if as_of < wanted => Err(ViewError::Behind { view, as_of, wanted }),
        _ => Ok(()),
    }
}

/// How many rows are fetched where so many are wanted, and one more to see whether there are more. A few sizes only: the
/// number stands in the statement, so that its plan is made for it, and each statement is kept.
fn step(limit: usize) -> usize {
    let steps = [1, 10, 50, 100, usize::from(MAX_LIMIT)];
    steps.into_iter().find(|step| *step >= limit).unwrap_or(limit) + 1
}

/// The projector has not made the view's tables yet.
pub(crate) fn is_not_made(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::UNDEFINED_TABLE) || code == Some(&SqlState::INVALID_SCHEMA_NAME)
}

/// An index as PostgreSQL holds it.
pub(crate) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl NewestKey {
    pub(crate) fn params(self) -> Vec<Param> {
        vec![Box::new(number(self.index)), Box::new(self.id)]
    }
}
