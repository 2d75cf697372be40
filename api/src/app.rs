//! What every handler shares.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use daybook_core::cose::ReceiptSigner;
use daybook_core::id::Actor;
use daybook_store::Store;
use daybook_store::append::{Appender, Pace};
use daybook_store::log::TreeHead;
use daybook_store::publish::{Published, Released};
use daybook_store::read::Reader;
use daybook_store::witnessed::Witnesses;
use daybook_views::Views;
use tokio::sync::watch;

use crate::front::Times;
use crate::handlers::packets::{PacketLimits, PacketMeter, PacketParts, PacketStore, Sweeper};

use crate::handlers::events::Room;
use crate::handlers::follow::{Follow, Following};
use crate::limits::{Limits, Pacer};
use crate::metrics::Metrics;
use crate::ready::{Disk, Readiness, Trail, Trailing};

/// The hub's parts, as handlers see them. Cheap to clone: each request does so several times.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] holds once.
#[derive(Clone)]
pub struct Parts {
    pub(crate) origin: Arc<str>,
    pub(crate) log_key: Arc<str>,
    pub(crate) appender: Appender,
    pub(crate) reader: Reader,
    pub(crate) packets: PacketParts,
    pub(crate) published: Published,
    pub(crate) head: watch::Receiver<TreeHead>,
    pub(crate) bodies: Room,
    pub(crate) follow: Follow,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pacer: Arc<Pacer>,
    pub(crate) times: Times,
    pub(crate) readiness: Readiness,
    pub(crate) views: Option<Views>,
    pub(crate) witnessing: Option<Witnessing>,
    pub(crate) receipts: Option<Arc<ReceiptSigner>>,
    pub(crate) pages: Option<axum::Router>,
}

/// Who watches this log, and what that changes in what is served.
#[derive(Clone)]
pub struct Witnessing {
    /// The witnesses.
    pub witnesses: Witnesses,
    /// Names, in the policy, of those that are from outside of the federation.
    pub independent: Arc<[String]>,
    /// Serve no checkpoint before the quorum has cosigned it.
    pub waits: bool,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Joins an open log and a place for packets.
    ///
    /// `log_key` is the verifier key of the checkpoints.
    pub fn new(
        origin: &str,
        log_key: &str,
        store: &Store,
        packet_store: PacketStore,
        packet_limits: PacketLimits,
    ) -> Self {
        let packets = PacketParts::new(store.packets.clone(), packet_store, packet_limits);
        Self(Arc::new(Parts {
            origin: origin.into(),
            log_key: log_key.into(),
            appender: store.appender.clone(),
            reader: store.reader.clone(),
            metrics: Arc::new(Metrics::new(store.monitor.clone(), packets.meter())),
            packets,
            published: store.published.clone(),
            head: store.head.clone(),
            bodies: Room::default(),
            follow: Follow::new(store, Following::default()),
            pacer: Arc::new(Pacer::new(Limits::default())),
            times: Times::default(),
            readiness: Readiness::new(store.monitor.clone()),
            views: None,
            witnessing: None,
            receipts: None,
            pages: None,
        }))
    }

    /// The parts, before anybody else has them.
    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }

    /// Serves what witnesses say of the checkpoints.
    #[must_use]
    pub fn witnessed(mut self, witnessing: Witnessing) -> Self {
        self.metrics.watch_witnesses(witnessing.witnesses.clone());
        self.parts().witnessing = Some(witnessing);
        self
    }

    /// Signs COSE receipts too.
    #[must_use]
    pub fn with_receipts(mut self, signer: ReceiptSigner) -> Self {
        self.parts().receipts = Some(Arc::new(signer));
        self
    }

    /// The witnesses, where there are any.
    pub fn witnesses(&self) -> Option<Witnesses> {
        self.witnessing.as_ref().map(|one| one.witnesses.clone())
    }

    /// A checkpoint as it is served: with the cosignatures that it has so far.
    pub(crate) fn decorated(&self, released: Released) -> Released {
        match &self.witnessing {
            Some(witnessing) => witnessing.witnesses.decorated(released),
            None => released,
        }
    }

    /// The same with other limits, to which authors are kept as well.
    #[must_use]
    pub fn limited(mut self, store: &Store, limits: Limits) -> Self {
        self.parts().pacer = Arc::new(Pacer::new(limits));
        let (pacer, metrics) = (self.pacer.clone(), self.metrics.clone());
        store.gate.set(Box::new(OfAuthors { pacer, metrics }));
        self
    }

    /// The same with other times.
    #[must_use]
    pub fn timed(mut self, times: Times) -> Self {
        self.parts().times = times;
        self
    }

    /// Looks after disks too, in what is measured and for whether the hub is ready.
    #[must_use]
    pub fn on_disks(mut self, disks: Vec<Disk>) -> Self {
        self.metrics.watch_disks(disks.clone());
        self.parts().readiness.disks = disks.into();
        self
    }

    /// Looks after views too, in what is measured and for whether the hub is ready.
    #[must_use]
    pub fn with_trail(mut self, trail: Trail) -> Self {
        self.metrics.watch_views(trail.clone());
        self.parts().readiness.trail = Some(trail);
        self
    }

    /// Lists what views hold, and looks after them.
    #[must_use]
    pub fn with_views(mut self, views: Views) -> Self {
        let progress = views.progress().clone();
        self.parts().views = Some(views);
        self.with_trail(Arc::new(move || {
            let stopped = progress.stopped();
            let trailing = |(name, size): (&'static str, u64)| Trailing {
                name: name.to_owned(),
                size,
                has_stopped: stopped.contains_key(name),
            };
            progress.sizes().into_iter().map(trailing).collect()
        }))
    }

    /// Serves these pages wherever no route of the hub's own is.
    #[must_use]
    pub fn with_pages(mut self, pages: axum::Router) -> Self {
        self.parts().pages = Some(pages);
        self
    }

    /// Everything that is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The same with other limits of following.
    #[must_use]
    pub fn following(mut self, store: &Store, limits: Following) -> Self {
        self.parts().follow = Follow::new(store, limits);
        self
    }
}

impl App {
    /// What removes packets that nobody needs. Any number of hubs may run one.
    pub fn packet_sweeper(&self) -> Sweeper {
        self.packets.sweeper()
    }

    /// What is counted about packets.
    pub fn packet_meter(&self) -> &PacketMeter {
        self.packets.meter()
    }
}

/// Keeps authors to the limits.
struct OfAuthors {
    pacer: Arc<Pacer>,
    metrics: Arc<Metrics>,
}

impl Pace for OfAuthors {
    fn take(&self, author: &Actor) -> Result<(), Duration> {
        let taken = self.pacer.act_of(author);
        taken.inspect_err(|_| self.metrics.limited("actor"))
    }

    fn give_back(&self, author: &Actor) {
        self.pacer.no_act_of(author);
    }
}

/// The hub's clock, in seconds since 1970. It admits and never judges.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
