//! Whether what a job rests on stands now.

use daybook_core::constitution::State;
use daybook_core::id::{Slug, Stream, Subject, random_id};
use daybook_rules::Refusal;
use serde_json::{Map, Value};

use super::Standing;
use crate::link::wire::{Gate, Lapse};
use crate::random;

/// The fields that every event at a gate names.
const FIELDS: [&str; 4] = ["project", "workflow", "member", "datasets"];

/// The streams that a job rests on.
pub(crate) struct Rests {
    pub(crate) project: Stream,
    pub(crate) workflow: Stream,
    pub(crate) register: Stream,
    pub(crate) approvals: [Stream; 3],
    pub(crate) datasets: Vec<Stream>,
}

impl Rests {
    /// Those of a job with that state; nothing where the state does not name them.
    pub(crate) fn of(tre: &Slug, job: &State) -> Option<Self> {
        let id = |name: &str| random_id(job.get(name)?.as_str()?).ok();
        let (project, workflow, member) = (id("project")?, id("workflow")?, id("member")?);
        let datasets = job.get("datasets")?.as_array()?.iter();
        let datasets: Option<Vec<Stream>> = datasets
            .map(|dataset| Some(Stream::Dataset(random_id(dataset.as_str()?).ok()?)))
            .collect();
        let approval = |subject, id| Stream::Approval(tre.clone(), subject, id);
        Some(Self {
            project: Stream::Project(project),
            workflow: Stream::Workflow(workflow),
            register: Stream::Register(project),
            approvals: [
                approval(Subject::Project, project),
                approval(Subject::Workflow, workflow),
                approval(Subject::Member, member),
            ],
            datasets: datasets?,
        })
    }

    /// All of them, with the federation's and the TRE's own.
    pub(crate) fn streams(&self, tre: &Slug) -> Vec<Stream> {
        let mut all = vec![Stream::Federation, Stream::Tre(tre.clone())];
        all.extend([self.project.clone(), self.workflow.clone(), self.register.clone()]);
        all.extend(self.approvals.clone());
        all.extend(self.datasets.clone());
        all
    }
}

impl Standing {
    /// What a job's gates ask, answered by what is known. `is_fresh` says whether the hub was asked just now.
    pub(crate) fn gate(&self, job: &State, is_fresh: bool) -> Gate {
        let fields = FIELDS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), job.get(*name)?.clone())));
        let mut gate = Gate {
            fields: fields.collect::<Map<String, Value>>(),
            versions: Vec::new(),
            approvals: Vec::new(),
            egress: None,
            lapsed: None,
            is_fresh,
        };
        let Some(rests) = Rests::of(&self.tre, job) else {
            gate.lapsed = lapse("query", "the submission does not name what the job rests on");
            return gate;
        };
        gate.versions = rests
            .datasets
            .iter()
            .map(|stream| self.text(stream, "version"))
            .collect();
        gate.approvals = rests
            .approvals
            .iter()
            .map(|stream| self.text(stream, "granted"))
            .collect();
        let egress = self.text(&rests.approvals[1], "egress");
        gate.egress = (!egress.is_empty()).then_some(egress);
        gate.lapsed = self.lapsed(&rests, job);
        gate
    }

    fn lapsed(&self, rests: &Rests, job: &State) -> Option<Lapse> {
        let now = random::now();
        let until = |stream: &Stream| {
            self.state(stream)
                .and_then(|state| state.get("until")?.as_i64())
                .unwrap_or(0)
        };
        let suspended = self
            .state(&Stream::Federation)
            .and_then(|state| state.get("suspended")?.get(self.tre.as_str()));
        if suspended.is_some() {
            return lapse("suspended", "the operator has suspended this TRE");
        }
        if rests
            .datasets
            .iter()
            .any(|dataset| self.word(dataset) != "registered")
        {
            return lapse("dataset-withdrawn", "a dataset is registered no more");
        }
        if self.word(&rests.project) != "open" {
            return lapse("approval-lapsed", "the project is not open");
        }
        if until(&rests.project) <= now {
            return lapse("approval-lapsed", "the project has come to its end");
        }
        if self.word(&rests.workflow) != "registered" {
            return lapse("approval-lapsed", "the workflow is registered no more");
        }
        if !self.is_registered(&rests.register, now) {
            return lapse(
                "approval-lapsed",
                "the project has neither an entry in the register nor a running embargo",
            );
        }
        for (at, (stream, what)) in rests
            .approvals
            .iter()
            .zip(["project", "workflow", "membership"])
            .enumerate()
        {
            let because = |why: &str| lapse("approval-lapsed", &format!("the approval of the {what} {why}"));
            match self.word(stream) {
                "granted" => {}
                "withdrawn" => return because("was withdrawn"),
                _ => return because("was never granted"),
            }
            if until(stream) <= now {
                return because("has expired");
            }
            if self.text(stream, "cause") != self.approved(rests, at, job) {
                return because("is for another version, and there was a material change since");
            }
        }
        let allowed = self
            .state(&rests.approvals[0])
            .and_then(|state| state.get("datasets")?.as_array());
        let asked = job.get("datasets").and_then(Value::as_array);
        let is_within =
            asked.is_some_and(|asked| asked.iter().all(|id| allowed.is_some_and(|all| all.contains(id))));
        if is_within {
            None
        } else {
            lapse(
                "approval-lapsed",
                "the approval of the project does not name all of the datasets",
            )
        }
    }

    /// The leaf hash for which the approval at that place must have been granted.
    fn approved(&self, rests: &Rests, at: usize, job: &State) -> String {
        match at {
            0 => self.text(&rests.project, "version"),
            1 => self.text(&rests.workflow, "version"),
            _ => {
                let member = job.get("member").and_then(Value::as_str).unwrap_or_default();
                let added = self
                    .state(&rests.project)
                    .and_then(|state| state.get("members")?.get(member)?.as_str());
                // What no approval can name, so that a member who was removed has none.
                added.unwrap_or("removed").to_owned()
            }
        }
    }

    /// As the rules have it: on the register, or under an embargo that runs.
    fn is_registered(&self, register: &Stream, now: i64) -> bool {
        let state = self.state(register);
        let until = state.and_then(|state| state.get("until")?.as_i64()).unwrap_or(0);
        match self.word(register) {
            "published" => true,
            "held" if state.is_some_and(|state| state.contains_key("version")) => true,
            "held" | "deferred" => until > now,
            _ => false,
        }
    }

    /// The word of a stream's state; empty where it has none.
    pub(crate) fn word(&self, stream: &Stream) -> &str {
        self.state(stream)
            .and_then(|state| state.get("state")?.as_str())
            .unwrap_or_default()
    }

    /// A member of a stream's state that is text; empty where there is none.
    pub(crate) fn text(&self, stream: &Stream, name: &str) -> String {
        let state = self.state(stream);
        state
            .and_then(|state| state.get(name)?.as_str())
            .unwrap_or_default()
            .to_owned()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every caller returns it as a lapse that is there"
)]
fn lapse(code: &str, text: &str) -> Option<Lapse> {
    Some(Lapse {
        code: code.to_owned(),
        text: text.to_owned(),
    })
}

/// The code with which a job is held that the rules refuse, by the refusal's own code.
pub(crate) fn hold_code(refusal: &str) -> &'static str {
    match refusal {
        "approval-lapsed" | "not-registered" | "expired" | "not-standing" => "approval-lapsed",
        "tre-suspended" => "suspended",
        "other-state" => "dataset-withdrawn",
        _ => "query",
    }
}

/// The same for a refusal that the relay's own judge has spoken.
impl From<&Refusal> for Lapse {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: hold_code(refusal.code()).to_owned(),
            text: crate::link::chain(refusal),
        }
    }
}
