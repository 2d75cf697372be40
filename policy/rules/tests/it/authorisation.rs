//! Who may sign what: role by event type by relation, in one checked-in page.

use std::fmt::Write as _;

use daybook_core::id::{Actor, TreRole};
use daybook_rules::Table;
use daybook_world::{Cast, World};

use crate::document::golden;

const TRE_ROLES: [TreRole; 4] = [TreRole::Root, TreRole::Relay, TreRole::Runner, TreRole::Review];

/// Everybody who could try, by relation to the usual event: its stream belongs to `wessex` or to the world's project.
pub(crate) fn actors(world: &World) -> Vec<(String, Actor)> {
    let cast = &world.cast;
    let mut actors = vec![
        ("operator".to_owned(), cast.operator.clone()),
        ("clerk".to_owned(), cast.clerk.clone()),
        ("editor".to_owned(), cast.editor.clone()),
        ("registrar".to_owned(), cast.registrar.clone()),
        ("auditor".to_owned(), cast.auditor.clone()),
    ];
    for (relation, tre) in [("this TRE", "wessex"), ("another TRE", "mercia")] {
        for role in TRE_ROLES {
            actors.push((format!("{} of {relation}", role.as_str()), Cast::tre(tre, role)));
        }
    }
    actors.push(("the submitter".to_owned(), cast.researcher()));
    actors.push((
        "another member".to_owned(),
        Cast::member_of(cast.project, cast.colleague),
    ));
    actors.push((
        "a member of another project".to_owned(),
        Cast::member_of(cast.other_project, cast.stranger),
    ));
    actors
}

#[test]
fn who_may_sign_what_is_as_checked_in() {
    let mut page =
        "# Event type: who may sign it, of everybody who has keys. Made by a test; see docs/EVENTS.md.\n"
            .to_owned();
    for (kind, rule) in Table::v1().events() {
        let mut world = World::ready_for(kind);
        if kind == "job-signed-off" {
            let standing = world
                .approval("wessex", "workflow")
                .with("sign_off", "standing".into());
            world.say(&standing);
        }
        // Every actor tries in the same log; in it, whoever has no key yet cannot sign anything.
        let usual = world.usual(kind);
        let allowed: Vec<String> = actors(&world)
            .into_iter()
            .filter(|(_, actor)| {
                let mut draft = usual.clone().by(actor);
                if draft.data.contains_key("tag") || draft.data.contains_key("how") {
                    draft = as_the_role_says(draft);
                }
                let event = world.sign(&draft);
                world.judge(&event).is_ok()
            })
            .map(|(relation, _)| relation)
            .collect();
        assert!(
            !allowed.is_empty(),
            "{kind} by {:?} is allowed to nobody",
            rule.by
        );
        writeln!(page, "{kind}: {}", allowed.join(", ")).unwrap();
    }
    golden("policy/rules/tests/golden/authorisation.txt", &page);
}

/// Only the review service signs as a person.
fn as_the_role_says(draft: daybook_world::Draft) -> daybook_world::Draft {
    if draft.actor.role() == "review" {
        draft
            .with("how", "person".into())
            .with("tag", daybook_world::digest("dan").into())
    } else {
        let how = if draft.kind == "job-signed-off" {
            "standing"
        } else {
            "automatic"
        };
        draft.with("how", how.into()).without("tag")
    }
}
