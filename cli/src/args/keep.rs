//! `daybook export`, `daybook restore`, `daybook erase`, `daybook scrub`

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{HubArgs, TrustArgs};

/// `daybook export`
#[derive(ClapArgs)]
pub struct ExportArgs {
    /// The hub's address
    #[arg(env = "DAYBOOK_HUB")]
    pub log: String,
    /// The folder; what it holds already is not fetched again
    #[arg(long)]
    pub out: PathBuf,
    /// Whom to trust
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Leave out the texts that the register has published
    #[arg(long)]
    pub no_openings: bool,
}

/// `daybook restore`
#[derive(ClapArgs)]
pub struct RestoreArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// The copy: a folder as `daybook export` writes it, or an address that serves `/log` under it
    #[arg(long, required = true)]
    pub from_log: String,
}

/// `daybook erase`
#[derive(ClapArgs)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["fields", "due"]))]
pub struct EraseArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// The hub that takes the event [default: the one of the configuration]
    #[arg(long)]
    pub url: Option<String>,
    /// The operator's key file [default: the one in `key_dir`]
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// What: an entry, such as 17, or fields of one, such as 17:name,summary
    pub fields: Vec<String>,
    /// Instead: all whose time ends within so many days, for the reason retention
    #[arg(long)]
    pub due: Option<u32>,
    /// Why: court, error, request or retention
    #[arg(long, required_unless_present = "due")]
    pub reason: Option<String>,
    /// The TRE whose decision it is
    #[arg(long)]
    pub tre: Option<String>,
    /// The decision, for auditors; it is sealed
    #[arg(long)]
    pub decision: Option<String>,
    /// Say what would be erased, and sign nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `daybook scrub`
#[derive(ClapArgs)]
pub struct ScrubArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
}
