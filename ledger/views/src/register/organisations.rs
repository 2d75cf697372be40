//! The organisations that take part in projects, by name.

use super::search::{Facet, behind, schema};
use crate::ViewError;
use crate::read::{Listed, MAX_LIMIT, Param, Views};

impl Views {
    /// The organisations that take part in something on the register, by name, and in how many projects; those after a name.
    pub async fn register_organisations(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Listed<Facet>, ViewError> {
        let limit = usize::from(limit.clamp(1, MAX_LIMIT));
        let sql = format!(
            "-- register_organisations
             SELECT c.size, o.name, o.projects
             FROM view_cursors AS c
             LEFT JOIN (
                 SELECT v AS name, count(DISTINCT t.project) AS projects
                 FROM {schema}.register_search AS t, unnest(t.organisations) AS v
                 WHERE t.listed AND v > $1
                 GROUP BY v
                 ORDER BY v
                 LIMIT {limit}
             ) AS o ON TRUE
             WHERE c.schema = '{schema}'
             ORDER BY o.name",
            schema = schema(),
            limit = limit + 1,
        );
        let params: [Param; 1] = [/* after */ Box::new(after.unwrap_or_default().to_owned())];
        let rows = self.ask(&sql, &params, true).await?;
        let as_of = rows.first().ok_or(behind())?.try_get::<_, i64>(0)?;
        let mut found = Vec::new();
        for row in &rows {
            if let (Some(value), Some(count)) = (row.try_get(1)?, row.try_get::<_, Option<i64>>(2)?) {
                let count = u64::try_from(count).unwrap_or_default();
                found.push(Facet { value, count });
            }
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        Ok(Listed {
            as_of: u64::try_from(as_of).unwrap_or_default(),
            rows: found,
            has_more,
        })
    }
}
