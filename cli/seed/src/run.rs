//! The clock of the seed: who does what next.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, VecDeque};

use daybook_core::id::{Actor, Slug, Stream, TreRole};
use serde_json::json;

use crate::chance::Chance;
use crate::country::TRES;
use crate::federation::{Site, Workflow};
use crate::job::{Job, Submission};
use crate::page::Part;
use crate::pen::{Head, Line, Pen, SeedError};
use crate::project::Project;
use crate::time::{DAY, HOUR, MINUTE, at_work, growing};
use crate::words::METHODS;
use crate::{Ground, Plan, Said};

/// How often the clerk marks the time, and a TRE reports its counts.
const MARKS: i64 = 7 * DAY;
const REPORTS: i64 = 91 * DAY;
/// When the first project is registered, and when the first job is submitted, after the beginning.
const FIRST_PROJECT: i64 = 14 * DAY;
const FIRST_JOB: i64 = 75 * DAY;
/// Before the end: the last project, the last job, the last report.
const LAST_PROJECT: i64 = 5 * DAY;
const LAST_JOB: i64 = 2 * DAY;
const LAST_REPORT: i64 = 6 * HOUR;
/// In which time before the last job those are submitted that stand open at the end.
const LAST_JOBS: i64 = 18 * DAY;
/// From how many jobs on the last weeks have enough of them anyway.
const MANY: usize = 1_000;

/// Something that is to be done.
pub(crate) enum Task {
    /// A TRE joins.
    Join(usize),
    /// A project is registered.
    Register(usize),
    /// A TRE, the so-manieth of a project's, approves it.
    Approve(usize, usize),
    /// The editor writes about a project.
    Publish(usize),
    /// The registrar corrects what a project says.
    Amend(usize),
    /// Something has come of a project.
    Link(usize),
    /// A project ends.
    Close(usize),
    /// A researcher submits.
    Submit,
    /// A job goes on.
    Step(Box<Job>),
    /// The clerk marks the time.
    Mark,
    /// A TRE reports its counts.
    Report(usize),
}

struct Due {
    at: i64,
    turn: u64,
    task: Task,
}

impl Due {
    fn key(&self) -> (i64, u64) {
        (self.at, self.turn)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The events of a country, in the order of the log.
pub struct Seed {
    pub(crate) plan: Plan,
    pub(crate) pen: Pen,
    pub(crate) chance: Chance,
    pub(crate) registrar: Actor,
    pub(crate) federation: Head,
    log: Head,
    pub(crate) sites: Vec<Site>,
    pub(crate) workflows: Vec<Workflow>,
    /// What describes TREs, datasets and workflows.
    pub(crate) things: Vec<Part>,
    pub(crate) projects: Vec<Option<Box<Project>>>,
    /// Projects whose members may submit.
    pub(crate) open: Vec<usize>,
    /// Those of which nobody has submitted yet.
    pub(crate) fresh: VecDeque<usize>,
    pub(crate) submissions: HashMap<u64, Submission>,
    /// Submissions so far, and jobs.
    pub(crate) submitted: u64,
    pub(crate) jobs: usize,
    tasks: BinaryHeap<Reverse<Due>>,
    turn: u64,
    ready: VecDeque<Said>,
    /// The index of the next entry, and when the last one was taken.
    next: u64,
    last: i64,
}

impl Seed {
    /// Begins after the founding of a log.
    pub fn new(plan: Plan, ground: Ground) -> Result<Self, SeedError> {
        let (seq, leaf) = ground.federation;
        let mut seed = Self {
            chance: Chance::of(plan.number, "what happens"),
            registrar: Actor::Registrar("first".parse()?),
            federation: Head {
                seq,
                leaf: Some(leaf),
            },
            log: Head::default(),
            sites: Vec::new(),
            workflows: Vec::new(),
            things: Vec::new(),
            projects: (0..plan.projects).map(|_| None).collect(),
            open: Vec::new(),
            fresh: VecDeque::new(),
            submissions: HashMap::new(),
            submitted: 0,
            jobs: 0,
            tasks: BinaryHeap::new(),
            turn: 0,
            ready: VecDeque::new(),
            next: ground.seen.size,
            last: plan.begins(),
            pen: Pen::new(plan.number, ground),
            plan,
        };
        seed.begin()?;
        Ok(seed)
    }

    /// The TREs: their ids, and the thumbprints of their root keys for whoever is to check them.
    pub fn roots(&mut self) -> Result<Vec<(Slug, String)>, SeedError> {
        let root = |tre: &crate::country::Tre| -> Result<(Slug, String), SeedError> {
            let slug: Slug = tre.slug.parse()?;
            let thumbprint = self.pen.thumbprint(&Actor::Tre(slug.clone(), TreRole::Root));
            Ok((slug, thumbprint))
        };
        TRES.iter().map(root).collect()
    }

    fn begin(&mut self) -> Result<(), SeedError> {
        let begins = self.plan.begins();
        self.grant_registrar(begins + HOUR)?;
        for method in 0..METHODS.len() {
            self.register_workflow(method, begins + DAY)?;
        }
        for (place, tre) in TRES.iter().enumerate() {
            let at = at_work(begins + tre.joins * DAY);
            self.push(at, Task::Join(place));
        }
        let (first, last) = (begins + FIRST_PROJECT, self.plan.until - LAST_PROJECT);
        let all = i64::try_from(self.plan.projects).unwrap_or(i64::MAX);
        for place in 0..self.plan.projects {
            let done = i64::try_from(place).unwrap_or(0);
            let at = first + (last - first) * done / all + self.chance.within(0, DAY);
            self.push(at_work(at), Task::Register(place));
        }
        self.push(begins + FIRST_JOB, Task::Submit);
        self.push(begins + MARKS, Task::Mark);
        Ok(())
    }

    /// Has something done at a time.
    pub(crate) fn push(&mut self, at: i64, task: Task) {
        self.turn += 1;
        let turn = self.turn;
        self.tasks.push(Reverse(Due { at, turn, task }));
    }

    /// Signs a line, and answers with its leaf hash.
    pub(crate) fn say(&mut self, head: &mut Head, at: i64, line: Line) -> Result<String, SeedError> {
        self.last = self.last.max(at);
        let said = self.pen.sign(head, self.last, line)?;
        let leaf = said.event.leaf().to_base64url();
        self.next += 1;
        self.ready.push_back(said);
        Ok(leaf)
    }

    /// What a page needs of what was said last.
    pub(crate) fn part(&self) -> Option<Part> {
        let said = self.ready.back()?;
        Some(Part::of(said, self.next - 1))
    }

    fn run(&mut self, due: Due) -> Result<(), SeedError> {
        let at = due.at;
        match due.task {
            Task::Join(place) => {
                self.join(place, at)?;
                self.push(at + REPORTS / 3, Task::Report(place));
                self.push(self.plan.until - LAST_REPORT, Task::Report(place));
                Ok(())
            }
            Task::Register(place) => self.register(place, at),
            Task::Approve(place, nth) => self.approve(place, nth, at),
            Task::Publish(place) => self.publish(place, at),
            Task::Amend(place) => self.amend(place, at),
            Task::Link(place) => self.link(place, at),
            Task::Close(place) => self.close(place, at),
            Task::Submit => {
                self.submit(at)?;
                if self.jobs < self.plan.jobs {
                    // Where nobody could submit: later.
                    let next = if self.jobs > 0 {
                        self.next_submission()
                    } else {
                        at + DAY
                    };
                    self.push(next.max(at), Task::Submit);
                }
                Ok(())
            }
            Task::Step(job) => self.step(job, at),
            Task::Mark => self.mark(at),
            Task::Report(place) => self.report(place, at),
        }
    }

    /// When the next request is sent: during the day, and the last ones within the last weeks, however few there are.
    fn next_submission(&self) -> i64 {
        let (first, last) = (self.plan.begins() + FIRST_JOB, self.plan.until - LAST_JOB);
        let (left, stops) = (self.plan.jobs - self.jobs, self.stops());
        let turns = last - LAST_JOBS;
        let next = match self.plan.jobs {
            MANY.. => growing(first, last, self.jobs, self.plan.jobs),
            all if left > stops => growing(first, turns, self.jobs, all - stops),
            _ => growing(turns, last, stops - left, stops),
        };
        at_work(next).min(last)
    }

    fn mark(&mut self, at: i64) -> Result<(), SeedError> {
        let mut head = self.log;
        let line = Line::new(&Actor::Clerk, &Stream::Log, "time-marked", json!({}));
        self.say(&mut head, at, line)?;
        self.log = head;
        self.push(at + MARKS, Task::Mark);
        Ok(())
    }

    fn report(&mut self, place: usize, at: i64) -> Result<(), SeedError> {
        let Some(site) = self.sites.iter().find(|site| site.place == place) else {
            return Ok(());
        };
        let (stream, relay) = (Stream::Tre(site.slug.clone()), site.relay.clone());
        let (mut head, made, runs) = (site.head, site.made, site.runs);
        let counts = json!({
            "acknowledged": made, "journal": self.chance.digest(), "made": made, "runs": runs, "waiting": 0,
        });
        self.say(&mut head, at, Line::new(&relay, &stream, "tre-reported", counts))?;
        if let Some(site) = self.sites.iter_mut().find(|site| site.place == place) {
            site.head = head;
        }
        if at + REPORTS < self.plan.until - LAST_REPORT {
            self.push(at + REPORTS, Task::Report(place));
        }
        Ok(())
    }
}

impl Iterator for Seed {
    type Item = Result<Said, SeedError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(said) = self.ready.pop_front() {
                return Some(Ok(said));
            }
            let Reverse(due) = self.tasks.pop()?;
            if due.at > self.plan.until - MINUTE {
                self.tasks.clear();
                return None;
            }
            if let Err(error) = self.run(due) {
                self.tasks.clear();
                return Some(Err(error));
            }
        }
    }
}
