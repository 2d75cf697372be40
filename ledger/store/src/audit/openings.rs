//! Openings against the entry that they belong to. What they say is never shown.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::sealed::{Opening, ReaderClass};
use daybook_rules::Table;

use super::Finding;
pub(super) use super::fetch::StoredOpening as Stored;

/// A day more than an opening may be kept: the server that reads is not the clock that wrote.
const SLACK: f64 = 1.0;

/// Openings by their entries.
pub(super) fn by_entry(openings: Vec<Stored>) -> BTreeMap<u64, Vec<Stored>> {
    let mut found: BTreeMap<u64, Vec<Stored>> = BTreeMap::new();
    for opening in openings {
        found.entry(opening.idx).or_default().push(opening);
    }
    found
}

/// Compares the openings of an event with what it and the rules say; how many that must be there are not, and what is wrong.
pub(super) fn compare(table: &Table, index: u64, event: &Event, stored: &[Stored]) -> (usize, Vec<Finding>) {
    let claims = event.claims();
    let digests: BTreeSet<Hash> = claims.digests().filter_map(Hash::from_base64url).collect();
    let rule = table.rule(&claims.kind);
    let mut found = Vec::new();
    let mut fields = BTreeSet::new();
    for opening in stored {
        let key = format!("entry {index} digest {}", opening.digest.encoded());
        let mut differs = |column: &str, there: String, derived: String| {
            found.push(Finding::new("openings", &key, column, there, derived));
        };
        let named = Hash::from_slice(&opening.digest.0);
        if named.is_none_or(|digest| !digests.contains(&digest)) {
            let derived = "one of the digests in the event's `_sd`".to_owned();
            differs("digest", opening.digest.encoded(), derived);
        }
        let parsed = std::str::from_utf8(&opening.opening.0).ok();
        let Some(parsed) = parsed.and_then(|text| Opening::parse(text).ok()) else {
            differs(
                "opening",
                "no opening".to_owned(),
                "the opening of that digest".to_owned(),
            );
            continue;
        };
        if named != Some(parsed.digest()) {
            let there = format!("an opening of the digest {}", parsed.digest());
            differs("opening", there, opening.digest.encoded());
        }
        if !opening.name.is(parsed.name()) {
            differs("name", opening.name.text().into_owned(), parsed.name().to_owned());
        }
        let field = rule.and_then(|rule| rule.sealed.get(parsed.name()));
        let Some(field) = field.filter(|field| field.class != ReaderClass::IssuerOnly) else {
            let derived = format!("no opening of a field {:?}", parsed.name());
            differs("opening", "an opening".to_owned(), derived);
            continue;
        };
        if !opening.class.is(field.class.as_str()) {
            differs(
                "class",
                opening.class.text().into_owned(),
                field.class.as_str().to_owned(),
            );
        }
        if !field.kind.fits(parsed.value()) {
            differs(
                "opening",
                "another kind of value".to_owned(),
                field.kind.describe(),
            );
        }
        if !fields.insert(parsed.name().to_owned()) {
            differs(
                "opening",
                format!("a second {:?}", parsed.name()),
                "one".to_owned(),
            );
        }
        let most = table.retain_days(field.class).map(f64::from);
        let fits = match (opening.days_left, most) {
            (None, None) => true,
            (Some(left), Some(most)) => left <= most + SLACK,
            _ => false,
        };
        if !fits {
            let days = |days: Option<f64>| {
                days.map_or("for ever".to_owned(), |days| {
                    format!("for {days:.0} days from now")
                })
            };
            let derived = format!("at most {}", days(most));
            differs("retain_until", days(opening.days_left), derived);
        }
    }
    let missing = rule.map_or(0, |rule| {
        let must = rule
            .sealed
            .iter()
            // One that is due to be erased may have been.
            .filter(|(_, field)| field.required && field.class != ReaderClass::IssuerOnly)
            .filter(|(_, field)| table.retain_days(field.class).is_none());
        must.filter(|(name, _)| !fields.contains(*name)).count()
    });
    (missing, found)
}
