//! How fast a hub is, and where the time goes. `make bench` runs it; docs/PERFORMANCE.md has what it says.

mod alarm;
mod ceiling;
mod copy;
mod hub;
mod inside;
mod lives;
mod load;
mod report;
mod run;
mod scenarios;
mod seed;
mod site;
mod usage;
mod visible;
mod wire;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;

// The hub under measurement runs in this binary, with the allocator that it has in its own.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Measures a hub.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every scenario, as a page of Markdown on standard output.
    Run(scenarios::Size),
    /// Where the processor's time goes inside an append, without network and database.
    Inside {
        /// Lives of jobs to judge.
        #[arg(long, default_value_t = 1_000)]
        lives: usize,
    },
    /// A static copy of a log of many jobs, for `daybook audit` to read; prints its verifier key.
    Copy {
        /// Entries, at least.
        #[arg(long, default_value_t = 1_000_000)]
        entries: u64,
        /// The folder.
        #[arg(long)]
        out: PathBuf,
    },
    /// The register's pages at the size of a country; prints a table.
    Site(site::Size),
    /// A hub in this process, until standard input ends. Started by `run`.
    #[command(hide = true)]
    Hub {
        /// Its configuration.
        config: PathBuf,
        /// Events that one transaction takes at most.
        #[arg(long)]
        max_batch: Option<usize>,
    },
    /// A loader. Started by `run`, with its plan on standard input.
    #[command(hide = true)]
    Load,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // As `daybook serve` logs.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,tokio_postgres=warn,refinery_core=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    if matches!(args.command, Command::Load) {
        return load::run();
    }
    let runtime = tokio::runtime::Runtime::new()?;
    match args.command {
        Command::Run(size) => runtime.block_on(scenarios::run(&size)),
        Command::Site(size) => runtime.block_on(site::run(&size)),
        Command::Inside { lives } => inside::run(lives),
        Command::Hub { config, max_batch } => runtime.block_on(hub::serve(&config, max_batch)),
        Command::Copy { entries, out } => copy::write(entries, &out),
        Command::Load => Ok(()),
    }
}
