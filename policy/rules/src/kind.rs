//! What a field may hold. No kind of clear field is a free string.

mod clear;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};

pub use self::clear::ClearKind;
pub use self::sealed::SealedKind;

/// Bytes in base64url without padding or spare bits, and how many.
fn is_bytes(text: &str, length: usize) -> bool {
    daybook_core::base64url::decode(text).is_some_and(|bytes| bytes.len() == length)
}

/// The numbers at the end of a kind's words.
fn numbers<const N: usize>(words: &[&str]) -> Option<[i64; N]> {
    let numbers: Option<Vec<i64>> = words
        .iter()
        .map(|word| word.parse().ok().filter(|n: &i64| n.to_string() == *word))
        .collect();
    numbers?.try_into().ok()
}

fn code_list(name: &str, codes: &BTreeMap<String, BTreeSet<String>>) -> Option<BTreeSet<String>> {
    codes.get(name).cloned()
}

fn count(words: &[&str]) -> Option<usize> {
    let [n] = numbers(words)?;
    usize::try_from(n).ok().filter(|n| (1..=100_000).contains(n))
}

fn joined(codes: &BTreeSet<String>) -> String {
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    codes.join(", ")
}

#[cfg(test)]
mod tests;
