//! `daybook runner doctor`: whether a runner can run here. Nothing is changed but a trial in the sandbox.

use std::path::Path;
use std::time::Duration;

use super::{Config, EngineConfig};
use crate::datasets::DatasetConfig;
use crate::doctor::{Finding, space};
use crate::engine::{Engine, Isolation, Network, Sandbox};

/// What is to be done where steps cannot run in images.
const NO_IMAGES: &str = "let the user that runs engines make namespaces, or workflows that name images fail";
const NO_UMOCI: &str =
    "workflows that name images are refused; they run where `umoci` is installed and the sandbox isolates";

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
    findings.extend(engine(config).await);
    findings.extend(config.datasets.iter().flat_map(datasets));
    let count = config.datasets.len();
    if !findings.iter().any(|finding| finding.check == "datasets") {
        findings.push(Finding::ok(
            "datasets",
            format!("{count} are known, and what they are mounted from, or reached by, is there"),
        ));
    }
    findings
}

/// What a dataset needs on this machine and is not there. Whether a database lends anything only a run can tell.
fn datasets(dataset: &DatasetConfig) -> Vec<Finding> {
    let missing = |path: &Path, todo: &str| {
        let says = format!("{} of {} is not there", path.display(), dataset.id);
        Finding::fail("datasets", says, todo)
    };
    let mount = dataset.mount.iter();
    let mut needed: Vec<(&Path, &str)> = mount
        .map(|path| (path.as_path(), "mount it, or mend [[datasets]]"))
        .collect();
    if let Some(database) = &dataset.database {
        let programs = [&database.issue, &database.revoke].map(|line| line.first());
        // One without a folder is looked for on the path.
        let programs = programs
            .into_iter()
            .flatten()
            .map(Path::new)
            .filter(|path| path.is_absolute());
        needed.extend(programs.map(|path| (path, "install the command, or mend [[datasets]]")));
        let socket = database
            .socket
            .iter()
            .map(|path| (path.as_path(), "start the server, or mend `socket`"));
        needed.extend(socket);
    }
    let gone = needed.into_iter().filter(|(path, _)| !path.exists());
    gone.map(|(path, todo)| missing(path, todo)).collect()
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

async fn engine(config: &Config) -> Vec<Finding> {
    let engine = match config.engine() {
        Ok(engine) => engine,
        Err(error) => return vec![Finding::error("engine", &error)],
    };
    let answers = match engine.version().await {
        Ok(version) => Finding::ok("engine", format!("{version} answers")),
        Err(error) => return vec![Finding::error("engine", &anyhow::Error::new(error))],
    };
    let images = match (&engine, config.images.own_tools) {
        (_, true) => Finding::ok("images", "steps run on tools of this TRE's own, and in no image"),
        (Engine::Cwltool(cwltool), false) if engine.uses_images() => match cwltool.check_images().await {
            Ok(()) => Finding::ok(
                "images",
                "a step runs in the image that it names: namespaces within the sandbox's were tried",
            ),
            Err(error) => Finding::warn("images", format!("{:#}", anyhow::Error::new(error)), NO_IMAGES),
        },
        (Engine::Cwltool(_), false) => Finding::ok("images", NO_UMOCI),
        _ => return vec![answers],
    };
    vec![answers, images]
}
