//! The screen: what in the texts of a version may tell who somebody is.

use std::ops::Range;

use daybook_rules::deid::{FieldUse, HitKind, screen};
use serde_json::{Value, json};

use super::compose::Draft;

/// Characters of a report at most, as the rules say.
const MAX_REPORT: usize = 2_000;

/// A hit in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    leaf: String,
    field: String,
    kind: HitKind,
    span: Range<usize>,
}

/// All hits in what the version would publish for the first time; what is public already was looked at then.
pub(super) fn findings(draft: &Draft) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (leaf, part) in draft.leaves().into_iter().zip(&draft.parts) {
        for field in part.fields.iter().filter(|field| field.is_new) {
            for text in texts(&field.value) {
                for hit in screen(FieldUse::of(&field.name), text, &draft.names) {
                    findings.push(Finding {
                        leaf: leaf.to_owned(),
                        field: field.name.clone(),
                        kind: hit.kind,
                        span: hit.span,
                    });
                }
            }
        }
    }
    findings
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Where the hits stand, for whoever looks: as many as fit, and never what they are of.
pub(super) fn report(findings: &[Finding]) -> String {
    let told: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "entry": finding.leaf, "field": finding.field, "kind": finding.kind.as_str(),
                "from": finding.span.start, "to": finding.span.end,
            })
        })
        .collect();
    let most = (0..=told.len())
        .rev()
        .map(|most| json!({ "all": told.len(), "hits": told[..most] }).to_string());
    most.into_iter()
        .find(|text| text.chars().count() <= MAX_REPORT)
        .unwrap_or_default()
}
