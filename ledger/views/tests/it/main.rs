//! The views against a real PostgreSQL.

#[cfg(test)]
mod check;
#[cfg(test)]
mod document;
mod expected;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod register;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod statistics;
mod stop;
#[cfg(test)]
mod support;
