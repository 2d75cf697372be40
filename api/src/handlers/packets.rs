//! `/v1/packets`: the bytes of requests and results, never public.
//!
//! Readers of a request are its sender's project and the TREs that it names; readers of a result are the project's members
//! from its release until it is recalled or expires, and the TRE that sent it. A packet's id stands in clear in the log, so
//! a job that names it opens it only where the job is of the sender's own project or TRE. Unknown and forbidden are
//! answered alike.

mod download;
mod objects;
mod range;
mod sweep;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use daybook_store::packets::{Packets, Quota};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::Semaphore;

pub(crate) use self::download::get_packet;
pub use self::objects::PacketStore;
pub use self::sweep::{SweepError, Sweeper, Swept};
pub(crate) use self::upload::put_packet;

/// Uploads that one hub takes at once. Each holds at most 15 MiB.
const MAX_UPLOADS: usize = 8;

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketLimits {
    /// Bytes of a packet at most.
    pub max_bytes: u64,
    /// What one actor may have stored that no job names yet.
    pub quota: Quota,
    /// How long a packet is kept that no job names.
    pub keep_unnamed: Duration,
    /// How long a request is kept after all its jobs have ended; for ever where none.
    pub keep_requests: Option<Duration>,
    /// How long results are kept after their job has ended; for ever where none.
    pub keep_results: Option<Duration>,
}

impl PacketLimits {
    /// The usual limits around a largest packet: four of them in bytes, 64 in number, a week, and a year after the end.
    pub fn usual(max_bytes: u64) -> Self {
        let (week, year) = (Duration::from_hours(7 * 24), Duration::from_hours(365 * 24));
        Self {
            max_bytes,
            quota: Quota {
                bytes: max_bytes.saturating_mul(4),
                packets: 64,
            },
            keep_unnamed: week,
            keep_requests: Some(year),
            keep_results: Some(year),
        }
    }
}

/// What is counted about packets, for whoever watches. Cheap to clone; every clone counts into the same.
#[derive(Clone, Debug, Default)]
pub struct PacketMeter {
    uploads: Gauge,
    stored: Counter,
    received: Counter,
    sent: Counter,
    broken: Counter,
    swept: Counter,
    emptied: Counter,
    failures: Counter,
}

impl PacketMeter {
    /// Makes the numbers known under their names.
    pub fn register(&self, registry: &mut Registry) {
        let packets = registry.sub_registry_with_prefix("packets");
        packets.register("uploads", "Uploads that are under way", self.uploads.clone());
        packets.register("stored", "Packets that were taken in", self.stored.clone());
        packets.register_with_unit("received", "Bytes of uploads", Unit::Bytes, self.received.clone());
        packets.register_with_unit("sent", "Bytes of downloads", Unit::Bytes, self.sent.clone());
        let help = "Uploads that ended without a packet";
        packets.register("broken_uploads", help, self.broken.clone());
        packets.register("swept", "Packets that left the list", self.swept.clone());
        let help = "Places in the packet store that were emptied";
        packets.register("emptied", help, self.emptied.clone());
        let help = "Requests and sweeps that the packet store failed";
        packets.register("store_failures", help, self.failures.clone());
    }
}

/// All about packets that handlers and the sweeper share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PacketParts {
    list: Packets,
    store: PacketStore,
    limits: PacketLimits,
    uploads: Arc<Semaphore>,
    meter: PacketMeter,
}

impl PacketParts {
    pub(crate) fn new(list: Packets, store: PacketStore, limits: PacketLimits) -> Self {
        Self {
            list,
            store,
            limits,
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            meter: PacketMeter::default(),
        }
    }

    pub(crate) fn meter(&self) -> &PacketMeter {
        &self.meter
    }

    pub(crate) fn sweeper(&self) -> Sweeper {
        Sweeper::new(self.clone())
    }
}
