//! What the tests share: databases, keys, hubs.

mod db;
mod log;

pub use db::TestDb;
pub use log::{TestLog, found, founded_world, identity, options, signer, travelling, workflow};
