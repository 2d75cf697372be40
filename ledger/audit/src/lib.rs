//! Auditing a log from outside, with nothing but what it serves.
//!
//! # In scope
//! Reading a log over HTTP or from a folder ([`source`]), checking every entry and judging it anew ([`Audit`]), comparing what
//! the hub publishes with what follows from the entries, and saying what was found, by severity ([`finding`]).
//!
//! # Out of scope
//! The database, which its owner checks with `daybook audit-db`. Openings, which the auditor may not have.
//!
//! # How
//! Bundles of 256 entries are fetched, several at a time; form, hashes and signatures are checked on all cores; then the
//! entries are taken in order by the judge, on a thread of its own. What the entries say is kept in the state folder
//! ([`state`]), so that an audit that was interrupted, or the next one, goes on where the last one came to. Memory does
//! not grow with the log.

pub mod bundle;
mod counts;
pub mod evidence;
pub mod export;
pub mod finding;
mod heads;
mod kept;
mod lookout;
mod piece;
mod replay;
mod roots;
mod run;
pub mod source;
pub mod state;
mod views;
pub mod vouch;
mod withdrawals;

pub use self::finding::{Finding, Kind, Report, Severity};
pub use self::run::{Audit, AuditError, Options, Progress};
