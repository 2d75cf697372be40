//! What the crate promises, checked from outside and against implementations that are not ours.

#[cfg(test)]
mod events;
#[cfg(test)]
mod heads;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod oracles;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod python;
mod signatures;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod vectors;
