//! Plural categories of whole numbers (Unicode CLDR).

use serde::Deserialize;

/// A category of numbers that a language speaks of in one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Category {
    Zero,
    One,
    Two,
    Few,
    Many,
    Other,
}

pub(super) fn english(n: u64) -> Category {
    if n == 1 { Category::One } else { Category::Other }
}

pub(super) fn welsh(n: u64) -> Category {
    match n {
        0 => Category::Zero,
        1 => Category::One,
        2 => Category::Two,
        3 => Category::Few,
        6 => Category::Many,
        _ => Category::Other,
    }
}
