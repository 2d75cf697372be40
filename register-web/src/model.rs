//! What pages show of what views hold: cleaned, named and in words.

pub(crate) mod difference;
pub(crate) mod job;
pub(crate) mod names;
pub(crate) mod project;
