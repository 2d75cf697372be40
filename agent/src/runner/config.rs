//! The runner's configuration: one TOML file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use daybook_core::id::{Actor, Slug, TreRole};
use daybook_core::key::PublicKey;
use daybook_core::note::VerifierKey;
use serde::Deserialize;

use super::images::ImagesConfig;
use super::rules::FileRules;
use crate::datasets::{DatasetConfig, Datasets};
use crate::duration::Words;
use crate::engine::{
    Containers, Cwltool, Engine, OwnProgram, RunLimits, Sandbox, SandboxConfig, Tes, TesConfig, Wfexs,
    find_cwltool,
};
use crate::keyfile::{KeySource, Keys};
use crate::link::{LinkClient, LinkServer};

/// What `runner.toml` may say. A key that is not known is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The TRE's short name in the log.
    #[serde(deserialize_with = "slug")]
    pub tre: Slug,
    /// The log's verifier key, from somewhere that the hub cannot change; it names the log.
    pub log_key: String,
    /// The runner's keys.
    pub keys: KeySource,
    /// The folder of everything that the runner remembers; outputs lie in it.
    pub spool: PathBuf,
    /// The step to which times are cut, and at whose end events are sent.
    #[serde(default = "default_step")]
    pub time_step: Words,
    /// How many runs at once.
    #[serde(default = "one")]
    pub parallel: usize,
    /// How often a run is tried, where not the workflow failed.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// The relay.
    pub relay: RelayTable,
    /// What runs workflows.
    pub engine: EngineConfig,
    /// The wall around them.
    #[serde(default)]
    pub sandbox: SandboxConfig,
    /// How much a run may use.
    #[serde(default)]
    pub limits: RunLimits,
    /// The container images that workflows name.
    #[serde(default)]
    pub images: ImagesConfig,
    /// What may leave, and how many people must agree.
    #[serde(default)]
    pub rules: FileRules,
    /// What packets may name.
    #[serde(default)]
    pub datasets: Vec<DatasetConfig>,
}

/// The relay, as those in the controlled zone reach it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayTable {
    /// Its internal address.
    pub url: String,
    /// The link's name, the same as in the relay's configuration.
    pub name: String,
    /// The relay's public key for access, which signs its answers.
    pub access: String,
    /// The certificate that its TLS rests on, in PEM form.
    #[serde(default)]
    pub tls_root: Option<PathBuf>,
}

/// What runs workflows.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum EngineConfig {
    /// `cwltool`.
    Cwltool {
        /// Its path; else `.venv/bin/cwltool`, or the first on the `PATH`.
        #[serde(default)]
        program: Option<PathBuf>,
    },
    /// `WfExS-backend`.
    Wfexs {
        /// How it is called: its Python and its script.
        command: Vec<String>,
        /// Its filled cache.
        cache: PathBuf,
    },
    /// A program of the TRE's own.
    Command {
        /// Its path.
        program: PathBuf,
        /// Its name and version.
        name: String,
    },
    /// A task service.
    Tes(TesConfig),
}

impl RelayTable {
    /// The client for whoever has these keys.
    pub fn client(&self, keys: Arc<Keys>) -> Result<LinkClient> {
        let server = LinkServer {
            url: self.url.clone(),
            name: self.name.clone(),
            key: PublicKey::from_x(&self.access).context("`relay.access` is no public key")?,
        };
        let read = |path: &PathBuf| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let root = self.tls_root.as_ref().map(read).transpose()?;
        Ok(LinkClient::new(server, keys, root.as_deref())?)
    }
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read {}; docs/samples/runner.toml shows what it says",
                path.display()
            )
        })?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.verifier()?;
        config.datasets()?;
        config.images.check().context("[images]")?;
        ensure!(
            config.time_step.seconds() >= 1,
            "`time_step` is at least a second"
        );
        ensure!(config.parallel >= 1, "`parallel` is at least 1");
        ensure!((1..=100).contains(&config.attempts), "`attempts` is 1 to 100");
        ensure!(
            (1..=5).contains(&config.rules.people),
            "`rules.people` is 1 to 5: without people nothing is cleared"
        );
        for shown in &config.sandbox.readable {
            ensure!(
                !config.spool.starts_with(shown),
                "`sandbox.readable` names {}, and the spool with everybody's outputs lies in it",
                shown.display()
            );
        }
        Ok(config)
    }

    /// The log's key.
    pub fn verifier(&self) -> Result<VerifierKey> {
        let key = self.log_key.parse();
        key.context("`log_key` is no verifier key, such as `daybook init` prints for the operator to publish")
    }

    /// The map of datasets.
    pub fn datasets(&self) -> Result<Datasets> {
        Datasets::new(self.datasets.clone()).context("[[datasets]]")
    }

    /// The runner's keys.
    pub fn keys(&self) -> Result<Arc<Keys>> {
        load(&self.keys, &Actor::Tre(self.tre.clone(), TreRole::Runner))
    }

    /// The engine behind its wall.
    pub fn engine(&self) -> Result<Engine> {
        let sandbox = || Sandbox::new(&self.sandbox).context("[sandbox]");
        Ok(match &self.engine {
            EngineConfig::Cwltool { program } => Engine::Cwltool(Cwltool {
                program: find_cwltool(program.as_deref())?,
                sandbox: sandbox()?,
                containers: Containers::find().ok(),
            }),
            EngineConfig::Wfexs { command, cache } => Engine::Wfexs(Wfexs {
                command: command.clone(),
                cache: cache.clone(),
                sandbox: sandbox()?,
            }),
            EngineConfig::Command { program, name } => Engine::Command(OwnProgram {
                program: program.clone(),
                name: name.clone(),
                sandbox: sandbox()?,
            }),
            EngineConfig::Tes(config) => Engine::Tes(Tes::new(config.clone())?),
        })
    }
}

/// Loads keys, which must be that actor's.
pub(crate) fn load(source: &KeySource, actor: &Actor) -> Result<Arc<Keys>> {
    let keys = source.load()?;
    ensure!(
        keys.actor == *actor,
        "`keys` are those of {}, and not of {actor}",
        keys.actor
    );
    ensure!(
        keys.access.is_some(),
        "`keys` hold no access key; `daybook keys new` makes both"
    );
    Ok(Arc::new(keys))
}

pub(crate) fn slug<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Slug, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

pub(crate) fn default_step() -> Words {
    Words(std::time::Duration::from_mins(10))
}

fn one() -> usize {
    1
}

fn default_attempts() -> u32 {
    3
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../docs/samples/runner.toml");

    #[test]
    fn the_sample_parses() {
        let config = Config::parse(SAMPLE).unwrap();
        assert_eq!(config.time_step, default_step());
        assert_eq!(config.limits, RunLimits::default());
        assert_eq!(config.rules, FileRules::default());
        assert_eq!(config.datasets.len(), 2);
    }

    #[test]
    fn what_is_unknown_or_would_show_the_spool_to_runs_is_refused() {
        let error = Config::parse(&format!("passwort = 1\n{SAMPLE}")).unwrap_err();
        assert!(error.to_string().contains("passwort"), "{error}");
        let open = SAMPLE.replace("readable = []", "readable = [\"/var/lib\"]");
        assert_ne!(open, SAMPLE);
        assert!(Config::parse(&open).unwrap_err().to_string().contains("spool"));
        let nobody = SAMPLE.replace("people = 2", "people = 0");
        assert!(Config::parse(&nobody).is_err());
    }
}
