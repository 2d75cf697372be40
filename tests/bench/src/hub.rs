//! A hub for the benchmark: the founding of its log, and the process that serves it.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use daybook::config::{Config, Secrets};
use daybook::hub::{CLERK_FILE, Consent, Database, Hub, LOG_KEY_FILE};
use daybook_core::base64url;
use daybook_core::id::Actor;
use daybook_core::key::SecretKey;
use daybook_core::note::NoteSigner;
use daybook_store::append::Candidate;
use daybook_store::{Identity, Options, Store};
use daybook_world::{ORIGIN, World};
use serde_json::json;

use crate::lives::travelling;

/// Of what name the log's key is made.
const LOG_KEY: &str = "log key";

/// A folder with all that a hub needs, its log founded.
pub(crate) struct Place {
    folder: PathBuf,
}

impl Place {
    /// Makes the folder's files and founds the log with what a world says. Nothing is published on its register.
    pub(crate) async fn found(folder: &Path, world: &World) -> Result<Self> {
        let place = Self::prepare(folder)?;
        let keys = folder.join("keys");
        let log_key = base64url::encode(&daybook_world::bytes(LOG_KEY));
        secret(&keys.join(LOG_KEY_FILE), &log_key)?;
        // The clerk's key, as the world made it.
        let seed = daybook_world::bytes(&format!("key 0 of {}", Actor::Clerk));
        let public = SecretKey::from_seed(&seed).public();
        ensure!(
            public == world.key(&Actor::Clerk).public(),
            "the world makes keys otherwise"
        );
        let jwk =
            json!({ "crv": "Ed25519", "d": base64url::encode(&seed), "kty": "OKP", "x": public.to_x() });
        let file_text = json!({ "actor": Actor::Clerk.to_string(), "event": jwk });
        secret(&keys.join(CLERK_FILE), &file_text.to_string())?;
        place.append_founding(world).await?;
        Ok(place)
    }

    /// Makes the folder and its configuration: no key, no log.
    pub(crate) fn prepare(folder: &Path) -> Result<Self> {
        let keys = folder.join("keys");
        fs::create_dir_all(&keys)?;
        // The server's account must be able to come through.
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        fs::set_permissions(&keys, Permissions::from_mode(0o700))?;
        let place = Self::at(folder);
        fs::write(place.config_path(), place.config_text())?;
        Ok(place)
    }

    /// What is in a folder that was founded before.
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The configuration that [`serve`] reads.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.join("daybook.toml")
    }

    fn config_text(&self) -> String {
        let folder = self.folder.display();
        format!(
            "origin = \"{ORIGIN}\"\nlisten = \"127.0.0.1:0\"\ndata_dir = \"{folder}/data\"\nkey_dir = \"{folder}/keys\"\n\
             guard_path = \"{folder}/guard.json\"\n[limits]\nrequests_per_second = 0\nevents_per_second = 0\nmax_connections = 8192\n"
        )
    }

    /// Its database, started, or used where a hub has it running.
    pub(crate) async fn database(&self) -> Result<Database> {
        let config = Config::read(&self.config_path())?;
        Database::start(&config, &Secrets::default()).await
    }

    /// Its log, opened without a hub.
    async fn open(&self, database: &Database) -> Result<Store> {
        let config = Config::read(&self.config_path())?;
        let options = Options {
            config: database.config(),
            origin: ORIGIN.to_owned(),
            signer: signer()?,
            guard_path: config.guard_path,
            trust_database: false,
            held_elsewhere: Vec::new(),
            require_durability: true,
        };
        Ok(Store::open(options).await?)
    }

    async fn append_founding(&self, world: &World) -> Result<()> {
        let database = self.database().await?;
        let identity = Identity {
            origin: ORIGIN.to_owned(),
            log_key: signer()?.verifier().clone(),
        };
        let client = daybook_store::open(&database.config(), "daybook bench").await?;
        daybook_store::initialise(&client, &identity).await?;
        let store = self.open(&database).await?;
        for (index, event) in (0..).zip(world.entries()) {
            if event.claims().seen.is_some() {
                store
                    .published
                    .clone()
                    .covering(index)
                    .await
                    .context("no publisher")?;
            }
            let openings = travelling(world.table(), &event.claims().kind, world.openings(event));
            let candidate = Candidate {
                event: event.clone(),
                openings,
            };
            store.appender.append(candidate, event.claims().iat).await?;
        }
        store.close().await;
        database.stop().await
    }

    /// The server's process id.
    pub(crate) fn postmaster(&self) -> Result<u32> {
        let text = fs::read_to_string(self.folder.join("data/pg/postmaster.pid"))?;
        Ok(text
            .lines()
            .next()
            .context("an empty postmaster.pid")?
            .trim()
            .parse()?)
    }
}

/// Who signs the log's checkpoints.
fn signer() -> Result<NoteSigner> {
    Ok(NoteSigner::from_seed(
        ORIGIN.parse()?,
        &daybook_world::bytes(LOG_KEY),
    )?)
}

fn secret(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Runs a hub in this process, says where it listens, and ends it when nobody holds its input any more.
pub(crate) async fn serve(config: &Path, max_batch: Option<usize>) -> Result<()> {
    let config = Config::read(config)?;
    let consent = Consent {
        max_batch,
        ..Consent::default()
    };
    let hub = Hub::start(&config, &Secrets::default(), consent).await?;
    writeln!(std::io::stdout(), "{}", hub.address())?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    hub.stop().await
}

/// A hub in a process of its own.
pub(crate) struct Running {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

impl Running {
    /// Starts the process and waits until it listens.
    pub(crate) fn start(place: &Place, max_batch: Option<usize>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("hub").arg(place.config_path());
        if let Some(max_batch) = max_batch {
            command.arg("--max-batch").arg(max_batch.to_string());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        let stdout = child.stdout.take().context("the hub has no output")?;
        BufReader::new(stdout).read_line(&mut address)?;
        ensure!(!address.is_empty(), "the hub did not start");
        Ok(Self {
            child,
            address: address.trim().to_owned(),
        })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        ensure!(status.success(), "the hub ended with {status}");
        Ok(())
    }
}
