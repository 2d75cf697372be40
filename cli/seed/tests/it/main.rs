//! The seed before the real judge.

#[cfg(test)]
mod shape;
