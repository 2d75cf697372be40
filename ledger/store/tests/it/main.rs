//! The store against a real PostgreSQL.

#[cfg(test)]
mod append;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tree;
