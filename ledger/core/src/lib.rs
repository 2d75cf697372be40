//! What a stranger needs to verify a Daybook log.
//!
//! # In scope
//! Events (the bytes that actors sign), sealed fields, keys, the Merkle tree and its tiles, the heads of streams, signed
//! notes, checkpoints and proofs, COSE receipts, what witnesses say and who is trusted, and the constitution: who may write which stream, and which key is whose at an index.
//!
//! # Out of scope
//! What an event means and whether it may follow (`policy/rules`), storage (`ledger/store`), transport (`api`).
//!
//! # Invariants
//! Everything here is a function of its arguments: no I/O, no clock, no randomness, no environment. Unknown bytes
//! answer with an error and never panic.

pub mod access;
pub mod base64url;
pub mod canonical;
pub mod checkpoint;
pub mod constitution;
pub mod cose;
pub mod cosignature;
pub mod event;
pub mod hash;
pub mod heads;
pub mod id;
pub mod jws;
pub mod key;
pub mod note;
pub mod proof_file;
pub mod sealed;
pub mod tree;
pub mod trust;
pub mod witness;

pub use hash::Hash;
