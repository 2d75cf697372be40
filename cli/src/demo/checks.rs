//! The smallest rule of disclosure control, on the study's own table: no count between nothing and a limit.

use anyhow::{Context as _, Result};

/// What an automatic check found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assessment {
    /// Counts that were looked at.
    pub(super) counts: usize,
    /// Counts from 1 up to the limit.
    pub(super) too_small: usize,
}

/// Looks at the last column of a CSV table with a header. A cell that is not a number was masked by the workflow.
pub(super) fn assess(csv: &[u8], smallest: u64) -> Result<Assessment> {
    let text = std::str::from_utf8(csv).context("the output is not text")?;
    let mut found = Assessment {
        counts: 0,
        too_small: 0,
    };
    for line in text.lines().skip(1) {
        let cell = line.rsplit(',').next().unwrap_or_default().trim();
        let Ok(count) = cell.parse::<u64>() else { continue };
        found.counts += 1;
        if count > 0 && count < smallest {
            found.too_small += 1;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_found_and_masked_ones_passed_over() {
        let csv = b"age,year,count\n0-9,2020,12\n10-19,2020,7\n20-29,2020,<5\n30-39,2020,0\n";
        assert_eq!(
            assess(csv, 5).unwrap(),
            Assessment {
                counts: 3,
                too_small: 0
            }
        );
        assert_eq!(
            assess(csv, 10).unwrap(),
            Assessment {
                counts: 3,
                too_small: 1
            }
        );
        assert!(assess(b"\xff", 5).is_err());
    }
}
