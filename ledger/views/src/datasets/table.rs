//! The table of datasets.

use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// A dataset. What its TRE says about it are openings of the entry at `details`.
    pub struct Dataset in "datasets", fill 90, indexes ["(registered, id)", "(tre, registered, id)"] {
        key {
            /// The dataset's random id.
            id: Uuid,
        }
        /// Index of the entry that registered it.
        registered: u64,
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// The TRE that has it.
        tre: String,
        /// The state of its stream: registered or withdrawn.
        state: String,
        /// Leaf hash of its version, which runs name.
        version: String,
        /// Index of the entry whose openings describe it as it is now.
        details: u64,
        /// Why it was withdrawn: a code.
        withdrawn: Option<String>,
        /// Index of the last entry of its stream.
        latest: u64,
    }
}
