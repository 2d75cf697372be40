//! Postcodes: a whole one leads to a few houses.

use super::{Hit, HitKind, stands_alone};

/// Whole postcodes in capital letters, with one space or none.
pub(super) fn postcodes(text: &str, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match postcode_at(bytes, at) {
            Some(end) if stands_alone(text, &(at..end)) => {
                hits.push(Hit {
                    kind: HitKind::Postcode,
                    span: at..end,
                });
                at = end;
            }
            _ => at += 1,
        }
    }
}

fn postcode_at(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    while is_letter(at) && at < start + 2 {
        at += 1;
    }
    if at == start || !is_digit(at) {
        return None;
    }
    at += 1;
    // The district's second character is a digit or a letter, or not there.
    let ends = [at, at + 1];
    ends.into_iter()
        .filter(|end| *end == at || is_letter(at) || is_digit(at))
        .find_map(|end| {
            let inward = if bytes.get(end) == Some(&b' ') {
                end + 1
            } else {
                end
            };
            let is_inward = is_digit(inward) && is_unit(bytes, inward + 1) && is_unit(bytes, inward + 2);
            is_inward.then_some(inward + 3)
        })
}

/// The last two letters are never C, I, K, M, O or V.
fn is_unit(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at)
        .is_some_and(|byte| byte.is_ascii_uppercase() && !b"CIKMOV".contains(byte))
}
