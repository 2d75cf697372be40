//! What an integrity check finds, and how much of it is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Findings that are kept in full; the others are counted.
pub const MAX_FINDINGS: usize = 100;
/// Characters of a stored or derived value that are kept.
const MAX_SHOWN: usize = 200;

/// One place where the database differs from what the entries say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The table, or `guard` or `packets folder`.
    pub table: String,
    /// The row.
    pub key: String,
    /// The column, or what else of the row was looked at.
    pub column: String,
    /// What is there.
    pub stored: String,
    /// What follows from the entries.
    pub derived: String,
}

impl Finding {
    /// A finding; long values are cut.
    pub fn new(
        table: &str,
        key: impl fmt::Display,
        column: &str,
        stored: impl fmt::Display,
        derived: impl fmt::Display,
    ) -> Self {
        Self {
            table: table.to_owned(),
            key: cut(&key.to_string()),
            column: column.to_owned(),
            stored: cut(&stored.to_string()),
            derived: cut(&derived.to_string()),
        }
    }

    /// A row that is there, and should not be.
    pub(crate) fn extra(table: &str, key: impl fmt::Display, stored: impl fmt::Display) -> Self {
        Self::new(table, key, "row", stored, "no such row")
    }

    /// A row that should be there, and is not.
    pub(crate) fn missing(table: &str, key: impl fmt::Display, derived: impl fmt::Display) -> Self {
        Self::new(table, key, "row", "no such row", derived)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            key,
            column,
            stored,
            derived,
        } = self;
        write!(
            f,
            "{table} {key}, {column}: stored is {stored}; from the entries follows {derived}"
        )
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

/// What a check looked at, and all that it found, in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Entries that were read.
    pub entries: u64,
    /// Root over them, base64; none where one is missing.
    pub root: Option<String>,
    /// Streams whose states were folded.
    pub streams: u64,
    /// Checkpoints whose signatures were verified.
    pub checkpoints: u64,
    /// Full tiles that were compared.
    pub tiles: u64,
    /// Openings that were compared.
    pub openings: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// How many there are of each kind: table and column.
    pub counts: BTreeMap<String, u64>,
}

impl Report {
    /// Whether nothing was found.
    pub fn holds(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many findings there are.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Takes up a finding: kept in full while there is room, and counted.
    pub fn add(&mut self, finding: Finding) {
        let kind = format!("{}, {}", finding.table, finding.column);
        *self.counts.entry(kind).or_default() += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_beyond_the_first_hundred_are_counted() {
        let mut report = Report::default();
        assert!(report.holds());
        for key in 0..250 {
            report.add(Finding::new("tiles", key, "root", "a", "b"));
        }
        report.add(Finding::extra("tiles", 250, "a tile"));
        assert_eq!((report.findings.len(), report.total()), (MAX_FINDINGS, 251));
        assert_eq!(report.counts["tiles, root"], 250);
        assert_eq!(report.findings[0].key, "0");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let finding = Finding::new("entries", 0, "event", "é".repeat(300), "");
        assert!(finding.stored.starts_with("éé") && finding.stored.ends_with("… (600 bytes)"));
        assert_eq!(finding.stored.chars().filter(|c| *c == 'é').count(), MAX_SHOWN);
    }
}
