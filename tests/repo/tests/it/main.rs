//! Rules of this repository that no compiler checks.

#[cfg(test)]
mod links;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod words;
