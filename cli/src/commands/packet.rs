//! `daybook packet`: what a researcher or a registrar needs before anything is sent.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use daybook_agent::folder::{FolderError, read_packet, read_workflow_files};
use daybook_agent::packet::{Checked, Finding, Limits, Refused, check, workflow_digest};
use daybook_agent::random;
use daybook_core::Hash;
use serde_json::{Value, json};

use super::output;
use crate::args::PacketCommand;

pub(super) fn run(command: PacketCommand) -> Result<ExitCode> {
    match command {
        PacketCommand::Check { packet, json } => check_packet(&packet, json),
        PacketCommand::Make { folder, out } => make(&folder, &out),
        PacketCommand::WorkflowDigest { workflow, hex } => {
            let files = read_workflow_files(&workflow, &Limits::default())?;
            let digest = workflow_digest(&files);
            let text = if hex {
                digest.map(|byte| format!("{byte:02x}")).concat()
            } else {
                Hash(digest).to_base64url()
            };
            output::line(&text);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Reads a packet from a zip or a folder and holds it against every rule.
///
/// # Errors
/// A file that cannot be read. A packet that breaks rules is no error, but the inner answer.
pub(super) fn read_and_check(path: &Path) -> Result<Result<(Vec<u8>, Checked), Refused>> {
    let limits = Limits::default();
    let bytes = match read_packet(path, &limits, random::id()?) {
        Err(FolderError::Refused(refused)) => return Ok(Err(refused)),
        other => other?,
    };
    Ok(check(&bytes, &limits).map(|checked| (bytes, checked)))
}

fn check_packet(path: &Path, as_json: bool) -> Result<ExitCode> {
    let verdict = read_and_check(path)?;
    let is_good = verdict.is_ok();
    if as_json {
        output::line(&document(&verdict).to_string());
    } else {
        show(&verdict);
    }
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(verdict: &Result<(Vec<u8>, Checked), Refused>) {
    match verdict {
        Ok((bytes, checked)) => {
            for warning in &checked.warnings() {
                output::line(&format!("warning: {warning}"));
            }
            let request = &checked.request;
            output::line(&format!(
                "good: a TRE would take this packet of {} bytes",
                bytes.len()
            ));
            output::line(&format!("  submission {}", checked.bag.external_identifier));
            output::line(&format!("  workflow   {:?}", request.workflow.workflow.id));
            for (name, value) in checked.arguments() {
                output::line(&format!("  parameter  {name:?} = {value}"));
            }
        }
        Err(refused) => output::line(&refused.text),
    }
}

fn document(verdict: &Result<(Vec<u8>, Checked), Refused>) -> Value {
    let list = |findings: &[Finding]| findings.iter().map(finding).collect::<Value>();
    match verdict {
        Ok((bytes, checked)) => json!({
            "accepted": true,
            "findings": list(&checked.findings),
            "removed": checked.removed,
            "submission": checked.bag.external_identifier,
            "sha256": Hash::of(bytes).to_base64url(),
            "workflow": checked.request.workflow.workflow.id,
            "workflow_digest": checked.workflow_digest().map(|digest| Hash(digest).to_base64url()),
            "parameters": checked.arguments(),
        }),
        Err(refused) => json!({ "accepted": false, "findings": list(&refused.findings) }),
    }
}

fn finding(finding: &Finding) -> Value {
    let rule = finding.rule;
    json!({
        "code": rule.code,
        "severity": rule.severity.as_str(),
        "entity": finding.entity,
        "wrong": rule.wrong,
        "detail": finding.detail,
        "remedy": rule.remedy,
        "source": rule.source,
    })
}

fn make(folder: &Path, out: &Path) -> Result<ExitCode> {
    let (bytes, checked) = match read_and_check(folder)? {
        Ok(good) => good,
        Err(refused) => {
            output::line(&refused.text);
            return Ok(ExitCode::FAILURE);
        }
    };
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(out);
    let mut file = made.with_context(|| {
        format!(
            "cannot make {}; an older file is never overwritten",
            out.display()
        )
    })?;
    std::io::Write::write_all(&mut file, &bytes)
        .with_context(|| format!("cannot write {}", out.display()))?;
    show(&Ok((bytes, checked)));
    Ok(ExitCode::SUCCESS)
}
