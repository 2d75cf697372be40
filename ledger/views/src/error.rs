//! Why a view does not answer.

use daybook_store::StoreError;
use thiserror::Error;

/// A view does not answer.
#[derive(Debug, Error)]
pub enum ViewError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Asked to wait for a tree that is not there yet: a mistake of whoever asks.
    #[error("at_least is {wanted}, and the log has {head} entries")]
    Ahead {
        /// The size asked for.
        wanted: u64,
        /// Entries of the committed head.
        head: u64,
    },
    /// The view did not come so far in time.
    #[error(
        "the view {view} has followed the log up to {as_of} entries, and not yet to the {wanted} asked for"
    )]
    Behind {
        /// Its name.
        view: &'static str,
        /// Entries folded so far; 0 where the view is only being made.
        as_of: u64,
        /// The size asked for; 0 where none was.
        wanted: u64,
    },
    /// As many requests wait for views as may.
    #[error("1,000 requests already wait for views; try again in a moment")]
    Full,
}

impl From<tokio_postgres::Error> for ViewError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<deadpool_postgres::PoolError> for ViewError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Store(error.into())
    }
}
