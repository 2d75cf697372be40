//! Durations as a person writes them in a configuration: `90 seconds`, `10 minutes`, `30 days`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Unit};
use serde::de::{Deserialize, Deserializer, Error as _};

/// A duration in words. A day has 24 hours; months and years are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Words(pub Duration);

impl Words {
    /// Whole seconds, for what is compared with times in seconds.
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX)
    }
}

impl std::str::FromStr for Words {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no duration; write it as `90 seconds`, `10 minutes` or `30 days`");
        let span: Span = text.parse().map_err(|_| wrong())?;
        let seconds = span
            .total((Unit::Second, SpanRelativeTo::days_are_24_hours()))
            .map_err(|_| wrong())?;
        Duration::try_from_secs_f64(seconds)
            .map(Self)
            .map_err(|_| wrong())
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_anything_else_is_said_to_be_wrong() {
        for (text, seconds) in [
            ("90 seconds", 90),
            ("10 minutes", 600),
            ("30 days", 2_592_000),
            ("1h 30m", 5400),
        ] {
            assert_eq!(text.parse::<Words>().unwrap().seconds(), seconds, "{text}");
        }
        for text in ["", "10", "soon", "-5 minutes", "2 months"] {
            assert!(
                text.parse::<Words>().unwrap_err().contains("10 minutes"),
                "{text}"
            );
        }
    }
}
