//! A hub: database, log, packets, HTTP, clerk. Started whole, ended in order.

mod clerk;
mod database;
mod found;

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use daybook_api::App;
use daybook_core::note::{NoteSigner, VerifierKey};
use daybook_store::{Options, Store};
use object_store::local::LocalFileSystem;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::clerk::Clerk;
pub use self::database::Database;
pub use self::found::{Founding, found};
use crate::config::{Config, Secrets};
use crate::keyfile::{self, Keys};

/// The file with the seed of the checkpoint key, in `key_dir`.
pub const LOG_KEY_FILE: &str = "log.key";
/// The clerk's key file, in `key_dir`.
pub const CLERK_FILE: &str = "clerk.json";
/// The operator's key file, in `key_dir` until somebody moves it to a safer place.
pub const OPERATOR_FILE: &str = "operator.json";

/// A hub that runs.
pub struct Hub {
    running: Running,
    database: Database,
}

/// What only a person may say at a start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consent {
    /// This database is the true and newest one, whatever the guard says of server and file.
    pub trust_database: bool,
}

impl Hub {
    /// Starts a hub whose log has been founded.
    pub async fn start(config: &Config, secrets: &Secrets, consent: Consent) -> Result<Self> {
        let database = Database::start(config, secrets).await?;
        match Running::start(config, secrets, consent, &database).await {
            Ok(running) => {
                info!(address = %running.address, "Listening on {}", running.address);
                Ok(Self { running, database })
            }
            Err(error) => {
                // Waited for: whoever now moves the folder must not move it under a server that still writes.
                database.stop().await?;
                Err(error)
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// What verifies its checkpoints.
    pub fn log_key(&self) -> &VerifierKey {
        &self.running.log_key
    }

    /// Stops accepting, lets open requests finish, commits and publishes what waits, and ends the private cluster.
    pub async fn stop(self) -> Result<()> {
        let Running {
            store,
            stop,
            server,
            clerk,
            ..
        } = self.running;
        stop.cancel();
        server.await.context("the server")?;
        clerk.await.context("the clerk")?;
        store.close().await;
        self.database.stop().await
    }
}

/// All of a hub but its database.
struct Running {
    address: SocketAddr,
    log_key: VerifierKey,
    store: Store,
    stop: CancellationToken,
    server: JoinHandle<()>,
    clerk: JoinHandle<()>,
}

impl Running {
    async fn start(
        config: &Config,
        secrets: &Secrets,
        consent: Consent,
        database: &Database,
    ) -> Result<Self> {
        let signer = log_signer(config, secrets)?;
        let log_key = signer.verifier().clone();
        let keys = Keys::read(&config.key_dir.join(CLERK_FILE))?;
        let packets = packet_folder(&config.data_dir)?;
        let listener = TcpListener::bind(config.listen).await.with_context(|| {
            format!(
                "cannot listen on {}; is another hub running there?",
                config.listen
            )
        })?;
        let address = listener.local_addr()?;
        let store = open_store(config, database, signer, consent.trust_database).await?;
        let app = App::new(
            &config.origin,
            &log_key.to_string(),
            &store,
            packets,
            config.max_packet_bytes,
        );
        let stop = CancellationToken::new();
        let clerk = tokio::spawn(Clerk::new(&config.origin, keys, &store).run(stop.clone()));
        let server = tokio::spawn(daybook_api::serve(
            listener,
            daybook_api::router(app),
            stop.clone(),
        ));
        Ok(Self {
            address,
            log_key,
            store,
            stop,
            server,
            clerk,
        })
    }
}

/// Opens the log of a configuration.
pub(crate) async fn open_store(
    config: &Config,
    database: &Database,
    signer: NoteSigner,
    trust_database: bool,
) -> Result<Store> {
    let store = Store::open(Options {
        config: database.config(),
        origin: config.origin.clone(),
        signer,
        guard_path: config.guard_path.clone(),
        trust_database,
        require_durability: true,
    });
    store.await.context("the log cannot be opened")
}

/// What signs the checkpoints of a configuration.
pub(crate) fn log_signer(config: &Config, secrets: &Secrets) -> Result<NoteSigner> {
    let seed = match &secrets.log_key {
        Some(text) => keyfile::parse_seed(text).context("in DAYBOOK_LOG_KEY")?,
        None => keyfile::read_seed(&config.key_dir.join(LOG_KEY_FILE))?,
    };
    let name = config
        .origin
        .parse()
        .with_context(|| format!("the origin {:?} cannot name a log", config.origin))?;
    Ok(NoteSigner::from_seed(name, &seed)?)
}

/// A folder for packets, which nobody else on the machine may enter; each packet is durable before it is acknowledged.
fn packet_folder(data_dir: &Path) -> Result<Arc<LocalFileSystem>> {
    let folder = data_dir.join("hub");
    let made = fs::create_dir_all(&folder)
        .and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(0o700)));
    made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(Arc::new(
        LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true),
    ))
}
