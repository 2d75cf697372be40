//! The modules of the binary `daybook`.

pub mod args;
pub mod commands;
pub mod config;
pub mod demo;
pub mod hub;
mod service;
