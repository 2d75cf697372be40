//! `daybook register`

use clap::{Args as ClapArgs, Subcommand};
use uuid::Uuid;

use super::HubArgs;

/// `daybook register`
#[derive(Subcommand)]
pub enum RegisterCommand {
    /// Show what waits to be published: held for a person, deferred, or due
    Waiting(WaitingArgs),
    /// Show what the screen has found in a project's texts, with the words around each
    Review(ProjectArgs),
    /// Publish a project's page although the screen has found something: a person has looked, and it tells nobody's identity
    Pass(PassArgs),
    /// Put a project that was never published under an embargo, at the request of a TRE; say it again to renew or shorten it
    Defer(DeferArgs),
    /// Take a project's page from the register; that it was there stays in the log
    Withdraw(WithdrawArgs),
}

/// `daybook register waiting`
#[derive(ClapArgs)]
pub struct WaitingArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// Print JSON, a line for each
    #[arg(long)]
    pub json: bool,
}

/// A command about one project.
#[derive(ClapArgs)]
pub struct ProjectArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// The hub that takes the event [default: the one of the configuration]
    #[arg(long)]
    pub url: Option<String>,
    /// The project's id
    pub project: Uuid,
}

/// `daybook register pass`
#[derive(ClapArgs)]
pub struct PassArgs {
    /// The project, and the hub
    #[command(flatten)]
    pub of: ProjectArgs,
    /// Why what was found may stand, which is recorded: chosen (those who are named chose it), false-hit (it is not what
    /// it looks like), office (it is an office's, not a person's) or public-already
    #[arg(long, value_parser = ["chosen", "false-hit", "office", "public-already"])]
    pub code: String,
}

/// `daybook register defer`
#[derive(ClapArgs)]
pub struct DeferArgs {
    /// The project, and the hub
    #[command(flatten)]
    pub of: ProjectArgs,
    /// The TRE that asks for it
    #[arg(long)]
    pub tre: String,
    /// Why: commercial, intellectual-property, pre-publication, safety or security
    #[arg(long)]
    pub code: String,
    /// The last day, as 2026-12-31
    #[arg(long)]
    pub until: jiff::civil::Date,
}

/// `daybook register withdraw`
#[derive(ClapArgs)]
pub struct WithdrawArgs {
    /// The project, and the hub
    #[command(flatten)]
    pub of: ProjectArgs,
    /// Why: error, never-started or request
    #[arg(long)]
    pub code: String,
}
