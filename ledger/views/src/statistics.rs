//! Statistics: how many analyses there were, why nothing came of some, and how long each stage took, for each TRE and year.
//!
//! Figures are kept as entries come, so that a page reads a few rows however many jobs there are. Times are kept in
//! steps ([`step_of`]): every median can be worked out again from the entries.

mod fold;
mod read;
mod span;
mod table;

pub(crate) use self::fold::year;
pub use self::read::Statistics;
pub use self::span::{STAGES, quantile, step_of};
pub use self::table::{Span, Stop, Timed, Volume};

/// Stands for all TREs together, where a TRE's id would stand.
pub const EVERYWHERE: &str = "";

crate::view!("statistics", 2, [Timed, Span, Volume, Stop]);
