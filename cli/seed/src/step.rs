//! What a TRE says with each step of a job.

use daybook_core::id::{Actor, Stream};
use serde_json::{Value, json};

use crate::job::Job;
use crate::pen::Line;
use crate::project::Project;
use crate::run::Seed;

const QUESTIONS: [&str; 4] = [
    "How many people stand behind the smallest bar of the second figure?",
    "Please join the two oldest groups: together they are large enough.",
    "What is the third table for? The request does not speak of it.",
    "Please leave out the counts by month; the counts by year can go.",
];

impl Seed {
    /// What the TRE says with a step.
    pub(crate) fn line(&mut self, job: &mut Job, project: &Project, kind: &'static str) -> Line {
        let site = self.sites.get(job.approved.site);
        let began = job.attempts > 0;
        let by_person = kind == "job-signed-off" && !site.is_some_and(|site| site.tre.stands);
        let author = site.map_or(Actor::Operator, |site| {
            let author = match kind {
                "disclosure-approved"
                | "disclosure-refused"
                | "changes-requested"
                | "decision-overturned"
                | "release-recalled" => &site.review,
                "job-signed-off" if by_person => &site.review,
                "job-admitted" | "run-started" | "run-completed" | "run-failed" | "outputs-assessed"
                | "job-abandoned" => &site.runner,
                "job-cancelled" if began => &site.runner,
                _ => &site.relay,
            };
            author.clone()
        });
        let mut data = self.data(job, kind, by_person);
        if let Some(workflow) = self.workflows.get(project.method()) {
            match kind {
                "workflow-retrieved" => {
                    data["digest"] = json!(workflow.digest);
                    data["workflow"] = json!(workflow.id);
                }
                "outputs-assessed" => data["workflow"] = json!(workflow.id),
                "job-signed-off" | "job-admitted" | "run-started" | "job-released" => {
                    data["project"] = json!(project.id);
                    data["workflow"] = json!(workflow.id);
                    data["member"] = json!(project.member_id(job.member));
                    data["datasets"] = json!(self.datasets(&job.approved));
                    if kind == "job-signed-off" {
                        data["approvals"] = json!(self.granted(job, project.method()));
                    }
                }
                _ => {}
            }
        }
        let line = Line::new(&author, &Stream::Job(job.id), kind, data);
        self.sealed(line, kind)
    }

    /// The clear fields of a step that are its own.
    fn data(&mut self, job: &mut Job, kind: &str, by_person: bool) -> Value {
        match kind {
            "job-collected" => {
                let submission = self.submissions.get(&job.submission).map(|of| of.id);
                json!({ "cause": job.cause, "submission": submission })
            }
            "job-checked" => json!({ "profile": "five-safes-0.4" }),
            "workflow-retrieved" => json!({ "images": [self.chance.digest()] }),
            "job-signed-off" if by_person => json!({ "how": "person", "tag": self.chance.digest() }),
            "job-signed-off" => json!({ "how": "standing" }),
            "run-started" => {
                job.attempts += 1;
                let site = self.sites.get(job.approved.site);
                let datasets = job
                    .approved
                    .data
                    .iter()
                    .filter_map(|kind| site?.datasets.get(*kind));
                let versions: Vec<&str> = datasets.map(|dataset| dataset.version.as_str()).collect();
                json!({ "attempt": job.attempts, "engine": "cwltool", "versions": versions })
            }
            "run-completed" => json!({ "attempt": job.attempts, "engine": "cwltool" }),
            "run-failed" => {
                let codes = [
                    "tool-error",
                    "memory-limit",
                    "time-limit",
                    "input-missing",
                    "host-lost",
                ];
                json!({ "attempt": job.attempts, "code": self.chance.of_all(&codes), "engine": "cwltool" })
            }
            "outputs-assessed" => {
                job.set += 1;
                job.outputs = self.chance.digest();
                json!({ "outputs": job.outputs, "ruleset": self.chance.digest(), "set": job.set })
            }
            "changes-requested" => {
                let codes = ["context", "change", "fewer-outputs"];
                json!({ "kind": self.chance.of_all(&codes) })
            }
            "disclosure-approved" => {
                let (extent, outputs) = if job.is_part {
                    ("part", self.chance.digest())
                } else {
                    ("all", job.outputs.clone())
                };
                job.cleared.clone_from(&outputs);
                let tags = [self.chance.digest(), self.chance.digest()];
                json!({ "extent": extent, "outputs": outputs, "tags": tags })
            }
            "disclosure-refused" => json!({ "tags": [self.chance.digest(), self.chance.digest()] }),
            "outputs-moved" => json!({ "outputs": job.cleared }),
            "outputs-rechecked" => json!({ "how": "automatic", "outputs": job.cleared }),
            "job-released" => {
                let extent = if job.is_part { "part" } else { "all" };
                json!({ "extent": extent, "outputs": job.cleared, "packet": self.chance.id() })
            }
            "packet-offered" => json!({ "packet": self.chance.id() }),
            "job-held" => {
                let codes = ["query", "maintenance", "incident"];
                json!({ "code": self.chance.of_all(&codes) })
            }
            "job-cancelled" => json!({ "began": job.attempts > 0, "destroyed": true, "stopped": true }),
            "job-abandoned" => json!({ "attempts": job.attempts }),
            "decision-overturned" => json!({ "cause": job.decision, "tags": [self.chance.digest()] }),
            "release-recalled" => {
                let codes = ["disclosure-risk", "error", "approval"];
                json!({ "cause": job.released, "extent": "all", "reason": self.chance.of_all(&codes) })
            }
            _ => json!({}),
        }
    }

    /// The sealed fields of a step.
    fn sealed(&mut self, line: Line, kind: &str) -> Line {
        match kind {
            "job-refused" => {
                let codes = [
                    "approval",
                    "dataset",
                    "packet",
                    "workflow",
                    "workflow",
                    "capacity",
                    "requester",
                    "other",
                ];
                line.seal("reason", *self.chance.of_all(&codes))
            }
            "outputs-assessed" => {
                let verdicts = ["pass", "pass", "review", "fail"];
                line.seal("verdict", *self.chance.of_all(&verdicts))
            }
            "changes-requested" => line.seal("text", *self.chance.of_all(&QUESTIONS)),
            "disclosure-refused" => {
                let codes = [
                    "disclosure-risk",
                    "disclosure-risk",
                    "unexplained",
                    "not-as-approved",
                ];
                line.seal("reason", *self.chance.of_all(&codes))
            }
            "job-released" | "packet-offered" => line.seal("packet_digest", self.chance.digest()),
            _ => line,
        }
    }

    /// The approvals by which a job stands: of the project, of its workflow and of its member.
    fn granted(&self, job: &Job, method: usize) -> Vec<String> {
        let site = self.sites.get(job.approved.site);
        let workflow = site.and_then(|site| site.granted.get(method).cloned());
        let member = job.approved.members.get(job.member).cloned();
        [Some(job.approved.project.clone()), workflow, member]
            .into_iter()
            .flatten()
            .collect()
    }
}
