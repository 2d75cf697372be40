//! What every handler shares.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use daybook_store::Store;
use daybook_store::append::Appender;
use daybook_store::health::Health;
use daybook_store::log::TreeHead;
use daybook_store::packets::Packets;
use daybook_store::publish::Published;
use daybook_store::read::Reader;
use object_store::ObjectStore;
use tokio::sync::watch;

/// The hub's parts, as handlers see them. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) origin: Arc<str>,
    pub(crate) log_key: Arc<str>,
    pub(crate) appender: Appender,
    pub(crate) reader: Reader,
    pub(crate) packets: Packets,
    pub(crate) packet_store: Arc<dyn ObjectStore>,
    pub(crate) max_packet: u64,
    pub(crate) published: Published,
    pub(crate) health: Health,
    pub(crate) head: watch::Receiver<TreeHead>,
}

impl App {
    /// Joins an open log and a place for packets.
    ///
    /// `log_key` is the verifier key of the checkpoints; `max_packet` the bytes of a packet at most.
    pub fn new(
        origin: &str,
        log_key: &str,
        store: &Store,
        packet_store: Arc<dyn ObjectStore>,
        max_packet: u64,
    ) -> Self {
        Self {
            origin: origin.into(),
            log_key: log_key.into(),
            appender: store.appender.clone(),
            reader: store.reader.clone(),
            packets: store.packets.clone(),
            packet_store,
            max_packet,
            published: store.published.clone(),
            health: store.health.clone(),
            head: store.head.clone(),
        }
    }
}

/// The hub's clock, in seconds since 1970. It admits and never judges.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
