//! A register of the size of a country: many projects, each with words of its own, and many jobs that mostly wait or were
//! refused, since those are what a register has most of and cost the fewest entries.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use daybook::hub::Database;
use daybook_core::Hash;
use daybook_store::Store;
use daybook_store::append::Candidate;
use daybook_world::{Ending, World};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hub::{Place, Running};
use crate::lives::{Model, Names, Signed, TRES, Voice};
use crate::scenarios::say;
use crate::wire::{Connection, get};
use crate::words::{SUBJECTS, WORDS};

/// Events that are offered before the first of them is answered.
const AT_ONCE: usize = 2_048;
/// How the jobs of ten submissions to all TREs end; the others wait.
const MIX: [[Option<Ending>; 4]; 5] = [
    [Some(Ending::Refused), None, Some(Ending::Refused), None],
    [None, Some(Ending::Refused), None, Some(Ending::Released)],
    [Some(Ending::Refused), Some(Ending::Refused), None, None],
    [Some(Ending::Withheld), None, Some(Ending::Refused), None],
    [None, None, Some(Ending::Abandoned), Some(Ending::Refused)],
];
/// Of so many submissions one belongs to the first project, which is by far the busiest.
const BUSY: usize = 20;
/// How long views and editor may take to catch up.
const PATIENCE: Duration = Duration::from_mins(30);

/// What a seeded folder holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seeded {
    /// Ids of all projects.
    pub(crate) projects: Vec<String>,
    /// Ids of some jobs, of all parts of the log.
    pub(crate) jobs: Vec<String>,
    /// All jobs.
    pub(crate) job_count: usize,
}

/// Fills an empty folder, and leaves beside its database what it holds.
pub(crate) async fn seed(folder: &Path, projects: usize, jobs: usize) -> Result<Seeded> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let world = crate::lives::federation(now.as_secs().try_into()?);
    let place = Place::found_with_register(folder, &world).await?;
    let start = Instant::now();
    let mut scenes = Vec::new();
    let mut seeded = Seeded::default();
    {
        let filling = Filling::open(&place).await?;
        let model = Model::of_project(&world);
        let mut voice = Voice::of(&world);
        for n in 0..projects {
            voice.seed = format!("project {n}");
            voice.says = Box::new(move |kind, name| (kind == "project-registered").then(|| text(n, name))?);
            let mut names = Names::new();
            let life = model.live(&mut voice, &mut names)?;
            seeded
                .projects
                .push(names[&world.cast.project.to_string()].clone());
            filling.append(life).await?;
            scenes.push(names);
        }
        filling.close().await?;
    }
    say(&format!(
        "{projects} projects in {:.0} s",
        start.elapsed().as_secs_f64()
    ))?;
    published(&place, &seeded.projects).await?;
    say(&format!("published after {:.0} s", start.elapsed().as_secs_f64()))?;
    let filling = Filling::open(&place).await?;
    fill_jobs(&world, &scenes, jobs, &filling, &mut seeded).await?;
    filling.close().await?;
    say(&format!(
        "{} jobs after {:.0} s",
        seeded.job_count,
        start.elapsed().as_secs_f64()
    ))?;
    std::fs::write(folder.join("seeded.json"), serde_json::to_string(&seeded)?)?;
    Ok(seeded)
}

async fn fill_jobs(
    world: &World,
    scenes: &[Names],
    jobs: usize,
    filling: &Filling,
    seeded: &mut Seeded,
) -> Result<()> {
    let models: Vec<Model> = MIX
        .iter()
        .map(|ends| Model::of_jobs(world, &std::array::from_fn::<_, 4, _>(|n| (TRES[n], ends[n]))))
        .collect();
    let mut voice = Voice::of(world);
    let mut waiting = Vec::new();
    let year = 365 * 86_400;
    let submissions = jobs / TRES.len();
    for n in 0..submissions {
        // A year of submissions; a large prime step takes the projects in no order.
        voice.later = i64::try_from(n)? * year / i64::try_from(submissions)? - year;
        voice.seed = format!("submission {n}");
        let scene = if n.is_multiple_of(BUSY) {
            0
        } else {
            n.wrapping_mul(7_919_017) % scenes.len()
        };
        let mut names = scenes[scene].clone();
        let life = models[n % models.len()].live(&mut voice, &mut names)?;
        let of = life[0].event.claims().data.get("jobs").and_then(Value::as_object);
        let ids = of.context("a submission without jobs")?.values();
        let ids = ids.filter_map(|part| part.get("job")?.as_str().map(str::to_owned));
        seeded.job_count += TRES.len();
        if n.is_multiple_of(50) {
            seeded.jobs.extend(ids);
        }
        waiting.extend(life);
        if waiting.len() >= AT_ONCE {
            filling.append(std::mem::take(&mut waiting)).await?;
        }
        if n.is_multiple_of(25_000) {
            say(&format!("{n} submissions"))?;
        }
    }
    filling.append(waiting).await
}

/// The log, filled without a hub's views beside it.
struct Filling {
    database: Database,
    store: Store,
}

impl Filling {
    async fn open(place: &Place) -> Result<Self> {
        let database = place.database().await?;
        let store = place.open(&database).await?;
        Ok(Self { database, store })
    }

    async fn append(&self, events: Vec<Signed>) -> Result<()> {
        let now = events
            .iter()
            .map(|signed| signed.event.claims().iat)
            .max()
            .unwrap_or_default();
        let mut batch = self.store.appender.batch(now);
        let mut answers = Vec::new();
        let mut rest = events.into_iter().peekable();
        while rest.peek().is_some() {
            let some = rest
                .by_ref()
                .take(64)
                .map(|Signed { event, openings }| Candidate { event, openings });
            answers.extend(batch.offer(some.collect()).await);
        }
        for answer in answers {
            answer.answer().await?;
        }
        Ok(())
    }

    async fn close(self) -> Result<()> {
        self.store.close().await;
        self.database.stop().await
    }
}

/// Runs a hub until its editor has published every project.
async fn published(place: &Place, projects: &[String]) -> Result<()> {
    let hub = Running::start(place, None)?;
    let mut connection = Connection::open(&hub.address).await?;
    let begin = Instant::now();
    for project in projects {
        while connection
            .ask(&get(&format!("/projects/{project}/record.json")))
            .await?
            .status
            != 200
        {
            ensure!(
                begin.elapsed() < PATIENCE,
                "project {project} is not on the register"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    hub.stop()
}

/// A sealed text of a project.
fn text(project: usize, name: &str) -> Option<Value> {
    let value = match name {
        "title" => sentence(project, name, 9).into(),
        "line" => sentence(project, name, 14).into(),
        "lay_summary" => paragraphs(project, name, 12).into(),
        "public_benefit" => paragraphs(project, name, 5).into(),
        "organisations" => json!([format!("university of {}", word(project, name, 0))]),
        _ => return None,
    };
    Some(value)
}

fn paragraphs(project: usize, name: &str, sentences: usize) -> String {
    let all: Vec<String> = (0..sentences)
        .map(|n| sentence(project, &format!("{name} {n}"), 12))
        .collect();
    all.join(" ")
}

fn sentence(project: usize, name: &str, words: usize) -> String {
    let words = (1..words).map(|n| word(project, name, n));
    let all: Vec<&str> = std::iter::once(subject(project, name)).chain(words).collect();
    format!("{}.", all.join(" "))
}

fn word(project: usize, name: &str, n: usize) -> &'static str {
    let hash = Hash::of(format!("{project} {name} {n}").as_bytes()).0;
    let (a, b) = (usize::from(hash[0]), usize::from(hash[1]));
    // The smaller of two throws: the first words are met far more often than the last.
    WORDS[(a % WORDS.len()).min(b % WORDS.len())]
}

fn subject(project: usize, name: &str) -> &'static str {
    let which = Hash::of(name.as_bytes()).0[0] % 2;
    let hash = Hash::of(format!("subject {which} of {project}").as_bytes()).0;
    SUBJECTS[usize::from(hash[0]) * SUBJECTS.len() / 256]
}
