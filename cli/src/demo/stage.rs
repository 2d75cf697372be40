//! Where the demo plays: a folder, a founded log, a hub that listens.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use daybook_core::id::{Actor, Slug};
use daybook_core::note::VerifierKey;
use daybook_register_web::Settings;
use daybook_seed::Plan;
use tempfile::TempDir;

use super::quorum::Witnesses;
use crate::args::DemoArgs;
use crate::commands::output;
use crate::config::{Config, LimitTable, PacketConfig, Secrets, WitnessConfig};
use crate::hub::{self, Consent, Hub};
use daybook_agent::author::Author;
use daybook_agent::client::{Client, Follower};
use daybook_agent::keyfile::Keys;
use daybook_agent::random;

/// The demo's log. It is never the name of another.
const ORIGIN: &str = "demo.daybook.example/log";

/// The hub and its folder.
pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) client: Client,
    pub(super) witnesses: Witnesses,
    config: Config,
    hub: Hub,
    /// The TREs of the seed, with the thumbprints of their roots.
    pub(super) roots: Vec<(Slug, String)>,
    /// Removed when the demo ends, unless the user named a folder.
    temporary: Option<TempDir>,
}

impl Stage {
    /// Founds a log in a fresh folder and starts its hub.
    pub(super) async fn build(args: &DemoArgs) -> Result<Self> {
        let (folder, temporary) = folder(args.data_dir.as_deref())?;
        let mut config = Config {
            origin: ORIGIN.to_owned(),
            listen: args.listen,
            tls_cert: None,
            tls_key: None,
            data_dir: folder.join("data"),
            key_dir: folder.join("keys"),
            guard_path: folder.join("guard/guard.json"),
            max_packet_bytes: 64 * 1024 * 1024,
            metrics_listen: None,
            trusted_proxies: Vec::new(),
            limits: LimitTable::default(),
            packets: PacketConfig::default(),
            witnesses: WitnessConfig::default(),
            register: Settings {
                name: "Fictional data use register".to_owned(),
                operator: "a federation that does not exist".to_owned(),
                contact: "register@demo.daybook.example".to_owned(),
                fictional: true,
                ..Settings::default()
            },
        };
        fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("cannot make {}", config.data_dir.display()))?;
        let secrets = Secrets::default();
        output::line(&format!("Daybook demo in {}", folder.display()));
        output::line("Starting a private PostgreSQL and founding a log …");
        let plan = Plan::of(args.seed_jobs, random::now());
        let begins = if args.seed_jobs == 0 {
            plan.until
        } else {
            plan.begins()
        };
        let founding = hub::found(&config, &secrets, "The demo's log", begins).await?;
        let witnesses = Witnesses::open(&folder.join("witnesses"), &founding.log_key).await?;
        config.witnesses = witnesses.config();
        let roots = if args.seed_jobs == 0 {
            Vec::new()
        } else {
            seed(&config, &secrets, plan).await?
        };
        let hub = Hub::start(&config, &secrets, Consent::default()).await?;
        let client = Client::new(&format!("http://{}", hub.address()))?;
        output::line(&format!("  hub           http://{}", hub.address()));
        output::line(&format!("  verifier key  {}", hub.log_key()));
        output::line(&format!("  rule table    {}", founding.table));
        Ok(Self {
            folder,
            client,
            witnesses,
            config,
            hub,
            roots,
            temporary,
        })
    }

    pub(super) fn origin(&self) -> &str {
        &self.config.origin
    }

    pub(super) fn log_key(&self) -> &VerifierKey {
        self.hub.log_key()
    }

    /// An actor with fresh keys, kept in a file of its own.
    pub(super) fn actor(&self, actor: &Actor) -> Result<Author> {
        let keys = Keys::create(&self.key_file(actor), actor)?;
        Ok(self.author(keys))
    }

    /// Where an actor's keys are.
    pub(super) fn key_file(&self, actor: &Actor) -> PathBuf {
        let file = format!("{}.json", actor.to_string().replace('/', "-"));
        self.config.key_dir.join(file)
    }

    /// The operator, whose keys founding the log has made.
    pub(super) fn operator(&self) -> Result<Author> {
        Ok(self.author(Keys::read(&self.config.key_dir.join(hub::OPERATOR_FILE))?))
    }

    fn author(&self, keys: Keys) -> Author {
        let follower = Follower::new(self.client.clone(), self.origin(), self.log_key().clone());
        Author::new(keys, self.client.clone(), follower)
    }

    /// A folder below the demo's own.
    pub(super) fn below(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Says what to look at now.
    pub(super) fn invite(&self) {
        let base = self.client.base();
        output::line("");
        output::line(&format!("The public register is at {base}/"));
        output::line("The hub keeps running; Ctrl-C ends it. To look around:");
        output::line(&format!("  curl {base}/log/checkpoint"));
        output::line(&format!("  curl '{base}/v1/events?type=job-released'"));
        output::line(&format!("  curl {base}/v1/tres/wessex/queue"));
        output::line(&format!("  curl {base}/v1/witnesses"));
    }

    /// Ends the hub and removes what was only for the demo.
    pub(super) async fn clear(self) -> Result<()> {
        let stopped = self.hub.stop().await;
        self.witnesses.end().await?;
        stopped?;
        if let Some(folder) = self.temporary {
            folder.close().context("the demo's folder could not be removed")?;
        }
        Ok(())
    }
}

/// Fills the log with years of a country that does not exist. Answers with the roots of its TREs.
async fn seed(config: &Config, secrets: &Secrets, plan: Plan) -> Result<Vec<(Slug, String)>> {
    output::line("Filling in three years of a country that does not exist …");
    let filled = hub::fill(config, secrets, (plan, random::bytes()?), |_| {}).await?;
    output::line(&format!(
        "  fictional     {} jobs of {} projects at {} TREs, {} entries: all of it made up",
        filled.jobs,
        filled.projects,
        filled.roots.len(),
        filled.entries
    ));
    Ok(filled.roots)
}

fn folder(wanted: Option<&Path>) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(path) = wanted {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let is_empty = fs::read_dir(path)?.next().is_none();
        ensure!(
            is_empty,
            "{} is not empty; the demo begins with a log of its own in an empty folder",
            path.display()
        );
        return Ok((path.canonicalize()?, None));
    }
    let folder = tempfile::Builder::new().prefix("daybook-demo-").tempdir()?;
    // When root runs the demo, PostgreSQL runs as another user, who must be able to pass through.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711))?;
    Ok((folder.path().to_owned(), Some(folder)))
}
