//! The relay's configuration: one TOML file.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use daybook_core::id::{Actor, Slug, TreRole};
use daybook_core::note::VerifierKey;
use serde::Deserialize;

use super::Identity;
use crate::duration::Words;
use crate::keyfile::{KeySource, Keys};
use crate::link::{PeerConfig, TlsFiles};
use crate::packet::Limits;
use crate::retrieve;

/// What `relay.toml` may say. A key that is not known is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The TRE's short name in the log.
    #[serde(deserialize_with = "slug")]
    pub tre: Slug,
    /// The hub's address.
    pub hub: String,
    /// The log's verifier key, from somewhere that the hub cannot change; it names the log.
    pub log_key: String,
    /// The thumbprint of the TRE's root key: what the hub says of the TRE's own keys and approvals must go back to it.
    pub root: String,
    /// The relay's keys.
    pub keys: KeySource,
    /// The folder of everything that the relay remembers.
    pub spool: PathBuf,
    /// `live`, or `shadow`: everything is done and signed, and nothing is sent. If it is missing, a relay is in the shadow until
    /// `daybook relay go-live`.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// A proxy on the way to the hub.
    #[serde(default)]
    pub proxy: Option<String>,
    /// How often the hub is asked what the teams want of open jobs.
    #[serde(default = "default_watch")]
    pub watch: Words,
    /// How long a packet that the hub does not have is waited for before its job is refused.
    #[serde(default = "default_patience")]
    pub packet_patience: Words,
    /// How long results stay at the hub.
    #[serde(default = "default_keep")]
    pub keep_results: Words,
    /// How often the TRE's own counts are reported.
    #[serde(default = "default_report")]
    pub report: Words,
    /// The relay as a witness of the log; none where this is missing.
    #[serde(default)]
    pub witness: Option<WitnessTable>,
    /// Packets that are taken.
    #[serde(default)]
    pub packet: PacketTable,
    /// From where workflows and images are fetched.
    pub retrieve: retrieve::Config,
    /// The link to the controlled zone.
    pub link: LinkTable,
    /// Who signs off.
    #[serde(default)]
    pub sign_off: SignOffTable,
    /// The further check before release.
    #[serde(default)]
    pub recheck: How,
    /// What result crates say of the TRE.
    pub about: AboutTable,
}

/// Whether anything leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Events and packets are sent.
    Live,
    /// Nothing is sent.
    Shadow,
}

/// Who does a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The relay.
    #[default]
    Automatic,
    /// One of the TRE's people, by `daybook review`.
    Person,
}

/// Packets that are taken.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PacketTable {
    /// MiB of a packet at most.
    pub max_mib: u64,
    /// MiB of one file in it, unpacked, at most.
    pub max_file_mib: u64,
    /// MiB of all files in it, unpacked, at most.
    pub max_content_mib: u64,
    /// Files and folders at most.
    pub max_entries: usize,
}

/// The link to the controlled zone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkTable {
    /// The internal address to listen at.
    pub listen: SocketAddr,
    /// The link's name, the same as in the runner's configuration.
    pub name: String,
    /// Certificate and key, for TLS besides.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// The runner's public keys.
    pub runner: PeerConfig,
    /// The review service's public keys.
    #[serde(default)]
    pub review: Option<PeerConfig>,
    /// MiB of the largest output that may leave; it is held in memory until it is known to be cleared.
    #[serde(default = "default_output")]
    pub max_output_mib: u64,
}

/// The relay as a witness of the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessTable {
    /// The folder with a key of its own and the record of what it cosigned.
    pub dir: PathBuf,
    /// How often the log is looked at.
    #[serde(default = "default_every")]
    pub every: Words,
}

/// Who signs off.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignOffTable {
    /// Whether an approval of a workflow that says `standing` signs a job off without a person.
    pub standing: bool,
    /// The folder with the schemas of parameters that approvals name by their digest.
    pub schemas: Option<PathBuf>,
    /// Whether a person must sign off where no approval names such a schema, or the hub shows none.
    pub require_schema: bool,
}

/// What result crates say of the TRE.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AboutTable {
    /// Its name.
    pub name: String,
    /// Its home page.
    pub url: String,
    /// The policy by which jobs are signed off: address and name.
    pub policy: Reference,
    /// The conditions under which results may be used: address and name.
    pub licence: Reference,
}

/// An address with a name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The address.
    pub url: String,
    /// The name.
    pub name: String,
}

impl Default for PacketTable {
    fn default() -> Self {
        Self {
            max_mib: 64,
            max_file_mib: 128,
            max_content_mib: 256,
            max_entries: 10_000,
        }
    }
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read {}; docs/samples/relay.toml shows what it says",
                path.display()
            )
        })?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        let has_scheme = config.hub.starts_with("https://") || config.hub.starts_with("http://");
        ensure!(has_scheme, "`hub` is an address such as https://hub.example.org");
        config.verifier()?;
        config.root()?;
        ensure!(
            !config.link.name.is_empty() && config.link.name.len() <= 100,
            "`link.name` has 1 to 100 characters"
        );
        Ok(config)
    }

    /// The log's key.
    pub fn verifier(&self) -> Result<VerifierKey> {
        let key = self.log_key.parse();
        key.context("`log_key` is no verifier key, such as `daybook init` prints for the operator to publish")
    }

    /// The thumbprint of the TRE's root.
    pub fn root(&self) -> Result<Hash> {
        Hash::from_base64url(&self.root).context(
            "`root` is the thumbprint of the TRE's root key, 43 characters, as `daybook keys show` prints it",
        )
    }

    /// Whether anything leaves: what the file says, or else whether `daybook relay go-live` was given.
    pub fn mode(&self) -> Mode {
        let went_live = self.spool.join(LIVE).exists();
        self.mode
            .unwrap_or(if went_live { Mode::Live } else { Mode::Shadow })
    }

    /// The spool of the mode: what was played through in the shadow is no part of the record.
    pub fn folder(&self) -> PathBuf {
        self.spool.join(match self.mode() {
            Mode::Live => "live",
            Mode::Shadow => "shadow",
        })
    }

    /// Whose relay it is, with its keys.
    pub fn identity(&self) -> Result<Identity> {
        let keys: Keys = self.keys.load()?;
        let actor = Actor::Tre(self.tre.clone(), TreRole::Relay);
        ensure!(
            keys.actor == actor,
            "the keys are those of {}, and this is the relay of {}",
            keys.actor,
            self.tre
        );
        ensure!(keys.access.is_some(), "the relay's keys hold none for access");
        let peer = |role, config: &PeerConfig| {
            let what = format!(
                "the public keys of the {} in the table [link]",
                TreRole::as_str(role)
            );
            config.peer(Actor::Tre(self.tre.clone(), role)).context(what)
        };
        let review = self.link.review.as_ref();
        Ok(Identity {
            tre: self.tre.clone(),
            log: self.verifier()?,
            root: Some(self.root()?),
            keys: Arc::new(keys),
            is_shadow: self.mode() == Mode::Shadow,
            runner: Some(peer(TreRole::Runner, &self.link.runner)?),
            review: review.map(|review| peer(TreRole::Review, review)).transpose()?,
        })
    }

    /// The limits of packets.
    pub fn limits(&self) -> Limits {
        let mib = |mib: u64| mib.saturating_mul(1024 * 1024);
        let table = self.packet;
        Limits {
            packet_bytes: mib(table.max_mib),
            entries: table.max_entries,
            file_bytes: mib(table.max_file_mib),
            total_bytes: mib(table.max_content_mib),
            ..Limits::default()
        }
    }
}

/// The file that `daybook relay go-live` leaves.
pub(crate) const LIVE: &str = "went-live";

fn slug<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Slug, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn default_watch() -> Words {
    Words(std::time::Duration::from_secs(10))
}

fn default_patience() -> Words {
    Words(std::time::Duration::from_hours(24))
}

fn default_keep() -> Words {
    Words(std::time::Duration::from_hours(90 * 24))
}

fn default_report() -> Words {
    Words(std::time::Duration::from_hours(7 * 24))
}

fn default_every() -> Words {
    Words(std::time::Duration::from_secs(2))
}

fn default_output() -> u64 {
    256
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../docs/samples/relay.toml");

    #[test]
    fn the_sample_parses_and_says_what_is_usual() {
        let config = Config::parse(SAMPLE).unwrap();
        assert_eq!(config.watch, default_watch());
        assert_eq!(config.packet_patience, default_patience());
        assert_eq!(config.keep_results, default_keep());
        assert_eq!(config.report, default_report());
        assert_eq!(config.witness.as_ref().unwrap().every, default_every());
        assert_eq!(config.link.max_output_mib, default_output());
        assert_eq!(config.limits(), Limits::default());
        assert_eq!(config.recheck, How::default());
        assert!(!config.sign_off.standing);
    }

    #[test]
    fn without_a_mode_a_relay_is_in_the_shadow_until_it_goes_live_and_a_mode_that_is_written_down_counts() {
        let folder = tempfile::tempdir().unwrap();
        let config = |mode: &str| {
            let text = SAMPLE.replace("/var/lib/daybook-relay", folder.path().to_str().unwrap());
            Config::parse(&format!("{mode}\n{text}")).unwrap()
        };
        let (silent, shadow) = (config(""), config("mode = \"shadow\""));
        assert_eq!(silent.mode(), Mode::Shadow);
        assert!(super::super::go_live(&shadow).is_err());
        super::super::go_live(&silent).unwrap();
        assert_eq!((silent.mode(), shadow.mode()), (Mode::Live, Mode::Shadow));
        assert_ne!(silent.folder(), shadow.folder());
    }

    #[test]
    fn what_is_unknown_or_of_another_form_is_refused_by_its_name() {
        for (from, to, says) in [
            ("tre =", "trr =", "trr"),
            ("\"10 seconds\"", "\"10\"", "no duration"),
            ("https://hub", "ftp://hub", "`hub`"),
            ("kPrK_", "kPr", "`root`"),
            ("daybook.example.org/log+", "daybook+", "`log_key`"),
        ] {
            let error = Config::parse(&SAMPLE.replacen(from, to, 1)).unwrap_err();
            assert!(format!("{error:#}").contains(says), "{error:#}");
        }
    }
}
