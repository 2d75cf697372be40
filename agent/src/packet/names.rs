//! Which names may stand inside a packet.

use std::collections::BTreeMap;

use super::error::{BagError, NameRule};

/// Bytes in a whole name.
const NAME_LIMIT: usize = 1024;
/// Bytes in one part of a name.
const PART_LIMIT: usize = 255;

/// Refuses a name that is not a plain relative path in every common file system.
pub(super) fn check(name: &str) -> Result<(), NameRule> {
    if name.is_empty() {
        return Err(NameRule::Empty);
    }
    if name.len() > NAME_LIMIT {
        return Err(NameRule::TooLong);
    }
    if name.starts_with('/') || has_drive(name) {
        return Err(NameRule::Absolute);
    }
    if name.contains('\\') {
        return Err(NameRule::Backslash);
    }
    if name.chars().any(char::is_control) {
        return Err(NameRule::Control);
    }
    name.split('/').try_for_each(check_part)
}

fn check_part(part: &str) -> Result<(), NameRule> {
    match part {
        "" => Err(NameRule::Empty),
        "." | ".." => Err(NameRule::Dots),
        _ if part.len() > PART_LIMIT => Err(NameRule::TooLong),
        _ if part.ends_with(['.', ' ']) => Err(NameRule::TrailingDot),
        _ => Ok(()),
    }
}

/// `C:` and the like at the start.
fn has_drive(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':')
}

/// Names seen so far, by the spelling a file system without capitals would give them.
#[derive(Default)]
pub(super) struct Seen {
    by_folded: BTreeMap<String, (String, Kind)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

impl Seen {
    /// Notes a file and the folders it lies in, refusing what collides with an earlier name.
    ///
    /// Capitals are folded by Unicode's simple lower case; different normal forms of one name are not recognised
    /// as the same.
    pub(super) fn file(&mut self, name: &str) -> Result<(), BagError> {
        self.folders_above(name)?;
        self.note(name, Kind::File)
    }

    /// Notes a folder, which may come up any number of times with the same spelling.
    pub(super) fn folder(&mut self, name: &str) -> Result<(), BagError> {
        self.folders_above(name)?;
        self.note(name, Kind::Folder)
    }

    fn folders_above(&mut self, name: &str) -> Result<(), BagError> {
        for (at, _) in name.match_indices('/') {
            self.note(&name[..at], Kind::Folder)?;
        }
        Ok(())
    }

    fn note(&mut self, name: &str, kind: Kind) -> Result<(), BagError> {
        let folded = name.to_lowercase();
        match self.by_folded.get(&folded) {
            None => {
                self.by_folded.insert(folded, (name.to_owned(), kind));
                Ok(())
            }
            Some((other, Kind::Folder)) if other == name && kind == Kind::Folder => Ok(()),
            Some((other, Kind::File)) if other == name && kind == Kind::File => Err(BagError::Duplicate {
                name: name.to_owned(),
            }),
            Some((other, _)) => Err(BagError::Collision {
                name: name.to_owned(),
                other: other.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", NameRule::Empty)]
    #[case("a//b", NameRule::Empty)]
    #[case("a/", NameRule::Empty)]
    #[case("/etc/passwd", NameRule::Absolute)]
    #[case("C:/x", NameRule::Absolute)]
    #[case("a/../b", NameRule::Dots)]
    #[case("./a", NameRule::Dots)]
    #[case("a\\b", NameRule::Backslash)]
    #[case("a\nb", NameRule::Control)]
    #[case("a./b", NameRule::TrailingDot)]
    #[case("a ", NameRule::TrailingDot)]
    fn a_name_that_could_mislead_a_file_system_is_refused(#[case] name: &str, #[case] rule: NameRule) {
        assert_eq!(check(name), Err(rule));
    }

    #[test]
    fn length_limits_hold_at_their_edges() {
        assert_eq!(check(&"a".repeat(255)), Ok(()));
        assert_eq!(check(&"a".repeat(256)), Err(NameRule::TooLong));
        assert_eq!(check(&"a/".repeat(511).add_tail("aa")), Ok(()));
        assert_eq!(check(&"a/".repeat(511).add_tail("aaa")), Err(NameRule::TooLong));
    }

    trait AddTail {
        fn add_tail(self, tail: &str) -> String;
    }
    impl AddTail for String {
        fn add_tail(mut self, tail: &str) -> String {
            self.push_str(tail);
            self
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for name in [
            "bagit.txt",
            "data/.keep",
            "data/a b/ŵ.csv",
            "data/rquest:latest.img",
            "data/..hidden",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn folders_that_differ_only_in_capitals_collide() {
        let mut seen = Seen::default();
        seen.file("b/Data/x").unwrap();
        assert!(matches!(seen.file("b/data/y"), Err(BagError::Collision { .. })));
    }

    #[test]
    fn a_file_that_is_also_a_folder_collides() {
        let mut seen = Seen::default();
        seen.file("b/x").unwrap();
        assert!(matches!(seen.file("b/x/y"), Err(BagError::Collision { .. })));
        assert!(matches!(seen.folder("b/x"), Err(BagError::Collision { .. })));
    }
}
