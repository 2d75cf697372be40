//! The table of TREs.

use daybook_store::rows;

rows! {
    /// A TRE. What it says about itself are openings of the entry at `details`.
    pub struct Tre in "tres", fill 75, indexes [] {
        key {
            /// The TRE's id.
            id: String,
        }
        /// Index of the entry that invited it.
        invited: u64,
        /// Thumbprint of the root key that was invited.
        root: String,
        /// Index of the entry by which it joined.
        joined: Option<u64>,
        /// When that was by its author's clock, in seconds since 1970.
        joined_at: Option<i64>,
        /// Index of the entry whose openings describe it as it is now.
        details: Option<u64>,
        /// Index of the entry that suspended it; none while it is not suspended.
        suspended: Option<u64>,
        /// Why it is suspended: a code.
        suspension: Option<String>,
        /// When it reported its own counts last, by its clock, in seconds since 1970.
        reported: Option<i64>,
        /// Events that it says it has made.
        made: Option<i64>,
        /// Events that it says were acknowledged.
        acknowledged: Option<i64>,
        /// Events that it says still wait.
        outstanding: Option<i64>,
        /// Runs that it says it has started.
        runs: Option<i64>,
    }
}
