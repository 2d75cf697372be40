//! The site over a real log: its numbers are what the entries say, and hostile text does nothing.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod support;
