//! Every event in every state: what follows and what does not.

use std::collections::BTreeSet;

use daybook_core::Hash;
use daybook_core::id::{Actor, Stream};
use daybook_rules::{Facts, State, judge, reads};
use daybook_rules::{Refusal, Table};
use daybook_world::World;

#[test]
fn each_event_of_a_job_follows_in_its_states_and_in_no_other() {
    for state in Table::v1().states("job") {
        let world = World::with_job(state);
        assert_eq!(world.job_state(world.job.unwrap())["state"], state.as_str());
        for (kind, rule) in Table::v1().events().filter(|(_, rule)| rule.stream == "job") {
            let mut world = world.clone();
            // What is deleted was there before.
            let has_results = world.job_state(world.job.unwrap()).contains_key("results");
            if kind == "results-expired" && rule.from.contains(state) && !has_results {
                world.steps(&["packet-offered"]);
            }
            let draft = world.usual(kind);
            let event = world.sign(&draft);
            let outcome = world.judge(&event).map(drop);
            if rule.from.contains(state) {
                assert_eq!(outcome, Ok(()), "{kind} in {state}");
            } else {
                assert!(
                    matches!(outcome, Err(Refusal::WrongState { .. })),
                    "{kind} in {state}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn each_other_event_follows_where_it_should_and_not_before_the_beginning_or_after_the_end() {
    for (kind, rule) in Table::v1().events().filter(|(_, rule)| rule.stream != "job") {
        let mut world = World::ready_for(kind);
        let draft = world.usual(kind);
        let was = world.state_of(&draft.stream.to_string());
        let event = world.sign(&draft);
        let verdict = world
            .append(&event)
            .unwrap_or_else(|refusal| panic!("{kind}: {refusal}"));
        let state = verdict.states[&draft.stream]["state"].as_str().unwrap();
        assert!(
            Table::v1()
                .states(&rule.stream)
                .iter()
                .any(|known| known == state),
            "{kind} → {state}"
        );
        let was = was
            .get("state")
            .and_then(|state| state.as_str())
            .unwrap_or("-")
            .to_owned();
        assert!(rule.from.contains(&was), "{kind} from {was}");
        // The same again is judged by the state that it made.
        let again = world.usual(kind).on(&draft.stream);
        let again = world.sign(&again);
        let outcome = world.judge(&again);
        if !rule.from.iter().any(|from| from == state)
            && kind != "log-opened"
            && kind != "tre-joined"
            && kind != "log-closed"
        {
            assert!(
                matches!(outcome, Err(Refusal::WrongState { .. })),
                "{kind} again: {outcome:?}"
            );
        }
    }
}

#[test]
fn a_closed_log_takes_erasures_and_the_clerks_word_and_nothing_more() {
    let mut world = World::founded();
    world.steps(&["log-closed"]);
    let mut goes_on = Vec::new();
    for (kind, _) in Table::v1().events().filter(|(kind, _)| *kind != "log-opened") {
        let draft = world.usual(kind);
        let event = world.sign(&draft);
        if world.judge(&event).is_ok() {
            goes_on.push(kind);
        }
    }
    let expected = [
        "checkpoint-anchored",
        "fields-erased",
        "heads-committed",
        "time-marked",
    ];
    assert_eq!(goes_on, expected);
    let draft = world.usual("tre-invited");
    let event = world.sign(&draft);
    assert_eq!(world.judge(&event), Err(Refusal::Closed));
    world.steps(&expected);
}

#[test]
fn nothing_but_a_table_follows_the_opening() {
    let mut world = World::new();
    world.steps(&["log-opened"]);
    for kind in ["tre-invited", "time-marked", "role-granted"] {
        let draft = world.usual(kind);
        let event = world.sign(&draft);
        assert_eq!(world.judge(&event).unwrap_err().code(), "no-table", "{kind}");
    }
    world.steps(&["policy-adopted"]);
    let policy = &world.state_of("federation")["policy"];
    assert_eq!(policy["hash"], Table::v1().hash().to_base64url());
    assert_eq!(policy["leaf"], world.entries()[1].leaf().to_base64url());
    assert_eq!(policy["seq"], 2);
}

#[test]
fn a_table_takes_effect_at_its_own_entry_and_another_judges_nothing() {
    let mut world = World::founded();
    let mut document = Table::v1().to_value();
    document["limits"]["attempts"] = 1.into();
    let adopted = world.usual("policy-adopted").with("table", document);
    let before = world.clone();
    world.say(&adopted);
    assert_eq!(world.table().limit("attempts"), Some(1));
    let draft = world.usual("time-marked");
    let event = world.sign(&draft);
    let outcome = daybook_rules::judge(before.table(), daybook_world::ORIGIN, &world, &event);
    assert_eq!(outcome.unwrap_err().code(), "other-table");
    world.submit(&["wessex"]);
    world.steps(&[
        "job-collected",
        "job-checked",
        "workflow-retrieved",
        "job-signed-off",
        "job-admitted",
        "run-started",
        "run-failed",
    ]);
    let again = world.usual("run-started");
    let event = world.sign(&again);
    assert_eq!(world.judge(&event).unwrap_err().code(), "over-limit");
}

#[test]
fn a_held_job_goes_on_where_it_was() {
    for state in Table::v1()
        .states("job")
        .iter()
        .filter(|state| !Table::v1().is_end("job", state))
    {
        let mut world = World::with_job(state);
        if state == "on-hold" {
            continue;
        }
        let before = world.job_state(world.job.unwrap());
        world.steps(&["job-held", "job-resumed"]);
        assert_eq!(world.job_state(world.job.unwrap()), before, "{state}");
    }
}

/// Facts of a world that fail the test when they are asked about another stream than those of `reads`.
struct Watched<'a>(&'a World, BTreeSet<Stream>);

impl Watched<'_> {
    fn allow(&self, stream: &Stream) {
        assert!(
            self.1.contains(stream),
            "{stream} is not among the streams that `reads` names"
        );
    }
}

impl Facts for Watched<'_> {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.allow(stream);
        self.0.head(stream)
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        self.allow(stream);
        self.0.state(stream)
    }

    fn key_was_registered(&self, kid: &Hash) -> bool {
        self.0.key_was_registered(kid)
    }

    fn seen(&self, actor: &Actor) -> u64 {
        self.0.seen(actor)
    }
}

#[test]
fn the_judge_looks_at_no_stream_that_reads_does_not_name() {
    for (kind, _) in Table::v1().events() {
        let mut world = World::ready_for(kind);
        let draft = world.usual(kind);
        let event = world.sign(&draft);
        let watched = Watched(&world, reads(world.table(), &event));
        let verdict = judge(world.table(), daybook_world::ORIGIN, &watched, &event).unwrap();
        assert!(
            verdict.states.keys().all(|stream| watched.1.contains(stream)),
            "{kind}"
        );
    }
}
