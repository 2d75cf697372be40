//! A request's parameters against an approval's schema.

use daybook_agent::packet::{Checked, Limits, RefusalCode, check};
use daybook_agent::parameters::Schema;
use serde_json::json;

use crate::support::{DATASET, bag};

fn checked(threshold: u32) -> Checked {
    check(&bag(threshold).to_zip().unwrap(), &Limits::default()).unwrap()
}

fn schema() -> Schema {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "threshold": {"type": "integer", "minimum": 10},
            "admissions": {"properties": {"dataset": {"const": DATASET}}},
        },
        "required": ["threshold"],
        "additionalProperties": false,
    });
    Schema::parse(schema.to_string().as_bytes()).unwrap()
}

#[test]
fn what_is_within_the_schema_is_allowed_and_what_is_not_is_named() {
    schema().check(&checked(10)).unwrap();
    let refused = schema().check(&checked(3)).unwrap_err();
    assert_eq!(refused.code, RefusalCode::Approval);
    assert!(
        refused.text.contains("threshold: 3") && refused.text.contains("wider approval"),
        "{refused}"
    );
}

#[test]
fn a_parameter_that_the_approval_does_not_know_is_refused() {
    let mut packet = checked(10);
    packet.request.inputs[1].parameter.as_mut().unwrap().name = "treshold".to_owned();
    let refused = schema().check(&packet).unwrap_err();
    assert!(
        refused.text.contains("treshold") && refused.text.contains("required"),
        "{refused}"
    );
}

#[test]
fn another_dataset_than_the_approved_one_is_refused() {
    let mut packet = checked(10);
    packet.request.inputs[0].input.id = "urn:uuid:0".to_owned();
    assert!(
        schema()
            .check(&packet)
            .unwrap_err()
            .text
            .contains("admissions/dataset")
    );
}

#[test]
fn hostile_values_make_no_hostile_text() {
    let mut packet = checked(10);
    packet.request.inputs[1].parameter.as_mut().unwrap().name = "\u{1b}[2J".repeat(2_000);
    let refused = schema().check(&packet).unwrap_err();
    assert!(refused.text.chars().count() <= 4_000 && !refused.text.contains('\u{1b}'));
}
