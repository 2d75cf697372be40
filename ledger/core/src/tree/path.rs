//! Paths of tiles and entry bundles (C2SP tlog-tiles, "APIs"): one spelling for each resource.

use std::fmt;
use std::str::FromStr;

use super::tile::{TILE_WIDTH, TileId, width_at};

/// The highest level that a path may name (C2SP tlog-tiles).
const MAX_LEVEL: u8 = 63;

/// What a path points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A tile of hashes.
    Hashes(TileId),
    /// The entries under the tile of that number of level 0.
    Entries(u64),
}

/// A tile or an entry bundle and how much of it: `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
///
/// Shown and parsed in the canonical spelling only, without a slash in front. The level is 0 to 63, the width 1 to 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    resource: Resource,
    width: u16,
}

/// Why a text is not the path of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not `tile/<level>/<number>` or `tile/entries/<number>`.
    #[error(
        "a tile's path is tile/<level>/<number> or tile/entries/<number>, with .p/<width> for a partial one"
    )]
    Shape,
    /// The level is not a plain decimal number in range.
    #[error("the level of a tile is a decimal number from 0 to {MAX_LEVEL} without leading zeros")]
    Level,
    /// The number is not in groups of three digits, has superfluous groups, or needs more than 64 bits.
    #[error(
        "the number of a tile is written in groups of three digits, all but the last with an x in front, without a \
         leading group of zeros, and fits 64 bits: 1234067 is x001/x234/067"
    )]
    Number,
    /// The width is not a plain decimal number in range.
    #[error("the width of a partial tile is a decimal number from 1 to 255 without leading zeros")]
    Width,
}

impl TilePath {
    /// Names `width` nodes or entries of a resource; 256 is the whole of it.
    pub fn new(resource: Resource, width: u16) -> Result<Self, PathError> {
        if !(1..=TILE_WIDTH).contains(&width) {
            return Err(PathError::Width);
        }
        match resource {
            Resource::Hashes(TileId { level, .. }) if level > MAX_LEVEL => Err(PathError::Level),
            _ => Ok(Self { resource, width }),
        }
    }

    /// What the path points at.
    pub fn resource(&self) -> Resource {
        self.resource
    }

    /// How many nodes or entries are meant: 1 to 255 of a partial one, 256 for a full one.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether a tree of `size` entries has that many nodes or entries there.
    pub fn exists_at(&self, size: u64) -> bool {
        let TileId { level, n } = self.tile();
        self.width <= width_at(level, n, size)
    }

    /// The tile that the path names; for an entry bundle the one that holds the leaf hashes of its entries.
    pub fn tile(&self) -> TileId {
        match self.resource {
            Resource::Hashes(id) => id,
            Resource::Entries(n) => TileId { level: 0, n },
        }
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TileId { level, n } = self.tile();
        match self.resource {
            Resource::Hashes(_) => write!(f, "tile/{level}/")?,
            Resource::Entries(_) => f.write_str("tile/entries/")?,
        }
        let mut groups = vec![n % 1000];
        let mut rest = n / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (position, group) in groups.iter().enumerate().rev() {
            if position == 0 {
                write!(f, "{group:03}")?;
            } else {
                write!(f, "x{group:03}/")?;
            }
        }
        if self.width < TILE_WIDTH {
            write!(f, ".p/{}", self.width)
        } else {
            Ok(())
        }
    }
}

impl FromStr for TilePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let rest = text.strip_prefix("tile/").ok_or(PathError::Shape)?;
        let (kind, rest) = rest.split_once('/').ok_or(PathError::Shape)?;
        let (number, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH),
            Some((number, width)) => {
                let width = decimal(width).ok_or(PathError::Width)?;
                (
                    number,
                    u16::from(u8::try_from(width).map_err(|_| PathError::Width)?),
                )
            }
        };
        let resource = if kind == "entries" {
            Resource::Entries(tile_number(number).ok_or(PathError::Number)?)
        } else {
            let level = decimal(kind)
                .and_then(|level| u8::try_from(level).ok())
                .ok_or(PathError::Level)?;
            Resource::Hashes(TileId {
                level,
                n: tile_number(number).ok_or(PathError::Number)?,
            })
        };
        Self::new(resource, width)
    }
}

/// Reads digits without sign or leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    // An empty text passes the test above and fails here.
    if plain { text.parse().ok() } else { None }
}

/// Reads `x001/x234/067`.
fn tile_number(text: &str) -> Option<u64> {
    let mut number: u64 = 0;
    let mut groups = text.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let last = groups.peek().is_none();
        let digits = if last { group } else { group.strip_prefix('x')? };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if first && !last && digits == "000" {
            return None;
        }
        number = number.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        first = false;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("tile/0/000", Resource::Hashes(TileId { level: 0, n: 0 }), 256)]
    #[case("tile/63/x001/x234/067", Resource::Hashes(TileId { level: 63, n: 1_234_067 }), 256)]
    #[case("tile/1/001.p/17", Resource::Hashes(TileId { level: 1, n: 1 }), 17)]
    #[case("tile/entries/x273/000.p/255", Resource::Entries(273_000), 255)]
    #[case("tile/0/x018/x446/x744/x073/x709/x551/615", Resource::Hashes(TileId { level: 0, n: u64::MAX }), 256)]
    fn a_canonical_path_is_read_and_written(
        #[case] text: &str,
        #[case] resource: Resource,
        #[case] width: u16,
    ) {
        let path: TilePath = text.parse().unwrap();
        assert_eq!(path, TilePath::new(resource, width).unwrap());
        assert_eq!(path.to_string(), text);
    }

    #[rstest]
    #[case("", PathError::Shape)]
    #[case("/tile/0/000", PathError::Shape)]
    #[case("tile/0", PathError::Shape)]
    #[case("tile//000", PathError::Level)]
    #[case("tile/64/000", PathError::Level)]
    #[case("tile/256/000", PathError::Level)]
    #[case("tile/00/000", PathError::Level)]
    #[case("tile/01/000", PathError::Level)]
    #[case("tile/+1/000", PathError::Level)]
    #[case("tile/Entries/000", PathError::Level)]
    #[case("tile/0/", PathError::Number)]
    #[case("tile/0/0", PathError::Number)]
    #[case("tile/0/0000", PathError::Number)]
    #[case("tile/0/x000/001", PathError::Number)]
    #[case("tile/0/000/001", PathError::Number)]
    #[case("tile/0/x001", PathError::Number)]
    #[case("tile/0/x01/001", PathError::Number)]
    #[case("tile/0/X001/001", PathError::Number)]
    #[case("tile/0/001/", PathError::Number)]
    #[case("tile/0/+01", PathError::Number)]
    #[case("tile/0/x018/x446/x744/x073/x709/x551/616", PathError::Number)]
    #[case("tile/0/000.p", PathError::Number)]
    #[case("tile/0/000.p/", PathError::Width)]
    #[case("tile/0/000.p/0", PathError::Width)]
    #[case("tile/0/000.p/01", PathError::Width)]
    #[case("tile/0/000.p/+1", PathError::Width)]
    #[case("tile/0/000.p/256", PathError::Width)]
    #[case("tile/0/000.p/1.p/1", PathError::Width)]
    #[case("tile/0/000.p/1/", PathError::Width)]
    #[case("tile/0/\u{661}00", PathError::Number)]
    fn any_other_spelling_is_refused(#[case] text: &str, #[case] error: PathError) {
        assert_eq!(text.parse::<TilePath>(), Err(error));
    }

    #[test]
    fn a_path_exists_up_to_the_width_that_the_size_reaches() {
        let path = |text: &str| text.parse::<TilePath>().unwrap();
        assert!(path("tile/0/273.p/112").exists_at(70_000));
        assert!(path("tile/entries/273.p/1").exists_at(70_000));
        assert!(!path("tile/0/273.p/113").exists_at(70_000));
        assert!(!path("tile/entries/273").exists_at(70_000));
        assert!(path("tile/entries/272").exists_at(70_000));
        assert!(!path("tile/3/000.p/1").exists_at(70_000));
    }

    #[test]
    fn a_path_cannot_be_made_with_a_width_or_level_that_has_no_spelling() {
        assert_eq!(TilePath::new(Resource::Entries(0), 0), Err(PathError::Width));
        assert_eq!(TilePath::new(Resource::Entries(0), 257), Err(PathError::Width));
        assert_eq!(
            TilePath::new(Resource::Hashes(TileId { level: 64, n: 0 }), 1),
            Err(PathError::Level)
        );
    }
}
