//! Bundles of entries, as a source gives them: how many there are, how long each is, and what is in it.

use daybook_core::event::Event;
use daybook_core::tree::{TILE_WIDTH, decode_bundle};

use crate::source::SourceError;

/// Entries of a bundle that is full.
pub const FULL: u64 = TILE_WIDTH as u64;

/// How many entries the bundle `n` holds in a log of `size`, which reaches into it.
pub fn width(n: u64, size: u64) -> u16 {
    u16::try_from(size.saturating_sub(n * FULL).min(FULL)).unwrap_or(TILE_WIDTH)
}

/// The entries of the bundle `n`, of which there must be `width`.
pub fn entries(bytes: &[u8], n: u64, width: u16) -> Result<Vec<&[u8]>, SourceError> {
    let entries = decode_bundle(bytes)
        .ok()
        .filter(|entries| entries.len() == usize::from(width));
    entries.ok_or_else(|| SourceError::Form(format!("the bundle {n} of {width} entries")))
}

/// The same as events. Nothing but their form is checked.
pub fn events(bytes: &[u8], n: u64, width: u16) -> Result<Vec<Event>, SourceError> {
    let event = |(index, bytes): (u64, &[u8])| {
        let event = std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| Event::parse(text).ok());
        event.ok_or(SourceError::NoEvent(index))
    };
    (n * FULL..).zip(entries(bytes, n, width)?).map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bundle_is_as_long_as_the_log_reaches() {
        assert_eq!((width(0, 1), width(0, 256), width(1, 257)), (1, 256, 1));
        assert_eq!((width(0, 1_000), width(3, 1_000), width(4, 1_000)), (256, 232, 0));
    }

    #[test]
    fn what_is_no_bundle_of_so_many_events_is_told() {
        let bytes = daybook_core::tree::encode_bundle(&["one".to_owned(), "two".to_owned()]).unwrap();
        assert_eq!(entries(&bytes, 0, 2).unwrap(), [b"one", b"two"]);
        assert!(matches!(entries(&bytes, 0, 3), Err(SourceError::Form(_))));
        assert!(matches!(events(&bytes, 1, 2), Err(SourceError::NoEvent(256))));
    }
}
