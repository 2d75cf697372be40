//! Memberships of projects, under their random ids.

mod fold;
mod read;
mod table;

pub use self::read::{MemberFilter, MemberKey};
pub use self::table::Member;

crate::view!("members", 1, [Member]);
