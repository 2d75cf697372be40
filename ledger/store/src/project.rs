//! The projection engine: it folds the log's entries into the rows of views.
//!
//! # In scope
//! Schemas and cursors of views, the projector that follows the log, rebuilding, checking and pruning. What the rows are
//! and how an entry changes them is said by each [`View`]; they live in `daybook-views`.
//!
//! # Invariants
//! - A view is a function of the entries up to its cursor, whatever the batches were in which they were folded.
//! - Rows and cursor move in one transaction. Whoever holds the cursor's lock is the only one to write.
//! - An entry that cannot be understood stops its view. None is ever skipped.
//! - A projector that stands still, for whatever reason, keeps no append waiting.

mod batch;
mod cell;
mod check;
mod cursor;
mod entry;
mod known;
mod progress;
mod projector;
mod prune;
mod rebuild;
mod rests;
mod rows;
mod schema;
mod table;
mod wake;

use std::sync::Arc;

pub use self::cell::{Cell, Texts, Words};
pub use self::check::Difference;
pub use self::entry::{Data, Entry, FoldError};
pub use self::progress::{MAX_WAIT, MAX_WAITERS, Progress, Wait};
pub use self::projector::{Projector, Start};
pub use self::prune::{Stored, list, prune};
pub use self::rebuild::{ProjectError, check, rebuild};
pub use self::rests::{PublicOpening, Rest};
pub use self::rows::{AnyRows, Array, Columns, Key, Row, Rows, array};
pub use self::table::{Column, Table};

/// Entries that are folded in one transaction at most.
pub const MAX_FOLD: u64 = 8_000;

/// What a view is: its name, its tables, and how entries change their rows.
pub trait View: Send + Sync + 'static {
    /// The name: lower case, also that of its schema.
    fn name(&self) -> &'static str;
    /// The version; another number for every change of a table or of the fold.
    fn version(&self) -> u32;
    /// Its tables.
    fn tables(&self) -> &'static [&'static Table];
    /// Whether its fold looks at the entries on which those of the register rest, and at their public openings.
    fn reads_openings(&self) -> bool {
        false
    }
    /// An empty set of changes.
    fn begin(&self) -> Box<dyn Fold>;
}

/// The changes that a batch of entries makes to one view.
///
/// For a batch, [`Fold::want`] hears every entry first; then the wanted rows are loaded; then [`Fold::want_more`] may name
/// rows to which those lead; then [`Fold::fold`] hears every entry in the order of the log; then the changed rows are
/// written.
pub trait Fold: Send {
    /// Names the rows that [`Fold::fold`] will look at for this entry.
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError>;
    /// Names further rows, those to which the loaded ones lead.
    fn want_more(&mut self, _entry: &Entry) -> Result<(), FoldError> {
        Ok(())
    }
    /// Changes rows. A function of the entry and of the rows alone.
    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError>;
    /// The rows of each table, in the order of [`View::tables`].
    fn tables(&mut self) -> Vec<&mut dyn AnyRows>;
}

/// The views that a program knows.
pub type ViewList = Arc<[Arc<dyn View>]>;

/// The schema of a version of a view.
pub(crate) fn schema_of(view: &dyn View) -> String {
    format!("{}_v{}", view.name(), view.version())
}
