//! Datasets of TREs.

mod fold;
mod read;
mod table;

pub use self::read::DatasetFilter;
pub use self::table::Dataset;

crate::view!("datasets", 1, [Dataset]);
