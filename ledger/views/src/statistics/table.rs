//! The tables of statistics.

use daybook_store::rows;
use uuid::Uuid;

rows! {
    /// When a job came so far for the first time, by the clocks of those who said so.
    pub struct Timed in "timed_jobs", fill 75, indexes [] {
        key {
            /// The job.
            job: Uuid,
        }
        /// When it was submitted, in seconds since 1970.
        submitted: i64,
        /// When it was signed off.
        signed_off: Option<i64>,
        /// When its last run began.
        started: Option<i64>,
        /// When outputs were assessed first.
        assessed: Option<i64>,
        /// When people, or fixed rules, had decided about outputs first.
        decided: Option<i64>,
        /// When something of it was released first.
        released: Option<i64>,
        /// How far it has come, as far as it matters for why it ends: collected, checked, signed-off, admitted or assessed.
        stood: String,
        /// The code of its last run that failed.
        failure: Option<String>,
    }
}

rows! {
    /// How long a stage took, for the jobs of a TRE whose stage ended in a year.
    pub struct Span in "spans", fill 60, indexes [] {
        key {
            /// The TRE; empty for all together.
            tre: String,
            /// The year in which the stage ended, in Coordinated Universal Time.
            year: i64,
            /// The stage: a code.
            stage: String,
        }
        /// How many jobs.
        n: i64,
        /// Steps of minutes and how many jobs took as long, as `minutes=jobs`, the shortest first.
        steps: Vec<String>,
    }
}

rows! {
    /// How often something happened to the jobs of a TRE in a year.
    pub struct Volume in "volumes", fill 60, indexes [] {
        key {
            /// The TRE; empty for all together.
            tre: String,
            /// The year, in Coordinated Universal Time.
            year: i64,
            /// What happened: a code.
            what: String,
        }
        /// How often.
        n: i64,
    }
}

rows! {
    /// How often nothing came of a TRE's jobs in a year, by the family of reasons.
    pub struct Stop in "stops", fill 60, indexes [] {
        key {
            /// The TRE; empty for all together.
            tre: String,
            /// The year, in Coordinated Universal Time.
            year: i64,
            /// The family: a code.
            family: String,
        }
        /// How often.
        n: i64,
    }
}
