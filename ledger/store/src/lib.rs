//! The log in PostgreSQL.
//!
//! # In scope
//! Append, publisher, guard, reads of the log, migrations, the private cluster. The only SQL that writes the log.
//!
//! # Out of scope
//! Who may do what: `daybook-rules` decides, under the lock that is held here.
//!
//! # Invariants
//! - Indexes come from the locked row of the head. One transaction holds the entries, their tiles, the states and the head.
//! - Nothing is signed in that transaction. Only [`publish`] signs, and only what has been committed.
//! - What is acknowledged is durable. What is not known is said to be unknown, and the same bytes again tell.
//! - In doubt nothing is written: see [`health::Health`].

pub mod append;
pub mod audit;
pub mod calm;
pub mod certificate;
pub mod cluster;
mod connect;
pub mod erase;
mod error;
pub mod examine;
pub mod guard;
pub mod health;
mod identity;
pub mod log;
mod lookup;
pub mod meter;
mod migrate;
pub mod monitor;
pub mod packets;
mod policy;
pub mod project;
pub mod publish;
pub mod read;
pub mod retention;
mod row;
mod sql;
mod store;
pub mod witnessed;

pub use connect::{Address, AddressError, Verify, open};
pub use error::StoreError;
pub use identity::{Identity, initialise, log_keys};
pub use migrate::{migrate, newest};
pub use store::{OpenError, Options, Store};
