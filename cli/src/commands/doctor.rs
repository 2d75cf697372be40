//! `daybook doctor`: looks whether a hub can run here, says what to do where it cannot, and changes nothing.

mod database;
mod hub;
mod machine;
mod secrets;

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::output;
use super::serve::read;
use crate::args::DoctorArgs;
use crate::config::{Config, Secrets};

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    says: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, says: impl Into<String>) -> Self {
        let (says, todo) = (says.into(), None);
        Self {
            check,
            level: Level::Ok,
            says,
            todo,
        }
    }

    fn warn(check: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        let (says, todo) = (says.into(), Some(todo.into()));
        Self {
            check,
            level: Level::Warn,
            says,
            todo,
        }
    }

    fn fail(check: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        let (says, todo) = (says.into(), Some(todo.into()));
        Self {
            check,
            level: Level::Fail,
            says,
            todo,
        }
    }

    /// For an error whose text says what to do.
    fn error(check: &'static str, error: &anyhow::Error) -> Self {
        let (says, todo) = (format!("{error:#}"), None);
        Self {
            check,
            level: Level::Fail,
            says,
            todo,
        }
    }

    fn line(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        let todo = self
            .todo
            .as_ref()
            .map(|todo| format!("; {todo}"))
            .unwrap_or_default();
        format!("{level:<5} {:<14} {}{todo}", self.check, self.says)
    }
}

pub(super) async fn run(args: DoctorArgs) -> Result<ExitCode> {
    let findings = match read(args.hub) {
        Ok((config, secrets)) => examine(&config, &secrets).await,
        Err(error) => vec![Finding::error("configuration", &error)],
    };
    if args.json {
        output::line(&serde_json::to_string(&findings)?);
    } else {
        for finding in &findings {
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
