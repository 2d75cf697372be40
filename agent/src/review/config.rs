//! The review service's configuration: one TOML file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use daybook_core::id::{Actor, Slug, TreRole};
use daybook_core::note::VerifierKey;
use serde::Deserialize;

use crate::duration::Words;
use crate::keyfile::{KeySource, Keys};
use crate::runner::RelayTable;
use crate::runner::config::{default_step, load, slug};

/// What `review.toml` may say. A key that is not known is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The TRE's short name in the log.
    #[serde(deserialize_with = "slug")]
    pub tre: Slug,
    /// The log's verifier key; it names the log.
    pub log_key: String,
    /// The review service's keys.
    pub keys: KeySource,
    /// The TRE's secret under which people's tags are made: a file of mode 0600.
    pub secret: PathBuf,
    /// The runner's spool, where the outputs are.
    pub spool: PathBuf,
    /// The folder of what the review service itself remembers.
    pub memory: PathBuf,
    /// The step to which times are cut, the same as the runner's.
    #[serde(default = "default_step")]
    pub time_step: Words,
    /// The relay.
    pub relay: RelayTable,
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read {}; docs/samples/review.toml shows what it says",
                path.display()
            )
        })?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.verifier()?;
        Ok(config)
    }

    /// The log's key.
    pub fn verifier(&self) -> Result<VerifierKey> {
        self.log_key.parse().context("`log_key` is no verifier key")
    }

    /// The review service's keys.
    pub fn keys(&self) -> Result<Arc<Keys>> {
        load(&self.keys, &Actor::Tre(self.tre.clone(), TreRole::Review))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_parses() {
        let config = Config::parse(include_str!("../../../docs/samples/review.toml")).unwrap();
        assert_eq!(config.tre.as_str(), "wessex");
        assert_eq!(config.time_step, default_step());
    }
}
