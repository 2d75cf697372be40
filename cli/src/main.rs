//! The binary `daybook`.

use std::process::ExitCode;

use clap::Parser as _;
use daybook::args::Args;
use daybook::commands;

#[tokio::main]
async fn main() -> ExitCode {
    commands::run(Args::parse()).await
}
