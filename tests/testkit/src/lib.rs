//! What the tests share: databases, keys, hubs, container images.

mod db;
mod log;
pub mod oci;

pub use db::TestDb;
pub use log::{TestLog, found, founded_world, identity, options, signer, travelling, workflow};
