//! Names that the submission's own openings hold.

use super::{Hit, HitKind, stands_alone};

/// Letters that a part of a name has at least to be looked for alone.
const MIN_ALONE: usize = 4;

/// Whole names in any case, and the last part of each where it stands with a capital letter.
pub(super) fn known(text: &str, names: &[String], hits: &mut Vec<Hit>) {
    for name in names {
        let name = name.trim();
        let parts: Vec<&str> = name.split_whitespace().collect();
        if name.chars().count() < MIN_ALONE {
            continue;
        }
        find(text, name, false, hits);
        if let [_, .., last] = parts.as_slice()
            && last.chars().count() >= MIN_ALONE
        {
            find(text, last, true, hits);
        }
    }
}

fn find(text: &str, wanted: &str, exact: bool, hits: &mut Vec<Hit>) {
    // Lower case of ASCII alone, so that places stay the same.
    let lower = (text.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    let (text_in, wanted_in) = if exact {
        (text, wanted)
    } else {
        (lower.0.as_str(), lower.1.as_str())
    };
    for (at, found) in text_in.match_indices(wanted_in) {
        let span = at..at + found.len();
        if stands_alone(text, &span) {
            hits.push(Hit {
                kind: HitKind::Name,
                span,
            });
        }
    }
}
