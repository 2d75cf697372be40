//! Approvals of TREs.

mod fold;
mod read;
mod table;

pub use self::read::{ApprovalFilter, ApprovalKey};
pub use self::table::Approval;

crate::view!("approvals", 1, [Approval]);
