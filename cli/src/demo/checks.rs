//! What the demo's people look at: the counts in the study's own table.

use anyhow::{Context as _, Result};

/// What somebody sees who looks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// Counts in the table.
    pub(super) counts: usize,
    /// The smallest of them that is no zero.
    pub(super) smallest: Option<u64>,
    /// How many lie between zero and the limit.
    pub(super) too_small: usize,
}

/// Looks at the last column of a CSV table with a header. A cell that is not a number was masked by the workflow.
pub(super) fn look(csv: &[u8], limit: u64) -> Result<Sight> {
    let text = std::str::from_utf8(csv).context("the output is not text")?;
    let cells = text.lines().skip(1).filter_map(|line| line.rsplit(',').next());
    let counts: Vec<u64> = cells.filter_map(|cell| cell.trim().parse().ok()).collect();
    let people = || counts.iter().copied().filter(|count| *count > 0);
    Ok(Sight {
        counts: counts.len(),
        smallest: people().min(),
        too_small: people().filter(|count| *count < limit).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_found_and_masked_ones_passed_over() {
        let csv = b"age,year,count\n0-9,2020,12\n10-19,2020,7\n20-29,2020,<5\n30-39,2020,0\n";
        let sight = |too_small| Sight {
            counts: 3,
            smallest: Some(7),
            too_small,
        };
        assert_eq!(look(csv, 5).unwrap(), sight(0));
        assert_eq!(look(csv, 10).unwrap(), sight(1));
        assert!(look(b"\xff", 5).is_err());
    }
}
