//! Registered workflows.

mod fold;
mod read;
mod table;

pub use self::read::WorkflowFilter;
pub use self::table::Workflow;

crate::view!("workflows", 1, [Workflow]);
