//! What the crate does, seen from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod attacks;
mod bin;
mod browser;
mod chaos;
mod commands;
mod custody;
mod demo;
mod doctor;
mod hub;
#[cfg(feature = "interop")]
mod interop;
mod keep;
mod keys;
mod operation;
mod outside;
mod packet;
mod register;
mod relay;
mod restore;
mod runner;
mod service;
mod tre;
mod watching;
mod witnesses;
