//! The rules against whole logs in memory.

mod authorisation;
mod document;
mod fields;
mod gates;
mod judge;
mod lifecycle;
mod transitions;
