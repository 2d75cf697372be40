//! The table of workflows.

use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// A workflow: one exact version of it. Its title and place are openings of the entry at `registered`.
    pub struct Workflow in "workflows", fill 90, indexes ["(registered, id)"] {
        key {
            /// The workflow's random id.
            id: Uuid,
        }
        /// Index of the entry that registered it.
        registered: u64,
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// The registrar who registered it.
        registrar: String,
        /// The state of its stream: registered or withdrawn.
        state: String,
        /// Leaf hash of the entry that registered it, which approvals name.
        version: String,
        /// SHA-256 digest of the workflow.
        digest: String,
        /// Why it was withdrawn: a code.
        withdrawn: Option<String>,
        /// Index of the last entry of its stream.
        latest: u64,
    }
}
