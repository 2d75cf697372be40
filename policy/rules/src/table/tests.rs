use serde_json::{Value, json};

use super::*;

#[test]
fn the_first_table_is_whole_and_fits_into_an_event() {
    let table = Table::from_value(&author::v1().unwrap()).unwrap();
    assert_eq!(&table, Table::v1());
    assert_eq!(Table::from_value(&table.to_value()), Ok(table.clone()));
    assert!(
        table.canonical().len() <= MAX_TABLE,
        "{}",
        table.canonical().len()
    );
}

/// The table with one value changed.
fn changed(path: &str, value: Value) -> Result<Table, TableError> {
    let mut document = Table::v1().to_value();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.insert(name.to_owned(), value);
    Table::from_value(&document)
}

fn name(at: &str, what: &'static str, name: &str) -> TableError {
    TableError::Name {
        at: at.to_owned(),
        what,
        name: name.to_owned(),
    }
}

#[test]
fn names_that_nothing_defines_are_refused_with_their_place() {
    for (path, value, error) in [
        (
            "/events/job-checked/by",
            json!(["hub"]),
            name("events.job-checked", "role", "hub"),
        ),
        (
            "/events/job-checked/from",
            json!(["asleep"]),
            name("events.job-checked", "state", "asleep"),
        ),
        (
            "/events/job-checked/to",
            json!("asleep"),
            name("events.job-checked", "state", "asleep"),
        ),
        (
            "/events/job-checked/stream",
            json!("jobs"),
            name("events.job-checked", "kind of stream", "jobs"),
        ),
        (
            "/events/decision-overturned/to",
            json!({"refused": "checked"}),
            name("events.decision-overturned", "target for the state", "withheld"),
        ),
        (
            "/events/job-checked/when",
            json!(["same profil profile"]),
            name("events.job-checked.when", "clear field", "profil"),
        ),
        (
            "/events/job-checked/when",
            json!(["other project open"]),
            name("events.job-checked.when", "stream read", "project"),
        ),
        (
            "/events/run-started/when",
            json!(["most attempt tries"]),
            name("events.run-started.when", "limit", "tries"),
        ),
        (
            "/events/job-checked/sealed/warnings",
            json!("friends text 10"),
            name("events.job-checked.sealed.warnings", "reader class", "friends"),
        ),
        (
            "/events/changes-answered/sets",
            json!(["tell jobs answered @leaf"]),
            name("events.changes-answered.sets", "stream read", "jobs"),
        ),
        (
            "/events/changes-answered/reads",
            json!({"job": "job/{jab}"}),
            name("events.changes-answered.reads.job", "clear field", "jab"),
        ),
        (
            "/streams/jobs",
            json!({"states": [], "ends": []}),
            name("streams", "kind of stream", "jobs"),
        ),
        (
            "/streams/erasure",
            json!({"states": ["erased"], "ends": ["done"]}),
            name("streams.erasure", "state", "done"),
        ),
    ] {
        assert_eq!(changed(path, value).unwrap_err(), error, "{path}");
    }
}

#[test]
fn words_that_no_judge_knows_are_refused() {
    for (path, value) in [
        ("/rules", json!(2)),
        ("/limits/reviews", json!(-1)),
        ("/classes/public", json!(-1)),
        ("/codes/hold", json!([])),
        ("/codes/hold", json!(["Not a code"])),
        ("/events/job-checked/clear/profile", json!("text 20")),
        ("/events/job-checked/clear/profile", json!("string")),
        ("/events/job-checked/clear/profile", json!("code prifile")),
        ("/events/job-checked/clear/profile", json!("int 5 1")),
        ("/events/job-checked/clear/profile", json!("int 1 1e3")),
        (
            "/events/job-checked/clear/profile",
            json!("list 0 5 list 0 5 uuid"),
        ),
        ("/events/job-checked/clear/_sd", json!("digest")),
        ("/events/job-checked/sealed/warnings", json!("public list 5")),
        ("/events/job-checked/digests", json!(0)),
        ("/events/job-checked/digests", json!(65)),
        ("/events/job-checked/when", json!(["friendly"])),
        ("/events/job-checked/when", json!(["same  x"])),
        ("/events/job-checked/sets", json!(["set author @leaf"])),
        ("/events/job-checked/sets", json!(["set x @moon"])),
        ("/events/job-checked/sets", json!(["set doubts @leaf"])),
        ("/events/job-checked/reads", json!({"log": "federation"})),
        ("/events/job-checked/v", json!(0)),
        ("/events/job-checked/by", json!([])),
        (
            "/events/changes-answered/reads",
            json!({"job": "job/{job}/{cause}"}),
        ),
    ] {
        let error = changed(path, value.clone()).unwrap_err();
        assert!(
            matches!(error, TableError::Text { .. }),
            "{path} {value}: {error}"
        );
    }
    for path in ["/unknown", "/events/job-checked/unknown", "/streams/job/unknown"] {
        assert!(
            matches!(changed(path, json!({})), Err(TableError::Shape { .. })),
            "{path}"
        );
    }
    let long = json!(vec!["a".repeat(40); MAX_TABLE / 40]);
    assert!(matches!(
        changed("/codes/hold", long),
        Err(TableError::TooLong(_))
    ));
}
