//! The screen: what in the texts of a version may tell who somebody is.

use std::ops::Range;

use daybook_rules::deid::{FieldUse, HitKind, screen};
use serde_json::{Value, json};

use super::compose::Draft;

/// Characters of a report at most, as the rules say.
const MAX_REPORT: usize = 2_000;

/// A hit in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Leaf hash of the entry that has the field.
    pub(crate) leaf: String,
    /// The field.
    pub(crate) field: String,
    /// What it seems to be.
    pub(crate) kind: HitKind,
    span: Range<usize>,
    /// The text in which it stands, for whoever looks; it goes into no report.
    text: String,
}

impl Finding {
    /// What was found, marked, with so many characters on each side.
    pub(crate) fn within(&self, around: usize) -> String {
        let (before, rest) = self.text.split_at(self.span.start);
        let (found, after) = rest.split_at(self.span.len());
        let skip = before.chars().count().saturating_sub(around);
        let before: String = before.chars().skip(skip).collect();
        let after: String = after.chars().take(around).collect();
        format!("{before}>>>{found}<<<{after}").replace('\n', " ")
    }
}

/// All hits in what the version would publish for the first time; what is public already was looked at then.
pub(crate) fn findings(draft: &Draft) -> Vec<Finding> {
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
                        text: text.to_owned(),
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
