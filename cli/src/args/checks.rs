//! `daybook audit`, `daybook evidence`, `daybook verify`

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use daybook_core::note::VerifierKey;
use uuid::Uuid;

/// Whose word about a log is believed: the log's own, or what a policy says.
#[derive(ClapArgs)]
#[group(required = true, multiple = true)]
pub struct TrustArgs {
    /// The log's verifier key, from somewhere that the hub cannot change
    #[arg(long, env = "DAYBOOK_LOG")]
    pub log_key: Option<VerifierKey>,
    /// A policy (C2SP tlog-policy) instead of a key: the log, witnesses and the quorum that must have cosigned
    #[arg(long)]
    pub policy: Option<PathBuf>,
}

/// `daybook verify`
#[derive(ClapArgs)]
#[command(group = clap::ArgGroup::new("subject").args(["entry", "leaf_hash"]))]
pub struct VerifyArgs {
    /// The `.tlog-proof` file, with --entry or --leaf-hash; or a pack of evidence
    pub proof: PathBuf,
    /// The event that the proof is about, as the log holds it
    #[arg(long)]
    pub entry: Option<PathBuf>,
    /// The event's leaf hash, in base64 or base64url
    #[arg(long)]
    pub leaf_hash: Option<String>,
    /// Whom to trust
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `daybook audit`
#[derive(ClapArgs)]
pub struct AuditArgs {
    /// The hub's address, or a folder as `daybook export` writes it
    pub log: String,
    /// Whom to trust
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Where the audit keeps what it needs to go on [default: a folder of yours, one for each log]
    #[arg(long)]
    pub state: Option<PathBuf>,
    /// The root keys that TREs publish of themselves: lines `tre ID THUMBPRINT`
    #[arg(long)]
    pub anchors: Option<PathBuf>,
    /// A checkpoint that somebody else was shown, such as a witness's or another auditor's; the log must continue it
    #[arg(long)]
    pub since: Vec<PathBuf>,
    /// Do not compare the hub's lists
    #[arg(long)]
    pub no_lists: bool,
    /// Go on, and look again after so many seconds
    #[arg(long)]
    pub every: Option<u64>,
    /// With --every: end when something is found that is an error or worse
    #[arg(long, requires = "every")]
    pub until_alarm: bool,
    /// With --every: tell this address, as JSON, when a warning or worse is new
    #[arg(long, requires = "every")]
    pub webhook: Option<String>,
    /// Write what was found into this file for Prometheus' node exporter
    #[arg(long)]
    pub metrics: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What a pack of evidence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvidenceKind {
    /// A job, with the submission that made it
    Job,
    /// A submission and its jobs
    Submission,
    /// A project, its page of the register, its submissions and their jobs
    Project,
}

/// `daybook evidence`
#[derive(ClapArgs)]
pub struct EvidenceArgs {
    /// What it is about
    #[arg(value_enum)]
    pub kind: EvidenceKind,
    /// The id of that
    pub id: Uuid,
    /// The hub's address, or a folder as `daybook export` writes it
    #[arg(long, env = "DAYBOOK_HUB", default_value = "http://127.0.0.1:8787")]
    pub log: String,
    /// The zip, which is never overwritten
    #[arg(long)]
    pub out: PathBuf,
    /// Whom to trust
    #[command(flatten)]
    pub trust: TrustArgs,
    /// A checkpoint to make it by, instead of the newest: the same one gives the same bytes
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// Your key file: the pack then shows the sealed fields that you may read; be sure that you may show them
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// Show no sealed field, not even those that the register has published
    #[arg(long, conflicts_with = "key")]
    pub closed: bool,
}
