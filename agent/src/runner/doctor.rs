//! `daybook runner doctor`: whether a runner can run here. Nothing is changed but a trial in the sandbox.

use std::time::Duration;

use super::{Config, EngineConfig};
use crate::doctor::{Finding, space};
use crate::engine::{Isolation, Network, Sandbox};

/// How long the relay may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at keys, disk, link, sandbox, engine and datasets.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let says = format!("is that of the runner of {}", config.tre);
    let mut findings = vec![Finding::ok("configuration", says), space(&config.spool)];
    findings.push(link(config).await);
    if !matches!(config.engine, EngineConfig::Tes(_)) {
        findings.push(sandbox(config).await);
    }
    findings.push(engine(config).await);
    findings.extend(config.datasets.iter().filter_map(|dataset| {
        let missing = dataset.mount.as_ref().filter(|path| !path.exists())?;
        let says = format!("{} of {} is not there", missing.display(), dataset.id);
        Some(Finding::fail("datasets", says, "mount it, or mend [[datasets]]"))
    }));
    let count = config.datasets.len();
    if !findings.iter().any(|finding| finding.check == "datasets") {
        findings.push(Finding::ok(
            "datasets",
            format!("{count} are known, and those that are mounted are there"),
        ));
    }
    findings
}

async fn link(config: &Config) -> Finding {
    let client = match config.keys().and_then(|keys| config.relay.client(keys)) {
        Ok(client) => client,
        Err(error) => return Finding::error("keys", &error),
    };
    match tokio::time::timeout(PATIENCE, client.jobs(None, 0)).await {
        Ok(Ok(list)) => Finding::ok(
            "link",
            format!("the relay answers; {} jobs are open", list.jobs.len()),
        ),
        Ok(Err(error)) => Finding::fail(
            "link",
            error.to_string(),
            "check [relay], the relay's [link.runner], both clocks, and the firewall",
        ),
        Err(_) => {
            let says = format!(
                "{} does not answer within {} s",
                config.relay.url,
                PATIENCE.as_secs()
            );
            Finding::fail("link", says, "check `relay.url` and the firewall")
        }
    }
}

async fn sandbox(config: &Config) -> Finding {
    let tried = match Sandbox::new(&config.sandbox) {
        Ok(sandbox) => sandbox.check().await,
        Err(error) => Err(error),
    };
    if let Err(error) = tried {
        return Finding::fail(
            "sandbox",
            error.to_string(),
            "no workflow runs until this is mended",
        );
    }
    let todo = "make sure that the zone's own wall does it";
    match (config.sandbox.isolation, config.sandbox.network) {
        (Isolation::None, _) => Finding::warn(
            "sandbox",
            "nothing isolates a run but its process group: it sees the network and every file of the runner's",
            todo,
        ),
        (Isolation::Bubblewrap, Network::Open) => {
            Finding::warn("sandbox", "a run is isolated, and sees the network", todo)
        }
        (Isolation::Bubblewrap, Network::Namespace) => {
            Finding::ok("sandbox", "a run is isolated, and sees no network: it was tried")
        }
    }
}

async fn engine(config: &Config) -> Finding {
    let engine = match config.engine() {
        Ok(engine) => engine,
        Err(error) => return Finding::error("engine", &error),
    };
    match engine.version().await {
        Ok(version) => Finding::ok("engine", format!("{version} answers")),
        Err(error) => Finding::error("engine", &anyhow::Error::new(error)),
    }
}
