//! The views over a Daybook log: lists of what there is, derived from the entries.
//!
//! # In scope
//! One folder for each view: its table, its fold, its read queries. [`Views`] answers the queries.
//!
//! # Out of scope
//! Decisions: a view never judges. One thing's own state and history, which never trail (`daybook_store::read`). Openings
//! of sealed fields: views hold what stands in clear, and name the entry whose openings tell more. [`register`] alone
//! holds openings, those that the register has published.
//!
//! # Invariants
//! - A view is a function of the entries up to its cursor: no clock, no sequence, no order but the log's.
//! - An answer names the tree size up to which it is true (`as_of`), read in the same snapshot as its rows.
//! - A change of a table or of a fold gets another `VERSION`.

pub mod activity;
pub mod approvals;
pub mod datasets;
mod error;
pub mod jobs;
pub mod keys;
pub mod members;
mod portions;
pub mod projects;
mod read;
pub mod register;
pub mod statistics;
pub mod submissions;
pub mod tres;
pub mod workflows;

use std::sync::Arc;

use daybook_store::project::ViewList;

pub use self::activity::{Activity, ActivityFilter, ActivityKey};
pub use self::approvals::{Approval, ApprovalFilter, ApprovalKey};
pub use self::datasets::{Dataset, DatasetFilter};
pub use self::error::ViewError;
pub use self::jobs::{Job, JobFilter, JobKey};
pub use self::keys::{Key, KeyFilter, KeyKey};
pub use self::members::{Member, MemberFilter, MemberKey};
pub use self::portions::Long;
pub use self::projects::{Project, ProjectFilter};
pub use self::read::{Found, Listed, MAX_LIMIT, NewestKey, Page, Views};
pub use self::statistics::Statistics;
pub use self::submissions::{Submission, SubmissionFilter};
pub use self::tres::Tre;
pub use self::workflows::{Workflow, WorkflowFilter};

/// Every view that this program folds and reads.
pub fn all() -> ViewList {
    Arc::new([
        Arc::new(activity::View),
        Arc::new(approvals::View),
        Arc::new(datasets::View),
        Arc::new(jobs::View),
        Arc::new(keys::View),
        Arc::new(members::View),
        Arc::new(projects::View),
        Arc::new(register::View),
        Arc::new(statistics::View),
        Arc::new(submissions::View),
        Arc::new(tres::View),
        Arc::new(workflows::View),
    ])
}

/// Implements `View` for a unit struct `View` and a default `Changes` of this module.
macro_rules! view {
    ($name:literal, $version:literal, [$($row:ty),+]) => {
        /// The view's name.
        pub const NAME: &str = $name;
        /// The version of its tables and of its fold.
        pub const VERSION: u32 = $version;

        /// The view.
        #[derive(Clone, Copy, Debug)]
        pub struct View;

        impl daybook_store::project::View for View {
            fn name(&self) -> &'static str {
                NAME
            }

            fn version(&self) -> u32 {
                VERSION
            }

            fn tables(&self) -> &'static [&'static daybook_store::project::Table] {
                &[$(<$row as daybook_store::project::Row>::TABLE),+]
            }

            fn begin(&self) -> Box<dyn daybook_store::project::Fold> {
                Box::<fold::Changes>::default()
            }
        }
    };
}
pub(crate) use view;

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn names_are_plain_and_different_and_in_order() {
        let views = all();
        let names: Vec<&str> = views.iter().map(|view| view.name()).collect();
        let is_plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase());
        assert!(names.iter().all(is_plain), "{names:?}");
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
    }

    #[test]
    fn every_column_says_what_it_holds() {
        for view in all().iter() {
            for table in view.tables() {
                for column in table.columns {
                    let about = column.about.trim();
                    assert!(
                        about.ends_with('.') && about.len() > 7,
                        "{}.{}: {about}",
                        table.name,
                        column.name
                    );
                }
            }
        }
    }
}
