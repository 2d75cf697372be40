//! The views against a real PostgreSQL.

#[cfg(test)]
mod check;
#[cfg(test)]
mod document;
#[cfg(test)]
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
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;
