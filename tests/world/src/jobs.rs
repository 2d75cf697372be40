//! The life of a job.

use daybook_core::id::{Stream, TreRole};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Cast, Draft, World, digest, id};

/// How a job ends, or where it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All outputs are released after two people looked, and the team has collected them.
    Released,
    /// A part is released, after a question to the team and a second set of outputs.
    ReleasedInPart,
    /// Released, and asked back.
    Recalled,
    /// Withheld by the checkers.
    Withheld,
    /// Refused before anything ran.
    Refused,
    /// Cancelled by the TRE while it ran, as the team had asked.
    Cancelled,
    /// Given up after three failed runs.
    Abandoned,
    /// Paused, gone on, refused, and the refusal taken back.
    Reopened,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Released,
        Self::ReleasedInPart,
        Self::Recalled,
        Self::Withheld,
        Self::Refused,
        Self::Cancelled,
        Self::Abandoned,
        Self::Reopened,
    ];

    /// The types of the events after `job-submitted`.
    pub fn steps(self) -> Vec<&'static str> {
        let admitted = [
            "job-collected",
            "job-checked",
            "workflow-retrieved",
            "job-signed-off",
            "job-admitted",
        ];
        let assessed = ["run-started", "run-completed", "outputs-assessed"];
        let released = [
            "disclosure-approved",
            "outputs-moved",
            "outputs-rechecked",
            "job-released",
        ];
        let failed = ["run-started", "run-failed"];
        let parts: &[&[&'static str]] = match self {
            Self::Released => &[
                &admitted,
                &assessed,
                &released,
                &["results-received", "results-expired"],
            ],
            Self::ReleasedInPart => &[
                &admitted,
                &assessed,
                &["changes-requested", "changes-answered", "outputs-assessed"],
                &released,
            ],
            Self::Recalled => &[&admitted, &assessed, &released, &["release-recalled"]],
            Self::Withheld => &[&admitted, &assessed, &["disclosure-refused"]],
            Self::Refused => &[&admitted[..2], &["job-refused"]],
            Self::Cancelled => &[
                &admitted,
                &["run-started", "cancellation-requested", "job-cancelled"],
            ],
            Self::Abandoned => &[&admitted, &failed, &failed, &failed, &["job-abandoned"]],
            Self::Reopened => &[
                &admitted[..2],
                &["job-held", "job-resumed", "job-refused", "decision-overturned"],
            ],
        };
        parts.concat()
    }
}

impl World {
    /// Submits a job to each of these TREs and answers their ids; the first is then [`World::job`].
    pub fn submit(&mut self, tres: &[&str]) -> Vec<Uuid> {
        let submission = id(&format!("submission {}", self.entries().len()));
        let draft = self.submission(submission, tres);
        self.say(&draft);
        let jobs: Vec<Uuid> = tres
            .iter()
            .map(|tre| id(&format!("job of {submission} at {tre}")))
            .collect();
        self.job = jobs.first().copied();
        jobs
    }

    /// Submits a job to one TRE and leads it to an end.
    pub fn run_job(&mut self, tre: &str, ending: Ending) -> Uuid {
        let job = self.submit(&[tre])[0];
        self.end_job(ending);
        job
    }

    /// Leads [`World::job`], which nobody has collected yet, to an end.
    pub fn end_job(&mut self, ending: Ending) {
        for kind in ending.steps() {
            let mut draft = self.usual(kind);
            if ending == Ending::ReleasedInPart && kind == "disclosure-approved" {
                draft = draft
                    .with("extent", "part".into())
                    .with("outputs", digest("the approved part").into());
            }
            self.say(&draft);
        }
    }

    /// Appends the usual events of these types, about [`World::job`].
    pub fn steps(&mut self, kinds: &[&str]) {
        for kind in kinds {
            let draft = self.usual(kind);
            self.say(&draft);
        }
    }

    /// A founded world with a job in that state.
    ///
    /// # Panics
    /// If jobs have no such state.
    pub fn with_job(state: &str) -> Self {
        let released = Ending::Recalled.steps();
        let steps: Vec<&str> = match state {
            "submitted" => vec![],
            "collected" => released[..1].to_vec(),
            "checked" => released[..3].to_vec(),
            "signed-off" => released[..4].to_vec(),
            "admitted" => released[..5].to_vec(),
            "running" => released[..6].to_vec(),
            "ran" => released[..7].to_vec(),
            "assessed" => released[..8].to_vec(),
            "cleared" => released[..9].to_vec(),
            "staged" => released[..11].to_vec(),
            "released" => released[..12].to_vec(),
            "recalled" => released,
            "failed" => [&released[..6], &["run-failed"]].concat(),
            "changes-requested" => [&released[..8], &["changes-requested"]].concat(),
            "on-hold" => [&released[..5], &["job-held"]].concat(),
            "refused" => Ending::Refused.steps(),
            "withheld" => Ending::Withheld.steps(),
            "cancelled" => Ending::Cancelled.steps(),
            "abandoned" => Ending::Abandoned.steps(),
            _ => panic!("no state {state}"),
        };
        let mut world = Self::founded();
        world.submit(&["wessex"]);
        world.steps(&steps);
        world
    }

    /// A world in which the usual event of that type is allowed.
    pub fn ready_for(kind: &str) -> Self {
        match kind {
            "log-opened" => Self::new(),
            "policy-adopted" => {
                let mut world = Self::new();
                world.steps(&["log-opened"]);
                world
            }
            "tre-joined" => {
                let mut world = Self::opened();
                let root = world
                    .key(&Cast::tre("wessex", TreRole::Root))
                    .public()
                    .thumbprint();
                let draft = world.usual("tre-invited").with("tre", "wessex".into());
                world.say(&draft.with("root", root.to_base64url().into()));
                world
            }
            "tre-reinstated" => Self::after(&["tre-suspended"]),
            "register-deferred" => Self::after(&["project-registered"]),
            "time-corrected" => Self::after(&["time-marked"]),
            "role-doubts-settled" => Self::after(&["role-ended"]),
            "key-doubts-settled" => Self::after(&["key-revoked"]),
            "member-doubts-settled" => Self::after(&["member-removed"]),
            "changes-answered" => Self::with_job("changes-requested"),
            "results-received" => Self::with_job("released"),
            _ => {
                let rule = daybook_rules::Table::v1().rule(kind);
                let rule = rule.unwrap_or_else(|| panic!("no type {kind}"));
                match rule.stream.as_str() {
                    "job" if kind == "results-expired" => Self::with_job("released"),
                    "job" => Self::with_job(&rule.from[0]),
                    "submission" if kind != "job-submitted" => Self::with_job("collected"),
                    _ => Self::founded(),
                }
            }
        }
    }

    /// A founded world in which the usual events of these types were said.
    fn after(kinds: &[&str]) -> Self {
        let mut world = Self::founded();
        world.steps(kinds);
        world
    }

    pub(crate) fn usual_of_job(&self, kind: &str) -> Draft {
        let job = self.job.unwrap_or_else(|| id("no job"));
        let state = self.job_state(job);
        let tre = state
            .get("tre")
            .and_then(Value::as_str)
            .unwrap_or("wessex")
            .to_owned();
        let by = &self.table().rule(kind).expect("a type of the job's stream").by;
        let role = match kind {
            // A person signs it, unless an approval stands for one.
            "job-signed-off" | "decision-overturned" => TreRole::Review,
            _ => match by[0].as_str() {
                "runner" => TreRole::Runner,
                "review" => TreRole::Review,
                _ => TreRole::Relay,
            },
        };
        let data = self.job_data(kind, &state, &tre);
        Draft::new(&Cast::tre(&tre, role), &Stream::Job(job), kind, data)
    }

    fn job_data(&self, kind: &str, state: &daybook_core::constitution::State, tre: &str) -> Value {
        let of = |member: &str| state.get(member).cloned();
        let number = |member: &str| state.get(member).and_then(Value::as_i64).unwrap_or(0);
        let or_digest = |member: &str| of(member).unwrap_or_else(|| digest(member).into());
        let attempt = number("attempts");
        let mut data = match kind {
            "job-collected" => json!({ "cause": or_digest("cause"), "submission": of("submission") }),
            "job-checked" => json!({ "profile": "five-safes-0.4" }),
            "workflow-retrieved" => {
                json!({ "digest": digest("workflow"), "images": [digest("image")], "workflow": self.cast.workflow })
            }
            "job-signed-off" => {
                json!({ "approvals": self.approvals(tre), "how": "person", "tag": digest("signatory") })
            }
            "run-started" => {
                json!({ "attempt": attempt + 1, "engine": "cwltool", "versions": self.versions(state) })
            }
            "run-completed" => json!({ "attempt": attempt.max(1), "engine": "cwltool" }),
            "run-failed" => json!({ "attempt": attempt.max(1), "code": "tool-error", "engine": "cwltool" }),
            "outputs-assessed" => {
                let set = number("set") + 1;
                json!({
                    "outputs": digest(&format!("outputs {set}")), "ruleset": digest("rules"), "set": set,
                    "workflow": self.cast.workflow,
                })
            }
            "changes-requested" => json!({ "kind": "context" }),
            "disclosure-approved" => {
                json!({ "extent": "all", "outputs": or_digest("outputs"), "tags": [digest("ann"), digest("bob")] })
            }
            "disclosure-refused" => json!({ "tags": [digest("ann"), digest("bob")] }),
            "packet-offered" => json!({ "packet": id("packet without outputs") }),
            "outputs-moved" => json!({ "outputs": or_digest("approved") }),
            "outputs-rechecked" => json!({ "how": "automatic", "outputs": or_digest("approved") }),
            "job-released" => json!({
                "extent": of("extent").unwrap_or_else(|| "all".into()), "outputs": or_digest("approved"),
                "packet": id("results"),
            }),
            "job-held" => json!({ "code": "query" }),
            "job-cancelled" => json!({ "began": attempt > 0, "destroyed": true, "stopped": true }),
            "job-abandoned" => json!({ "attempts": attempt.max(1) }),
            "decision-overturned" => json!({ "cause": or_digest("decision"), "tags": [digest("cat")] }),
            "release-recalled" => {
                json!({ "cause": or_digest("released"), "extent": "all", "reason": "disclosure-risk" })
            }
            _ => json!({}),
        };
        let names_everything = ["job-signed-off", "job-admitted", "run-started", "job-released"];
        if let Some(data) = data.as_object_mut().filter(|_| names_everything.contains(&kind)) {
            for field in ["project", "workflow", "member", "datasets"] {
                data.insert(field.to_owned(), of(field).unwrap_or_default());
            }
        }
        data
    }

    /// The leaf hashes of the approvals of project, workflow and member by which a job stands.
    fn approvals(&self, tre: &str) -> Vec<Value> {
        ["project", "workflow", "member"]
            .iter()
            .map(|subject| {
                let stream = self.approval(tre, subject).stream.to_string();
                let granted = self.state_of(&stream).get("granted").cloned();
                granted.unwrap_or_else(|| digest(subject).into())
            })
            .collect()
    }

    /// The leaf hashes of the datasets' last events.
    fn versions(&self, job: &daybook_core::constitution::State) -> Vec<Value> {
        let datasets = job.get("datasets").and_then(Value::as_array);
        let version = |id: &Value| {
            let stream = format!("dataset/{}", id.as_str().unwrap_or_default());
            self.state_of(&stream).get("version").cloned().unwrap_or_default()
        };
        datasets.into_iter().flatten().map(version).collect()
    }
}
