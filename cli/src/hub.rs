//! A hub: database, log, packets, HTTP, clerk. Started whole, ended in order.

mod clerk;
mod database;
pub(crate) mod editor;
mod fill;
mod found;
mod known;
mod listen;
mod objects;
mod watch;
mod witnesses;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_api::{App, Doors, PacketStore, Service, Witnessing};
use daybook_core::cose::ReceiptSigner;
use daybook_core::note::{NoteSigner, VerifierKey};
use daybook_core::trust::TrustPolicy;
use daybook_register_web::Site;
use daybook_store::append::MAX_BATCH;
use daybook_store::log::TreeHead;
use daybook_store::project::{self as projection, Projector};
use daybook_store::{Options, Store};
use daybook_views::Views;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::clerk::Clerk;
pub use self::database::Database;
pub(crate) use self::database::cluster_config;
use self::editor::Editor;
pub use self::fill::{Filled, fill};
pub use self::found::{Founding, found};
pub(crate) use self::known::remembered;
pub(crate) use self::listen::certificate;
pub use self::objects::PacketConfig;
pub(crate) use self::objects::reach_packets;
pub use self::witnesses::WitnessConfig;
use crate::config::{Config, Secrets};
use daybook_agent::keyfile::{self, Keys};

/// The file with the seed of the checkpoint key, in `key_dir`.
pub const LOG_KEY_FILE: &str = "log.key";
/// The seed of a second checkpoint key, in `key_dir`, if there is one: both sign while one takes over from the other.
pub const SECOND_LOG_KEY_FILE: &str = "log.second.key";
/// The seed of the key that signs COSE receipts, in `key_dir`. Without it this hub signs none.
pub const COSE_KEY_FILE: &str = "cose.key";
/// The clerk's key file, in `key_dir`.
pub const CLERK_FILE: &str = "clerk.json";
/// The editor's key file, in `key_dir`. Without it this hub publishes nothing on the register.
pub const EDITOR_FILE: &str = "editor.json";
/// The operator's key file, in `key_dir` until somebody moves it to a safer place.
pub const OPERATOR_FILE: &str = "operator.json";

/// How long what waits may take at the end, after the open requests.
const DRAIN: Duration = Duration::from_secs(10);

/// A hub that runs.
pub struct Hub {
    running: Running,
    database: Database,
    data_dir: PathBuf,
}

/// What only a person may say at a start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consent {
    /// This database is the true and newest one, whatever the guard says of server and file.
    pub trust_database: bool,
    /// Events that one transaction takes at most, where somebody measures what many are worth.
    pub max_batch: Option<usize>,
}

impl Hub {
    /// Starts a hub whose log has been founded.
    pub async fn start(config: &Config, secrets: &Secrets, consent: Consent) -> Result<Self> {
        let database = Database::start(config, secrets).await?;
        match Running::start(config, secrets, consent, &database).await {
            Ok(running) => {
                info!(address = %running.address, "Listening on {}", running.address);
                Ok(Self {
                    running,
                    database,
                    data_dir: config.data_dir.clone(),
                })
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
            editor,
            sweeper,
            retention,
            metrics,
            projector,
            witnesses,
            ..
        } = self.running;
        stop.cancel();
        server.await.context("the server")?;
        clerk.await.context("the clerk")?;
        if let Some(editor) = editor {
            editor.await.context("the editor")?;
        }
        sweeper.await.context("the sweeper of packets")?;
        retention.await.context("the sweeper of openings")?;
        witnesses.join_all().await;
        let hard = store.hard_stop();
        if tokio::time::timeout(DRAIN, store.close()).await.is_err() {
            warn!(
                "What waits could not be committed and published in time; its authors were not told that it was"
            );
            hard.cancel();
        }
        projector.stop().await;
        if let Some((_, metrics)) = metrics {
            metrics.await.context("the metrics' server")?;
        }
        // What was named since the start.
        known::remember(&self.data_dir, &self.database).await;
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
    editor: Option<JoinHandle<()>>,
    sweeper: JoinHandle<()>,
    retention: JoinHandle<()>,
    metrics: Option<(SocketAddr, JoinHandle<()>)>,
    projector: Projector,
    /// Ask the witnesses.
    witnesses: JoinSet<()>,
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
        let receipts = receipt_signer(config, &signer.verifiers())?;
        let keys = Keys::read(&config.key_dir.join(CLERK_FILE))?;
        let packets = packet_store(config)?;
        let tls = listen::certificate(config)?;
        let listener = listen::listener(config)?;
        let address = listener.local_addr()?;
        let policy = config.witnesses.policy(&signer.verifiers())?;
        let store = open_store(config, database, signer, consent, policy.as_ref()).await?;
        known::remember(&config.data_dir, database).await;
        let app = App::new(
            &config.origin,
            &log_key.to_string(),
            &store,
            packets,
            config.packet_limits(),
        );
        let projector = Projector::start(projection::Start {
            address: database.config(),
            views: daybook_views::all(),
            head: store.head.clone(),
            batch: projection::MAX_FOLD,
        });
        let projector = projector.await.context("the views cannot be prepared")?;
        let views = Views::new(store.reader.clone(), projector.progress());
        let site = Site::new(
            (&config.origin, &log_key.to_string()),
            views.clone(),
            store.reader.clone(),
            store.published.clone(),
            config.register.clone(),
        );
        let app = match receipts {
            Some(signer) => app.with_receipts(signer),
            None => app,
        };
        let app = watch::watched(app, &store, config).with_views(views.clone());
        watch::raise_file_limit(config.limits.max_connections);
        let stop = CancellationToken::new();
        let (app, site, witnesses) = match policy {
            Some(policy) => {
                let (witnessing, tasks) = witnesses::start(&config.witnesses, policy, &store, &stop);
                let Witnessing {
                    witnesses,
                    independent,
                    waits,
                } = witnessing.clone();
                let site = site.witnessed(witnesses, independent, waits);
                (app.witnessed(witnessing), site, tasks)
            }
            None => (app, site, JoinSet::new()),
        };
        let app = app.with_pages(daybook_register_web::router(site));
        let metrics = watch::serve_metrics(&app, config, &stop).await?;
        tokio::spawn(listen::keep_fresh(tls.clone(), stop.clone())?);
        let service = Service {
            tls,
            doors: Doors::new(
                &config.limits.limits(&config.trusted_proxies),
                app.metrics().clone(),
            ),
            ..Service::default()
        };
        let clerk = Clerk::new(&config.origin, keys, &store).with_witnesses(app.witnesses());
        let sweeper = tokio::spawn(app.packet_sweeper().run(stop.clone()));
        let retention = tokio::spawn(store.retention().run(stop.clone()));
        let clerk = tokio::spawn(clerk.run(stop.clone()));
        let editor = editor_keys(config)?
            .map(|keys| tokio::spawn(Editor::new(&config.origin, keys, &store, views).run(stop.clone())));
        let server = tokio::spawn(daybook_api::serve_as(
            listener,
            daybook_api::router(app),
            stop.clone(),
            service,
        ));
        Ok(Self {
            address,
            log_key,
            store,
            stop,
            server,
            clerk,
            editor,
            sweeper,
            retention,
            metrics,
            projector,
            witnesses,
        })
    }
}

/// The editor's keys, if this hub is to write the register.
fn editor_keys(config: &Config) -> Result<Option<Keys>> {
    let path = config.key_dir.join(EDITOR_FILE);
    if !path.exists() {
        warn!(
            "Nothing is published on the register: there is no {}",
            path.display()
        );
        return Ok(None);
    }
    Keys::read(&path).map(Some)
}

/// What signs COSE receipts of a configuration, if its hub is to.
pub(crate) fn receipt_signer(config: &Config, log_keys: &[VerifierKey]) -> Result<Option<ReceiptSigner>> {
    let path = config.key_dir.join(COSE_KEY_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let signer = ReceiptSigner::from_seed(&keyfile::read_seed(&path)?)?;
    let public = signer.public();
    ensure!(
        log_keys.iter().all(|key| key.public_key() != public.as_bytes()),
        "{COSE_KEY_FILE} holds the log's own key; receipts are signed by one that signs nothing else"
    );
    Ok(Some(signer))
}

/// Opens the log of a configuration.
pub(crate) async fn open_store(
    config: &Config,
    database: &Database,
    signer: NoteSigner,
    consent: Consent,
    witnesses: Option<&TrustPolicy>,
) -> Result<Store> {
    let held_elsewhere = match witnesses {
        Some(policy) => witnesses::held(policy).await,
        None => Vec::new(),
    };
    let options = Options {
        config: database.config(),
        origin: config.origin.clone(),
        signer,
        guard_path: config.guard_path.clone(),
        trust_database: consent.trust_database,
        held_elsewhere,
        require_durability: true,
    };
    let store = Store::open_taking(options, consent.max_batch.unwrap_or(MAX_BATCH));
    store.await.context("the log cannot be opened")
}

/// What the witnesses of a configuration hold of the log.
pub(crate) async fn held_elsewhere(config: &Config, log_key: &VerifierKey) -> Result<Vec<TreeHead>> {
    match config.witnesses.policy(std::slice::from_ref(log_key))? {
        Some(policy) => Ok(witnesses::held(&policy).await),
        None => Ok(Vec::new()),
    }
}

/// The packet store of a configuration.
pub(crate) fn packet_store(config: &Config) -> Result<PacketStore> {
    objects::packet_store(config, &objects::Credentials::from_environment())
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
    let signer = NoteSigner::from_seed(name, &seed)?;
    let second = config.key_dir.join(SECOND_LOG_KEY_FILE);
    if !second.exists() {
        return Ok(signer);
    }
    let name = signer.verifier().name().clone();
    let second = NoteSigner::from_seed(name, &keyfile::read_seed(&second)?)?;
    ensure!(
        second.verifier() != signer.verifier(),
        "{LOG_KEY_FILE} and {SECOND_LOG_KEY_FILE} hold the same key"
    );
    Ok(signer.beside(second))
}
