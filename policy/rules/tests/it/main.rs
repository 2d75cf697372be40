//! The rules against whole logs in memory.

#![expect(clippy::unwrap_used, reason = "the tests' own helpers may fail as tests do")]

mod authorisation;
mod deid;
mod document;
mod ends;
mod fields;
mod gates;
mod hindered;
mod judge;
mod keys;
mod lifecycle;
mod transitions;
