//! The relay as it runs: the link, and the loops that share the desk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::health::Health;
use super::witness::Cosigning;
use super::{Config, Desk, poll, report, send, status, step, watch, witness};
use crate::client::Client;
use crate::link::{Server, Tls};
use crate::packet::Checked;
use crate::retrieve::Retriever;

/// What the loops share.
pub struct Relay {
    pub(super) config: Config,
    pub(super) desk: Arc<Desk>,
    pub(super) client: Client,
    pub(super) health: Health,
    pub(super) retriever: Retriever,
    /// The witness, where the TRE runs one here.
    pub(super) witness: Option<Cosigning>,
    /// Packets that were checked, so that each is taken apart once.
    pub(super) checked: Mutex<BTreeMap<Uuid, Arc<Checked>>>,
}

impl Relay {
    /// Takes the spool and goes on where the last process ended.
    pub fn open(config: Config) -> Result<Self> {
        let client = Client::through(&config.hub, config.proxy.as_deref())?;
        let client = client.with_max_packet(config.limits().packet_bytes);
        let mut places = config.retrieve.clone();
        places.proxy = places.proxy.or_else(|| config.proxy.clone());
        let retriever = Retriever::new(&places).context("in the table [retrieve]")?;
        let desk = Desk::open(&config.folder(), config.identity()?, client.clone())?;
        // In the shadow nothing leaves, cosignatures neither.
        let table = config.witness.as_ref().filter(|_| !desk.identity().is_shadow);
        let witness = table.map(|table| Cosigning::open(&table.dir, table.every.0, &desk, client.clone()));
        let witness = witness.transpose()?;
        Ok(Self {
            witness,
            config,
            desk: Arc::new(desk),
            client,
            health: Health::default(),
            retriever,
            checked: Mutex::new(BTreeMap::new()),
        })
    }

    /// What it knows.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Whether nothing leaves.
    pub(super) fn is_shadow(&self) -> bool {
        self.desk.identity().is_shadow
    }

    pub(super) fn forget_checked(&self, job: Uuid) {
        self.checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&job);
    }
}

/// Runs a relay until it is told to stop. `ready` hears the link's address once it listens.
pub async fn run(
    config: Config,
    stop: CancellationToken,
    ready: impl FnOnce(std::net::SocketAddr, &Arc<Relay>),
) -> Result<()> {
    let tls = config.link.tls.as_ref().map(Tls::read).transpose()?;
    let max_output = usize::try_from(config.link.max_output_mib.saturating_mul(1024 * 1024));
    let max_output = max_output.context("`link.max_output_mib` is more than this machine can hold")?;
    let (address, name) = (config.link.listen, config.link.name.clone());
    let relay = Arc::new(Relay::open(config)?);
    let server = Server::bind(relay.desk.clone(), address, &name, max_output, tls).await?;
    ready(server.address()?, &relay);
    let mut loops = JoinSet::new();
    loops.spawn(server.run(stop.clone()));
    loops.spawn(poll::run(relay.clone(), stop.clone()));
    loops.spawn(watch::run(relay.clone(), stop.clone()));
    loops.spawn(send::run(relay.clone(), stop.clone()));
    loops.spawn(step::run(relay.clone(), stop.clone()));
    loops.spawn(witness::run(relay.clone(), stop.clone()));
    loops.spawn(report::run(relay.clone(), stop.clone()));
    loops.spawn(status::run(relay.clone(), stop.clone()));
    while let Some(ended) = loops.join_next().await {
        // One that ends before it is told to takes the others with it: half a relay helps nobody.
        stop.cancel();
        ended.context("a part of the relay broke down")?;
    }
    Ok(())
}
