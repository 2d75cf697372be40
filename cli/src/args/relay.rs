//! `daybook relay`

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

/// `daybook relay`
#[derive(ClapArgs)]
pub struct RelayArgs {
    /// The configuration file
    #[arg(long, global = true, default_value = "relay.toml")]
    pub config: PathBuf,
    /// What to do [default: run]
    #[command(subcommand)]
    pub command: Option<RelayCommand>,
}

/// What `daybook relay` does.
#[derive(Subcommand)]
pub enum RelayCommand {
    /// Run until told to end
    Run,
    /// Show the jobs, what waits to be sent, and what an operator should know
    Status(ShowArgs),
    /// Show, byte for byte and in words, everything that has left the TRE or would have
    Outbound(OutboundArgs),
    /// Hold everything: nothing is begun, signed off or released; works while the hub is away
    Hold(HoldArgs),
    /// End that: what was held goes on
    Resume(ReleaseArgs),
    /// Report the TRE's own counts into the log now, and not only when that is due
    Report,
    /// Look whether a relay can run here, and say what to do where it cannot; changes nothing
    Doctor(ShowArgs),
    /// Leave the shadow: from now on events and results leave
    GoLive,
}

/// How something is shown.
#[derive(ClapArgs)]
pub struct ShowArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `daybook relay outbound`
#[derive(ClapArgs)]
pub struct OutboundArgs {
    /// Print JSON, a line for each
    #[arg(long)]
    pub json: bool,
    /// Only in words, without the bytes
    #[arg(long, conflicts_with = "json")]
    pub words: bool,
}

/// `daybook relay hold`
#[derive(ClapArgs)]
pub struct HoldArgs {
    /// Every job; single ones are held by `daybook review hold`
    #[arg(long, required = true)]
    pub all: bool,
    /// Why: a code of the rule table's list `hold`, such as incident or maintenance
    #[arg(long)]
    pub reason: String,
}

/// `daybook relay resume`
#[derive(ClapArgs)]
pub struct ReleaseArgs {
    /// Every job that was held with all others
    #[arg(long, required = true)]
    pub all: bool,
}
