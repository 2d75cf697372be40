//! The store against a real PostgreSQL.

#[cfg(test)]
mod append;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod start;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod two;
