//! The rules against whole logs in memory.

#![expect(clippy::unwrap_used, reason = "the tests' own helpers may fail as tests do")]

mod authorisation;
mod document;
mod fields;
mod gates;
mod judge;
mod lifecycle;
mod transitions;
