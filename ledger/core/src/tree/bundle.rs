//! Entry bundles: entries with a length of two bytes before each (C2SP tlog-tiles, "Log entries").

use super::tile::TILE_WIDTH;

/// The longest entry that a bundle can carry: 65535 bytes.
pub const MAX_ENTRY_LEN: usize = 65_535;

/// Why bytes are not a bundle, or entries do not make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A bundle has between 1 and 256 entries.
    #[error("an entry bundle has 1 to {TILE_WIDTH} entries")]
    Count,
    /// The length of an entry must fit two bytes.
    #[error("entry {position} of the bundle has {len} bytes, more than {MAX_ENTRY_LEN}")]
    EntryTooLong {
        /// Position in the bundle, from 0.
        position: usize,
        /// Length of the entry in bytes.
        len: usize,
    },
    /// The bytes end inside a length or an entry.
    #[error("the bundle ends inside entry {position}")]
    Truncated {
        /// Position in the bundle, from 0.
        position: usize,
    },
}

/// Writes 1 to 256 entries, each of at most [`MAX_ENTRY_LEN`] bytes, with their lengths in big-endian order.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
    if !(1..=usize::from(TILE_WIDTH)).contains(&entries.len()) {
        return Err(BundleError::Count);
    }
    let mut bytes = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        let entry = entry.as_ref();
        let len = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong {
            position,
            len: entry.len(),
        })?;
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Reads all entries of a bundle; the caller compares their number with the width it asked for.
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (entry, behind) = first_entry(rest).ok_or(BundleError::Truncated {
            position: entries.len(),
        })?;
        if entries.len() == usize::from(TILE_WIDTH) {
            return Err(BundleError::Count);
        }
        entries.push(entry);
        rest = behind;
    }
    if entries.is_empty() {
        Err(BundleError::Count)
    } else {
        Ok(entries)
    }
}

/// The part of a bundle that holds its first `width` entries: a partial bundle is cut from a wider one, never stored.
///
/// Only that part is looked at.
pub fn bundle_prefix(bytes: &[u8], width: u16) -> Result<&[u8], BundleError> {
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(BundleError::Count);
    }
    let mut rest = bytes;
    for position in 0..usize::from(width) {
        (_, rest) = first_entry(rest).ok_or(BundleError::Truncated { position })?;
    }
    Ok(&bytes[..bytes.len() - rest.len()])
}

fn first_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_went_in() {
        let long = vec![7; MAX_ENTRY_LEN];
        let entries: Vec<&[u8]> = vec![b"a", b"", &long];
        let bytes = encode_bundle(&entries).unwrap();
        assert_eq!(bytes[..6], [0, 1, b'a', 0, 0, 0xff]);
        assert_eq!(decode_bundle(&bytes).unwrap(), entries);
    }

    #[test]
    fn a_bundle_has_one_to_256_entries() {
        assert_eq!(encode_bundle::<&[u8]>(&[]), Err(BundleError::Count));
        assert_eq!(encode_bundle(&[b"x"; 257]), Err(BundleError::Count));
        assert_eq!(decode_bundle(&[]), Err(BundleError::Count));
        let full = encode_bundle(&[b"x"; 256]).unwrap();
        assert_eq!(decode_bundle(&full).unwrap().len(), 256);
        let more = [full, vec![0, 0]].concat();
        assert_eq!(decode_bundle(&more), Err(BundleError::Count));
    }

    #[test]
    fn an_entry_too_long_for_its_length_field_is_refused() {
        let long = vec![0; MAX_ENTRY_LEN + 1];
        assert_eq!(
            encode_bundle(&[&[][..], &long]),
            Err(BundleError::EntryTooLong {
                position: 1,
                len: MAX_ENTRY_LEN + 1
            })
        );
    }

    #[test]
    fn a_bundle_that_ends_too_early_is_refused() {
        for bytes in [&[0, 0, 0][..], &[0, 0, 0, 1], &[0, 0, 0, 2, 1]] {
            assert_eq!(
                decode_bundle(bytes),
                Err(BundleError::Truncated { position: 1 }),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_partial_bundle_is_the_beginning_of_a_wider_one() {
        let wide = encode_bundle(&["a", "bb", "ccc"]).unwrap();
        assert_eq!(
            bundle_prefix(&wide, 2),
            Ok(&encode_bundle(&["a", "bb"]).unwrap()[..])
        );
        assert_eq!(bundle_prefix(&wide, 3), Ok(&wide[..]));
        assert_eq!(
            bundle_prefix(&wide, 4),
            Err(BundleError::Truncated { position: 3 })
        );
        assert_eq!(bundle_prefix(&wide, 0), Err(BundleError::Count));
        assert_eq!(bundle_prefix(&wide, 257), Err(BundleError::Count));
    }
}
