//! The API against a real PostgreSQL, as outsiders meet it.

#[cfg(test)]
mod append;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod log;
#[cfg(test)]
mod packets;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tokens;
