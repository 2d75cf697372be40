//! What nobody needs is removed: packets that no job named, packets whose jobs ended long ago, results that expired,
//! packets that were erased, and what broken-off uploads left.
//!
//! One hub at a time sweeps. Two would harm nothing, and do each other's work.

use std::time::Duration;

use daybook_rules::Table;
use daybook_store::StoreError;
use daybook_store::packets::PacketKind;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::PacketParts;

/// How often.
const EVERY: Duration = Duration::from_hours(1);
/// An upload of which nothing was heard for so long is a killed hub's, by the database's clock.
const SILENT: Duration = Duration::from_hours(24);

/// A sweep did not come to its end. The next one goes on.
#[derive(Debug, Error)]
pub enum SweepError {
    /// The list of packets.
    #[error("the list of packets could not be swept")]
    List(#[from] StoreError),
    /// The packet store. The other places were seen to.
    #[error("the packet store could not empty {failed} places")]
    Store {
        /// How many.
        failed: u64,
        /// Why the last one could not.
        #[source]
        last: object_store::Error,
    },
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Packets off the list that no job named.
    pub unnamed: u64,
    /// Packets off the list whose jobs ended long ago, or that expired.
    pub ended: u64,
    /// Packets off the list that were erased.
    pub erased: u64,
    /// Uploads that were given up.
    pub given_up: u64,
    /// Places that were emptied.
    pub emptied: u64,
}

/// Why packets leave the list.
#[derive(Clone, Copy)]
enum Due {
    /// No job has named them for so long.
    Unnamed(Duration),
    /// Their TRE has said so.
    Expired,
    /// Their jobs ended so long ago.
    Ended(PacketKind, Duration),
}

/// Sweeps, at the start and every hour.
pub struct Sweeper {
    parts: PacketParts,
    ends: Vec<String>,
}

impl Sweeper {
    pub(super) fn new(parts: PacketParts) -> Self {
        let table = Table::v1();
        let ends = table.states("job").iter();
        let ends = ends.filter(|state| table.is_end("job", state)).cloned().collect();
        Self { parts, ends }
    }

    /// Sweeps until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return,
            }
            let swept = tokio::select! {
                swept = self.sweep() => swept,
                // Whatever it is at, the next sweep finishes.
                () = stop.cancelled() => return,
            };
            match swept {
                Ok(Some(swept)) if swept != Swept::default() => info!(?swept, "Swept the packets"),
                Ok(_) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "A sweep of the packets did not come to its end");
                }
            }
        }
    }

    /// Sweeps once; `None` while another hub does.
    pub async fn sweep(&self) -> Result<Option<Swept>, SweepError> {
        let Some(_turn) = self.parts.list.sweep_turn().await? else {
            return Ok(None);
        };
        let (list, limits) = (&self.parts.list, self.parts.limits);
        list.note_jobs(&self.ends).await?;
        let mut swept = Swept {
            erased: list.unlist_erased().await?,
            ..Swept::default()
        };
        swept.unnamed = self.unlist(Due::Unnamed(limits.keep_unnamed)).await?;
        swept.ended = self.unlist(Due::Expired).await?;
        for (kind, keep) in [
            (PacketKind::Request, limits.keep_requests),
            (PacketKind::Result, limits.keep_results),
        ] {
            if let Some(keep) = keep {
                swept.ended += self.unlist(Due::Ended(kind, keep)).await?;
            }
        }
        swept.given_up = list.give_up_silent(SILENT).await?;
        let meter = &self.parts.meter;
        meter.swept.inc_by(swept.unnamed + swept.ended + swept.erased);
        self.empty(&mut swept).await?;
        Ok(Some(swept))
    }

    /// Takes packets off the list, batch by batch, until none of that sort is left.
    async fn unlist(&self, due: Due) -> Result<u64, StoreError> {
        let list = &self.parts.list;
        let mut sum = 0;
        loop {
            let gone = match due {
                Due::Unnamed(keep) => list.unlist_unnamed(keep).await?,
                Due::Expired => list.unlist_expired().await?,
                Due::Ended(kind, keep) => list.unlist_ended(kind, keep, &self.ends).await?,
            };
            if gone == 0 {
                return Ok(sum);
            }
            sum += gone;
        }
    }

    /// Empties every place that was given up. One that cannot be emptied does not keep the others.
    async fn empty(&self, swept: &mut Swept) -> Result<(), SweepError> {
        let (list, meter) = (&self.parts.list, &self.parts.meter);
        let (mut after, mut failed, mut reason) = (String::new(), 0, None);
        loop {
            let stale = list.stale(&after).await?;
            let Some(end) = stale.last() else { break };
            after.clone_from(&end.place);
            for stale in &stale {
                match self
                    .parts
                    .store
                    .empty(&stale.place, stale.multipart.as_deref())
                    .await
                {
                    Ok(()) => {
                        list.emptied(&stale.place).await?;
                        swept.emptied += 1;
                        meter.emptied.inc();
                    }
                    Err(error) => {
                        meter.failures.inc();
                        (failed, reason) = (failed + 1, Some(error));
                    }
                }
            }
        }
        reason.map_or(Ok(()), |last| Err(SweepError::Store { failed, last }))
    }
}
