//! The table of memberships.

use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// A membership of a project. Who it is stands in openings that auditors may read.
    pub struct Member in "members", fill 90, indexes [] {
        key {
            /// The project.
            project: Uuid,
            /// The random id of the membership.
            member: Uuid,
        }
        /// Index of the entry that added it.
        added: u64,
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// Leaf hash of that entry, which approvals name.
        version: String,
        /// Index of the entry that removed it.
        removed: Option<u64>,
        /// Why it was removed: a code.
        reason: Option<String>,
        /// The tree size from which what its key signed is in doubt.
        suspect_from: Option<i64>,
    }
}
