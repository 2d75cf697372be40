//! Numbers: of patients, of insurance, of telephones; identifiers of researchers; dates of birth.

use std::ops::Range;

use super::{Hit, HitKind, floor, stands_alone};

/// Bytes around a date within which a word about birth counts.
const NEAR: usize = 48;
/// Words about birth, in lower case: English, and Welsh.
const BIRTH_WORDS: [&str; 8] = [
    "birth", "born", "dob", "d.o.b", "birthday", "ganwyd", "ganed", "geni",
];
/// Names of months, in lower case, of which the first three letters count.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Runs of digits, with so many separators between two of them at most: the span, the digits, and how many there are from
/// separator to separator.
fn runs<'a>(
    text: &'a str,
    separators: &'a [u8],
    most: usize,
) -> impl Iterator<Item = (Range<usize>, Vec<u8>, Vec<usize>)> + 'a {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !bytes[at].is_ascii_digit() {
            at += 1;
        }
        if at >= bytes.len() {
            return None;
        }
        let start = at;
        let (mut digits, mut groups, mut end, mut group) = (Vec::new(), Vec::new(), at, 0);
        while at < bytes.len() {
            if bytes[at].is_ascii_digit() {
                digits.push(bytes[at] - b'0');
                group += 1;
                end = at + 1;
            } else {
                let gap = bytes[at..]
                    .iter()
                    .take_while(|byte| separators.contains(byte))
                    .count();
                if gap == 0 || gap > most || !bytes.get(at + gap).is_some_and(u8::is_ascii_digit) {
                    break;
                }
                groups.push(group);
                group = 0;
                at += gap - 1;
            }
            at += 1;
        }
        groups.push(group);
        Some((start..end, digits, groups))
    })
}

/// Ten digits whose last one is the check digit (modulus 11) of NHS, CHI and Health and Care numbers: together, or as
/// three, three and four; CHI numbers, which begin with a date, also as six and four.
pub(super) fn health(text: &str, hits: &mut Vec<Hit>) {
    for (span, digits, groups) in runs(text, b" -", 1) {
        let has_form = matches!(groups.as_slice(), [10] | [3, 3, 4] | [6, 4]);
        if digits.len() == 10
            && has_form
            && is_health(&digits)
            && stands_alone(text, &span)
            && !is_grant(text, &span)
        {
            hits.push(Hit {
                kind: HitKind::HealthNumber,
                span,
            });
        }
    }
}

fn is_health(digits: &[u8]) -> bool {
    let weighed = digits.iter().take(9).zip((2..=10).rev());
    let sum: u32 = weighed.map(|(digit, weight)| u32::from(*digit) * weight).sum();
    let check = (11 - sum % 11) % 11;
    let all_same = digits.iter().all(|digit| Some(digit) == digits.first());
    !all_same && check != 10 && digits.last().is_some_and(|last| u32::from(*last) == check)
}

/// A number within a reference, as funders write them: joined to letters by a slash, a hyphen or an underscore.
fn is_grant(text: &str, span: &Range<usize>) -> bool {
    let before: Vec<u8> = text.as_bytes()[..span.start]
        .iter()
        .rev()
        .take(2)
        .copied()
        .collect();
    matches!(before.as_slice(), [b'/' | b'_' | b'-', letter] if letter.is_ascii_alphanumeric())
}

/// Two letters, six digits and a letter from A to D, as the rules of National Insurance numbers allow them.
pub(super) fn insurance(text: &str, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    for start in 0..bytes.len() {
        if let Some(end) = insurance_at(bytes, start) {
            let span = start..end;
            if stands_alone(text, &span) {
                hits.push(Hit {
                    kind: HitKind::InsuranceNumber,
                    span,
                });
            }
        }
    }
}

fn insurance_at(bytes: &[u8], start: usize) -> Option<usize> {
    let first = bytes.get(start)?.to_ascii_uppercase();
    let second = bytes.get(start + 1)?.to_ascii_uppercase();
    let is_prefix = first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && !b"DFIQUV".contains(&first)
        && !b"DFIOQUV".contains(&second)
        && !matches!(
            &[first, second],
            b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ"
        );
    if !is_prefix {
        return None;
    }
    let mut at = start + 2;
    let mut digits = 0;
    while digits < 6 {
        match bytes.get(at)? {
            digit if digit.is_ascii_digit() => digits += 1,
            b' ' if digits % 2 == 0 => {}
            _ => return None,
        }
        at += 1;
    }
    if bytes.get(at) == Some(&b' ') {
        at += 1;
    }
    let last = bytes.get(at)?.to_ascii_uppercase();
    (b'A'..=b'D').contains(&last).then_some(at + 1)
}

/// Sixteen digits in fours, the last of which may be X, with the check digit of ISO 7064 (mod 11-2).
pub(super) fn orcid(text: &str, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 19 <= bytes.len() {
        if bytes[at].is_ascii_digit() && is_orcid(&bytes[at..at + 19]) && stands_alone(text, &(at..at + 19)) {
            hits.push(Hit {
                kind: HitKind::Orcid,
                span: at..at + 19,
            });
            at += 19;
        } else {
            at += 1;
        }
    }
}

fn is_orcid(text: &[u8]) -> bool {
    let mut total = 0_u32;
    for (nth, byte) in text.iter().enumerate() {
        match (nth, byte) {
            (4 | 9 | 14, b'-') => {}
            (4 | 9 | 14, _) => return false,
            (18, last) => {
                let check = (12 - total % 11) % 11;
                let is_last = if check == 10 {
                    b"Xx".contains(last)
                } else {
                    u32::from(last.wrapping_sub(b'0')) == check
                };
                return is_last;
            }
            (_, digit) if digit.is_ascii_digit() => total = (total + u32::from(digit - b'0')) * 2,
            _ => return false,
        }
    }
    false
}

/// Numbers as British telephones have them. In a contact those of offices may stand, those of mobiles not.
pub(super) fn telephones(text: &str, is_contact: bool, hits: &mut Vec<Hit>) {
    for (span, digits, _) in runs(text, b" -()", 2) {
        let before = &text[..span.start];
        let plus = before.ends_with('+');
        let open = before.ends_with('(');
        let national = match (plus, digits.as_slice()) {
            (true, [4, 4, rest @ ..]) => rest.strip_prefix(&[0]).unwrap_or(rest),
            (false, [0, 0, 4, 4, rest @ ..]) => rest,
            (false, [0, rest @ ..]) if rest.first() != Some(&0) => rest,
            _ => continue,
        };
        let is_mobile = national.first() == Some(&7) && national.len() == 10;
        let is_telephone =
            matches!(national.len(), 9 | 10) && matches!(national.first(), Some(1 | 2 | 3 | 7 | 8 | 9));
        let start = span.start - usize::from(plus || open);
        let span = start..span.end;
        if is_telephone && (is_mobile || !is_contact) && stands_alone(text, &span) {
            hits.push(Hit {
                kind: HitKind::Telephone,
                span,
            });
        }
    }
}

/// Dates near a word about birth.
pub(super) fn birth_dates(text: &str, hits: &mut Vec<Hit>) {
    // Lower case of ASCII alone, so that places stay the same.
    let lower = text.to_ascii_lowercase();
    for span in dates(&lower) {
        let from = floor(text, span.start.saturating_sub(NEAR));
        let to = floor(text, span.end + NEAR);
        let around = &lower[from..to];
        let is_near = BIRTH_WORDS.iter().any(|word| {
            around
                .match_indices(word)
                .any(|(at, _)| stands_alone(around, &(at..at + word.len())))
        });
        if is_near {
            hits.push(Hit {
                kind: HitKind::BirthDate,
                span,
            });
        }
    }
}

/// Days: in numbers (1/2/1950, 1950-02-01), and with the month's name (1 February 1950, February 1, 1950).
fn dates(lower: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (span, _, groups) in runs(lower, b"/.-", 1) {
        if matches!(groups.as_slice(), [1 | 2, 1 | 2, 2 | 4] | [4, 1 | 2, 1 | 2]) {
            found.push(span);
        }
    }
    let words: Vec<Range<usize>> = words(lower);
    for three in words.windows(3) {
        let texts: Vec<&str> = three.iter().map(|span| &lower[span.clone()]).collect();
        let is_day = |text: &str| {
            let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            matches!(digits.len(), 1 | 2) && digits.bytes().all(|b| b.is_ascii_digit())
        };
        let is_month = |text: &str| {
            text.len() >= 3
                && MONTHS.iter().any(|month| text.starts_with(month))
                && text.bytes().all(|b| b.is_ascii_lowercase())
        };
        let is_year = |text: &str| text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
        let [a, b, c] = texts.as_slice() else { continue };
        if is_year(c) && ((is_day(a) && is_month(b)) || (is_month(a) && is_day(b))) {
            found.push(three[0].start..three[2].end);
        }
    }
    found
}

fn words(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut start = None;
    for at in 0..=bytes.len() {
        let is_in = bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        match (is_in, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words
}
