//! The store against a real PostgreSQL.

#[cfg(test)]
mod append;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod support;
