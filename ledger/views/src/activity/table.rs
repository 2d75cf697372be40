//! The tables of what happened.

use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// Something that happened to a project or at a TRE; a submission to several TREs is a row for each.
    pub struct Activity in "activity", fill 100, indexes [
        "(project, entry, part) WHERE project IS NOT NULL",
        "(tre, entry, part) WHERE tre IS NOT NULL",
    ] {
        key {
            /// Index of the entry.
            entry: u64,
            /// Tells the rows of one entry apart, from 0.
            part: i64,
        }
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// The event's type, from which the sentence is made.
        kind: String,
        /// The project.
        project: Option<Uuid>,
        /// The TRE.
        tre: Option<String>,
        /// The job.
        job: Option<Uuid>,
        /// The dataset or the workflow.
        thing: Option<Uuid>,
    }
}

rows! {
    /// Where a job belongs: its own entries do not name its project.
    pub struct Place in "places", fill 100, indexes [] {
        key {
            /// The job.
            job: Uuid,
        }
        /// Its project.
        project: Uuid,
        /// Its TRE.
        tre: String,
    }
}
