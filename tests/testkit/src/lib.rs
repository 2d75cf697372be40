//! What the tests share: databases, keys, hubs.

mod db;

pub use db::TestDb;
