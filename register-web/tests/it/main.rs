//! The site over a real log: its numbers are what the entries say, and hostile text does nothing.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod fresh;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod record;
#[cfg(test)]
mod seeded;
#[cfg(test)]
mod signposts;
#[cfg(test)]
mod sitemaps;
#[cfg(test)]
mod support;
