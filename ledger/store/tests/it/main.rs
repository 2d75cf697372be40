//! The store against a real PostgreSQL.

#[cfg(test)]
mod cluster;
