//! The command line.

mod checks;
mod keep;
mod keys;
mod register;
mod relay;
mod runner;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use daybook_core::note::VerifierKey;
use uuid::Uuid;

pub use self::checks::{AuditArgs, EvidenceArgs, EvidenceKind, TrustArgs, VerifyArgs};
pub use self::keep::{EraseArgs, ExportArgs, RestoreArgs, ScrubArgs};
pub use self::keys::{DelegateArgs, EventCommand, KeysCommand, SignArgs};
pub use self::register::{DeferArgs, PassArgs, ProjectArgs, RegisterCommand, WaitingArgs, WithdrawArgs};
pub use self::relay::{HoldArgs, OutboundArgs, RelayArgs, RelayCommand, ReleaseArgs, ShowArgs};
pub use self::runner::{ReviewArgs, ReviewCommand, RunnerArgs, RunnerCommand};

/// The record of jobs on people's data: signed events in a log that anybody can check
///
/// Exit status: 0 holds, 1 does not hold, 2 misuse, 75 not ready yet.
#[derive(Parser)]
#[command(name = "daybook", version, propagate_version = true)]
pub struct Args {
    /// How log lines look on standard error
    #[arg(
        long,
        env = "DAYBOOK_LOG_FORMAT",
        global = true,
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, for programs
    Json,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Run everything on one machine: hub, two TREs, a real workflow, every proof checked
    Demo(DemoArgs),
    /// Found a log: make keys and database, and append its first three events
    Init(InitArgs),
    /// Run a hub
    Serve(ServeArgs),
    /// Bring the schema of your own database up to date
    Migrate(HubArgs),
    /// Check that everything in the database follows from the entries; changes nothing, and the hub may run
    AuditDb(AuditDbArgs),
    /// Fill views anew from the log, or check that they are what it says; the hub may run
    Rebuild(RebuildArgs),
    /// Show and drop versions of views
    #[command(subcommand)]
    Views(ViewsCommand),
    /// What a person decides about the public register, with the editor's key
    #[command(subcommand)]
    Register(RegisterCommand),
    /// Look whether a hub can run here, and say what to do where it cannot; changes nothing
    Doctor(DoctorArgs),
    /// Make and show keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Sign and append single events
    #[command(subcommand)]
    Event(EventCommand),
    /// Make packets and look whether a TRE would take them
    #[command(subcommand)]
    Packet(PacketCommand),
    /// A TRE's polling zone: take jobs up, check and sign them off, release results
    Relay(RelayArgs),
    /// Run a TRE's controlled zone: workflows behind a sandbox
    Runner(RunnerArgs),
    /// Decide about jobs and outputs, inside the controlled zone
    Review(ReviewArgs),
    /// Send a packet to one or more TREs
    Submit(SubmitArgs),
    /// Show where a job is
    Track(TrackArgs),
    /// Fetch results, check them and everything that the log says of the job, and say that they arrived
    Collect(CollectArgs),
    /// Read a whole log from outside, check and judge every entry, and compare what the hub shows with what follows
    Audit(AuditArgs),
    /// Cosign the checkpoints of logs, each only if it continues the last
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Put all that a log says of a job, a submission or a project into one zip that proves it without the log
    Evidence(EvidenceArgs),
    /// Check that an event is in a log, or that a pack of evidence holds, without any network
    Verify(VerifyArgs),
    /// Copy a log into a folder that any web server can serve, or go on with such a copy
    Export(ExportArgs),
    /// Rebuild a hub's database from a copy of its log
    Restore(RestoreArgs),
    /// Erase sealed fields: sign and append what says so, by the operator's key
    Erase(EraseArgs),
    /// Rewrite tables so that nothing of what was erased is left in the database's files; appends wait meanwhile
    Scrub(ScrubArgs),
}

/// `daybook demo`
#[derive(ClapArgs)]
pub struct DemoArgs {
    /// Where the hub listens
    #[arg(long, default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// Where everything is kept [default: a new folder that is removed at the end]
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// The `cwltool` that runs the workflow [default: .venv/bin/cwltool, or the first on PATH]
    #[arg(long, env = "DAYBOOK_CWLTOOL")]
    pub cwltool: Option<PathBuf>,
    /// How many fictional jobs of the last three years the log holds before it begins; 0 for none
    #[arg(long, default_value_t = 160, value_name = "N")]
    pub seed_jobs: usize,
    /// End when all is shown; the exit status is 0 only if all of it held
    #[arg(long)]
    pub exit: bool,
}

/// Where the configuration and the secrets are.
#[derive(ClapArgs)]
pub struct HubArgs {
    /// The configuration file
    #[arg(long, default_value = "daybook.toml")]
    pub config: PathBuf,
    /// Your own PostgreSQL instead of the private cluster
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The checkpoint key instead of the file in `key_dir`
    #[arg(long, env = "DAYBOOK_LOG_KEY", hide_env_values = true)]
    pub log_key: Option<String>,
}

/// `daybook init`
#[derive(ClapArgs)]
pub struct InitArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// What people call the log
    #[arg(long)]
    pub name: String,
}

/// `daybook serve`
#[derive(ClapArgs)]
pub struct ServeArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// This database is the true and newest one: take it although the guard file is missing or the server is another
    #[arg(long)]
    pub trust_database: bool,
}

/// `daybook audit-db`
#[derive(ClapArgs)]
pub struct AuditDbArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// Read every packet and compare its digest too, not its size alone
    #[arg(long)]
    pub packets: bool,
    /// Fold every view anew beside the live one and compare; this writes copies into the database and drops them
    #[arg(long)]
    pub views: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `daybook rebuild`
#[derive(ClapArgs)]
pub struct RebuildArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// The views [default: all]
    pub views: Vec<String>,
    /// Change nothing: compare each view with the log, row for row, and name the first row that differs
    #[arg(long)]
    pub check: bool,
    /// Print JSON, a line for each view
    #[arg(long)]
    pub json: bool,
}

/// `daybook views`
#[derive(Subcommand)]
pub enum ViewsCommand {
    /// Show every version of every view, how far it has come and who reads it
    List(ViewsListArgs),
    /// Drop versions that no running hub and not this program reads
    Prune(PruneArgs),
}

/// `daybook views list`
#[derive(ClapArgs)]
pub struct ViewsListArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// Print JSON, a line for each
    #[arg(long)]
    pub json: bool,
}

/// `daybook views prune`
#[derive(ClapArgs)]
pub struct PruneArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `daybook doctor`
#[derive(ClapArgs)]
pub struct DoctorArgs {
    /// Configuration and secrets
    #[command(flatten)]
    pub hub: HubArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Which hub, and by which key its checkpoints are verified.
#[derive(ClapArgs)]
pub struct RemoteArgs {
    /// The hub's address
    #[arg(long, env = "DAYBOOK_HUB", default_value = "http://127.0.0.1:8787")]
    pub hub: String,
    /// The log's verifier key, from somewhere that the hub cannot change; it names the log
    #[arg(long, env = "DAYBOOK_LOG")]
    pub log_key: VerifierKey,
}

/// `daybook packet`
#[derive(Subcommand)]
pub enum PacketCommand {
    /// Say what a TRE would say of a packet; exit status 1 if it would refuse it
    Check {
        /// A zip, a bag's folder, or the folder of a Five Safes RO-Crate
        packet: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Pack a bag's folder, or bag and pack the files that a crate's request names
    Make {
        /// The folder
        folder: PathBuf,
        /// The packet, which is never overwritten
        #[arg(long)]
        out: PathBuf,
    },
    /// Print the digest by which a workflow is registered
    WorkflowDigest {
        /// The workflow's RO-Crate, as a zip or a folder
        workflow: PathBuf,
        /// In hexadecimal, as a mirror's files are named
        #[arg(long)]
        hex: bool,
    },
}

/// `daybook submit`
#[derive(ClapArgs)]
pub struct SubmitArgs {
    /// The hub
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// The member's key file
    #[arg(long)]
    pub key: PathBuf,
    /// The packet: a zipped bag with a Five Safes RO-Crate, a bag's folder, or a crate's
    #[arg(long)]
    pub packet: PathBuf,
    /// The registered workflow's id
    #[arg(long)]
    pub workflow: Uuid,
    /// A TRE and the datasets to use there, such as wessex=ID,ID; once for each TRE
    #[arg(long = "to", required = true)]
    pub to: Vec<String>,
    /// The submission that this one is sent instead of, as after a question of a TRE's checkers; it goes on until it is cancelled
    #[arg(long)]
    pub replaces: Option<Uuid>,
}

/// `daybook track`
#[derive(ClapArgs)]
pub struct TrackArgs {
    /// The hub's address
    #[arg(long, env = "DAYBOOK_HUB", default_value = "http://127.0.0.1:8787")]
    pub hub: String,
    /// A submission's id, or a job's
    pub id: Uuid,
    /// Go on until every job has ended
    #[arg(long)]
    pub follow: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `daybook collect`
#[derive(ClapArgs)]
pub struct CollectArgs {
    /// The hub
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// The member's key file
    #[arg(long)]
    pub key: PathBuf,
    /// The job
    pub job: Uuid,
    /// Where to put the packet; a file that is there already is never overwritten
    #[arg(long)]
    pub out: PathBuf,
    /// A new folder for the outputs themselves
    #[arg(long)]
    pub files: Option<PathBuf>,
}

/// `daybook witness`
#[derive(Subcommand)]
pub enum WitnessCommand {
    /// Make a key in a folder that has none, and print its public side
    New {
        /// The folder, which will also hold the record
        #[arg(long)]
        dir: PathBuf,
        /// The witness's name, such as witness.example.org/daybook
        #[arg(long)]
        name: String,
    },
    /// Say once how the record of a log begins, and cosign nothing yet
    Begin(WitnessArgs),
    /// Serve hubs that ask (C2SP tlog-witness)
    Serve(WitnessServeArgs),
    /// Look at a hub's log every few seconds and bring it what is cosigned; nobody calls here
    Follow(WitnessFollowArgs),
}

/// Key, record and logs of a witness.
#[derive(ClapArgs)]
pub struct WitnessArgs {
    /// The folder with key and record
    #[arg(long)]
    pub dir: PathBuf,
    /// The verifier key of a log that is cosigned; once for each, and twice while a log's key changes
    #[arg(long = "log-key", env = "DAYBOOK_LOG", required = true)]
    pub log_keys: Vec<VerifierKey>,
    /// How the record of a log begins that has none: `none` where this key has never cosigned it, or a file with a
    /// checkpoint that another witness or an auditor vouches for
    #[arg(long)]
    pub first_contact: Option<String>,
}

/// `daybook witness serve`
#[derive(ClapArgs)]
pub struct WitnessServeArgs {
    /// Key, record and logs
    #[command(flatten)]
    pub witness: WitnessArgs,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8790")]
    pub listen: SocketAddr,
}

/// `daybook witness follow`
#[derive(ClapArgs)]
pub struct WitnessFollowArgs {
    /// Key, record and log
    #[command(flatten)]
    pub witness: WitnessArgs,
    /// The hub's address
    #[arg(long, env = "DAYBOOK_HUB", default_value = "http://127.0.0.1:8787")]
    pub hub: String,
    /// Seconds between two looks
    #[arg(long, default_value_t = 10)]
    pub every: u64,
    /// Look once
    #[arg(long)]
    pub once: bool,
}
