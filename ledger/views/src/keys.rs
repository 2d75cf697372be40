//! Keys, and how those ended that did.

mod fold;
mod read;
mod table;

pub use self::read::{KeyFilter, KeyKey};
pub use self::table::Key;

crate::view!("keys", 1, [Key]);
