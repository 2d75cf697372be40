//! Queries of statistics.

use std::collections::BTreeMap;

use super::{NAME, Span, Stop, VERSION, Volume, span};
use crate::ViewError;
use crate::read::{Query, Views};

/// Rows that are read at most: years with some twelve figures each.
const MOST: usize = 2_000;

/// The statistics of one TRE, or of all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The tree size up to which they are true.
    pub as_of: u64,
    /// How often something happened: by year and what.
    pub volumes: BTreeMap<(i64, String), i64>,
    /// How often nothing came of a job: by year and family of reasons.
    pub stops: BTreeMap<(i64, String), i64>,
    /// How long stages took: by year and stage; steps of minutes with how many jobs took as long.
    pub spans: BTreeMap<(i64, String), Vec<(i64, i64)>>,
}

impl Views {
    /// The statistics of a TRE; those of [`super::EVERYWHERE`] are of all together.
    pub async fn statistics(&self, tre: &str) -> Result<Statistics, ViewError> {
        let query = |order| Query::new((NAME, VERSION), order, true).only("tre = $", Some(tre.to_owned()));
        let (as_of, volumes) = self.read::<Volume>(&query(&["year", "what"]), MOST).await?;
        let (also, spans) = self.read::<Span>(&query(&["year", "stage"]), MOST).await?;
        let (again, stops) = self.read::<Stop>(&query(&["year", "family"]), MOST).await?;
        Ok(Statistics {
            as_of: as_of.min(also).min(again),
            volumes: volumes
                .into_iter()
                .map(|row| ((row.year, row.what), row.n))
                .collect(),
            stops: stops
                .into_iter()
                .map(|row| ((row.year, row.family), row.n))
                .collect(),
            spans: spans
                .into_iter()
                .map(|row| ((row.year, row.stage), span::read(&row.steps)))
                .collect(),
        })
    }
}
