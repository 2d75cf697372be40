//! Pages of entries, in the order of the log.
//!
//! A page is found by a key and never by counting. Of author and type there is no index, which each append would pay for:
//! a page that filters by them looks at [`WINDOW`] entries at most, and may come short or empty with more to follow.

use super::Reader;
use super::entries::{Entry, entry};
use crate::row::{number, size};
use crate::{StoreError, sql};

/// Entries that one page looks at, at most.
pub const WINDOW: u64 = 20_000;

/// Which entries are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this stream.
    pub stream: Option<String>,
    /// Only by this author.
    pub author: Option<String>,
    /// Only of this type.
    pub kind: Option<String>,
}

/// Some entries, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries, in the order of the log.
    pub entries: Vec<Entry>,
    /// The position at which the next page begins; `None` where there was no more.
    pub next: Option<u64>,
}

impl Filter {
    /// Whether an entry is wanted.
    pub fn takes(&self, entry: &Entry) -> bool {
        let agrees = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|name| name == found);
        agrees(&self.stream, &entry.stream)
            && agrees(&self.author, &entry.author)
            && agrees(&self.kind, &entry.kind)
    }

    /// Whether every entry of the stream, or of the log, is wanted.
    fn takes_all(&self) -> bool {
        self.author.is_none() && self.kind.is_none()
    }

    fn place(&self, entry: &Entry) -> u64 {
        if self.stream.is_some() {
            entry.seq
        } else {
            entry.index
        }
    }
}

impl Reader {
    /// Where a filter's entries begin that have an index of at least `from`.
    ///
    /// A position is one in the filter's stream (`seq`), or the index itself where it has none. Positions within a stream
    /// grow with the index, so that a search in halves finds it: 17 look-ups in a stream of 100,000 events.
    pub async fn position(&self, filter: &Filter, from: u64) -> Result<u64, StoreError> {
        let Some(stream) = &filter.stream else {
            return Ok(from);
        };
        let (mut low, mut high) = (1, self.last_seq(stream).await? + 1);
        while low < high {
            let middle = low.midpoint(high);
            if self
                .index_at(stream, middle)
                .await?
                .is_none_or(|index| index < from)
            {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// At most `limit` entries from a position on and before another, of the filter's own kind: see [`Reader::position`].
    pub async fn page(
        &self,
        filter: &Filter,
        from: u64,
        before: u64,
        limit: u16,
    ) -> Result<Page, StoreError> {
        // Before the entries, so that none that comes meanwhile is taken for the end.
        let end = match &filter.stream {
            _ if filter.takes_all() => before,
            Some(stream) => before.min(self.last_seq(stream).await? + 1),
            None => before.min(self.head_size().await?),
        };
        let window = before.min(from.saturating_add(WINDOW));
        // One more than is shown tells whether there is more.
        let count = i64::from(limit) + 1;
        let mut entries = match &filter.stream {
            Some(stream) => self.in_stream(stream, filter, (from, window), count).await?,
            None => self.in_log(filter, (from, window), count).await?,
        };
        let next = if entries.len() > usize::from(limit) {
            entries.pop().map(|next| filter.place(&next))
        } else {
            (!filter.takes_all() && window < end).then_some(window)
        };
        Ok(Page { entries, next })
    }

    async fn in_log(
        &self,
        filter: &Filter,
        (from, before): (u64, u64),
        count: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- page_of_log
             SELECT idx, leaf, stream, seq, iss, type, event
             FROM entries
             WHERE idx >= $1
                 AND idx < $2
                 AND ($3::text IS NULL OR iss = $3)
                 AND ($4::text IS NULL OR type = $4)
             ORDER BY idx
             LIMIT $5",
            &[
                /* from */ &number(from),
                /* before */ &number(before),
                /* author */ &filter.author,
                /* type */ &filter.kind,
                /* limit */ &count,
            ],
        )
        .await?;
        rows.iter().map(entry).collect()
    }

    async fn in_stream(
        &self,
        stream: &str,
        filter: &Filter,
        (from, before): (u64, u64),
        count: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- page_of_stream
             SELECT idx, leaf, stream, seq, iss, type, event
             FROM entries
             WHERE stream = $1
                 AND seq >= $2
                 AND seq < $3
                 AND ($4::text IS NULL OR iss = $4)
                 AND ($5::text IS NULL OR type = $5)
             ORDER BY seq
             LIMIT $6",
            &[
                /* stream */ &stream,
                /* from */ &number(from),
                /* before */ &number(before),
                /* author */ &filter.author,
                /* type */ &filter.kind,
                /* limit */ &count,
            ],
        )
        .await?;
        rows.iter().map(entry).collect()
    }

    /// The number of entries that are committed.
    pub async fn head_size(&self) -> Result<u64, StoreError> {
        let row = sql::one(
            &self.client().await?,
            "-- head_size
             SELECT size
             FROM log_head",
            &[],
        )
        .await?;
        size(&row, 0)
    }

    async fn last_seq(&self, stream: &str) -> Result<u64, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- last_seq
             SELECT seq
             FROM stream_heads
             WHERE stream = $1",
            &[/* stream */ &stream],
        )
        .await?;
        row.map_or(Ok(0), |row| size(&row, 0))
    }

    async fn index_at(&self, stream: &str, seq: u64) -> Result<Option<u64>, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- index_at
             SELECT idx
             FROM entries
             WHERE stream = $1 AND seq = $2",
            &[/* stream */ &stream, /* seq */ &number(seq)],
        )
        .await?;
        row.map(|row| size(&row, 0)).transpose()
    }
}
