//! Streams' heads and states, which the append writes and which therefore never trail.

use daybook_core::Hash;
use daybook_core::constitution::State;
use tokio_postgres::Row;

use super::Reader;
use crate::row::{hash, parsed, size};
use crate::{StoreError, sql};

/// The last event of a stream and the state that it left.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamHead {
    /// The stream.
    pub stream: String,
    /// The position of its last event; 0 where another stream's event made the state.
    pub seq: u64,
    /// The leaf hash of its last event; none at 0.
    pub leaf: Option<Hash>,
    /// The folded state.
    pub state: State,
}

impl Reader {
    /// The head of a stream; `None` where nothing is known of it.
    pub async fn stream_head(&self, stream: &str) -> Result<Option<StreamHead>, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- stream_head
             SELECT stream, seq, leaf, state::text
             FROM stream_heads
             WHERE stream = $1",
            &[/* stream */ &stream],
        )
        .await?;
        row.as_ref().map(stream_head).transpose()
    }

    /// The heads of some streams, as far as anything is known of them, in the order of their names.
    pub async fn stream_heads(&self, streams: &[String]) -> Result<Vec<StreamHead>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- stream_heads
             SELECT stream, seq, leaf, state::text
             FROM stream_heads
             WHERE stream = ANY ($1)
             ORDER BY stream",
            &[/* streams */ &streams],
        )
        .await?;
        rows.iter().map(stream_head).collect()
    }

    /// At most `limit` of the jobs that wait for a TRE to collect them, in the order of their names, after that of the
    /// stream `after`; the empty name comes before all.
    pub async fn waiting_jobs(
        &self,
        tre: &str,
        after: &str,
        limit: u16,
    ) -> Result<Vec<StreamHead>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- waiting_jobs
             SELECT stream, seq, leaf, state::text
             FROM stream_heads
             WHERE stream >= 'job/'
                 AND stream < 'job0'
                 AND waits
                 AND tre = $1
                 AND stream > $2
             ORDER BY stream
             LIMIT $3",
            &[
                /* tre */ &tre,
                /* after */ &after,
                /* limit */ &i64::from(limit),
            ],
        )
        .await?;
        rows.iter().map(stream_head).collect()
    }

    /// The jobs of one project at one TRE to which a packet belongs, as their request or as their results; at most 1,000.
    ///
    /// Anybody may name any packet in a job, so only the jobs of those who sent and may read it are looked at.
    pub async fn jobs_of_packet(
        &self,
        packet: &str,
        project: &str,
        tre: &str,
    ) -> Result<Vec<StreamHead>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- jobs_of_packet
             SELECT stream, seq, leaf, state::text
             FROM stream_heads
             WHERE stream >= 'job/'
                 AND stream < 'job0'
                 AND (packet = $1 OR results = $1)
                 AND state ->> 'project' = $2
                 AND tre = $3
             LIMIT 1000",
            &[
                /* packet */ &packet, /* project */ &project, /* tre */ &tre,
            ],
        )
        .await?;
        rows.iter().map(stream_head).collect()
    }
}

fn stream_head(row: &Row) -> Result<StreamHead, StoreError> {
    let seq = size(row, 1)?;
    let leaf = if seq == 0 { None } else { Some(hash(row, 2)?) };
    let state = parsed(row, 3, "a state", |text| serde_json::from_str(text).ok())?;
    Ok(StreamHead {
        stream: row.try_get(0)?,
        seq,
        leaf,
        state,
    })
}
