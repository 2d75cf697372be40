//! What is measured, in which order.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::load::{Append, Plan};
use crate::report::{Page, line};
use crate::run::{Bench, LONGEST_LIFE, Row};
use crate::site::caught_up;
use crate::{ceiling, inside};

/// A part that can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Single posts over 64 connections, and batches.
    Speed,
    /// `?wait=published`.
    Waiting,
    /// Reading, alone and while single posts come.
    Reading,
}

/// How much is measured.
#[derive(Args, Clone, Debug)]
pub(crate) struct Size {
    /// Sizes of the log at which single posts and batches are measured.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    pub(crate) entries: Vec<usize>,
    /// Events of a scenario at full speed; fewer where the scenario is slow.
    #[arg(long, default_value_t = 60_000)]
    pub(crate) events: usize,
    /// Seconds of a scenario at a fixed rate.
    #[arg(long, default_value_t = 15)]
    pub(crate) seconds: usize,
    /// Events a second of the scenarios at a fixed rate; half the best rate of single posts where it is not given.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Connections over which batches come.
    #[arg(long, default_value_t = 8)]
    pub(crate) batch_connections: usize,
    /// Only one part of it, for work on the hub itself.
    #[arg(long)]
    pub(crate) only: Option<Part>,
    /// Where the database lies; a temporary folder where none is given.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Which version of the code it is, for the page.
    #[arg(long, default_value = "unknown")]
    pub(crate) commit: String,
    /// The day, for the page.
    #[arg(long, default_value = "unknown")]
    pub(crate) date: String,
}

/// Measures, and prints the page.
pub(crate) async fn run(size: &Size) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = size.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut page = Page::new(size);
    let mut bench = Bench::start(&folder).await?;
    let mut entries = size.entries.iter().copied();
    let first = entries.next().context("no number of entries")?;
    say(&format!("filling the log to {first} entries"))?;
    bench.fill(first)?;
    full_speed(&mut bench, size, &mut page)?;
    match size.only {
        None => more(&mut bench, size, &mut page).await?,
        Some(Part::Speed) => {}
        Some(Part::Waiting) => waiting(&mut bench, size, &mut page)?,
        Some(Part::Reading) => reading(&mut bench, size, &mut page).await?,
    }
    for entries in entries {
        say(&format!("filling the log to {entries} entries"))?;
        let start = Instant::now();
        bench.fill(entries)?;
        // What follows is measured at that size, and not while views are still being filled.
        caught_up(&bench.address()?, bench.entries).await?;
        bench.tidy().await?;
        say(&format!("filled in {:.0} s", start.elapsed().as_secs_f64()))?;
        full_speed(&mut bench, size, &mut page)?;
        if matches!(size.only, None | Some(Part::Reading)) {
            reading(&mut bench, size, &mut page).await?;
        }
    }
    page.memory = bench.stop()?;
    if size.only.is_none() {
        page.inside = Some(inside::table(2_000)?);
    }
    writeln!(std::io::stdout(), "{page}")?;
    Ok(())
}

/// Tells who waits how far it has come.
pub(crate) fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "bench: {text}")?)
}

fn note(page: &mut Page, row: Row) -> Result<()> {
    say(&line(&row))?;
    page.rows.push(row);
    Ok(())
}

fn posts(bench: &mut Bench, connections: usize, events: usize) -> Result<Append> {
    // A life is whole: the file holds more than is sent.
    let file = bench.sign(events + LONGEST_LIFE * connections)?;
    Ok(Append {
        file,
        connections,
        batch: 1,
        rate: None,
        wait: false,
        most: events,
    })
}

fn batches(bench: &mut Bench, connections: usize, events: usize) -> Result<Append> {
    let file = bench.sign(events + LONGEST_LIFE * 256 * connections)?;
    Ok(Append {
        file,
        connections,
        batch: 256,
        rate: None,
        wait: false,
        most: events,
    })
}

/// Single posts over 64 connections and batches, as fast as they are answered.
fn full_speed(bench: &mut Bench, size: &Size, page: &mut Page) -> Result<()> {
    let append = posts(bench, 64, size.events)?;
    let row = bench.append("single posts, 64 connections", append)?;
    note(page, row)?;
    // As many, unless so few events are asked for that they would have nothing to send.
    let connections = (2 * size.events / 1_024).clamp(1, size.batch_connections);
    let append = batches(bench, connections, 2 * size.events)?;
    let row = bench.append(&format!("batches of 256, {connections} connections"), append)?;
    note(page, row)
}

/// The scenarios that are measured once.
async fn more(bench: &mut Bench, size: &Size, page: &mut Page) -> Result<()> {
    for (connections, events) in [(1, size.events / 20), (512, size.events)] {
        let append = posts(bench, connections, events)?;
        let row = bench.append(&format!("single posts, {connections} connections"), append)?;
        note(page, row)?;
    }
    let rate = half(size, page);
    let events = whole(rate) * size.seconds;
    let mut append = posts(bench, 64, events)?;
    append.rate = Some(rate);
    let row = bench.append("half the best rate, single posts, 64 connections", append)?;
    note(page, row)?;
    waiting(bench, size, page)?;
    reading(bench, size, page).await?;

    bench.restart(Some(1))?;
    let append = posts(bench, 64, size.events / 4)?;
    let row = bench.append("one event a transaction, 64 connections (the baseline)", append)?;
    note(page, row)?;
    bench.restart(None)?;
    let events = bench.sign(size.events)?;
    page.ceiling = Some(ceiling::rates(&bench.config_path(), &events).await?);
    Ok(std::fs::remove_file(events)?)
}

/// Single posts that wait until they are published, at half the best rate.
fn waiting(bench: &mut Bench, size: &Size, page: &mut Page) -> Result<()> {
    let rate = half(size, page);
    // Each request waits for most of a publisher's turn, so that many are open at once.
    let mut append = posts(
        bench,
        whole(rate / 2.0).clamp(64, 4_096),
        whole(rate) * size.seconds,
    )?;
    append.rate = Some(rate);
    append.wait = true;
    let row = bench.append("half the best rate, `?wait=published`", append)?;
    note(page, row)
}

/// Reading while single posts come at half the best rate, and alone.
async fn reading(bench: &mut Bench, size: &Size, page: &mut Page) -> Result<()> {
    let rate = half(size, page);
    // An entry that nobody has published yet has no proof.
    caught_up(&bench.address()?, bench.entries).await?;
    for name in ["alone", "while single posts come at half the best rate"] {
        let mut plan = Plan {
            address: bench.address()?,
            ..Plan::default()
        };
        for kind in ["proofs", "tiles", "jobs"] {
            let reads = bench.reads(kind, 200.0, 200 * size.seconds)?;
            plan.reads.insert(kind.to_owned(), reads);
        }
        let row = if name == "alone" {
            bench.measure(name, &plan)?
        } else {
            let mut append = posts(bench, 64, whole(rate) * size.seconds)?;
            append.rate = Some(rate);
            plan.append = Some(append.clone());
            let row = bench.measure(name, &plan)?;
            std::fs::remove_file(append.file)?;
            row
        };
        note(page, row)?;
    }
    Ok(())
}

/// Half the best rate of single posts so far, unless another was asked for.
fn half(size: &Size, page: &Page) -> f64 {
    size.rate.unwrap_or_else(|| {
        let single = page.rows.iter().filter(|row| row.name.starts_with("single"));
        (single.map(Row::rate).fold(0.0, f64::max) / 2.0).max(10.0)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate of some thousands"
)]
fn whole(rate: f64) -> usize {
    rate as usize
}
