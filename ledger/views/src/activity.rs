//! What happened, in words that the public reads.

mod fold;
mod read;
mod table;
mod words;

pub use self::read::{ActivityFilter, ActivityKey};
pub use self::table::{Activity, Place};
pub use self::words::sentence;

crate::view!("activity", 1, [Activity, Place]);
