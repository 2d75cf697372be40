//! Submissions: what was asked of which TREs.

mod fold;
mod read;
mod table;

pub use self::read::SubmissionFilter;
pub use self::table::Submission;

crate::view!("submissions", 1, [Submission]);
