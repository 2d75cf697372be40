//! The command line of a TRE's controlled zone.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use uuid::Uuid;

use super::ShowArgs;

/// `daybook runner`
#[derive(ClapArgs)]
pub struct RunnerArgs {
    /// The configuration file
    #[arg(long, global = true, default_value = "runner.toml")]
    pub config: PathBuf,
    /// What to do [default: run]
    #[command(subcommand)]
    pub command: Option<RunnerCommand>,
}

/// What `daybook runner` does.
#[derive(Subcommand)]
pub enum RunnerCommand {
    /// Run until told to end
    Run,
    /// Show what runs, and which jobs stand still and why
    Status(ShowArgs),
    /// Look whether a runner can run here, try the sandbox, and say what to do
    Doctor(ShowArgs),
}

/// `daybook review`
#[derive(ClapArgs)]
pub struct ReviewArgs {
    /// The configuration file
    #[arg(long, global = true, default_value = "review.toml")]
    pub config: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub command: ReviewCommand,
}

/// What `daybook review` does.
#[derive(Subcommand)]
pub enum ReviewCommand {
    /// List the jobs that wait for people
    List(ShowArgs),
    /// Show one job: its outputs, what the rules found, who has agreed
    Show(ShowJobArgs),
    /// Agree that a job is run
    SignOff(SignOffArgs),
    /// Agree that a job's outputs may leave; signed when as many people have agreed as the rule set says
    Approve(ApproveArgs),
    /// Do not let a job's outputs leave
    Refuse(RefuseArgs),
    /// Ask the team to explain or change something
    Ask(AskArgs),
    /// Check cleared outputs once more before their release
    Recheck(PersonArgs),
    /// Pause a job
    Hold(HoldJobArgs),
    /// Let a paused job go on
    Resume(JobArgs),
    /// Have a job stopped: what runs is ended, outputs are destroyed
    Cancel(CancelArgs),
    /// Make the TRE's secret for people's tags in a new file
    NewSecret {
        /// The file
        file: PathBuf,
    },
}

/// Which job.
#[derive(ClapArgs)]
pub struct JobArgs {
    /// The job's id
    pub job: Uuid,
}

/// `daybook review show`
#[derive(ClapArgs)]
pub struct ShowJobArgs {
    /// The job's id
    pub job: Uuid,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Which job, and who decides.
#[derive(ClapArgs)]
pub struct PersonArgs {
    /// The job's id
    pub job: Uuid,
    /// Who decides; the name stays inside
    #[arg(long)]
    pub reviewer: String,
}

/// `daybook review sign-off`
#[derive(ClapArgs)]
pub struct SignOffArgs {
    /// Job and person
    #[command(flatten)]
    pub at: PersonArgs,
    /// A note for auditors
    #[arg(long)]
    pub note: Option<String>,
}

/// `daybook review approve`
#[derive(ClapArgs)]
pub struct ApproveArgs {
    /// Job and person
    #[command(flatten)]
    pub at: PersonArgs,
    /// These files alone [default: all]
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub only: Vec<String>,
    /// Why what the rules found may leave all the same
    #[arg(long, value_name = "TEXT")]
    pub exception: Option<String>,
}

/// `daybook review refuse`
#[derive(ClapArgs)]
pub struct RefuseArgs {
    /// Job and person
    #[command(flatten)]
    pub at: PersonArgs,
    /// Why: a code of the rule table's list `withholding`, such as disclosure-risk
    #[arg(long, value_name = "CODE")]
    pub reason: String,
    /// Why, for the team
    #[arg(long)]
    pub text: String,
}

/// `daybook review ask`
#[derive(ClapArgs)]
pub struct AskArgs {
    /// Job and person
    #[command(flatten)]
    pub at: PersonArgs,
    /// What kind: context, change or fewer-outputs
    #[arg(long)]
    pub kind: String,
    /// What is asked, for the team
    #[arg(long)]
    pub text: String,
}

/// `daybook review hold`
#[derive(ClapArgs)]
pub struct HoldJobArgs {
    /// The job's id
    pub job: Uuid,
    /// Why: a code of the rule table's list `hold`, such as query
    #[arg(long, value_name = "CODE")]
    pub reason: String,
    /// Why, for the team
    #[arg(long)]
    pub text: Option<String>,
}

/// `daybook review cancel`
#[derive(ClapArgs)]
pub struct CancelArgs {
    /// The job's id
    pub job: Uuid,
    /// Why, for the team
    #[arg(long)]
    pub text: Option<String>,
}
