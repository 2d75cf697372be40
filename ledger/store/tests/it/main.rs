//! The store against a real PostgreSQL.

#[cfg(test)]
mod append;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod pooler;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod start;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod two;
#[cfg(test)]
mod window;
#[cfg(test)]
mod witnessed;
