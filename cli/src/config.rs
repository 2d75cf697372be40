//! The hub's configuration: one TOML file, secrets by environment.

mod limits;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use daybook_api::PacketLimits;
use daybook_register_web::Settings;
use serde::Deserialize;

pub use self::limits::{LimitTable, Net};

pub use crate::hub::{PacketConfig, WitnessConfig};

/// What `daybook.toml` may say. A key that is not known is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The log's name for ever.
    pub origin: String,
    /// Where to listen.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The certificate for TLS to clients, with its chain, in PEM form; plain HTTP if missing.
    #[serde(default)]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM form.
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
    /// Private PostgreSQL cluster and packets.
    pub data_dir: PathBuf,
    /// Keys of the log and of the hub's own services.
    pub key_dir: PathBuf,
    /// The file with the largest checkpoint that was ever released; outside `data_dir` and its backups.
    pub guard_path: PathBuf,
    /// Bytes of a packet at most.
    #[serde(default = "default_max_packet")]
    pub max_packet_bytes: u64,
    /// Where to serve metrics; nowhere if missing. A private port: it tells a lot, and asks for no token.
    #[serde(default)]
    pub metrics_listen: Option<SocketAddr>,
    /// Reverse proxies that are believed when they say who asks (`X-Forwarded-For`).
    #[serde(default)]
    pub trusted_proxies: Vec<Net>,
    /// What is taken of whom.
    #[serde(default)]
    pub limits: LimitTable,
    /// Where packets are kept, how much and how long.
    #[serde(default)]
    pub packets: PacketConfig,
    /// Who cosigns the checkpoints.
    #[serde(default)]
    pub witnesses: WitnessConfig,
    /// How the public register presents itself.
    #[serde(default)]
    pub register: Settings,
}

/// Secrets, which stand in no file that is shown around.
#[derive(Clone, Default)]
pub struct Secrets {
    /// `DATABASE_URL`: your own PostgreSQL instead of the private cluster.
    pub database_url: Option<String>,
    /// `DAYBOOK_LOG_KEY`: the seed of the checkpoint key instead of the file in `key_dir`.
    pub log_key: Option<String>,
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read {}; docs/samples/daybook.toml shows what it says; `daybook init` then makes what it names",
                path.display()
            )
        })?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        ensure!(
            config.tls_cert.is_some() == config.tls_key.is_some(),
            "`tls_cert` and `tls_key` go together: one of them is missing"
        );
        let is_inside = config.guard_path.starts_with(&config.data_dir);
        ensure!(
            !is_inside,
            "`guard_path` lies inside `data_dir`, where a restored backup would take it back as well; put it elsewhere"
        );
        config
            .packets
            .check(config.max_packet_bytes)
            .context("in the table [packets]")?;
        Ok(config)
    }

    /// How much is kept of packets, and how long.
    pub fn packet_limits(&self) -> PacketLimits {
        self.packets.limits(self.max_packet_bytes)
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8787))
}

fn default_max_packet() -> u64 {
    2 * 1024 * 1024 * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_parses() {
        let sample = include_str!("../../docs/samples/daybook.toml");
        let config = Config::parse(sample).unwrap();
        assert_eq!(config.listen, default_listen());
        assert_eq!(config.max_packet_bytes, default_max_packet());
    }

    #[test]
    fn unknown_keys_and_a_guard_among_the_data_are_refused() {
        let text = "origin = \"o\"\ndata_dir = \"/d\"\nkey_dir = \"/k\"\nguard_path = \"/g\"\n";
        assert!(Config::parse(text).is_ok());
        let error = Config::parse(&format!("{text}orgin = \"x\"\n"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("orgin"), "{error}");
        let inside = text.replace("/g", "/d/guard");
        assert!(
            Config::parse(&inside)
                .unwrap_err()
                .to_string()
                .contains("data_dir")
        );
    }
}
