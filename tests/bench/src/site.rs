//! How fast the register's pages are when it is as large as a country's.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use daybook_seed::CONDITIONS;
use serde_json::Value;

use crate::hub::{Place, Running};
use crate::load::{Plan, Reads, Report};
use crate::run::{Loader, check};
use crate::scenarios::say;
use crate::seed::{self, Seeded};
use crate::visible;
use crate::wire::{Connection, get};

/// How long views may take to catch up.
const PATIENCE: Duration = Duration::from_mins(30);
/// Words that most texts have.
const COMMON: [&str; 8] = [
    "people", "group", "records", "hospital", "year", "safe", "numbers", "patients",
];
/// TREs of the seed.
const TRES: [&str; 4] = ["barsetshire", "lyonesse", "middlemarch", "erewhon"];
/// Of a hundred requests, how many ask for what.
const MIX: [(&str, u32); 6] = [
    ("home", 10),
    ("list", 15),
    ("search with facets", 15),
    ("project", 28),
    ("job", 28),
    ("busiest project", 4),
];

/// How large the register is and how hard it is asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct Size {
    /// Projects.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) projects: usize,
    /// Jobs.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) jobs: usize,
    /// Requests a second, all kinds together.
    #[arg(long, default_value_t = 300)]
    pub(crate) rate: u32,
    /// Makes each page anew, as where an entry arrives between any two requests.
    #[arg(long)]
    pub(crate) anew: bool,
    /// Seconds of the mix.
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u32,
    /// Where the database lies; it is filled if it is empty, and stays.
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

/// Seeds if need be, and measures.
pub(crate) async fn run(size: &Size) -> Result<()> {
    let held = size.folder.join("seeded.json");
    let seeded: Seeded = if held.is_file() {
        serde_json::from_str(&fs::read_to_string(&held)?)?
    } else {
        seed::seed(&size.folder, size.projects, size.jobs).await?
    };
    let start = Instant::now();
    let hub = Running::start(&Place::at(&size.folder), None)?;
    let entries = caught_up(&hub.address, 1).await?;
    say(&format!(
        "views caught up after {:.0} s",
        start.elapsed().as_secs_f64()
    ))?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{} projects, {} jobs, {entries} entries; {} requests a second for {} s{}.\n",
        seeded.projects.len(),
        seeded.job_count,
        size.rate,
        size.seconds,
        if size.anew { ", each page made anew" } else { "" }
    )?;
    writeln!(
        out,
        "| page | share | p50 ms | p95 ms | p99 ms | slowest ms | kB |\n|---|---|---|---|---|---|---|"
    )?;
    let (mut reads, mut first) = (BTreeMap::new(), BTreeMap::new());
    for (kind, share) in MIX {
        let mut paths = paths(kind, &seeded);
        if size.anew {
            // An address of its own each, as far as the register can see.
            paths = (0..20_000).map(|n| anew(&paths[n % paths.len()], n)).collect();
        }
        first.insert(kind, paths[0].clone());
        let file = size.folder.join(format!("paths-{}", kind.replace(' ', "-")));
        fs::write(&file, paths.join("\n"))?;
        let rate = f64::from(size.rate * share) / 100.0;
        let most = usize::try_from(size.rate * share * size.seconds / 100)?;
        reads.insert(
            kind.to_owned(),
            Reads {
                file,
                connections: 8,
                rate,
                most,
            },
        );
    }
    // Once before it counts, as on a register that is not asked for the first time.
    let warm: BTreeMap<_, _> = reads
        .iter()
        .map(|(kind, reads)| {
            (
                kind.clone(),
                Reads {
                    most: reads.most / 10,
                    ..reads.clone()
                },
            )
        })
        .collect();
    load(&hub.address, warm)?;
    let report = load(&hub.address, reads)?;
    let mut connection = Connection::open(&hub.address).await?;
    for (kind, share) in MIX {
        let outcome = report.reads.get(kind).context("a kind that was not asked for")?;
        check(kind, outcome)?;
        // As it is: a hub does not compress.
        let bytes = connection.ask(&get(&first[kind])).await?.body.len();
        let kilobytes = f64::from(u32::try_from(bytes)?) / 1e3;
        let ms = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1e3;
        writeln!(
            out,
            "| {kind} | {share} % | {:.1} | {:.1} | {:.1} | {:.1} | {kilobytes:.1} |",
            ms(outcome.p50),
            ms(outcome.p95),
            ms(outcome.p99),
            ms(outcome.most)
        )?;
    }
    let asked: usize = report.reads.values().map(|outcome| outcome.requests).sum();
    let took = report
        .reads
        .values()
        .map(|outcome| outcome.seconds)
        .fold(0.0, f64::max);
    writeln!(out, "\n{asked} requests in {took:.1} s.")?;
    if !size.anew {
        let times = visible::measure(&Place::at(&size.folder), &hub.address, &seeded.projects).await?;
        let ms = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
        writeln!(
            out,
            "{} projects closed, one after the other: the new version is on the page {} ms after the receipt (median), {} ms at most.",
            times.len(),
            ms(times.get(times.len() / 2)),
            ms(times.last())
        )?;
    }
    hub.stop()
}

fn load(address: &str, reads: BTreeMap<String, Reads>) -> Result<Report> {
    let plan = Plan {
        address: address.to_owned(),
        append: None,
        reads,
    };
    let mut loader = Loader::start(&plan)?;
    let report = loader.work()?;
    loader.end()?;
    Ok(report)
}

/// Waits until the views have taken in all entries, and says how many that are.
pub(crate) async fn caught_up(address: &str, at_least: usize) -> Result<u64> {
    let begin = Instant::now();
    let mut connection = Connection::open(address).await?;
    loop {
        let size = number(&mut connection, "/v1/events?limit=1", "tree_size").await?;
        let seen = number(&mut connection, "/v1/jobs?limit=1", "as_of").await?;
        if let Some(size) = size
            && size >= at_least as u64
            && seen >= Some(size)
        {
            return Ok(size);
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "the views have come to {seen:?} of {size:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn number(connection: &mut Connection, path: &str, name: &str) -> Result<Option<u64>> {
    let answer = connection.ask(&get(path)).await?;
    if answer.status != 200 {
        return Ok(None);
    }
    let body: Value = serde_json::from_slice(answer.body)?;
    Ok(body.get(name).and_then(Value::as_u64))
}

/// Paths of a kind, in no order that a cache could guess.
fn paths(kind: &str, seeded: &Seeded) -> Vec<String> {
    let some = |n: usize| 0..n;
    match kind {
        "home" => vec!["/".to_owned()],
        "list" => some(50)
            .map(|n| format!("/projects?sort={}", ["new", "title"][n % 2]))
            .collect(),
        "search with facets" => some(1_000)
            .map(|n| {
                // One in ten looks for a word that most texts have.
                let common = COMMON[n % COMMON.len()];
                let subject = CONDITIONS[n * 7 % CONDITIONS.len()].name.replace(' ', "+");
                let tre = TRES[n % 4];
                match n % 10 {
                    0 => format!("/projects?q={common}"),
                    1..=4 => format!("/projects?q={subject}&tre={tre}"),
                    5 => format!("/projects?q={subject}+{common}"),
                    _ => format!("/projects?q={subject}"),
                }
            })
            .collect(),
        "project" => spread(&seeded.projects)
            .map(|id| format!("/projects/{id}"))
            .collect(),
        "job" => spread(&seeded.jobs).map(|id| format!("/jobs/{id}")).collect(),
        _ => vec![format!("/projects/{}", seeded.projects[0])],
    }
}

fn anew(path: &str, n: usize) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}n={n}")
}

fn spread(ids: &[String]) -> impl Iterator<Item = &String> {
    (0..5_000).map(move |n: usize| &ids[n.wrapping_mul(7_919_017) % ids.len()])
}
