//! What the crate does, seen from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod bin;
mod commands;
mod demo;
mod hub;
mod packet;
mod study;
mod support;
