//! The target for the screen that looks in texts for what may tell who somebody is.

use daybook_rules::deid::{FieldUse, HitKind, screen};

/// Looks through a text as each kind of field. Before its first line end stand the names that a submission holds, with
/// semicolons between them.
///
/// # Panics
/// When a hit is empty, does not lie between characters within the text, overlaps another, or is none that such a field has.
pub fn deid(data: &[u8]) {
    let all = String::from_utf8_lossy(data);
    let (names, text) = all.split_once('\n').unwrap_or(("", &all));
    let names: Vec<String> = names.split(';').take(8).map(str::to_owned).collect();
    for field in [
        FieldUse::Prose,
        FieldUse::Contact,
        FieldUse::Named,
        FieldUse::Code,
    ] {
        let mut end = 0;
        for hit in screen(field, text, &names) {
            let found = text.get(hit.span.clone());
            assert!(
                found.is_some_and(|found| !found.is_empty()),
                "{hit:?} of {text:?}"
            );
            assert!(
                hit.span.start >= end,
                "{hit:?} overlaps what stands before it in {text:?}"
            );
            end = hit.span.end;
            let is_looked_for = match hit.kind {
                HitKind::HealthNumber | HitKind::InsuranceNumber | HitKind::Orcid => true,
                HitKind::BirthDate | HitKind::Email | HitKind::Telephone => field != FieldUse::Code,
                HitKind::Postcode => field == FieldUse::Prose,
                HitKind::Name => matches!(field, FieldUse::Prose | FieldUse::Contact),
            };
            assert!(is_looked_for, "{hit:?} in {field:?}");
        }
    }
}
