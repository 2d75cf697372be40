//! Projects, and where each stands on the register.

mod fold;
mod read;
mod table;

pub use self::read::ProjectFilter;
pub use self::table::Project;

crate::view!("projects", 1, [Project]);
