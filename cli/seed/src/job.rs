//! The life of a job.

use daybook_core::id::{Actor, Stream};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::Ends;
use crate::chance::turn;
use crate::country::Tre;
use crate::ends::{End, Life, Pace, STOPS, pace};
use crate::federation::PAUSE;
use crate::pen::{Head, Line, SeedError};
use crate::project::{Approved, Project};
use crate::run::{Seed, Task};
use crate::time::{STEP, at_work};

/// Of so many submissions one is of the first project, which is by far the busiest.
const BUSY: u64 = 20;
/// To how many TREs ten submissions go.
const SIZES: [usize; 10] = [1, 2, 1, 1, 3, 1, 2, 1, 2, 1];
/// Seconds before the end by which a job stands where it is to be found.
const SETTLES: i64 = 3_600;

const QUESTIONS: [&str; 4] = [
    "How many people stand behind the smallest bar of the second figure?",
    "Please join the two oldest groups: together they are large enough.",
    "What is the third table for? The request does not speak of it.",
    "Please leave out the counts by month; the counts by year can go.",
];
const ANSWERS: [&str; 3] = [
    "We have joined the groups, and say so below the table.",
    "The table is a check of our own and can stay inside; we have taken it out.",
    "The smallest bar stands for more than twenty people. The count is in the first column now.",
];

/// A submission, while one of its jobs has steps to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submission {
    id: Uuid,
    head: Head,
    jobs: usize,
}

/// A job with steps to come.
#[derive(Debug)]
pub(crate) struct Job {
    id: Uuid,
    project: usize,
    /// Where it runs, and by which approvals.
    approved: Approved,
    member: usize,
    submission: u64,
    life: Life,
    times: Vec<i64>,
    next: usize,
    is_part: bool,
    head: Head,
    attempts: i64,
    set: i64,
    /// Leaf hashes and commitments that later events quote.
    cause: String,
    outputs: String,
    cleared: String,
    decision: String,
    asked: String,
    released: String,
}

impl Seed {
    /// A researcher of some project sends a request to some of its TREs.
    pub(crate) fn submit(&mut self, at: i64) -> Result<(), SeedError> {
        let Some(place) = self.somebody() else {
            return Ok(());
        };
        let Some(mut project) = self.projects.get_mut(place).and_then(Option::take) else {
            return Ok(());
        };
        let size = match self.plan.ends {
            Ends::AsUsual => *turn(&SIZES, usize::try_from(self.submitted % 10).unwrap_or(0)),
            Ends::FewEntries => 4,
        };
        let left = self.plan.jobs - self.jobs;
        let size = size.min(project.sites.len()).min(left);
        let first = self.chance.below(project.sites.len());
        let approved: Vec<Approved> = (0..size)
            .filter_map(|n| {
                project
                    .sites
                    .get((first + n) % project.sites.len().max(1))
                    .cloned()
            })
            .collect();
        let (place_of_member, member) = project.member(self.chance.below(8));
        let number = self.submitted;
        self.submitted += 1;
        let submission = self.chance.id();
        let ids: Vec<Uuid> = approved.iter().map(|_| self.chance.id()).collect();
        let mut jobs = Map::new();
        for (one, id) in approved.iter().zip(&ids) {
            if let Some(site) = self.sites.get(one.site) {
                let part = json!({ "datasets": self.datasets(one), "job": id });
                jobs.insert(site.slug.to_string(), part);
            }
        }
        let Some((workflow, thing)) = self
            .workflows
            .get(project.method())
            .map(|workflow| (workflow.id, workflow.thing))
        else {
            return Ok(());
        };
        project.page.tell_of(thing);
        let data = json!({ "jobs": jobs, "packet": self.chance.id(), "workflow": workflow });
        let stream = Stream::Submission(submission);
        let line =
            Line::new(&member, &stream, "job-submitted", data).seal("packet_digest", self.chance.digest());
        let mut head = Head::default();
        let cause = self.say(&mut head, at, line)?;
        for (one, id) in approved.into_iter().zip(&ids) {
            let job = self.job(*id, one, (place, place_of_member, number), at, &cause);
            project.running += 1;
            let jobs = size;
            self.submissions.entry(number).or_insert(Submission {
                id: submission,
                head,
                jobs,
            });
            self.go_on(Box::new(job), &mut project);
        }
        if let Some(home) = self.projects.get_mut(place) {
            *home = Some(project);
        }
        Ok(())
    }

    /// Whose turn it is to submit: every other time that of those who never have, and then more often that of those who have
    /// been there for longer.
    fn somebody(&mut self) -> Option<usize> {
        let is_busy = self.submitted.is_multiple_of(BUSY);
        if is_busy && self.open.first() == Some(&0) {
            return Some(0);
        }
        if self.submitted % 2 == 1
            && let Some(place) = self.fresh.pop_front().filter(|place| self.open.contains(place))
        {
            return Some(place);
        }
        let some = self.chance.below(self.open.len());
        let other = self.chance.below(3 * self.open.len());
        self.open.get(some.min(other)).copied()
    }

    fn job(
        &mut self,
        id: Uuid,
        approved: Approved,
        (project, member, submission): (usize, usize, u64),
        at: i64,
        cause: &str,
    ) -> Job {
        let tre = self.sites.get(approved.site).map(|site| site.tre);
        let end = self.end(tre);
        self.jobs += 1;
        let life = end.steps();
        let limit = matches!(end, End::Stops(_)).then_some(self.plan.until - SETTLES);
        let times = self.times(&life, at, tre.map_or(100, |tre| tre.pace), limit);
        Job {
            id,
            project,
            approved,
            member,
            submission,
            life,
            times,
            next: 0,
            is_part: end == End::Part,
            head: Head::default(),
            attempts: 0,
            set: 0,
            cause: cause.to_owned(),
            outputs: String::new(),
            cleared: String::new(),
            decision: String::new(),
            asked: String::new(),
            released: String::new(),
        }
    }

    /// How the next job ends. The last ones stand in every state.
    fn end(&mut self, tre: Option<&Tre>) -> End {
        if self.plan.ends == Ends::FewEntries {
            return End::of_few_entries(self.jobs);
        }
        let left = self.plan.jobs - self.jobs;
        let stops = if self.plan.jobs < 100 {
            self.plan.jobs / 6
        } else {
            (self.plan.jobs / 10).clamp(STOPS.len(), 2 * STOPS.len())
        };
        if left <= stops {
            return End::Stops(left);
        }
        let end = End::of_country(self.jobs);
        let (of_all, tre) = (self.chance.below(100), tre.filter(|_| end == End::Released));
        match tre {
            Some(tre) if of_all < tre.refuses => End::Refused,
            Some(tre) if of_all < tre.refuses + tre.withholds => End::Withheld,
            _ => end,
        }
    }

    /// When each step is done; all of them before a limit, if there is one.
    fn times(&mut self, life: &Life, begin: i64, percent: i64, limit: Option<i64>) -> Vec<i64> {
        let mut at = begin;
        let mut times: Vec<i64> = life
            .iter()
            .map(|kind| {
                let (median, pace) = pace(kind);
                at = match pace {
                    Pace::Machine => at + self.chance.around(median).max(20),
                    Pace::Zone => {
                        let done = at + self.chance.around(median);
                        (done.div_euclid(STEP) + 1) * STEP + self.chance.within(5, 90)
                    }
                    Pace::People => at_work(at + self.chance.around(median * percent / 100)),
                    Pace::Team => at_work(at + self.chance.around(median)),
                };
                at
            })
            .collect();
        if let Some(limit) = limit.filter(|limit| *limit < at) {
            for time in &mut times {
                *time = begin + (*time - begin) * (limit - begin).max(0) / (at - begin).max(1);
            }
        }
        times
    }

    fn datasets(&self, approved: &Approved) -> Vec<Uuid> {
        let site = self.sites.get(approved.site);
        let datasets = approved.data.iter().filter_map(|kind| site?.datasets.get(*kind));
        datasets.map(|dataset| dataset.id).collect()
    }

    /// Waits for the job's next step, or lets go of what has none.
    fn go_on(&mut self, job: Box<Job>, project: &mut Project) {
        if let Some(at) = job.times.get(job.next) {
            self.push(*at, Task::Step(job));
            return;
        }
        project.running -= 1;
        if let Some(submission) = self.submissions.get_mut(&job.submission) {
            submission.jobs -= 1;
            if submission.jobs == 0 {
                self.submissions.remove(&job.submission);
            }
        }
    }

    /// The next step of a job.
    pub(crate) fn step(&mut self, mut job: Box<Job>, at: i64) -> Result<(), SeedError> {
        let Some(mut project) = self.projects.get_mut(job.project).and_then(Option::take) else {
            return Ok(());
        };
        let place = job.project;
        if let Some(kind) = job.life.get(job.next).copied() {
            job.next += 1;
            let by_member = matches!(
                kind,
                "changes-answered" | "cancellation-requested" | "results-received"
            );
            if by_member {
                self.step_of_member(&job, &project, kind, at)?;
            } else {
                self.step_of_tre(&mut job, &mut project, kind, at)?;
            }
            self.go_on(job, &mut project);
        }
        if let Some(home) = self.projects.get_mut(place) {
            *home = Some(project);
        }
        Ok(())
    }

    fn step_of_member(
        &mut self,
        job: &Job,
        project: &Project,
        kind: &'static str,
        at: i64,
    ) -> Result<(), SeedError> {
        let Some(Submission { id, mut head, .. }) = self.submissions.get(&job.submission).copied() else {
            return Ok(());
        };
        let (_, member) = project.member(job.member);
        let stream = Stream::Submission(id);
        let say = |data| Line::new(&member, &stream, kind, data);
        let line = match kind {
            "changes-answered" => {
                say(json!({ "cause": job.asked, "job": job.id })).seal("text", *self.chance.of_all(&ANSWERS))
            }
            "cancellation-requested" => {
                let reasons = ["mistake", "not-needed", "duplicate"];
                say(json!({ "job": job.id, "reason": self.chance.of_all(&reasons) }))
            }
            _ => say(json!({ "cause": job.released, "job": job.id })),
        };
        self.say(&mut head, at, line)?;
        if let Some(submission) = self.submissions.get_mut(&job.submission) {
            submission.head = head;
        }
        Ok(())
    }

    fn step_of_tre(
        &mut self,
        job: &mut Job,
        project: &mut Project,
        kind: &'static str,
        at: i64,
    ) -> Result<(), SeedError> {
        let line = self.line(job, project, kind);
        if let Some(site) = self.sites.get_mut(job.approved.site) {
            site.made += 1;
            site.runs += u64::from(kind == "run-started");
        }
        let leaf = self.say(&mut job.head, at, line)?;
        let slot = match kind {
            "run-started" if !project.page.has("run") => "run",
            "job-released" => "release",
            "release-recalled" => "recall",
            _ => "",
        };
        if !slot.is_empty() {
            project.page.tell(slot, self.part());
            self.due(job.project, project, at + PAUSE);
        }
        match kind {
            "job-refused" | "disclosure-refused" => job.decision = leaf,
            "changes-requested" => job.asked = leaf,
            "job-released" => {
                job.released = leaf;
                project.released += 1;
                if matches!(project.released, 3 | 9) {
                    let when = at_work(at + self.chance.days(60, 200));
                    self.push(when, Task::Link(job.project));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the TRE says with a step.
    fn line(&mut self, job: &mut Job, project: &Project, kind: &'static str) -> Line {
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
        if matches!(
            kind,
            "job-signed-off" | "job-admitted" | "run-started" | "job-released"
        ) {
            data["project"] = json!(project.id);
            data["datasets"] = json!(self.datasets(&job.approved));
            if let (Actor::Member { member, .. }, Some(workflow)) =
                (project.member(job.member).1, self.workflows.get(project.method()))
            {
                data["member"] = json!(member);
                data["workflow"] = json!(workflow.id);
                let granted = site_granted(self, job, project.method());
                if kind == "job-signed-off" {
                    data["approvals"] = json!(granted);
                }
            }
        }
        if let (true, Some(workflow)) = (
            matches!(kind, "workflow-retrieved" | "outputs-assessed"),
            self.workflows.get(project.method()),
        ) {
            data["workflow"] = json!(workflow.id);
            if kind == "workflow-retrieved" {
                data["digest"] = json!(workflow.digest);
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
}

/// The approvals by which a job stands: of the project, of its workflow and of its member.
fn site_granted(seed: &Seed, job: &Job, method: usize) -> Vec<String> {
    let workflow = seed
        .sites
        .get(job.approved.site)
        .and_then(|site| site.granted.get(method).cloned());
    let member = job.approved.members.get(job.member).cloned();
    [Some(job.approved.project.clone()), workflow, member]
        .into_iter()
        .flatten()
        .collect()
}
