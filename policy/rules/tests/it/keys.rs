//! Keys of the hub's roles and of roots: added beside others, ended one by one, never the last.

use daybook_core::id::{Actor, TreRole};
use daybook_world::{Cast, Draft, World, digest};
use serde_json::{Value, json};

fn code(world: &mut World, draft: &Draft) -> &'static str {
    let event = world.sign(draft);
    world
        .judge(&event)
        .map_or_else(|refusal| refusal.code(), |_| "allowed")
}

fn kid(world: &World, actor: &Actor) -> String {
    world.key(actor).public().thumbprint().to_base64url()
}

/// `role-granted` or `role-ended`, as the operator says it.
fn role(kind: &str, data: Value) -> Draft {
    Draft::new(&Actor::Operator, &Actor::Operator.home(), kind, data)
}

/// `role-granted` with the actor's next key.
fn next_key(world: &World, actor: &Actor) -> Draft {
    let mut later = world.clone();
    later.renew_key(actor);
    role(
        "role-granted",
        json!({ "keys": later.keys_of(actor), "role": actor.role() }),
    )
}

#[test]
fn the_clerks_and_the_operators_keys_are_replaced_with_overlap() {
    for actor in [Actor::Clerk, Actor::Operator] {
        let mut world = World::founded();
        let old = kid(&world, &actor);
        let granted = next_key(&world, &actor);
        world.say(&granted);
        // Both sign now.
        world.steps(&["time-marked", "tre-invited"]);
        let mut renewed = world.clone();
        renewed.renew_key(&actor);
        let invited = renewed.usual("tre-invited").with("tre", "devon".into());
        renewed.say(&invited);
        renewed.steps(&["time-marked"]);
        let ended = json!({ "kid": old, "reason": "superseded", "role": actor.role() });
        renewed.say(&role("role-ended", ended));
        renewed.steps(&["time-marked", "tre-suspended"]);
        // The old one signs no more.
        let mut back = World::founded();
        back.say(&granted);
        let kind = if actor == Actor::Clerk {
            "time-marked"
        } else {
            "tre-suspended"
        };
        let draft = back.usual(kind);
        let late = back.sign(&draft);
        assert!(back.judge(&late).is_ok());
        let ended = json!({ "kid": old, "reason": "superseded", "role": actor.role() });
        if actor == Actor::Clerk {
            back.say(&role("role-ended", ended));
            assert_eq!(code(&mut back, &draft), "not-your-key");
        } else {
            let ended = back.sign(&role("role-ended", ended));
            back.append(&ended).unwrap();
            assert_eq!(code(&mut back, &draft), "not-your-key");
        }
    }
}

#[test]
fn the_last_key_of_operator_and_root_never_ends() {
    let mut world = World::founded();
    let operator = kid(&world, &Actor::Operator);
    let all = role("role-ended", json!({ "role": "operator" }));
    let one = role("role-ended", json!({ "kid": operator, "role": "operator" }));
    for draft in [&all, &one] {
        assert_eq!(code(&mut world, draft), "last-key");
    }
    let granted = next_key(&world, &Actor::Operator);
    world.say(&granted);
    assert_eq!(code(&mut world, &all), "last-key");
    assert_eq!(code(&mut world, &one), "allowed");

    let root = Cast::tre("wessex", TreRole::Root);
    let revoked = Draft::new(
        &root,
        &root.home(),
        "key-revoked",
        json!({ "kid": kid(&world, &root), "reason": "lost" }),
    );
    assert_eq!(code(&mut world, &revoked), "last-key");
    let mut later = world.clone();
    later.renew_key(&root);
    let added = json!({ "keys": later.keys_of(&root), "role": "root" });
    world.say(&Draft::new(&root, &root.home(), "key-added", added));
    assert_eq!(code(&mut world, &revoked), "allowed");
    world.renew_key(&root);
    world.say(&revoked);
    // The clerk can be without a key for a while.
    let clerk = role("role-ended", json!({ "role": "clerk" }));
    assert_eq!(code(&mut world, &clerk), "allowed");
}

#[test]
fn a_role_ends_only_what_is_its_holders() {
    let mut world = World::founded();
    let clerk = kid(&world, &Actor::Clerk);
    for (data, expected) in [
        (json!({ "kid": clerk, "role": "editor" }), "key-unknown"),
        (
            json!({ "id": "main", "kid": clerk, "role": "registrar" }),
            "key-unknown",
        ),
        (
            json!({ "kid": digest("nobody's"), "role": "clerk" }),
            "key-unknown",
        ),
        (json!({ "kid": "short", "role": "clerk" }), "bad-field"),
        (json!({ "id": "main", "role": "clerk" }), "role-name"),
        (json!({ "role": "relay" }), "bad-field"),
        (json!({ "kid": clerk, "role": "clerk" }), "allowed"),
    ] {
        let draft = role("role-ended", data.clone());
        assert_eq!(code(&mut world, &draft), expected, "{data}");
    }
    // Nobody but the operator, and nobody else's key under that name.
    let registrar = world.cast.registrar.clone();
    let draft = next_key(&world, &Actor::Clerk).by(&registrar);
    assert_eq!(code(&mut world, &draft), "not-your-stream");
    let stolen = json!({ "keys": world.keys_of(&Actor::Editor), "role": "clerk" });
    assert_eq!(code(&mut world, &role("role-granted", stolen)), "bad-possession");
}

#[test]
fn keys_that_end_under_suspicion_are_in_doubt_until_their_keeper_says() {
    for (ends, settles, home) in [
        ("role-ended", "role-doubts-settled", "federation".to_owned()),
        ("key-revoked", "key-doubts-settled", "tre/wessex".to_owned()),
        (
            "member-removed",
            "member-doubts-settled",
            format!("project/{}", World::founded().cast.project),
        ),
    ] {
        let mut world = World::founded();
        let settled = world.usual(settles);
        let kid = settled.data["kid"].as_str().unwrap().to_owned();
        assert_eq!(code(&mut world, &settled), "not-known", "{settles}");
        let ended = world.usual(ends);
        let mut unsuspected = world.clone();
        unsuspected.say(&ended.clone().without("suspect_from"));
        assert!(!unsuspected.state_of(&home).contains_key("doubts"));
        assert_eq!(code(&mut unsuspected, &settled), "not-known", "{settles}");
        world.say(&ended.with("suspect_from", 17.into()));
        assert_eq!(world.state_of(&home)["doubts"], json!({ kid: 17 }));
        // Once and again: the last word counts.
        world.steps(&[settles, settles]);
    }
}
