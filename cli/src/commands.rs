//! What the command line asks for, one file for each command.

mod audit;
mod audit_db;
mod collect;
mod doctor;
mod erase;
mod event;
mod evidence;
mod export;
mod keys;
mod migrate;
pub(crate) mod output;
mod packet;
mod program;
mod register;
mod relay;
mod restore;
mod review;
mod runner;
pub(crate) mod serve;
pub(crate) mod submit;
mod track;
mod verify;
mod views;
mod witness;

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

pub use self::collect::{Collected, collect_results};
pub use self::submit::submit_packet;
pub use self::verify::{Verdict, verify_proof};
use crate::args::{Args, Command, LogFormat};
use crate::demo;
use daybook_agent::client::ClientError;

/// The exit status of a service that cannot answer yet (`EX_TEMPFAIL` of sysexits).
const NOT_READY: u8 = 75;

/// Does what is asked; errors go to standard error.
pub async fn run(args: Args) -> ExitCode {
    init_logging(&args.command, args.log_format);
    let outcome = match args.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Init(args) => serve::init(args).await,
        Command::Serve(args) => serve::serve(args).await,
        Command::Migrate(args) => migrate::migrate(args).await,
        Command::AuditDb(args) => audit_db::run(args).await,
        Command::Rebuild(args) => views::rebuild(args).await,
        Command::Views(command) => views::run(command).await,
        Command::Register(command) => register::run(command).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Keys(command) => keys::run(command),
        Command::Event(command) => event::run(command).await,
        Command::Packet(command) => packet::run(command),
        Command::Relay(args) => relay::run(args).await,
        Command::Runner(args) => runner::run(args).await,
        Command::Review(args) => review::run(args).await,
        Command::Submit(args) => submit::run(args).await,
        Command::Track(args) => track::run(args).await,
        Command::Collect(args) => collect::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Witness(command) => witness::run(command).await,
        Command::Evidence(args) => evidence::run(args).await,
        Command::Verify(args) => verify::run(&args),
        Command::Export(args) => export::run(args).await,
        Command::Restore(args) => restore::run(args).await,
        Command::Erase(args) => erase::run(args).await,
        Command::Scrub(args) => erase::scrub(args).await,
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            output::error(&error);
            let is_passing = error
                .downcast_ref::<ClientError>()
                .is_some_and(ClientError::is_passing);
            if is_passing {
                ExitCode::from(NOT_READY)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Logs go to standard error. `RUST_LOG` says how much; a command that shows its work says little besides.
fn init_logging(command: &Command, format: LogFormat) {
    let default = match command {
        Command::Serve(_)
        | Command::Init(_)
        | Command::Migrate(_)
        | Command::Relay(_)
        | Command::Runner(_)
        | Command::Witness(_) => "info,tokio_postgres=warn,refinery_core=warn",
        _ => "error",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).init(),
    }
}
