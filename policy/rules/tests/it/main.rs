//! The rules against whole logs in memory.

mod authorisation;
mod document;
mod judge;
mod lifecycle;
