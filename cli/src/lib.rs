//! The modules of the binary `daybook`.

pub mod args;
pub mod author;
pub mod client;
pub mod commands;
pub mod config;
pub mod demo;
pub mod hub;
pub mod keyfile;
pub mod packet;
pub mod random;
mod service;
pub mod study;
