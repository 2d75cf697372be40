//! Jobs: where each is, and the queue of those that nobody has collected.

mod fold;
mod read;
mod table;

pub(crate) use self::fold::opened;
pub use self::read::{JobFilter, JobKey};
pub use self::table::{Job, JobDataset};

crate::view!("jobs", 1, [Job, JobDataset]);
