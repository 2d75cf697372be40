//! The table of submissions.

use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// A submission: one request to one or more TREs.
    pub struct Submission in "submissions", fill 90, indexes [
        "(submitted, id)",
        "(project, submitted, id)",
        "(member, submitted, id)",
        "(workflow, submitted, id)",
    ] {
        key {
            /// The submission's random id.
            id: Uuid,
        }
        /// Index of its first entry.
        submitted: u64,
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// The project.
        project: Uuid,
        /// The membership whose key submitted it.
        member: Uuid,
        /// The workflow.
        workflow: Uuid,
        /// The request packet.
        packet: Uuid,
        /// The submission that it says it replaces.
        replaces: Option<Uuid>,
        /// The TREs that are asked, in the order of the alphabet.
        tres: Vec<String>,
        /// The job at each of them, in the same order.
        jobs: Vec<Uuid>,
        /// Index of the last entry of its stream.
        latest: u64,
        /// When that was by its author's clock, in seconds since 1970.
        latest_at: i64,
    }
}
