//! One file for each group of routes. A handler extracts, makes one call, answers.

pub(crate) mod cose;
pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod lists;
pub(crate) mod log;
pub(crate) mod openapi;
pub(crate) mod packets;
pub(crate) mod problems;
pub(crate) mod streams;
pub(crate) mod witnesses;
