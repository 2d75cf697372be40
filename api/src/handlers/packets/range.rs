//! `Range` of one part (RFC 9110 §14).

use std::ops::Range;

/// What of a packet is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: nothing else was asked for in a form that is understood.
    All,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// Bytes that it does not have.
    Nothing,
}

/// Reads the header for a packet of `size` bytes. What is not one range of bytes is as if it were not there.
pub(super) fn wanted(header: &str, size: u64) -> Wanted {
    let range = header
        .split_once('=')
        .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"))
        .and_then(|(_, range)| range.trim().split_once('-'));
    let Some((first, last)) = range.map(|(first, last)| (first.trim(), last.trim())) else {
        return Wanted::All;
    };
    let bounds = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Wanted::All,
    };
    if bounds.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::Part(bounds)
    }
}

/// Digits and nothing else; so many that they do not fit are a number beyond every packet.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_and_anything_else_is_no_range() {
        let part = Wanted::Part;
        for (header, size, expected) in [
            ("bytes=0-0", 10, part(0..1)),
            ("bytes=0-9", 10, part(0..10)),
            ("bytes=0-10", 10, part(0..10)),
            ("bytes=9-", 10, part(9..10)),
            ("bytes=-1", 10, part(9..10)),
            ("bytes=-11", 10, part(0..10)),
            ("BYTES= 2 - 4 ", 10, part(2..5)),
            ("bytes=3-99999999999999999999999", 10, part(3..10)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=10-20", 10, Wanted::Nothing),
            ("bytes=99999999999999999999999-", 10, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=-5", 0, Wanted::Nothing),
            ("bytes=5-4", 10, Wanted::All),
            ("bytes=-", 10, Wanted::All),
            ("bytes=a-b", 10, Wanted::All),
            ("bytes=+1-2", 10, Wanted::All),
            ("bytes=0-1,3-4", 10, Wanted::All),
            ("lines=0-1", 10, Wanted::All),
            ("bytes", 10, Wanted::All),
            ("", 10, Wanted::All),
        ] {
            assert_eq!(wanted(header, size), expected, "{header} of {size}");
        }
    }
}
