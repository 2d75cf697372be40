//! The life of a job.

use daybook_core::id::Stream;
use serde_json::{Map, json};
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

const ANSWERS: [&str; 3] = [
    "We have joined the groups, and say so below the table.",
    "The table is a check of our own and can stay inside; we have taken it out.",
    "The smallest bar stands for more than twenty people. The count is in the first column now.",
];

/// A submission, while one of its jobs has steps to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submission {
    pub(crate) id: Uuid,
    head: Head,
    jobs: usize,
}

/// A job with steps to come.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) project: usize,
    /// Where it runs, and by which approvals.
    pub(crate) approved: Approved,
    pub(crate) member: usize,
    pub(crate) submission: u64,
    pub(crate) life: Life,
    pub(crate) times: Vec<i64>,
    pub(crate) next: usize,
    pub(crate) is_part: bool,
    pub(crate) head: Head,
    pub(crate) attempts: i64,
    pub(crate) set: i64,
    /// Leaf hashes and commitments that later events quote.
    pub(crate) cause: String,
    pub(crate) outputs: String,
    pub(crate) cleared: String,
    pub(crate) decision: String,
    pub(crate) asked: String,
    pub(crate) released: String,
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
        if left <= self.stops() {
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

    /// How many jobs stand open at the end because they are meant to: with a hundred and more, in each state.
    pub(crate) fn stops(&self) -> usize {
        match self.plan.jobs {
            _ if self.plan.ends == Ends::FewEntries => 0,
            few @ ..100 => few / 6,
            many => (many / 10).clamp(STOPS.len(), 2 * STOPS.len()),
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

    pub(crate) fn datasets(&self, approved: &Approved) -> Vec<Uuid> {
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
}
