//! Killed at every step: relay, runner, hub and engine. Whatever is killed, the job ends as it would have.
//!
//! A step is a file in a spool, so the walk watches the spools and kills whoever has just written one. It needs no help from
//! the programs. `make test` does all of it to two jobs, and a few kills to a job each; `make walk` does each kill to a job of
//! its own.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use daybook_agent::random;
use rustix::process::{Pid, Signal, kill_process};

use super::place::{Job, Place, REVIEWERS, kinds};
use super::process::{descendants, processes_of};
use super::watch::Watch;
use crate::relay::federation::{Federation, WHOLE_LIFE, until};

/// No job takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_mins(15);
const LOOK: Duration = Duration::from_millis(2);
/// Jobs in which a step may go before it is seen, or an engine before it is killed.
const TRIES: usize = 10;

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

    /// Kills somebody with SIGKILL and starts them again. An engine may have ended before its turn comes: whether anybody was
    /// killed.
    async fn strike(&mut self, victim: Victim, job: Job, step: &Step) -> bool {
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
                let begun = step.name.trim_start_matches("runner: ");
                let outcome = begun.replace("started.json", "outcome.json");
                let outcome = outcome.replace("JOB", &job.id.to_string());
                let outcome = self.place.path("runner").join(outcome);
                let engine = until("an engine runs or has ended", async || {
                    let found = descendants(runner);
                    (!found.is_empty() || outcome.exists()).then_some(found)
                });
                let mut is_killed = false;
                for seen in engine.await {
                    is_killed |= kill_process(Pid::from_raw(seen.pid).unwrap(), Signal::KILL).is_ok();
                }
                return is_killed;
            }
        }
        true
    }

    /// The people decide as soon as there is something to decide, however often they have to say it.
    fn decide(&self, job: Job) {
        let id = job.id.to_string();
        for reviewer in REVIEWERS {
            self.place.try_review(&["approve", &id, "--reviewer", reviewer]);
        }
    }

    /// Leads a job to its end. `strikes` hears of each step and says who is to be killed at it; answers with the steps, and
    /// with who was killed.
    async fn lead(
        &mut self,
        job: Job,
        mut strikes: impl FnMut(&Step) -> Vec<Victim>,
    ) -> (Vec<String>, Vec<Victim>) {
        let begin = Instant::now();
        let (mut steps, mut killed) = (Vec::new(), Vec::new());
        let mut asked = Instant::now();
        loop {
            assert!(
                begin.elapsed() < PATIENCE,
                "{job:?} has no end; the last steps: {steps:#?}"
            );
            if let Some(step) = self.next(job) {
                for victim in strikes(&step) {
                    if self.strike(victim, job, &step).await {
                        killed.push(victim);
                    }
                }
                steps.push(step.name);
                continue;
            }
            // The hub is asked seldom: what counts here is to see files early.
            if asked.elapsed() > Duration::from_millis(300) {
                asked = Instant::now();
                match self.place.federation.state(job.id).await.as_deref() {
                    Some("assessed") => self.decide(job),
                    Some("released") => return (steps, killed),
                    _ => {}
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Leads a job during which somebody is killed at a step; answers whether anybody was: the step was seen, which a file that
    /// soon goes may not be, and the victim was there.
    async fn walk(&mut self, point: &Point) -> bool {
        let job = self.place.submit_shipped().await;
        let mut is_seen = false;
        let leading = self.lead(job, |step| {
            let strikes = !is_seen && step.name == point.name;
            is_seen |= strikes;
            if strikes { vec![point.victim] } else { Vec::new() }
        });
        let (_, killed) = leading.await;
        self.check(job).await;
        !killed.is_empty()
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
        let runs = processes_of(&self.place.path("runner").join("jobs"));
        assert!(runs.is_empty(), "left running: {runs:?}");
        // One that was started a moment ago may still ask its engine for the version.
        until("the runner is alone", async || {
            descendants(runner).is_empty().then_some(())
        })
        .await;
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
    let (mut struck, mut lost) = (BTreeSet::new(), 0);
    let job = scene.place.submit_shipped().await;
    let (steps, _) = scene
        .lead(job, |step| {
            let is_spared = costs_an_attempt(step) && lost == 2;
            if is_spared || !struck.insert(sort(step)) {
                return Vec::new();
            }
            lost += usize::from(costs_an_attempt(step));
            vec![step.by]
        })
        .await;
    assert!(struck.len() > 30, "{steps:#?}");
    scene.check(job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_during_which_hub_and_engine_are_killed_ends_as_it_would_have() {
    let mut scene = scene().await;
    for _ in 0..TRIES {
        let (mut engines, mut hubs, mut count) = (0, 0, 0);
        let job = scene.place.submit_shipped().await;
        let (steps, killed) = scene
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
        assert!(hubs > 2, "{steps:#?}");
        scene.check(job).await;
        if killed.contains(&Victim::Engine) {
            return;
        }
    }
    panic!("every engine had ended before it could be killed");
}

/// A step of a job's life, and who is killed at it.
struct Point {
    name: String,
    victim: Victim,
}

/// Every step with everybody who could be killed at it; an engine only as it begins, which is while one runs.
fn points(life: &[String]) -> Vec<Point> {
    let at = |name: &String, victim| Point {
        name: name.clone(),
        victim,
    };
    let programs = [Victim::Relay, Victim::Runner, Victim::Hub];
    let mut points: Vec<Point> = life
        .iter()
        .flat_map(|name| programs.map(|victim| at(name, victim)))
        .collect();
    let begins = life.iter().filter(|name| name.ends_with("started.json"));
    points.extend(begins.map(|name| at(name, Victim::Engine)));
    points
}

/// The points that `DAYBOOK_WALK` asks for: `2/9` is the second of nine parts. Without it one point for each of the four, and
/// `DAYBOOK_WALK_SEED` takes the same ones again.
fn chosen(points: Vec<Point>) -> Vec<Point> {
    if let Ok(text) = std::env::var("DAYBOOK_WALK") {
        let (part, parts) = text.split_once('/').expect("DAYBOOK_WALK is a part such as 1/1");
        let [part, parts]: [usize; 2] = [part, parts].map(|number| number.parse().unwrap());
        return points.into_iter().skip(part - 1).step_by(parts).collect();
    }
    let seed =
        std::env::var("DAYBOOK_WALK_SEED").map_or_else(|_| random::now(), |seed| seed.parse().unwrap());
    eprintln!("DAYBOOK_WALK_SEED={seed}");
    let mut left = points;
    let mut few = Vec::new();
    for victim in [Victim::Relay, Victim::Runner, Victim::Hub, Victim::Engine] {
        let (mut own, others) = left
            .into_iter()
            .partition::<Vec<_>, _>(|point| point.victim == victim);
        few.push(own.swap_remove(usize::try_from(seed).unwrap() % own.len()));
        left = others;
    }
    few
}

/// Steps of a job's life with each of the four, one kill a job: a few here, all of them by `make walk`.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_at_whichever_step_the_job_ends_as_it_would_have() {
    let mut scene = scene().await;
    let job = scene.place.submit_shipped().await;
    let (mut life, _) = scene.lead(job, |_| Vec::new()).await;
    scene.check(job).await;
    // What is made once in a TRE's life does not come again: the tests before have it.
    life.retain(|name| name.contains("JOB"));
    let all = points(&life);
    assert!(all.len() > 100, "{life:#?}");
    let points = chosen(all);
    for (at, point) in points.iter().enumerate() {
        let mut tries = 0;
        while !scene.walk(point).await {
            tries += 1;
            assert!(
                tries < TRIES,
                "{} did not come again, or its engine had always ended: nobody was killed at it",
                point.name
            );
        }
        eprintln!("{}/{} {:?} at {}", at + 1, points.len(), point.victim, point.name);
    }
}
