//! Where the portions of a long list begin, for whoever reads all of it: each can be asked for without the ones before it.

use crate::read::{NewestKey, Views, is_not_made};
use crate::{ViewError, datasets, register, workflows};

/// A list that begins with the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Long {
    /// Projects on the register, by their first version.
    Projects,
    /// Datasets.
    Datasets,
    /// Workflows.
    Workflows,
}

impl Long {
    /// The view with its version, the table with a condition, and the columns of a row's place.
    fn parts(self) -> ((&'static str, u32), &'static str, (&'static str, &'static str)) {
        match self {
            Self::Projects => (
                (register::NAME, register::VERSION),
                "register_search WHERE listed",
                ("first", "project"),
            ),
            Self::Datasets => (
                (datasets::NAME, datasets::VERSION),
                "datasets",
                ("registered", "id"),
            ),
            Self::Workflows => (
                (workflows::NAME, workflows::VERSION),
                "workflows",
                ("registered", "id"),
            ),
        }
    }
}

impl Views {
    /// The keys after which the portions of a list begin, `rows` in each; the first portion begins after none, and a list
    /// without rows has no portion.
    pub async fn portions(&self, list: Long, rows: u16) -> Result<Vec<Option<NewestKey>>, ViewError> {
        let ((view, version), table, (index, id)) = list.parts();
        let sql = format!(
            "-- portions
             SELECT p.before_index, p.before_id
             FROM (
                 SELECT row_number() OVER o AS nth, lag({index}) OVER o AS before_index, lag({id}) OVER o AS before_id
                 FROM {view}_v{version}.{table}
                 WINDOW o AS (ORDER BY {index} DESC, {id} DESC)
             ) AS p
             WHERE p.nth % $1 = 1
             ORDER BY p.nth"
        );
        let rows = self.first_of_each(view, &sql, rows).await?;
        let key = |row: &tokio_postgres::Row| -> Result<Option<NewestKey>, ViewError> {
            let (index, id) = (row.try_get::<_, Option<i64>>(0)?, row.try_get(1)?);
            let index = index.map(|index| u64::try_from(index).unwrap_or_default());
            Ok(index.zip(id).map(|(index, id)| NewestKey { index, id }))
        };
        rows.iter().map(key).collect()
    }

    /// The same of the organisations that take part in projects, by name.
    pub async fn organisation_portions(&self, rows: u16) -> Result<Vec<Option<String>>, ViewError> {
        let sql = format!(
            "-- organisation_portions
             SELECT p.before_name
             FROM (
                 SELECT row_number() OVER o AS nth, lag(v.name) OVER o AS before_name
                 FROM (
                     SELECT DISTINCT unnest(organisations) AS name
                     FROM {view}_v{version}.register_search
                     WHERE listed
                 ) AS v
                 WINDOW o AS (ORDER BY v.name)
             ) AS p
             WHERE p.nth % $1 = 1
             ORDER BY p.nth",
            view = register::NAME,
            version = register::VERSION,
        );
        let rows = self.first_of_each(register::NAME, &sql, rows).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    async fn first_of_each(
        &self,
        view: &'static str,
        sql: &str,
        rows: u16,
    ) -> Result<Vec<tokio_postgres::Row>, ViewError> {
        let client = self.reader.connection().await?;
        let every = i64::from(rows.max(2));
        let found = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, &[/* rows */ &every]).await
        };
        found.await.map_err(|error| {
            if is_not_made(&error) {
                ViewError::Behind {
                    view,
                    as_of: 0,
                    wanted: 0,
                }
            } else {
                error.into()
            }
        })
    }
}
