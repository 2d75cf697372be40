//! What pages show of what views hold: cleaned, named and in words.

pub(crate) mod checkpoint;
pub(crate) mod difference;
pub(crate) mod figures;
pub(crate) mod job;
pub(crate) mod names;
pub(crate) mod project;
pub(crate) mod thing;
