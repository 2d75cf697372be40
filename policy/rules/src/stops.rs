//! Why nothing came of an analysis, as far as the record tells everybody: families of reasons, for statistics.
//!
//! The reason for one refusal is sealed for the parties. What stands in clear is at which point a job was refused, and the code
//! of the fault that ended it: each of these belongs to one family.

/// The families, in the order in which they are shown.
pub const FAMILIES: [&str; 8] = [
    "request", "decision", "start", "results", "capacity", "data", "analysis", "stopped",
];

/// What ends a job without results, what decides about the family of it, and the family.
///
/// What decides is the state in which a job was refused, or the code of the last run that failed.
const TABLE: [(&str, &str, &str); 14] = [
    ("job-refused", "collected", "request"),
    ("job-refused", "checked", "decision"),
    ("job-refused", "signed-off", "start"),
    ("job-refused", "admitted", "start"),
    ("disclosure-refused", "assessed", "results"),
    ("disclosure-refused", "changes-requested", "results"),
    ("disclosure-refused", "cleared", "results"),
    ("disclosure-refused", "staged", "results"),
    ("job-abandoned", "host-lost", "capacity"),
    ("job-abandoned", "memory-limit", "capacity"),
    ("job-abandoned", "time-limit", "capacity"),
    ("job-abandoned", "input-missing", "data"),
    ("job-abandoned", "tool-error", "analysis"),
    ("job-abandoned", "stopped", "stopped"),
];

/// The family of an event that ends a job without results; `None` of every other event.
///
/// `by` is the state in which the job was, or, where runs failed, the code of the last one.
pub fn family(kind: &str, by: &str) -> Option<&'static str> {
    let mut rows = TABLE.iter();
    let row = rows.find(|(known, decides, _)| *known == kind && *decides == by)?;
    Some(row.2)
}

/// The families to which an event of this type can belong.
pub fn families_of(kind: &str) -> impl Iterator<Item = &'static str> {
    let rows = TABLE.iter().filter(move |(known, ..)| *known == kind);
    rows.map(|(_, _, family)| *family)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Table;

    #[test]
    fn each_point_of_refusal_and_each_code_of_a_fault_has_one_family() {
        let rules = Table::v1();
        let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
        for kind in ["job-refused", "disclosure-refused"] {
            let states = rules.rule(kind).unwrap().from.iter();
            expected.extend(states.map(|state| (kind.to_owned(), state.clone())));
        }
        let (_, codes) = rules.codes().find(|(name, _)| *name == "failure").unwrap();
        expected.extend(
            codes
                .iter()
                .map(|code| ("job-abandoned".to_owned(), code.clone())),
        );
        let held: Vec<(String, String)> = TABLE
            .iter()
            .map(|(kind, by, _)| ((*kind).to_owned(), (*by).to_owned()))
            .collect();
        assert_eq!(held.len(), expected.len(), "a row stands there twice");
        assert_eq!(held.into_iter().collect::<BTreeSet<_>>(), expected);
        for (kind, by, name) in TABLE {
            assert_eq!(family(kind, by), Some(name));
            assert!(FAMILIES.contains(&name), "{name}");
        }
        for name in FAMILIES {
            assert!(TABLE.iter().any(|(_, _, known)| *known == name), "{name}");
        }
        assert_eq!(family("job-released", "staged"), None);
    }
}
