//! What can go wrong between Daybook and its database.

use thiserror::Error;

/// The database did not do what was asked, or holds what it must not.
#[derive(Debug, Error)]
pub enum StoreError {
    /// PostgreSQL or the connection to it failed.
    #[error("PostgreSQL")]
    Postgres(#[from] tokio_postgres::Error),
    /// No connection of the pool came free in time, or none could be made.
    #[error("no database connection")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// A migration failed.
    #[error("the schema could not be brought up to date")]
    Migration(#[from] refinery::Error),
    /// The database's schema is not the one that this program knows.
    #[error("the database's schema has version {found} and this program needs {needed}: {remedy}")]
    Schema {
        /// Version found; 0 where there is none.
        found: i32,
        /// Version needed.
        needed: i32,
        /// What to do.
        remedy: &'static str,
    },
    /// A setting of the server that would lose acknowledged events.
    #[error(
        "PostgreSQL runs with {setting} = {value}, which loses acknowledged events when it crashes; set it to on"
    )]
    Unsafe {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
    },
    /// The database holds no log yet.
    #[error("this database holds no log; `daybook init` makes one")]
    NotInitialised,
    /// The database holds another log than the one configured.
    #[error(
        "this database holds the log {found:?}, and the configuration says {expected:?}; check DATABASE_URL, or `data_dir` and `origin`"
    )]
    OtherLog {
        /// What the database says.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The log in the database is not what it says that it is.
    #[error(
        "the log in the database is damaged: {0}. Nothing more is written. Restore it, or run `daybook serve` against a good copy"
    )]
    Damaged(String),
    /// Text in the database that cannot be read.
    #[error("the database holds {0} that this program cannot read")]
    Unreadable(&'static str),
}

/// Says that a row does not hold what it must.
pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged(what.into())
}
