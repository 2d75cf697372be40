//! The openings that come with an event.

use std::collections::BTreeSet;

use daybook_core::event::Event;
use daybook_core::sealed::{Opening, ReaderClass};

use crate::refusal::{OpeningRefusal, Refusal};
use crate::table::Table;

/// An opening that may be stored beside its event.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// The opening.
    pub opening: Opening,
    /// Who may read it.
    pub class: ReaderClass,
    /// For how many days it is kept; `None` is for as long as the log.
    pub retain_days: Option<u32>,
}

/// Checks the openings that come with an event, which [`crate::judge`] has accepted under the same table.
///
/// Each must match a digest of the event, be named in its schema, fit its kind and come once; those for the issuer alone
/// must not come at all; those that the schema requires must.
pub fn check_openings(table: &Table, event: &Event, openings: &[Opening]) -> Result<Vec<Admitted>, Refusal> {
    let admitted = admit_openings(table, event, openings)?;
    let rule = table.rule(&event.claims().kind);
    for (name, field) in rule.into_iter().flat_map(|rule| &rule.sealed) {
        let is_there = admitted.iter().any(|one| one.opening.name() == name);
        if field.required && field.class != ReaderClass::IssuerOnly && !is_there {
            let (name, expected) = (name.clone(), field.kind.describe());
            return Err(OpeningRefusal::Missing { name, expected }.into());
        }
    }
    Ok(admitted)
}

/// The same, however few there are.
pub fn admit_openings(table: &Table, event: &Event, openings: &[Opening]) -> Result<Vec<Admitted>, Refusal> {
    let claims = event.claims();
    let rule = table.rule(&claims.kind).ok_or_else(|| Refusal::UnknownType {
        kind: claims.kind.clone(),
    })?;
    let digests: BTreeSet<&str> = claims.digests().collect();
    let mut seen = BTreeSet::new();
    let mut admitted = Vec::new();
    for opening in openings {
        let name = opening.name().to_owned();
        let Some(field) = rule.sealed.get(&name) else {
            let kind = claims.kind.clone();
            return Err(OpeningRefusal::Unknown { kind, name }.into());
        };
        if field.class == ReaderClass::IssuerOnly {
            return Err(OpeningRefusal::IssuerOnly { name }.into());
        }
        if !digests.contains(opening.digest().to_base64url().as_str()) {
            return Err(OpeningRefusal::NotInEvent { name }.into());
        }
        if !seen.insert(name.clone()) {
            return Err(OpeningRefusal::Twice { name }.into());
        }
        if !field.kind.fits(opening.value()) {
            let expected = field.kind.describe();
            return Err(OpeningRefusal::Invalid { name, expected }.into());
        }
        admitted.push(Admitted {
            opening: opening.clone(),
            class: field.class,
            retain_days: table.retain_days(field.class),
        });
    }
    Ok(admitted)
}
