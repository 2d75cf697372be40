//! The heads of all streams at one moment, as the clerk commits them.

use daybook_core::Hash;
use daybook_core::heads::Head;
use daybook_core::tree::RightEdge;

use super::Reader;
use super::entries::{Entry, entry};
use crate::row::{hash, parsed, size};
use crate::{StoreError, sql};

/// Streams that are read at once: no statement may take long.
const PAGE: i64 = 20_000;

/// What `heads-committed` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedHeads {
    /// The size of the log at which they are the heads.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// How many there are.
    pub streams: u64,
}

impl Reader {
    /// The newest entry of a type in a stream; looks back from the stream's end.
    pub async fn last_of(&self, stream: &str, kind: &str) -> Result<Option<Entry>, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- last_of_type
             SELECT idx, leaf, stream, seq, iss, type, event
             FROM entries
             WHERE stream = $1 AND type = $2
             ORDER BY seq DESC
             LIMIT 1",
            &[/* stream */ &stream, /* type */ &kind],
        )
        .await?;
        row.as_ref().map(entry).transpose()
    }

    /// The heads of all streams that have an entry, at the size that is committed now.
    pub async fn committed_heads(&self) -> Result<CommittedHeads, StoreError> {
        let mut client = self.client().await?;
        let tx = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let row = sql::one(
            &tx,
            "-- committed_size
             SELECT size
             FROM log_head",
            &[],
        )
        .await?;
        let at = size(&row, 0)?;
        let mut edge = RightEdge::new();
        let mut after = String::new();
        loop {
            let rows = sql::all(
                &tx,
                "-- heads_of_streams
                 SELECT stream, seq, leaf
                 FROM stream_heads
                 WHERE seq > 0 AND stream > $1
                 ORDER BY stream
                 LIMIT $2",
                &[/* after */ &after, /* limit */ &PAGE],
            )
            .await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get(0)?;
            for row in &rows {
                let stream = parsed(row, 0, "a stream's name", |name| name.parse().ok())?;
                let head = Head {
                    stream,
                    seq: size(row, 1)?,
                    leaf: hash(row, 2)?,
                };
                edge.append(head.hash());
            }
        }
        tx.commit().await?;
        Ok(CommittedHeads {
            size: at,
            root: edge.root(),
            streams: edge.size(),
        })
    }
}
