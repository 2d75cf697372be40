//! Killed at every step: relay, runner, hub and engine. Whatever is killed, the job ends as it would have.
//!
//! A step is a file in a spool, so the walk watches the spools and kills whoever has just written one. It needs no help from
//! the programs. `make test` does all of it to two jobs; `make walk` does each kill to a job of its own.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::place::{Job, Place, REVIEWERS, WHOLE_LIFE, kinds};
use super::process::{descendants, processes_of};
use super::watch::Watch;
use crate::relay::federation::{Federation, until};

/// How long the short form goes on killing, and how long any job may take.
const SHORT: Duration = Duration::from_secs(50);
const PATIENCE: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(2);

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Relay,
    Runner,
    Hub,
    Engine,
}

/// What is watched while a job goes its way.
struct Scene {
    place: Place,
    relay: Watch,
    runner: Watch,
}

/// A step that has just become a file.
struct Step {
    /// Whose, and its path without the job's id.
    name: String,
    by: Victim,
}

impl Scene {
    fn new(place: Place) -> Self {
        let [relay, runner] = ["relay", "runner"].map(|name| Watch::over(place.path(name)));
        Self { place, relay, runner }
    }

    fn next(&mut self, job: Job) -> Option<Step> {
        let plain = |path: String| path.replace(&job.id.to_string(), "JOB");
        if let Some(path) = self.relay.next() {
            let name = format!("relay: {}", plain(path));
            return Some(Step {
                name,
                by: Victim::Relay,
            });
        }
        let path = self.runner.next()?;
        let name = format!("runner: {}", plain(path));
        Some(Step {
            name,
            by: Victim::Runner,
        })
    }

    /// Kills somebody with SIGKILL and starts them again.
    async fn strike(&mut self, victim: Victim) {
        match victim {
            Victim::Relay => {
                self.place.kill_relay();
                self.place.start_relay();
            }
            Victim::Runner => {
                self.place.kill_runner();
                self.place.start_runner();
            }
            Victim::Hub => {
                self.place.federation.kill_hub();
                self.place.federation.start_hub();
            }
            // The runner lives on.
            Victim::Engine => {
                let runner = self.place.runner.as_ref().unwrap().pid().cast_signed();
                let engine = until("an engine runs", async || {
                    let found = descendants(runner);
                    (!found.is_empty()).then_some(found)
                });
                for seen in engine.await {
                    // One that has ended meanwhile is what was wanted.
                    kill_process(Pid::from_raw(seen.pid).unwrap(), Signal::KILL).ok();
                }
            }
        }
    }

    /// The people decide as soon as there is something to decide, however often they have to say it.
    fn decide(&self, job: Job) {
        let id = job.id.to_string();
        for reviewer in REVIEWERS {
            self.place.try_review(&["approve", &id, "--reviewer", reviewer]);
        }
    }

    /// Leads a job to its end. `strikes` hears of each step and says who is killed at it.
    async fn lead(&mut self, job: Job, mut strikes: impl FnMut(&Step) -> Vec<Victim>) -> Vec<String> {
        let begin = Instant::now();
        let mut steps = Vec::new();
        let mut asked = Instant::now();
        loop {
            assert!(
                begin.elapsed() < PATIENCE,
                "{job:?} has no end; the last steps: {steps:#?}"
            );
            if let Some(step) = self.next(job) {
                let victims = strikes(&step);
                for victim in victims {
                    self.strike(victim).await;
                }
                steps.push(step.name);
                continue;
            }
            // The hub is asked seldom: what counts here is to see files early.
            if asked.elapsed() > Duration::from_millis(300) {
                asked = Instant::now();
                match self.place.federation.state(job.id).await.as_deref() {
                    Some("assessed") => self.decide(job),
                    Some("released") => return steps,
                    _ => {}
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What is true of a job at its end, whatever was killed on its way.
    async fn check(&self, job: Job) {
        let events = self.place.events(job).await;
        let mut found = kinds(&events);
        // An attempt that was cut short is told as such, and the next one is like the first.
        while let Some(at) = found.iter().position(|kind| *kind == "run-failed") {
            assert_eq!(found[at - 1], "run-started", "{found:?}");
            found.drain(at - 1..=at);
        }
        assert_eq!(found, WHOLE_LIFE, "each event once, in its order");
        let bag = self.place.results(job).await;
        assert!(daybook_agent::packet::check_result(&bag).is_ok());
        assert_eq!(
            bag.payload
                .keys()
                .filter(|path| path.starts_with("outputs/"))
                .count(),
            2
        );
        let runner = self.place.runner.as_ref().unwrap().pid().cast_signed();
        let left = descendants(runner);
        assert!(left.is_empty(), "left running: {left:?}");
        let runs = processes_of(&self.place.path("runner").join("jobs"));
        assert!(runs.is_empty(), "left running: {runs:?}");
    }
}

async fn scene() -> Scene {
    let mut place = Place::of(Federation::new().await).await;
    place.start();
    Scene::new(place)
}

/// A step's name without the numbers in it: the second attempt's are the first's.
fn sort(step: &Step) -> String {
    step.name.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Whether a kill of the runner at this step costs an attempt. A job has three.
fn costs_an_attempt(step: &Step) -> bool {
    step.name.contains("/runs/") && !step.name.ends_with("begin.json") && !step.name.ends_with("outcome.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_during_which_relay_and_runner_are_killed_at_every_step_ends_as_it_would_have() {
    let mut scene = scene().await;
    let (begin, mut struck, mut lost) = (Instant::now(), BTreeSet::new(), 0);
    let job = scene.place.submit_shipped().await;
    let steps = scene
        .lead(job, |step| {
            let is_spared = begin.elapsed() > SHORT || (costs_an_attempt(step) && lost == 2);
            if is_spared || !struck.insert(sort(step)) {
                return Vec::new();
            }
            lost += usize::from(costs_an_attempt(step));
            vec![step.by]
        })
        .await;
    assert!(struck.len() > 15, "{steps:#?}");
    scene.check(job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_during_which_hub_and_engine_are_killed_ends_as_it_would_have() {
    let mut scene = scene().await;
    let (mut engines, mut hubs, mut count) = (0, 0, 0);
    let job = scene.place.submit_shipped().await;
    let steps = scene
        .lead(job, |step| {
            count += 1;
            if step.name.ends_with("started.json") && engines < 2 {
                engines += 1;
                return vec![Victim::Engine];
            }
            if count % 7 == 0 && hubs < 4 {
                hubs += 1;
                return vec![Victim::Hub];
            }
            Vec::new()
        })
        .await;
    assert!(engines > 0 && hubs > 2, "{steps:#?}");
    scene.check(job).await;
}

/// Each step of a job's life with each of the four, one kill a job: `make walk`.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_at_whichever_step_the_job_ends_as_it_would_have() {
    if std::env::var_os("DAYBOOK_WALK").is_none() {
        eprintln!("the whole walk is `make walk`; the tests before this are its short form");
        return;
    }
    let mut scene = scene().await;
    let job = scene.place.submit_shipped().await;
    let life = scene.lead(job, |_| Vec::new()).await;
    scene.check(job).await;
    for (at, name) in life.iter().enumerate() {
        for victim in [Victim::Relay, Victim::Runner, Victim::Hub, Victim::Engine] {
            // Only while one runs.
            if victim == Victim::Engine && !name.ends_with("started.json") {
                continue;
            }
            let job = scene.place.submit_shipped().await;
            let mut is_due = true;
            let strikes = |step: &Step| {
                let strikes = is_due && step.name == *name;
                is_due &= !strikes;
                if strikes { vec![victim] } else { Vec::new() }
            };
            scene.lead(job, strikes).await;
            scene.check(job).await;
            eprintln!("{}/{} {victim:?} at {name}: as it would have", at + 1, life.len());
        }
    }
}
