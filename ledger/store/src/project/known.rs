//! What folds were written for: the event types of the built-in rule table, and their effects.
//!
//! Folds follow the effects that the first table gives each type. Limits, conditions, roles and codes of a later table
//! change nothing for them; a type that leads to another state, or writes other members, does.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use daybook_rules::Table;
use serde_json::Value;

use super::entry::{Entry, FoldError};

/// For each known type: its version, and what of its rule makes states.
static KNOWN: LazyLock<BTreeMap<String, (u16, Effects)>> = LazyLock::new(|| {
    let document = Table::v1().to_value();
    Table::v1()
        .events()
        .map(|(kind, rule)| (kind.to_owned(), (rule.version, effects(&document, kind))))
        .collect()
});

/// `stream`, `to` and `sets` of a rule.
type Effects = [Value; 3];

fn effects(document: &Value, kind: &str) -> Effects {
    let rule = document.get("events").and_then(|events| events.get(kind));
    ["stream", "to", "sets"].map(|name| rule.and_then(|rule| rule.get(name)).cloned().unwrap_or_default())
}

/// Refuses an entry whose meaning the folds do not know.
pub(crate) fn check(entry: &Entry) -> Result<(), FoldError> {
    let known = KNOWN.get(&entry.kind).map(|(version, _)| *version);
    if known != Some(entry.version) {
        return Err(FoldError::Unknown {
            index: entry.index,
            kind: entry.kind.clone(),
            version: entry.version,
        });
    }
    if entry.kind == "policy-adopted" {
        check_table(entry)?;
    }
    Ok(())
}

/// A table may drop a type that folds know, and may add one: if it is ever used, the entry that does stops the view.
fn check_table(entry: &Entry) -> Result<(), FoldError> {
    let document = entry.field("table")?;
    let changed = KNOWN.iter().find(|(kind, (version, known))| {
        let rule = document
            .get("events")
            .and_then(|events| events.get(kind.as_str()));
        // Another version of a type is another type: see `check`.
        let is_used = rule.is_some_and(|rule| {
            rule.get("v")
                .is_none_or(|v| v.as_u64() == Some(u64::from(*version)))
        });
        is_used && effects(document, kind) != *known
    });
    match changed {
        Some((kind, _)) => Err(FoldError::Effects {
            index: entry.index,
            kind: kind.clone(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Data;

    fn adopts(change: impl FnOnce(&mut Value)) -> Result<(), FoldError> {
        let mut table = Table::v1().to_value();
        change(&mut table);
        let data = serde_json::json!({ "rules": 1, "table": table });
        check(&Entry {
            index: 9,
            leaf: String::new(),
            kind: "policy-adopted".to_owned(),
            version: 1,
            stream: daybook_core::id::Stream::Federation,
            author: daybook_core::id::Actor::Operator,
            at: 0,
            data: Data(data.as_object().unwrap().clone()),
            rests: Vec::new(),
        })
    }

    #[test]
    fn table_with_other_limits_conditions_and_types_is_followed() {
        adopts(|_| {}).unwrap();
        adopts(|table| table["limits"]["attempts"] = 7.into()).unwrap();
        adopts(|table| table["events"]["job-collected"]["when"] = serde_json::json!([])).unwrap();
        adopts(|table| table["events"]["job-praised"] = table["events"]["job-held"].clone()).unwrap();
        adopts(|table| drop(table["events"].as_object_mut().unwrap().remove("job-held"))).unwrap();
    }

    #[test]
    fn another_version_of_a_type_is_another_type() {
        adopts(|table| {
            let rule = &mut table["events"]["job-refused"];
            (rule["v"], rule["to"]) = (2.into(), "withheld".into());
        })
        .unwrap();
    }

    #[test]
    fn table_with_other_effects_is_not() {
        let error = adopts(|table| table["events"]["job-refused"]["to"] = "withheld".into()).unwrap_err();
        assert!(error.to_string().contains("job-refused"), "{error}");
        adopts(|table| table["events"]["job-refused"]["sets"] = serde_json::json!([])).unwrap_err();
    }
}
