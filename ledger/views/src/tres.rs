//! TREs.

mod fold;
mod read;
mod table;

pub use self::table::Tre;

crate::view!("tres", 1, [Tre]);
