//! The table of approvals.

use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// A TRE's approval of a project, a workflow or a membership, as it was granted last.
    pub struct Approval in "approvals", fill 80, indexes ["(subject, id, tre)", "(project) WHERE project IS NOT NULL"] {
        key {
            /// The TRE.
            tre: String,
            /// What is approved: project, workflow or member.
            subject: String,
            /// The id of what is approved.
            id: Uuid,
        }
        /// The state of its stream: granted or withdrawn. Whether it has ended by itself is told by `until`.
        state: String,
        /// Index of the entry that granted it last.
        granted: u64,
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// Leaf hash of that entry, which sign-offs name.
        version: String,
        /// Leaf hash of the exact entry that is approved.
        cause: String,
        /// When it ends, in seconds since 1970.
        until: i64,
        /// What kind of body decided: a code.
        body: String,
        /// The project of an approved membership.
        project: Option<Uuid>,
        /// The datasets for which a project is approved.
        datasets: Vec<Uuid>,
        /// Whether an approved workflow is signed off by a person or by this approval: a code.
        sign_off: Option<String>,
        /// Whether people review what an approved workflow makes: a code.
        egress: Option<String>,
        /// Why it was withdrawn: a code.
        withdrawn: Option<String>,
        /// Index of the last entry of its stream.
        latest: u64,
    }
}
