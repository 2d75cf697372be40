//! The table of projects.

use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// A project. What its people wrote about it are openings of the entry at `details`.
    pub struct Project in "projects", fill 75, indexes ["(registered, id)"] {
        key {
            /// The project's random id.
            id: Uuid,
        }
        /// Index of the entry that registered it.
        registered: u64,
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// The registrar who registered it.
        registrar: String,
        /// Leaf hash of its last material version, which approvals name.
        version: String,
        /// Index of the entry whose openings describe it as it is now.
        details: u64,
        /// When it ends, in seconds since 1970.
        until: i64,
        /// The state of its stream: open or closed.
        state: String,
        /// Why it was closed: a code.
        closed: Option<String>,
        /// Memberships that have not ended.
        members: i64,
        /// What is linked as having come of it.
        outputs: i64,
        /// The state of its register entry: published, held, deferred or withdrawn.
        register: Option<String>,
        /// The number of the version that the register published last.
        register_version: Option<i64>,
        /// Leaf hash of the project's version that the register published last.
        register_cause: Option<String>,
        /// When the embargo ends, in seconds since 1970.
        register_until: Option<i64>,
        /// Why it was deferred: a code.
        register_code: Option<String>,
        /// The TRE that asked for the embargo.
        register_tre: Option<String>,
        /// Index of the last entry of its register stream.
        register_entry: Option<u64>,
        /// Index of the last entry of its own stream.
        latest: u64,
    }
}
