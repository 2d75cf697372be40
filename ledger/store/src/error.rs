//! What can go wrong between Daybook and its database.

use std::time::Duration;

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
    /// The system gives the program no further thread.
    #[error("the views cannot have a thread of their own")]
    Thread(#[source] std::io::Error),
    /// No host said anything.
    #[error("PostgreSQL did not let us in within {} seconds; is the server frozen, or the address wrong?", .0.as_secs())]
    Silent(Duration),
    /// Sessions are shared between clients.
    #[error(
        "the address leads to a pooler that gives each transaction to another session, as PgBouncer does in transaction mode; a hub's settings and locks need sessions of their own: use PostgreSQL's own port, or pool_mode = session"
    )]
    Pooled,
    /// The server only reads.
    #[error(
        "the server is a standby, which only reads; name the primary, or several hosts (host=a,b), of which the primary is then found"
    )]
    Standby,
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
    /// The database's schema no longer works with a program as old as this one.
    #[error(
        "the database's schema has version {found} and needs a program that knows version {oldest}; this one knows {known}: install the newer program"
    )]
    TooOld {
        /// Version found.
        found: i32,
        /// The oldest version that a program may know.
        oldest: i32,
        /// The version that this program knows.
        known: i32,
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
        "this database holds the log {found:?}, and the configuration says {expected:?}; check the log key, DATABASE_URL, `data_dir` and `origin`"
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

impl StoreError {
    pub(crate) const AWAY: &str = "the database does not answer, or refuses what is asked";

    /// What is wrong, for an operator, without what is inside.
    pub fn plain(&self) -> &'static str {
        match self {
            Self::Postgres(_) | Self::Pool(_) | Self::Silent(_) => Self::AWAY,
            Self::Thread(_) => "the system gives the program no further thread",
            Self::Pooled => "the database is reached through a pooler that shares sessions",
            Self::Standby => "the database server is a standby, which only reads",
            Self::TooOld { .. } => "the database's schema needs a newer program than this one",
            Self::Migration(_) | Self::Schema { .. } => {
                "the database's schema is not the one that this program needs; run `daybook migrate`"
            }
            Self::Unsafe { .. } => "the database server's settings would lose acknowledged events",
            Self::NotInitialised | Self::OtherLog { .. } => "the database holds no log, or another one",
            Self::Damaged(_) => "the log in the database is damaged",
            Self::Unreadable(_) => {
                "the database holds what this program cannot read; a newer program may have written it"
            }
        }
    }
}

/// Says that a row does not hold what it must.
pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged(what.into())
}
