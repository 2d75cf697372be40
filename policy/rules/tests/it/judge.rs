//! The second judge, in Python, agrees with the first.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use daybook_core::Hash;
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::id::{Stream, TreRole};
use daybook_rules::{State, Table, judge};
use daybook_world::{Cast, Draft, Ending, ORIGIN, World, digest, id};
use serde_json::{Map, Value, json};

use crate::document::{golden, path};
use crate::hindered;

/// A log whose jobs end in every way there is, with the rarer events of the other streams.
pub(crate) fn eventful() -> World {
    let mut world = World::founded();
    for ending in Ending::ALL {
        world.run_job("wessex", ending);
    }
    world.run_job("mercia", Ending::Released);
    world.submit(&["mercia", "wessex"]);
    world.steps(&[
        "job-collected",
        "job-refused",
        "packet-offered",
        "time-marked",
        "time-corrected",
        "checkpoint-anchored",
        "heads-committed",
        "tre-amended",
        "tre-reported",
        "key-added",
        "dataset-registered",
        "dataset-amended",
        "workflow-registered",
        "output-linked",
        "member-added",
        "member-removed",
        "member-doubts-settled",
        "project-amended",
        "approval-granted",
        "register-held",
        "register-published",
        "register-withdrawn",
        "project-registered",
        "register-deferred",
        "approval-withdrawn",
        "tre-invited",
        "tre-suspended",
        "tre-reinstated",
        "role-granted",
        "role-ended",
        "role-doubts-settled",
        "log-key-rotated",
        "policy-adopted",
        "dataset-withdrawn",
        "key-revoked",
        "key-doubts-settled",
        "workflow-withdrawn",
        "project-closed",
        "log-closed",
        "fields-erased",
        "time-marked",
        "checkpoint-anchored",
        "heads-committed",
    ]);
    world
}

fn python() -> PathBuf {
    let python = std::env::var_os("DAYBOOK_PYTHON").map_or_else(|| path(".venv/bin/python"), PathBuf::from);
    assert!(
        python.exists(),
        "{} does not exist: run `make setup`, or name a Python that has `cryptography` in DAYBOOK_PYTHON",
        python.display()
    );
    python
}

/// What the Python judge prints about some logs, a value for each line.
fn second_judge(logs: &[Vec<String>], name: &str) -> Vec<Value> {
    script("judge.py", &[ORIGIN], logs, name)
}

/// What one of the scripts beside it prints about some logs, a value for each line.
fn script(file: &str, arguments: &[&str], logs: &[Vec<String>], name: &str) -> Vec<Value> {
    let folder = std::env::temp_dir().join(format!("daybook-judge-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files: Vec<PathBuf> = (0..logs.len()).map(|n| folder.join(format!("{n}.txt"))).collect();
    for (file, lines) in files.iter().zip(logs) {
        std::fs::write(file, lines.join("\n")).unwrap();
    }
    let output = Command::new(python())
        .arg("-B")
        .arg(path("tests/judge").join(file))
        .args(arguments)
        .args(&files)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{name}: {errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn texts(world: &World) -> Vec<String> {
    world
        .entries()
        .iter()
        .map(|event| event.as_str().to_owned())
        .collect()
}

fn named<'a>(states: impl Iterator<Item = (&'a Stream, &'a State)>) -> Value {
    let states: Map<String, Value> = states
        .map(|(stream, state)| (stream.to_string(), Value::Object(state.clone())))
        .collect();
    Value::Object(states)
}

#[test]
fn the_first_table_is_checked_in_for_other_judges() {
    golden("policy/rules/v1.json", Table::v1().canonical());
}

#[test]
fn both_judges_come_to_the_same_states() {
    let world = eventful();
    let answers = second_judge(&[texts(&world)], "states");
    let states = named(world.states().iter());
    for (stream, state) in states.as_object().unwrap() {
        assert_eq!(answers[0]["states"].get(stream), Some(state), "{stream}");
    }
    assert_eq!(answers, [json!({ "states": states })]);
    let types: BTreeSet<&str> = world
        .entries()
        .iter()
        .map(|event| event.claims().kind.as_str())
        .collect();
    let missing: Vec<&str> = Table::v1()
        .events()
        .map(|(kind, _)| kind)
        .filter(|kind| !types.contains(kind))
        .collect();
    assert!(missing.is_empty(), "not in the log: {missing:?}");
}

#[test]
fn another_program_comes_to_the_same_root_over_the_heads() {
    let worlds = [World::new(), World::opened(), World::founded(), eventful()];
    let logs: Vec<Vec<String>> = worlds.iter().map(texts).collect();
    let expected: Vec<Value> = worlds
        .iter()
        .map(World::heads)
        .map(|heads| json!({ "heads": heads.root().to_base64url(), "streams": heads.streams() }))
        .collect();
    assert_eq!(script("heads.py", &[], &logs, "heads"), expected);
}

/// Variants of one event: fields changed, left out or added, other signers.
fn variants(world: &World, kind: &str) -> Vec<Draft> {
    let usual = world.usual(kind);
    let mut drafts = vec![usual.clone(), usual.clone().with("extra", 1.into())];
    let fresh = id("another").to_string();
    for (field, value) in &usual.data {
        drafts.push(usual.clone().without(field));
        let mut others = vec![
            Value::Null,
            json!(0),
            json!(-1),
            json!(1_000_000_000),
            json!(true),
            json!(false),
            json!("free text"),
            json!(fresh),
            json!(digest("another")),
            json!("mercia"),
            json!([]),
            json!({}),
            json!([value, value]),
            json!({ "x": value }),
        ];
        if let Some(n) = value.as_i64() {
            others.extend([json!(n - 1), json!(n + 1)]);
        }
        if let Some(list) = value.as_array().filter(|list| !list.is_empty()) {
            others.push(list[..list.len() - 1].into());
            others.push(list.iter().rev().cloned().collect());
            others.push(list.iter().chain([&json!(digest("another"))]).cloned().collect());
            others.push(list.iter().chain([&json!(fresh)]).cloned().collect());
        }
        // Every code of the list from which the value is, and one of each other list.
        for (_, codes) in Table::v1().codes() {
            let is_own = value.as_str().is_some_and(|code| codes.contains(code));
            let most = if is_own {
                codes.len()
            } else {
                usize::from(value.is_string())
            };
            others.extend(codes.iter().take(most).map(|code| json!(code)));
        }
        drafts.extend(others.into_iter().map(|other| usual.clone().with(field, other)));
    }
    for (field, value) in [
        ("approvals", json!([digest("a"), digest("b"), digest("c")])),
        ("datasets", json!([Cast::dataset("wessex", 1)])),
        ("datasets", json!([Cast::dataset("mercia", 0)])),
        ("egress", json!("standing")),
        ("id", json!("main")),
        (
            "kid",
            json!(
                world
                    .key(&Cast::tre("wessex", TreRole::Root))
                    .public()
                    .thumbprint()
                    .to_base64url()
            ),
        ),
        (
            "kid",
            json!(
                world
                    .key(&world.cast.auditor)
                    .public()
                    .thumbprint()
                    .to_base64url()
            ),
        ),
        ("rests_on", json!([digest("a"), digest("b")])),
        ("rests_on", json!([])),
        ("project", json!(world.cast.other_project)),
        ("reviews", json!(0)),
        ("reviews", json!(3)),
        ("sign_off", json!("standing")),
        ("suspect_from", json!(3)),
        ("tag", json!(digest("ann"))),
        ("tag", json!(digest("signatory"))),
        ("tags", json!([])),
        ("tags", json!([digest("ann")])),
        ("tags", json!([digest("cat")])),
        ("tags", json!([digest("signatory"), digest("bob")])),
        ("tags", json!([digest("ann"), digest("bob"), digest("cat")])),
    ] {
        if Table::v1()
            .rule(kind)
            .is_some_and(|rule| rule.clear.contains_key(field))
        {
            drafts.push(usual.clone().with(field, value));
        }
    }
    drafts.extend(
        crate::authorisation::actors(world)
            .iter()
            .map(|(_, actor)| usual.clone().by(actor)),
    );
    drafts
}

/// Variants of the claims around an event's own fields.
fn claims(world: &mut World, draft: &Draft) -> Vec<Claims> {
    let (usual, _) = world.claims(draft);
    let mut all = Vec::new();
    let mut change = |change: &dyn Fn(&mut Claims)| {
        let mut claims = usual.clone();
        change(&mut claims);
        all.push(claims);
    };
    change(&|claims| "other.example".clone_into(&mut claims.aud));
    change(&|claims| claims.seq += 1);
    change(&|claims| claims.prev = claims.prev.map(|_| Hash::of(b"another")));
    change(&|claims| claims.version = 2);
    change(&|claims| claims.seen = None);
    change(&|claims| {
        claims.seen = Some(Seen {
            root: Hash::of(b""),
            size: 1,
        });
    });
    change(&|claims| "job-teleported".clone_into(&mut claims.kind));
    change(&|claims| claims.sub = Stream::Job(id("another")));
    change(&|claims| {
        claims.data.remove("_sd");
    });
    change(&|claims| claims.iat += 400 * 86_400);
    change(&|claims| claims.iat += 2_000 * 86_400);
    change(&|claims| claims.iat = 0);
    all
}

/// What the first judge says about an event, as the second would print it; refusals without their reason.
fn first_judge(world: &World, event: &Event) -> Value {
    match judge(world.table(), ORIGIN, world, event) {
        Ok(verdict) => json!({ "states": named(verdict.states.iter()) }),
        Err(_) => json!("refused"),
    }
}

#[test]
fn both_judges_agree_about_changed_events() {
    let (mut logs, mut expected) = (Vec::new(), Vec::new());
    for (kind, _) in Table::v1().events() {
        let mut world = World::ready_for(kind);
        let mut events: Vec<Event> = Vec::new();
        for draft in variants(&world, kind) {
            // What is too long to be an event at all concerns no judge.
            let (claims, _) = world.claims(&draft);
            events.extend(Event::sign(&claims, &world.key(&draft.actor)));
        }
        let usual = world.usual(kind);
        for claims in claims(&mut world, &usual) {
            events.extend(Event::sign(&claims, &world.key(&usual.actor)));
        }
        let mut lines = texts(&world);
        lines.extend(events.iter().map(|event| format!("? {}", event.as_str())));
        logs.push(lines);
        expected.extend(
            events
                .iter()
                .map(|event| (kind, event.clone(), first_judge(&world, event))),
        );
        expected.push((
            kind,
            events[0].clone(),
            json!({ "states": named(world.states().iter()) }),
        ));
    }
    for (mut world, drafts) in hindered::all() {
        let mut lines = texts(&world);
        for draft in drafts {
            let event = world.sign(&draft);
            lines.push(format!("? {}", event.as_str()));
            expected.push(("hindered", event.clone(), first_judge(&world, &event)));
        }
        logs.push(lines);
        let last = world.entries().last().unwrap().clone();
        expected.push((
            "hindered",
            last,
            json!({ "states": named(world.states().iter()) }),
        ));
    }
    let answers = second_judge(&logs, "changed");
    assert_eq!(answers.len(), expected.len());
    let mut accepted = 0;
    for (answer, (kind, event, first)) in answers.into_iter().zip(&expected) {
        let second = if answer.get("refused").is_some() {
            json!("refused")
        } else {
            answer.clone()
        };
        accepted += usize::from(second != json!("refused"));
        assert_eq!(&second, first, "{kind}: {} {answer}", json!(event.claims().data));
    }
    assert!(
        accepted > 500 && expected.len() > 5_000,
        "{accepted} of {} accepted",
        expected.len()
    );
}

#[test]
fn both_judges_stop_at_the_same_entry() {
    let mut world = World::founded();
    let before = world.entries().len();
    world.run_job("wessex", Ending::Withheld);
    for at in before..world.entries().len() {
        // The same log, in which one entry is signed by somebody else's key.
        let mut lines = texts(&world);
        let claims = world.entries()[at].claims();
        let key = world.key(&Cast::tre("mercia", TreRole::Relay));
        lines[at] = Event::sign(claims, &key).unwrap().as_str().to_owned();
        let answers = second_judge(&[lines], "stop");
        assert_eq!(answers[0]["index"], json!(at), "{answers:?}");
    }
}
