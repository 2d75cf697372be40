//! The tables of jobs.

use daybook_rules::State;
use daybook_rules::words::{self, Public, Tongue};
use daybook_store::rows;
use serde_json::Value;
use uuid::Uuid;

rows! {
    /// A job: one submission at one TRE. What changes is what the rules keep in the state of its stream.
    pub struct Job in "jobs", fill 75, indexes [
        "(submitted, id)",
        "(project, submitted, id)",
        "(tre, submitted, id)",
        "(member, submitted, id)",
        "(workflow, submitted, id)",
        "(submission)",
        "(ending, submitted, id) WHERE ending IS NOT NULL",
        "(submitted, id) WHERE ending IS NULL",
        "(tre, submitted, id) WHERE waiting",
    ] {
        key {
            /// The job's random id.
            id: Uuid,
        }
        /// Index of the entry that submitted it.
        submitted: u64,
        /// When that was by its author's clock, in seconds since 1970.
        at: i64,
        /// The submission.
        submission: Uuid,
        /// Leaf hash of the entry that submitted it, base64url.
        cause: String,
        /// The project.
        project: Uuid,
        /// The membership whose key submitted it.
        member: Uuid,
        /// The TRE.
        tre: String,
        /// The workflow.
        workflow: Uuid,
        /// The request packet.
        packet: Uuid,
        /// The datasets at that TRE, in the order of the request.
        datasets: Vec<Uuid>,
        /// The state of its stream.
        state: String,
        /// The state to which it returns when it is no longer on hold.
        resume: Option<String>,
        /// Why it is on hold: a code.
        held: Option<String>,
        /// Runs that were started; none before the first.
        attempts: Option<i64>,
        /// How the last failed run failed: a code.
        failure: Option<String>,
        /// Number of the last set of outputs that was assessed.
        output_set: Option<i64>,
        /// What was approved for release: all or part.
        extent: Option<String>,
        /// Whether a run had begun when it was cancelled.
        began: Option<bool>,
        /// One tag for each review of the outputs.
        tags: Vec<String>,
        /// Whether the team has answered what the TRE asked last.
        answered: bool,
        /// Whether the team has asked to stop it.
        cancellation: bool,
        /// Whether the team has collected the results.
        received: bool,
        /// Whether the result packet is deleted.
        expired: bool,
        /// The packet for the team.
        results: Option<Uuid>,
        /// Why released results were asked back: a code.
        recalled: Option<String>,
        /// Whether it waits for its TRE to collect it.
        waiting: bool,
        /// The state, if it is one from which nothing usually follows.
        ending: Option<String>,
        /// Index of the last entry about it.
        latest: u64,
        /// When that was by its author's clock, in seconds since 1970.
        latest_at: i64,
    }
}

rows! {
    /// That a job asks for a dataset.
    pub struct JobDataset in "job_datasets", fill 100, indexes [] {
        key {
            /// The dataset.
            dataset: Uuid,
            /// Index of the entry that submitted the job.
            submitted: u64,
            /// The job.
            job: Uuid,
        }
    }
}

impl Job {
    /// What the public reads about it, the TRE being called by the name given.
    pub fn public(&self, tre: &str) -> Public {
        self.public_in(Tongue::English, tre)
    }

    /// The same in a language.
    pub fn public_in(&self, tongue: Tongue, tre: &str) -> Public {
        words::of_named_in(tongue, &self.as_state(), tre)
    }

    /// As much of the state of its stream as the public words depend on.
    fn as_state(&self) -> State {
        let mut state = State::new();
        let mut put = |name: &str, value: Value| drop(state.insert(name.to_owned(), value));
        put("state", self.state.as_str().into());
        put("tre", self.tre.as_str().into());
        put("tags", self.tags.clone().into());
        if let Some(extent) = &self.extent {
            put("extent", extent.as_str().into());
        }
        if let Some(began) = self.began {
            put("began", began.into());
        }
        for (name, is_there) in [
            ("answered", self.answered),
            ("cancellation", self.cancellation),
            ("received", self.received),
            ("expired", self.expired),
        ] {
            if is_there {
                put(name, true.into());
            }
        }
        state
    }
}
