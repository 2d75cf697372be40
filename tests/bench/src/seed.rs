//! A register of the size of a country: the seed of `daybook-seed`, with jobs that mostly wait or were refused, since those
//! are what a register has most of and cost the fewest entries.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use daybook::config::{Config, Secrets};
use daybook::hub::{fill, found};
use daybook_core::Hash;
use daybook_core::event::Claims;
use daybook_core::id::Stream;
use daybook_seed::{Ends, Plan};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hub::Place;
use crate::scenarios::say;

/// Of so many submissions the jobs of one are asked for.
const SAMPLE: usize = 50;

/// What a seeded folder holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seeded {
    /// Ids of the projects on the register, the busiest first.
    pub(crate) projects: Vec<String>,
    /// Ids of some jobs, of all parts of the log.
    pub(crate) jobs: Vec<String>,
    /// All jobs.
    pub(crate) job_count: usize,
    /// All submissions.
    submissions: usize,
}

/// Fills an empty folder, and leaves beside its database what it holds.
pub(crate) async fn seed(folder: &Path, projects: usize, jobs: usize) -> Result<Seeded> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let plan = Plan {
        projects,
        ends: Ends::FewEntries,
        ..Plan::of(jobs, now.try_into()?)
    };
    let place = Place::prepare(folder)?;
    let (config, secrets) = (Config::read(&place.config_path())?, Secrets::default());
    found(&config, &secrets, "The benchmark's log", plan.begins()).await?;
    let start = Instant::now();
    let mut seeded = Seeded::default();
    let keys = Hash::of(b"keys of the benchmark").0;
    let filled = fill(&config, &secrets, (plan, keys), |event| {
        seeded.hear(event.claims());
    })
    .await?;
    say(&format!(
        "{} entries of {} jobs after {:.0} s",
        filled.entries,
        seeded.job_count,
        start.elapsed().as_secs_f64()
    ))?;
    std::fs::write(folder.join("seeded.json"), serde_json::to_string(&seeded)?)?;
    Ok(seeded)
}

impl Seeded {
    fn hear(&mut self, claims: &Claims) {
        let of = |name: &str| claims.data.get(name);
        match (&claims.sub, claims.kind.as_str()) {
            (Stream::Register(project), "register-published") if of("version") == Some(&1.into()) => {
                self.projects.push(project.to_string());
            }
            (_, "job-submitted") => {
                let jobs = of("jobs").and_then(Value::as_object).into_iter().flatten();
                let ids: Vec<&str> = jobs.filter_map(|(_, job)| job.get("job")?.as_str()).collect();
                self.job_count += ids.len();
                if self.submissions.is_multiple_of(SAMPLE) {
                    self.jobs.extend(ids.into_iter().map(str::to_owned));
                }
                self.submissions += 1;
            }
            _ => {}
        }
    }
}
