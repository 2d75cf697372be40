//! Worlds in which something stands against an event that nothing is wrong with by itself.

use daybook_core::id::{Actor, Stream, TreRole};
use daybook_rules::Table;
use daybook_world::{Cast, Draft, World, digest, id};
use serde_json::{Value, json};

/// All of them, each with events to be tried.
pub(crate) fn all() -> Vec<(World, Vec<Draft>)> {
    [first(), withdrawn_or_closed(), reviewed(), ended()].concat()
}

/// A world with a job in that state, in which the usual events of these types were said.
fn after(state: &str, kinds: &[&str], tried: &dyn Fn(&World) -> Vec<Draft>) -> (World, Vec<Draft>) {
    let mut world = World::with_job(state);
    for kind in kinds {
        let mut draft = world.usual(kind);
        if *kind == "tre-suspended" {
            draft = draft.with("tre", "wessex".into());
        }
        world.say(&draft);
    }
    let drafts = tried(&world);
    (world, drafts)
}

fn first() -> Vec<(World, Vec<Draft>)> {
    let usual = |kind: &'static str| move |world: &World| vec![world.usual(kind)];
    let review = Cast::tre("wessex", TreRole::Review);
    let relay = Cast::tre("wessex", TreRole::Relay);
    vec![
        after("checked", &["tre-suspended"], &usual("job-signed-off")),
        after("signed-off", &["tre-suspended"], &usual("job-admitted")),
        after("staged", &["tre-suspended"], &usual("job-released")),
        after("admitted", &["register-withdrawn"], &usual("run-started")),
        after("cleared", &["outputs-moved"], &usual("job-released")),
        after("released", &["results-expired"], &usual("results-expired")),
        after(
            "failed",
            &["run-started", "run-failed", "run-started", "run-failed"],
            &usual("run-started"),
        ),
        after("submitted", &["tre-suspended"], &|world| {
            vec![world.submission(id("s"), &["mercia", "wessex"])]
        }),
        after("running", &[], &|world| {
            vec![world.usual("job-cancelled").with("began", false.into())]
        }),
        after("checked", &[], &|world| {
            vec![
                world
                    .usual("job-signed-off")
                    .by(&relay)
                    .with("how", "standing".into())
                    .without("tag"),
            ]
        }),
        after("staged", &[], &|world| {
            let person = world
                .usual("outputs-rechecked")
                .by(&review)
                .with("how", "person".into());
            ["ann", "signatory", "cat"]
                .map(|tag| person.clone().with("tag", digest(tag).into()))
                .to_vec()
        }),
        after(
            "submitted",
            &["checkpoint-anchored", "heads-committed"],
            &|world| {
                let smaller = |kind| world.usual(kind).with("size", 1.into());
                vec![smaller("checkpoint-anchored"), smaller("heads-committed")]
            },
        ),
        after("submitted", &[], &|world| {
            let part = |dataset, job| json!({ "mercia": { "datasets": [dataset], "job": job } });
            let draft = world.submission(id("s"), &["mercia"]);
            vec![
                draft
                    .clone()
                    .with("jobs", part(Cast::dataset("mercia", 0), world.job.unwrap())),
                draft.with("jobs", part(Cast::dataset("wessex", 0), id("fresh"))),
            ]
        }),
        {
            let mut world = World::with_job("staged");
            world.steps(&["project-closed"]);
            world.advance_days(1_100);
            let until = world.state_of(&format!("project/{}", world.cast.project))["until"].clone();
            let amended = world.usual("project-amended");
            let mut drafts = vec![world.approval("wessex", "project"), world.usual("job-released")];
            for until in [until, world.now.into(), (world.now + 4_000 * 86_400).into()] {
                for material in [true, false] {
                    let draft = amended.clone().with("until", until.clone());
                    drafts.push(draft.with("material", material.into()));
                }
            }
            (world, drafts)
        },
        {
            let mut world = World::founded();
            world.steps(&["time-marked"]);
            world.now -= 3_600;
            let draft = world.usual("time-marked");
            (world, vec![draft])
        },
    ]
}

fn withdrawn_or_closed() -> Vec<(World, Vec<Draft>)> {
    let usual = |kind: &'static str| move |world: &World| vec![world.usual(kind)];
    vec![
        after("checked", &["workflow-withdrawn"], &|world| {
            vec![
                world.usual("job-signed-off"),
                world.approval("wessex", "workflow"),
            ]
        }),
        after("staged", &["workflow-withdrawn"], &usual("job-released")),
        after("withheld", &["packet-offered"], &|world| {
            ["packet-offered", "results-expired", "decision-overturned"]
                .map(|kind| world.usual(kind))
                .to_vec()
        }),
        after("withheld", &[], &usual("results-expired")),
        after("submitted", &["log-closed"], &|world| {
            let kinds = Table::v1().events().map(|(kind, _)| kind);
            let kinds = kinds.filter(|kind| *kind != "log-opened");
            kinds.map(|kind| world.usual(kind)).collect()
        }),
    ]
}

fn reviewed() -> Vec<(World, Vec<Draft>)> {
    vec![
        {
            let mut world = World::with_job("assessed");
            let tags = |tags: &[&str]| tags.iter().map(|tag| json!(digest(tag))).collect::<Value>();
            let withheld = world.usual("disclosure-refused").with("tags", tags(&["ann"]));
            world.say(&withheld);
            let draft = world.usual("decision-overturned");
            let drafts = [&["ann"][..], &["bob"], &["ann", "bob"]];
            (
                world,
                drafts.map(|of| draft.clone().with("tags", tags(of))).to_vec(),
            )
        },
        {
            let mut world = World::with_job("ran");
            let standing = world.approval("wessex", "workflow");
            world.say(&standing.with("egress", "standing".into()));
            let unseen = world.usual("outputs-assessed").with("reviews", 0.into());
            world.say(&unseen);
            let refused = world.usual("disclosure-refused").with("tags", json!([]));
            (world, vec![refused])
        },
        {
            let mut world = World::founded();
            world.submit(&["wessex"]);
            world.steps(&["job-collected", "job-checked", "job-signed-off"]);
            let draft = world.usual("job-admitted");
            (world, vec![draft])
        },
    ]
}

fn ended() -> Vec<(World, Vec<Draft>)> {
    vec![
        dated_back("checked", "job-signed-off", 366),
        dated_back("staged", "job-released", 366),
        dated_back("staged", "job-released", 364),
        dated_back("running", "run-completed", 2_000),
        dated_back("submitted", "job-submitted", 1_001),
        embargoed(&[], 0),
        embargoed(&["register-held"], 0),
        embargoed(&["register-held"], 31),
        embargoed(&["register-withdrawn"], 0),
        embargoed(&[], 30),
        renewed(),
        {
            let (mut world, drafts) = dated_back("staged", "job-released", 366);
            world.steps(&["time-corrected"]);
            let mut drafts = drafts;
            drafts.push(world.usual("time-marked"));
            (world, drafts)
        },
    ]
}

/// The log's clock stands so many days ahead of the author's.
fn dated_back(state: &str, kind: &str, days: i64) -> (World, Vec<Draft>) {
    let mut world = World::with_job(state);
    world.mark_ahead(days);
    let draft = world.usual(kind);
    (world, vec![draft])
}

/// A project that never was on the register, under an embargo, so many days later.
fn embargoed(kinds: &[&str], days: i64) -> (World, Vec<Draft>) {
    let mut world = World::under_embargo();
    let register = Stream::Register(world.cast.project);
    world.steps(kinds);
    world.advance_days(days);
    let drafts = vec![
        world.usual("job-admitted"),
        world.usual("register-published"),
        world.usual("register-deferred").on(&register),
    ];
    (world, drafts)
}

/// Second keys of clerk, operator and root, and ways to end the first.
fn renewed() -> (World, Vec<Draft>) {
    let mut world = World::founded();
    let root = Cast::tre("wessex", TreRole::Root);
    let mut drafts = Vec::new();
    for actor in [Actor::Clerk, Actor::Operator, root] {
        let mut later = world.clone();
        later.renew_key(&actor);
        let (keys, kid) = (later.keys_of(&actor), world.key(&actor).public().thumbprint());
        let (home, role) = (actor.home(), actor.role());
        let (author, added, ended) = match &actor {
            Actor::Tre(..) => (actor.clone(), "key-added", "key-revoked"),
            _ => (Actor::Operator, "role-granted", "role-ended"),
        };
        let added = Draft::new(&author, &home, added, json!({ "keys": keys, "role": role }));
        if actor != Actor::Clerk {
            world.say(&added);
        }
        drafts.push(added);
        for reason in ["lost", "compromised"] {
            let data = json!({ "kid": kid.to_base64url(), "reason": reason, "suspect_from": 5 });
            let draft = Draft::new(&author, &home, ended, data);
            drafts.push(draft.clone());
            drafts.push(draft.clone().with("role", role.into()));
            drafts.push(draft.with("role", role.into()).without("kid"));
        }
    }
    (world, drafts)
}
