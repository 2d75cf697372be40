//! Queries of jobs.

use daybook_rules::Table;
use uuid::Uuid;

use super::{Job, NAME, VERSION};
use crate::ViewError;
use crate::read::{Found, Listed, NewestKey, Page, Query, Views};

/// The place of a job in a list: the entry that submitted it, and its id.
pub type JobKey = NewestKey;

/// Which jobs are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only of this project.
    pub project: Option<Uuid>,
    /// Only at this TRE.
    pub tre: Option<String>,
    /// Only in this state, by its name in the rule table.
    pub state: Option<String>,
    /// Only submitted by this membership.
    pub member: Option<Uuid>,
    /// Only with this workflow.
    pub workflow: Option<Uuid>,
    /// Only those that ask for this dataset.
    pub dataset: Option<Uuid>,
    /// Only of this submission.
    pub submission: Option<Uuid>,
}

impl Job {
    /// Its place in a list.
    pub fn place(&self) -> JobKey {
        JobKey {
            index: self.submitted,
            id: self.id,
        }
    }
}

impl Views {
    /// Jobs, those submitted last first.
    pub async fn jobs(&self, filter: &JobFilter, page: &Page<JobKey>) -> Result<Listed<Job>, ViewError> {
        let JobFilter {
            project,
            tre,
            state,
            member,
            workflow,
            dataset,
            submission,
        } = filter.clone();
        let query = Query::new((NAME, VERSION), &["submitted", "id"], true)
            .only("project = $", project)
            .only("tre = $", tre)
            .only("member = $", member)
            .only("workflow = $", workflow)
            .only("submission = $", submission)
            .only(
                "EXISTS (
                     SELECT
                     FROM jobs_v1.job_datasets AS d
                     WHERE d.dataset = $ AND d.submitted = t.submitted AND d.job = t.id
                 )",
                dataset,
            );
        let query = match state {
            // Each of the two is an index of its own: a change of an open job's state touches none.
            Some(state) if Table::v1().is_end("job", &state) => query.only("ending = $", Some(state)),
            Some(state) => query.always("ending IS NULL").only("state = $", Some(state)),
            None => query,
        };
        let query = query.after(page.after.map(NewestKey::params));
        self.list(query, page.limit, page.at_least).await
    }

    /// A job as the view knows it; its own state, which never trails, is read by `daybook_store::read`.
    pub async fn job(&self, id: Uuid, at_least: Option<u64>) -> Result<Found<Job>, ViewError> {
        let query = Query::new((NAME, VERSION), &["id"], false).only("id = $", Some(id));
        self.find(query, at_least).await
    }

    /// The jobs that wait for a TRE to collect them, those that wait longest first.
    pub async fn queue(&self, tre: &str, page: &Page<JobKey>) -> Result<Listed<Job>, ViewError> {
        let query = Query::new((NAME, VERSION), &["submitted", "id"], false)
            .only("tre = $", Some(tre.to_owned()))
            .always("waiting")
            .after(page.after.map(NewestKey::params));
        self.list(query, page.limit, page.at_least).await
    }
}

#[cfg(test)]
mod tests {
    use crate::jobs;

    #[test]
    fn the_table_of_datasets_is_that_of_this_version() {
        assert_eq!(
            (jobs::NAME, jobs::VERSION),
            ("jobs", 1),
            "the name in the query's text"
        );
    }
}
