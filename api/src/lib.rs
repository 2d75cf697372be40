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
mod conditional;
mod cursor;
pub mod document;
mod entry;
mod extract;
mod front;
mod handlers;
mod limits;
mod metrics;
mod openapi;
mod params;
mod problem;
mod reading;
mod ready;
mod router;
mod server;

pub use app::{App, Witnessing};
pub use front::Times;
pub use handlers::follow::Following;
pub use handlers::packets::{PacketLimits, PacketMeter, PacketStore, SweepError, Sweeper, Swept};
pub use limits::{Limits, Network, NetworkError, Rate};
pub use metrics::{Metrics, metrics_router};
pub use problem::{Problem, ProblemKind};
pub use ready::{Disk, Trail, Trailing};
pub use router::router;
pub use server::{Doors, Patience, SOON, Service, Tls, TlsError, serve, serve_as, serve_over, serve_with};
