//! One TRE on this machine: its relay and its runner as programs of their own, with files that a TRE would write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use daybook_agent::engine::Sandbox;
use daybook_agent::keyfile::Keys;
use daybook_agent::review::create_secret;
use daybook_core::id::{Actor, TreRole};
use daybook_study as study;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cast::{DATASET_NAME, Tre};
use super::program::Program;
use super::stage::Stage;
use super::timeline::Timeline;

/// The programs of a TRE and their folder.
pub(super) struct Zone {
    folder: PathBuf,
    relay: Program,
    runner: Program,
}

/// The two public keys of an actor, as a configuration names them.
fn public(keys: &Keys) -> Result<Value> {
    let access = keys.access.as_ref().context("the keys hold none for access")?;
    Ok(json!({ "access": access.public().to_x(), "event": keys.event.public().to_x() }))
}

fn write(path: &Path, value: &Value) -> Result<()> {
    let text = toml::to_string(value)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

impl Zone {
    /// Writes the TRE's files, and starts its relay and its runner.
    pub(super) async fn open(stage: &Stage, tre: &Tre, cwltool: &Path, timeline: &Timeline) -> Result<Self> {
        let folder = stage.below(tre.slug.as_str())?;
        let link = format!("{}-link", tre.slug);
        let home = format!("https://{}.example/", tre.slug);
        let relay_toml = json!({
            "tre": tre.slug.as_str(),
            "hub": stage.client.base(),
            "log_key": stage.log_key().to_string(),
            "root": tre.root,
            "keys": stage.key_file(&Actor::Tre(tre.slug.clone(), TreRole::Relay)),
            "spool": folder.join("relay"),
            "mode": "live",
            "watch": "1 second",
            "witness": { "dir": stage.witnesses.of(tre.slug.as_str()), "every": "1 second" },
            "link": {
                "listen": "127.0.0.1:0",
                "name": link,
                "runner": public(&tre.runner)?,
                "review": public(&tre.review.keys)?,
            },
            "sign_off": { "standing": true },
            "retrieve": { "store": folder.join("store") },
            "about": {
                "name": format!("{} TRE (fictional)", tre.name),
                "url": home,
                "policy": { "url": format!("{home}agreement"), "name": "Data use agreement (fictional)" },
                "licence": {
                    "url": "https://spdx.org/licenses/CC-BY-4.0",
                    "name": "Creative Commons Attribution 4.0 International",
                },
            },
        });
        write(&folder.join("relay.toml"), &relay_toml)?;
        let mut relay = start(&folder, "relay", tre)?;
        let address = relay.listens().await?;

        let data = folder.join("admissions.csv");
        fs::write(&data, study::generate_data(tre.slug.as_str(), tre.rows))?;
        let relay_key = tre
            .relay
            .access
            .as_ref()
            .context("the relay's keys hold none for access")?;
        let link = json!({
            "url": format!("http://{address}"),
            "name": link,
            "access": relay_key.public().to_x(),
        });
        let runner_toml = json!({
            "tre": tre.slug.as_str(),
            "log_key": stage.log_key().to_string(),
            "keys": stage.key_file(&Actor::Tre(tre.slug.clone(), TreRole::Runner)),
            "spool": folder.join("runner"),
            "time_step": "1 second",
            "relay": link,
            "engine": { "kind": "cwltool", "program": cwltool },
            "sandbox": wall(timeline).await?,
            "datasets": [{ "id": tre.dataset, "names": [DATASET_NAME], "mount": data }],
        });
        let secret = folder.join("review.secret");
        create_secret(&secret)?;
        let review_toml = json!({
            "tre": tre.slug.as_str(),
            "log_key": stage.log_key().to_string(),
            "keys": stage.key_file(&Actor::Tre(tre.slug.clone(), TreRole::Review)),
            "secret": secret,
            "spool": folder.join("runner"),
            "memory": folder.join("review"),
            "time_step": "1 second",
            "relay": link,
        });
        write(&folder.join("review.toml"), &review_toml)?;
        write(&folder.join("runner.toml"), &runner_toml)?;
        let runner = start(&folder, "runner", tre)?;
        Ok(Self {
            folder,
            relay,
            runner,
        })
    }

    /// Fails where one of the programs has ended by itself.
    pub(super) fn check(&mut self) -> Result<()> {
        self.relay.check()?;
        self.runner.check()
    }

    /// One of the outputs that wait for people, as it lies in the controlled zone.
    pub(super) fn output(&self, job: Uuid, name: &str) -> Result<Vec<u8>> {
        let path = self
            .folder
            .join("runner/jobs")
            .join(job.to_string())
            .join("runs/1/outputs")
            .join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// `daybook review`, as one of the TRE's people gives it.
    pub(super) async fn review(&self, arguments: &[&str]) -> Result<()> {
        let output = tokio::process::Command::new(std::env::current_exe()?)
            .args(["review", "--config"])
            .arg(self.folder.join("review.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("`daybook review` does not start")?;
        ensure!(
            output.status.success(),
            "`daybook review {}` failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// Ends both, the runner first.
    pub(super) async fn end(self) -> Result<()> {
        self.runner.end().await?;
        self.relay.end().await
    }
}

/// The wall around a run; where this machine does not allow one, the demo says so and goes on.
async fn wall(timeline: &Timeline) -> Result<Value> {
    if Sandbox::strongest().await?.is_isolated() {
        return Ok(json!({}));
    }
    timeline.note("this machine does not allow sandboxes: the workflow runs as a plain process, with the network that there is");
    Ok(json!({ "isolation": "none", "network": "open" }))
}

fn start(folder: &Path, program: &str, tre: &Tre) -> Result<Program> {
    let config = folder.join(format!("{program}.toml"));
    let config = config
        .to_str()
        .context("the demo's folder has a name that is no text")?;
    let name = format!("the {program} of {}", tre.name);
    Program::start(
        &name,
        &[program, "--config", config],
        &folder.join(format!("{program}.log")),
    )
}
