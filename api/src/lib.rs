//! The hub over HTTP.
//!
//! # In scope
//! Routes, problem documents, who may read what, packets' bytes. Handlers of a few lines.
//!
//! # Out of scope
//! SQL (`daybook-store`), what is allowed (`daybook-rules`).
//!
//! # Invariants
//! - An event needs no account: it authenticates itself.
//! - An opening leaves only to those whose reader class allows it.
//! - `/log` serves what the published checkpoint implies and nothing beyond.
//! - A user never sees an internal error.

mod app;
mod auth;
pub mod document;
mod extract;
mod handlers;
mod problem;
mod reading;
mod router;
mod server;

pub use app::App;
pub use problem::{Problem, ProblemKind};
pub use router::router;
pub use server::{Patience, serve, serve_with};
