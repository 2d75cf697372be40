//! What the crate does, seen from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod contained;
mod cwltool;
mod engine;
mod history;
mod link;
mod packet;
mod parameters;
mod retrieve;
mod standing;
mod support;
mod tes;
#[cfg(feature = "wfexs")]
mod wfexs;
mod witness;
mod zone;
