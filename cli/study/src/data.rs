//! Fictional hospital admissions, the same for the same TRE every time.

use std::fmt::Write as _;

/// Age bands by lowest and highest age, with their weight in a hundred.
const AGES: [(u64, u64, u64); 6] = [
    (0, 4, 21),
    (5, 17, 28),
    (18, 39, 22),
    (40, 64, 18),
    (65, 79, 9),
    (80, 99, 2),
];
/// Diagnoses by ICD-10 code with their weight in a hundred; J45 and J46 are asthma.
const DIAGNOSES: [(&str, u64); 6] = [
    ("J45.0", 18),
    ("J45.9", 24),
    ("J46", 8),
    ("J44.1", 22),
    ("J18.9", 18),
    ("J21.9", 10),
];
const FIRST_YEAR: u64 = 2021;
const YEARS: u64 = 4;

/// Writes `rows` admissions of invented people as CSV with a header line.
///
/// Columns: `person` (always `FICTIONAL-` and a number), `age` in years, `sex` (F, M), `admitted` (ISO 8601 date in 2021 to
/// 2024), `method` (emergency, planned), `diagnosis` (ICD-10). The seed is the TRE's slug, so that each TRE has data of its
/// own. At some thousand rows the oldest age band has counts below ten in every year.
pub fn generate_data(tre_slug: &str, rows: usize) -> String {
    let mut dice = Dice::new(tre_slug);
    let mut csv = "person,age,sex,admitted,method,diagnosis\n".to_owned();
    for row in 1..=rows {
        let (low, high) = dice.weighted(AGES.map(|(low, high, weight)| ((low, high), weight)));
        let age = low + dice.below(high - low + 1);
        let sex = if dice.below(2) == 0 { "F" } else { "M" };
        let (year, month, day) = (
            FIRST_YEAR + dice.below(YEARS),
            1 + dice.below(12),
            1 + dice.below(28),
        );
        let method = if dice.below(10) < 6 {
            "emergency"
        } else {
            "planned"
        };
        let diagnosis = dice.weighted(DIAGNOSES);
        // Writing to a String cannot fail.
        let _ = writeln!(
            csv,
            "FICTIONAL-{row:06},{age},{sex},{year}-{month:02}-{day:02},{method},{diagnosis}"
        );
    }
    csv
}

/// `SplitMix64` (Steele, Lea, Flood 2014), seeded by FNV-1a of a text; for invented data only, never for secrets.
struct Dice(u64);

impl Dice {
    fn new(seed: &str) -> Self {
        let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(seed.bytes().fold(0xcbf2_9ce4_8422_2325, fnv))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is small; the bias of the remainder does not matter here.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn weighted<T: Copy, const N: usize>(&mut self, choices: [(T, u64); N]) -> T {
        let mut left = self.below(choices.iter().map(|(_, weight)| weight).sum());
        let mut chosen = choices[0].0;
        for (choice, weight) in choices {
            chosen = choice;
            if left < weight {
                break;
            }
            left -= weight;
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_its_published_first_numbers() {
        // Reference output of the algorithm for the state 1234567.
        let mut dice = Dice(1_234_567);
        assert_eq!(
            [dice.next(), dice.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn each_tre_has_its_own_data_and_always_the_same() {
        assert_eq!(generate_data("wessex", 50), generate_data("wessex", 50));
        assert_ne!(generate_data("wessex", 50), generate_data("lothian", 50));
    }

    #[test]
    fn rows_are_marked_as_fictional_and_complete() {
        let csv = generate_data("wessex", 500);
        assert_eq!(csv.lines().count(), 501);
        for line in csv.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), 6, "{line}");
            assert!(fields[0].starts_with("FICTIONAL-"), "{line}");
            assert!(fields[1].parse::<u8>().unwrap() < 100, "{line}");
        }
    }
}
