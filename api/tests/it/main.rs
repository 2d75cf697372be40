//! The API against a real PostgreSQL, as outsiders meet it.

#[cfg(test)]
mod append;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod conditional;
mod cose;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod limited;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod log;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod packets;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod problem_pages;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod schemathesis;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod witnesses;
