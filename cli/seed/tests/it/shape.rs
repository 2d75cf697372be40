//! That the rules allow all of it, and that it looks like a country's.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::event::Seen;
use daybook_core::id::{Actor, Stream};
use daybook_rules::deid::screen_openings;
use daybook_rules::{Table, check_openings};
use daybook_seed::{Ends, Ground, Plan, SPAN, Said, Seed};
use daybook_world::{ORIGIN, World, figures, stops};

const UNTIL: i64 = 1_795_000_000;

/// A log that is founded as `daybook init` does, at the beginning of a plan.
fn founded(plan: &Plan) -> World {
    let mut world = World::new();
    world.now = plan.begins();
    world.steps(&["log-opened", "policy-adopted"]);
    let draft = world.grant("editor");
    world.say(&draft);
    world
}

fn ground(world: &World) -> Ground {
    let size = world.entries().len();
    let last = world.entries().last().unwrap();
    Ground {
        origin: ORIGIN.to_owned(),
        secret: [7; 32],
        operator: world.key(&Actor::Operator),
        clerk: world.key(&Actor::Clerk),
        editor: world.key(&Actor::Editor),
        federation: (last.claims().seq, *last.leaf()),
        seen: Seen {
            root: world.root(size),
            size: size as u64,
        },
    }
}

fn seed(plan: Plan) -> (World, Vec<Said>) {
    let mut world = founded(&plan);
    let said: Vec<Said> = Seed::new(plan, ground(&world))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for one in &said {
        let claims = one.event.claims();
        let verdict = world.append(&one.event);
        assert!(verdict.is_ok(), "{} in {}: {verdict:?}", claims.kind, claims.sub);
        check_openings(world.table(), &one.event, &one.openings).unwrap();
    }
    (world, said)
}

/// How many events there are of each type.
fn kinds(said: &[Said]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for one in said {
        *kinds.entry(one.event.claims().kind.as_str()).or_default() += 1;
    }
    kinds
}

#[test]
fn a_hundred_jobs_are_allowed_and_stand_in_every_state() {
    let (world, said) = seed(Plan::of(100, UNTIL));
    let jobs = world
        .states()
        .iter()
        .filter(|(stream, _)| matches!(stream, Stream::Job(_)));
    let states: Vec<&str> = jobs.map(|(_, state)| state["state"].as_str().unwrap()).collect();
    assert_eq!(states.len(), 100);
    let found: BTreeSet<&str> = states.iter().copied().collect();
    let of_table: BTreeSet<&str> = Table::v1().states("job").iter().map(String::as_str).collect();
    assert_eq!(found, of_table);
    let kinds = kinds(&said);
    for kind in [
        "register-held",
        "register-deferred",
        "project-amended",
        "output-linked",
        "project-closed",
        "release-recalled",
        "decision-overturned",
        "job-resumed",
        "tre-reported",
        "time-marked",
    ] {
        assert!(kinds.contains_key(kind), "{kind}: {kinds:?}");
    }
}

#[test]
fn whenever_it_ends_it_is_allowed_and_whole() {
    let ends: i64 = std::env::var("DAYBOOK_SEED_ENDS").map_or(6, |ends| ends.parse().unwrap());
    for n in 0..ends {
        let plan = Plan::of(160, UNTIL + n * 37_123);
        let (world, _) = seed(plan);
        let jobs = world
            .states()
            .iter()
            .filter(|(stream, _)| matches!(stream, Stream::Job(_)));
        let states: Vec<&str> = jobs.map(|(_, state)| state["state"].as_str().unwrap()).collect();
        let found: BTreeSet<&str> = states.iter().copied().collect();
        assert_eq!((states.len(), found.len()), (160, 19), "{n}: {found:?}");
    }
}

#[test]
fn times_go_on_from_the_beginning_to_the_end() {
    let plan = Plan::of(160, UNTIL);
    let (_, said) = seed(plan);
    assert!(
        said.iter()
            .all(|one| (one.at - 660..=one.at).contains(&one.event.claims().iat))
    );
    assert!(said.is_sorted_by_key(|one| one.at));
    let (first, last) = (said.first().unwrap().at, said.last().unwrap().at);
    assert!(first - plan.begins() < 86_400 && UNTIL - last < 86_400 && last < UNTIL);
    assert!(last - first > SPAN - 3 * 86_400);
}

#[test]
fn the_same_plan_says_the_same_and_another_number_something_else() {
    let plan = Plan::of(40, UNTIL);
    let bytes = |plan| -> Vec<String> {
        let said = Seed::new(plan, ground(&founded(&plan)))
            .unwrap()
            .map(Result::unwrap);
        said.map(|one| one.event.as_str().to_owned()).collect()
    };
    assert_eq!(bytes(plan), bytes(plan));
    let other = bytes(Plan { number: 2, ..plan });
    assert_ne!(bytes(plan), other);
}

#[test]
fn nothing_is_held_but_what_is_meant_to_be() {
    let (_, said) = seed(Plan::of(400, UNTIL));
    let table = Table::v1();
    let hit: BTreeSet<&Stream> = said
        .iter()
        .filter(|one| !screen_openings(table, &one.event, &one.openings).is_empty())
        .map(|one| &one.event.claims().sub)
        .collect();
    let held = said
        .iter()
        .filter(|one| one.event.claims().kind == "register-held")
        .count();
    assert!(hit.len() >= held && held >= 3 && hit.len() <= 5, "{held} {hit:?}");
}

#[test]
fn statistics_are_those_of_a_country() {
    let (world, said) = seed(Plan::of(1_000, UNTIL));
    for tre in [
        "",
        "barsetshire",
        "lyonesse",
        "middlemarch",
        "erewhon",
        "cranford",
        "avalon",
    ] {
        let (volumes, spans) = figures(world.entries(), tre);
        let total = |what: &str| -> i64 {
            let of = volumes.iter().filter(|((_, one), _)| one == what);
            of.map(|(_, count)| count).sum()
        };
        let (submitted, refused) = (total("submitted"), total("refused"));
        assert!(submitted > 50, "{tre}: {volumes:?}");
        assert!(
            refused * 100 / submitted < 40 && total("released") * 5 > submitted * 2,
            "{tre}: {volumes:?}"
        );
        for stage in ["decide", "start", "run", "check", "whole"] {
            let of: Vec<_> = spans.iter().filter(|((_, one), _)| one == stage).collect();
            assert!(of.len() >= 2, "{tre} {stage}: {spans:?}");
        }
    }
    let families: BTreeSet<String> = stops(world.entries(), "")
        .into_keys()
        .map(|(_, family)| family)
        .collect();
    assert!(families.len() >= 6, "{families:?}");
    assert!(said.len() < 20_000, "{} entries", said.len());
}

#[test]
fn few_entries_are_few() {
    let plan = Plan {
        projects: 50,
        ends: Ends::FewEntries,
        ..Plan::of(2_000, UNTIL)
    };
    let (_, said) = seed(plan);
    let jobs = said
        .iter()
        .filter(|one| matches!(one.event.claims().sub, Stream::Job(_) | Stream::Submission(_)));
    let entries = jobs.count();
    assert!(entries < 2_000 * 7 / 2, "{entries} entries");
}
