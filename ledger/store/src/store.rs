//! Opening a log: the checks of the start, and the loops that then run.

use std::path::PathBuf;

use daybook_core::note::NoteSigner;
use daybook_core::trust::TrustPolicy;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;

use crate::append::{self, Appender, Gate, MAX_BATCH, MAX_WAITING, Sequencer, Stop};
use crate::guard::{Guard, GuardError};
use crate::health::Health;
use crate::identity::{self, Server, ServerId};
use crate::log::{self, TreeHead};
use crate::meter::Meter;
use crate::monitor::{Monitor, Watched};
use crate::packets::Packets;
use crate::publish::{self, Published, Publisher};
use crate::read::Reader;
use crate::retention::{self, Retention};
use crate::witnessed::{Gatherer, Witnesses};
use crate::{Address, StoreError, audit, connect, erase, migrate};

/// How a log is opened.
pub struct Options {
    /// The database.
    pub config: Address,
    /// The log's name.
    pub origin: String,
    /// What signs its checkpoints.
    pub signer: NoteSigner,
    /// The guard file.
    pub guard_path: PathBuf,
    /// A person has said that this database is the true and newest one, whatever the guard says of server and file.
    pub trust_database: bool,
    /// Trees that others hold under this log's own key, such as those that witnesses cosigned last: the database must
    /// continue them too.
    pub held_elsewhere: Vec<TreeHead>,
    /// Refuse a server that may forget what it acknowledged. Off only in tests, which crash no machine.
    pub require_durability: bool,
}

/// Why a log cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The guard.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

impl From<deadpool_postgres::PoolError> for OpenError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Store(error.into())
    }
}

/// An open log: it appends, publishes and reads until it is closed, or dropped, which ends it at once.
pub struct Store {
    /// Takes events in.
    pub appender: Appender,
    /// Reads the log.
    pub reader: Reader,
    /// The list of packets.
    pub packets: Packets,
    /// The newest published checkpoint.
    pub published: Published,
    /// Whether the hub still writes.
    pub health: Health,
    /// Watches all of it.
    pub monitor: Monitor,
    /// Connections for what is kept about witnesses.
    witness_pool: deadpool_postgres::Pool,
    /// Keeps authors to a pace.
    pub gate: Gate,
    /// The committed head as this instance knows it.
    pub head: watch::Receiver<TreeHead>,
    loops: Loops,
}

struct Loops {
    sequencer: JoinHandle<()>,
    publisher: JoinHandle<()>,
    stop: Stop,
    stop_publishing: CancellationToken,
    _ends_with_store: DropGuard,
}

impl Store {
    /// Opens a log after all checks of the start, and begins to take events.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_taking(options, MAX_BATCH).await
    }

    /// The same, with another limit on how many events one transaction takes. Fewer only show what many are worth.
    pub async fn open_taking(options: Options, max_batch: usize) -> Result<Self, OpenError> {
        let Options {
            config,
            origin,
            signer,
            guard_path,
            trust_database,
            held_elsewhere,
            require_durability,
        } = options;
        let writers = connect::writer_pool(&config)?;
        // Before anything else: in a database that was never migrated there are no roles to take.
        migrate::check_schema(&connect::open(&config, "daybook start").await?).await?;
        connect::refuse_pooler(&config).await?;
        let mut client = writers.get().await?;
        if require_durability {
            identity::check_durability(&client).await?;
        }
        identity::check(&client, &origin, signer.verifier()).await?;
        let server = Server::read(&client).await?;
        let guard = Guard::open(&guard_path)?;
        guard.probe()?;
        check_guard(&mut client, &guard, &origin, &server, trust_database).await?;
        check_held_elsewhere(&mut client, &held_elsewhere).await?;
        audit::recent::check(&config, &signer.verifiers()).await?;
        erase::replay(&client).await?;
        retention::delete_due(&client).await?;
        drop(client);

        let (health, meter, gate) = (Health::default(), Meter::default(), Gate::default());
        let (head, head_seen) = watch::channel(TreeHead {
            size: 0,
            root: daybook_core::Hash::empty_root(),
        });
        let sequencer = Sequencer::load(append::Start {
            origin: origin.clone(),
            config: config.clone(),
            pool: writers.clone(),
            server: server.clone(),
            health: health.clone(),
            meter: meter.clone().into(),
            head: head.clone(),
            max_batch: max_batch.clamp(1, MAX_BATCH),
        })
        .await?;
        let rehearsed = origin.clone();
        let (mut publishing, published) = Publisher::new(publish::Start {
            pool: writers.clone(),
            signer,
            origin,
            guard,
            server,
            health: health.clone(),
            meter: meter.clone(),
            head,
        });
        // Once before anybody asks: a checkpoint is there to serve, and a guard that was missing stands again.
        publishing.publish_once().await;
        let (readers, packets) = (connect::reader_pool(&config)?, connect::packets_pool(&config)?);
        let reader = Reader::new(readers.clone());
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let stop = Stop::default();
        // The publisher ends after the sequencer, so that all that was acknowledged is covered.
        let publishing_ends = Stop {
            hard: stop.hard.clone(),
            ..Stop::default()
        };
        let loops = Loops {
            stop_publishing: publishing_ends.soft.clone(),
            sequencer: tokio::spawn(sequencer.run(waiting, stop.clone())),
            publisher: tokio::spawn(publishing.run(publishing_ends)),
            _ends_with_store: stop.hard.clone().drop_guard(),
            stop,
        };
        let stage = append::Stage::new(rehearsed, connect::rehearsal_pool(&config)?, health.clone());
        let appender = Appender::new(queue, reader.clone(), published.clone(), stage)
            .watched(gate.clone(), meter.clone());
        info!(size = head_seen.borrow().size, "Opened the log");
        let monitor = Monitor::new(Watched {
            meter,
            health: health.clone(),
            appender: appender.clone(),
            head: head_seen.clone(),
            published: published.clone(),
            pools: vec![
                ("writer", writers),
                ("packets", packets.clone()),
                ("reader", readers.clone()),
            ],
            readers,
        });
        Ok(Self {
            appender,
            reader,
            witness_pool: packets.clone(),
            packets: Packets::new(packets),
            published,
            health,
            monitor,
            gate,
            head: head_seen,
            loops,
        })
    }

    /// What deletes openings whose time has ended; it must be run for that.
    pub fn retention(&self) -> Retention {
        Retention::new(self.witness_pool.clone())
    }

    /// Keeps what the witnesses of a policy say, whose only log must be this one; the gatherer must run for it.
    pub fn witnesses(&self, policy: TrustPolicy) -> (Witnesses, Gatherer) {
        Witnesses::new(self.witness_pool.clone(), policy, self.published.clone())
    }

    /// Appends what waits, publishes it, and ends. From now on every clone of the appender refuses.
    pub async fn close(self) {
        let Self { loops, .. } = self;
        loops.stop.soft.cancel();
        // A loop that panicked has logged why; there is nothing left to stop.
        drop(loops.sequencer.await);
        loops.stop_publishing.cancel();
        drop(loops.publisher.await);
    }

    /// Ends at once what [`Store::close`] would wait for.
    pub fn hard_stop(&self) -> CancellationToken {
        self.loops.stop.hard.clone()
    }
}

/// The database must continue what others were shown, whatever the guard file has forgotten.
async fn check_held_elsewhere(
    client: &mut deadpool_postgres::Object,
    elsewhere: &[TreeHead],
) -> Result<(), OpenError> {
    let head = log::locked_head(client).await?;
    for held in elsewhere {
        if head.size < held.size {
            return Err(GuardError::OlderThanWitness {
                found: head.size,
                released: held.size,
            }
            .into());
        }
        if log::root(&*client, held.size).await? != held.root {
            return Err(GuardError::Fork(held.size).into());
        }
    }
    Ok(())
}

/// The database must continue what this hub has released.
async fn check_guard(
    client: &mut deadpool_postgres::Object,
    guard: &Guard,
    origin: &str,
    server: &Server,
    trust_database: bool,
) -> Result<(), OpenError> {
    let head = log::locked_head(client).await?;
    compare_guard(&*client, head, guard, origin, &server.id(), trust_database).await
}

/// The same for a head that was read already.
pub(crate) async fn compare_guard(
    client: &impl deadpool_postgres::GenericClient,
    head: TreeHead,
    guard: &Guard,
    origin: &str,
    now: &ServerId,
    trust_database: bool,
) -> Result<(), OpenError> {
    let Some((mark, released)) = guard.mark().zip(guard.released()) else {
        let published = publish::latest(client)
            .await?
            .map_or(0, |latest| latest.head.size);
        return if published == 0 || trust_database {
            Ok(())
        } else {
            Err(GuardError::Missing {
                path: guard.path().to_owned(),
                size: published,
            }
            .into())
        };
    };
    if mark.origin != origin {
        let (path, found, expected) = (guard.path().to_owned(), mark.origin.clone(), origin.to_owned());
        return Err(GuardError::OtherLog {
            path,
            found,
            expected,
        }
        .into());
    }
    if head.size < released.size {
        return Err(GuardError::Older {
            found: head.size,
            released: released.size,
        }
        .into());
    }
    if log::root(client, released.size).await? != released.root {
        return Err(GuardError::Fork(released.size).into());
    }
    let before = ServerId {
        system_identifier: mark.system_identifier.clone(),
        timeline: mark.timeline,
    };
    if before != *now && !trust_database {
        return Err(GuardError::OtherServer {
            before: before.to_string(),
            now: now.to_string(),
        }
        .into());
    }
    Ok(())
}
