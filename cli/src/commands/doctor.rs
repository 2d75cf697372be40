//! `daybook doctor`: looks whether a hub can run here, says what to do where it cannot, and changes nothing.

mod database;
mod hub;
mod machine;
mod secrets;

use std::process::ExitCode;

use anyhow::Result;
use daybook_agent::doctor::{Finding, Level};

use super::output;
use super::serve::read;
use crate::args::DoctorArgs;
use crate::config::{Config, Secrets};

pub(super) async fn run(args: DoctorArgs) -> Result<ExitCode> {
    let findings = match read(args.hub) {
        Ok((config, secrets)) => examine(&config, &secrets).await,
        Err(error) => vec![Finding::error("configuration", &error)],
    };
    show(&findings, args.json)
}

/// Prints what was found; the exit status says whether all is well.
pub(crate) fn show(findings: &[Finding], as_json: bool) -> Result<ExitCode> {
    if as_json {
        output::line(&serde_json::to_string(findings)?);
    } else {
        for finding in findings {
            output::line(&finding.line());
        }
    }
    let is_well = findings.iter().all(|finding| finding.level < Level::Fail);
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn examine(config: &Config, secrets: &Secrets) -> Vec<Finding> {
    let mut findings = vec![Finding::ok(
        "configuration",
        format!("names the log {}", config.origin),
    )];
    findings.extend(machine::folders(config));
    findings.extend(machine::space(config));
    findings.extend(secrets::keys(config, secrets));
    findings.extend(secrets::certificate(config));
    findings.extend(database::database(config, secrets).await);
    findings.extend(hub::packets(config).await);
    findings.push(hub::port(config).await);
    findings
}
