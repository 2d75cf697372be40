//! What speaks to a hub from outside, and a TRE's own side.
//!
//! # In scope
//! An actor with its keys ([`keyfile`], [`author`]), the hub as it sees it ([`client`]), job packets ([`packet`]), the engines
//! that run a workflow ([`engine`]), and a witness with its record ([`witness`]).
//!
//! # Out of scope
//! What the hub does, and rules about who may do what: those are `daybook_rules`'. Nothing here trusts the hub: what it
//! says of the log is verified from the log's own tiles.

pub mod author;
pub mod client;
pub mod collect;
pub mod datasets;
pub mod doctor;
pub mod duration;
pub mod engine;
pub mod folder;
pub mod history;
pub mod keyfile;
pub mod link;
pub mod outbox;
pub mod packet;
pub mod parameters;
pub mod random;
pub mod relay;
pub mod retrieve;
pub mod review;
pub mod runner;
pub mod spool;
pub mod witness;
