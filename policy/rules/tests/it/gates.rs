//! What must hold at sign-off, admission, run start and release, and who must have looked.

use daybook_core::id::{Stream, TreRole};
use daybook_rules::words;
use daybook_world::{Cast, Draft, World, digest, id};
use rstest::rstest;
use serde_json::{Value, json};

const GATES: [(&str, &str); 4] = [
    ("checked", "job-signed-off"),
    ("signed-off", "job-admitted"),
    ("admitted", "run-started"),
    ("staged", "job-released"),
];

/// The code with which the draft is refused, or `allowed`.
fn code(world: &mut World, draft: &Draft) -> &'static str {
    let event = world.sign(draft);
    world
        .judge(&event)
        .map_or_else(|refusal| refusal.code(), |_| "allowed")
}

fn withdraw(world: &mut World, subject: &str) {
    let approval = world.approval("wessex", subject);
    let end = Draft::new(
        &approval.actor,
        &approval.stream,
        "approval-withdrawn",
        json!({ "reason": "controller" }),
    );
    world.say(&end);
}

#[test]
fn approvals_are_asked_again_at_each_gate() {
    for (state, kind) in GATES {
        for subject in ["project", "workflow", "member"] {
            let mut world = World::with_job(state);
            withdraw(&mut world, subject);
            let draft = world.usual(kind);
            assert_eq!(
                code(&mut world, &draft),
                "approval-lapsed",
                "{kind} without {subject}"
            );
            // The job pauses; a new approval lets it go on.
            world.steps(&["job-held"]);
            let again = world.approval("wessex", subject);
            world.say(&again);
            world.steps(&["job-resumed"]);
            let draft = world.usual(kind);
            assert_eq!(
                code(&mut world, &draft),
                "allowed",
                "{kind} after {subject} again"
            );
        }
        let mut world = World::with_job(state);
        world.advance_days(366);
        let draft = world.usual(kind);
        assert_eq!(
            code(&mut world, &draft),
            "approval-lapsed",
            "{kind} after its end"
        );
    }
}

#[test]
fn a_material_change_lets_approvals_lapse_and_another_does_not() {
    for (state, kind) in GATES {
        let mut world = World::with_job(state);
        let until = world.state_of(&format!("project/{}", world.cast.project))["until"].clone();
        let same = world
            .usual("project-amended")
            .with("material", false.into())
            .with("until", until);
        world.say(&same);
        let draft = world.usual(kind);
        assert_eq!(code(&mut world, &draft), "allowed", "{kind}");
        world.steps(&["project-amended"]);
        assert_eq!(code(&mut world, &draft), "approval-lapsed", "{kind}");
    }
    let mut world = World::founded();
    let later = world.usual("project-amended").with("material", false.into());
    assert_eq!(code(&mut world, &later), "material-end");
}

#[rstest]
#[case("dataset-withdrawn", "other-state")]
#[case("workflow-withdrawn", "allowed")]
fn what_is_withdrawn_runs_no_more_and_only_data_hold_back_what_ran(
    #[case] withdrawn: &str,
    #[case] release: &str,
) {
    for (state, kind) in GATES {
        let mut world = World::with_job(state);
        world.steps(&[withdrawn]);
        let draft = world.usual(kind);
        let expected = if kind == "job-released" {
            release
        } else {
            "other-state"
        };
        assert_eq!(code(&mut world, &draft), expected, "{kind}");
    }
    // Results that waited longer than the approval stood can still be let out, if the TRE approves.
    let mut world = World::with_job("staged");
    world.steps(&["workflow-withdrawn"]);
    withdraw(&mut world, "workflow");
    let draft = world.usual("job-released");
    assert_eq!(code(&mut world, &draft), "approval-lapsed");
    let again = world.approval("wessex", "workflow");
    world.say(&again);
    assert_eq!(code(&mut world, &draft), "allowed");
}

#[test]
fn nothing_is_admitted_without_its_workflow() {
    let mut world = World::founded();
    world.submit(&["wessex"]);
    world.steps(&["job-collected", "job-checked", "job-signed-off"]);
    let draft = world.usual("job-admitted");
    assert_eq!(code(&mut world, &draft), "not-yet");
}

#[test]
fn a_suspended_tre_may_stop_but_not_go_on() {
    for (state, kind) in [("submitted", "job-collected")].iter().chain(&GATES) {
        let mut world = World::with_job(state);
        let suspended = world.usual("tre-suspended").with("tre", "wessex".into());
        world.say(&suspended);
        let draft = world.usual(kind);
        assert_eq!(code(&mut world, &draft), "tre-suspended", "{kind}");
        for stop in ["job-held", "job-cancelled"] {
            let draft = world.usual(stop);
            assert_eq!(code(&mut world, &draft), "allowed", "{stop} in {state}");
        }
    }
    let mut world = World::founded();
    world.steps(&["tre-suspended"]);
    let draft = world.submission(id("s"), &["mercia", "wessex"]);
    assert_eq!(code(&mut world, &draft), "tre-suspended");
}

#[test]
fn no_register_entry_and_no_embargo_no_run() {
    for (state, kind) in [("signed-off", "job-admitted"), ("admitted", "run-started")] {
        let mut world = World::with_job(state);
        world.steps(&["register-withdrawn"]);
        let draft = world.usual(kind);
        assert_eq!(code(&mut world, &draft), "not-registered", "{kind}");
    }
}

#[test]
fn a_project_at_its_end_runs_nothing_more_and_may_still_collect() {
    for (state, kind) in &GATES[..3] {
        let mut world = World::with_job(state);
        world.steps(&["project-closed"]);
        let draft = world.usual(kind);
        assert_eq!(code(&mut world, &draft), "other-state", "{kind}");
    }
    for (state, kind) in [("staged", "job-released"), ("released", "results-received")] {
        let mut world = World::with_job(state);
        world.steps(&["project-closed"]);
        let draft = world.usual(kind);
        assert_eq!(code(&mut world, &draft), "allowed", "{kind}");
    }
}

#[test]
fn only_what_was_cleared_moves_and_leaves() {
    for (state, kind) in [
        ("cleared", "outputs-moved"),
        ("staged", "outputs-rechecked"),
        ("staged", "job-released"),
    ] {
        let mut world = World::with_job(state);
        let draft = world.usual(kind).with("outputs", digest("something else").into());
        assert_eq!(code(&mut world, &draft), "not-equal", "{kind}");
    }
    for (extent, outputs, expected) in [
        ("all", digest("a part"), "extent-mismatch"),
        ("part", digest("outputs 1"), "extent-mismatch"),
        ("part", digest("a part"), "allowed"),
    ] {
        let mut world = World::with_job("assessed");
        let draft = world.usual("disclosure-approved");
        let draft = draft
            .with("extent", extent.into())
            .with("outputs", outputs.into());
        assert_eq!(code(&mut world, &draft), expected, "{extent}");
    }
    // A second set of outputs has to be cleared anew.
    let mut world = World::with_job("staged");
    world.steps(&["changes-requested", "outputs-assessed"]);
    assert!(!world.job_state(world.job.unwrap()).contains_key("approved"));
    // Without the further check of step 7 nothing is released.
    let mut world = World::with_job("cleared");
    world.steps(&["outputs-moved"]);
    let draft = world.usual("job-released");
    assert_eq!(code(&mut world, &draft), "not-yet");
}

#[test]
fn what_a_project_says_can_be_put_right_after_its_end() {
    let mut world = World::with_job("staged");
    let until = world.state_of(&format!("project/{}", world.cast.project))["until"].clone();
    world.steps(&["project-closed"]);
    world.advance_days(1_100);
    let corrected = world.usual("project-amended").with("until", until);
    for material in [true, false] {
        let draft = corrected.clone().with("material", material.into());
        assert_eq!(code(&mut world, &draft), "allowed", "material: {material}");
    }
    for (days, expected) in [(0, "not-ahead"), (3_653, "allowed"), (3_654, "not-ahead")] {
        let until = world.now + days * 86_400;
        let draft = world.usual("project-amended").with("until", until.into());
        assert_eq!(code(&mut world, &draft), expected, "{days} days");
    }
    // It stays closed, and what ran before can still be approved for its release.
    world.say(&corrected);
    assert_eq!(
        world.state_of(&format!("project/{}", world.cast.project))["state"],
        "closed"
    );
    let draft = world.usual("job-released");
    assert_eq!(code(&mut world, &draft), "approval-lapsed");
    for subject in ["project", "workflow", "member"] {
        let again = world.approval("wessex", subject);
        world.say(&again);
    }
    assert_eq!(code(&mut world, &draft), "allowed");
}

#[test]
fn a_job_refused_before_it_was_checked_is_checked_when_it_is_open_again() {
    let mut world = World::with_job("submitted");
    world.steps(&["job-collected", "job-refused", "decision-overturned"]);
    let draft = world.usual("job-signed-off");
    assert_eq!(code(&mut world, &draft), "wrong-state");
    world.steps(&["job-checked", "job-signed-off"]);
}

#[test]
fn whoever_withheld_results_does_not_overturn_that_alone() {
    let mut world = World::with_job("assessed");
    let withheld = world
        .usual("disclosure-refused")
        .with("tags", approved_by(&["ann"]));
    world.say(&withheld);
    let draft = world.usual("decision-overturned");
    for (tags, expected) in [
        (approved_by(&["ann"]), "same-person"),
        (approved_by(&["bob"]), "allowed"),
        (approved_by(&["ann", "bob"]), "allowed"),
        (approved_by(&[]), "field-invalid"),
    ] {
        assert_eq!(code(&mut world, &draft.clone().with("tags", tags)), expected);
    }
    world.say(&draft.with("tags", approved_by(&["bob"])));
    assert!(!world.job_state(world.job.unwrap()).contains_key("withheld_by"));
    // A refusal before anything ran names no people.
    let mut world = World::with_job("refused");
    let draft = world
        .usual("decision-overturned")
        .with("tags", approved_by(&["ann"]));
    assert_eq!(code(&mut world, &draft), "allowed");
}

#[test]
fn nobody_refuses_unseen_but_fixed_rules() {
    let mut world = World::with_job("ran");
    let standing = world
        .approval("wessex", "workflow")
        .with("egress", "standing".into());
    world.say(&standing);
    for (reviews, expected) in [(0, "allowed"), (1, "too-few-reviews")] {
        let mut world = world.clone();
        let assessed = world.usual("outputs-assessed").with("reviews", reviews.into());
        world.say(&assessed);
        let refused = world.usual("disclosure-refused").with("tags", approved_by(&[]));
        assert_eq!(code(&mut world, &refused), expected, "{reviews}");
    }
    let mut world = World::with_job("assessed");
    let refused = world.usual("disclosure-refused").with("tags", approved_by(&[]));
    assert_eq!(code(&mut world, &refused), "too-few-reviews");
}

#[test]
fn a_job_whose_sets_are_used_up_has_an_end() {
    let mut world = World::with_job("assessed");
    for _ in 1..20 {
        world.steps(&["changes-requested", "outputs-assessed"]);
    }
    world.steps(&["changes-requested"]);
    let draft = world.usual("outputs-assessed");
    assert_eq!(code(&mut world, &draft), "over-limit");
    world.steps(&["disclosure-refused", "packet-offered", "results-expired"]);
}

#[test]
fn a_packet_without_outputs_is_offered_once_and_gone_when_the_job_goes_on() {
    let mut world = World::with_job("withheld");
    let expired = world.usual("results-expired");
    assert_eq!(code(&mut world, &expired), "not-yet");
    world.steps(&["packet-offered"]);
    let again = world.usual("packet-offered");
    assert_eq!(code(&mut world, &again), "already-happened");
    world.steps(&["decision-overturned"]);
    assert!(!world.job_state(world.job.unwrap()).contains_key("results"));
}

#[test]
fn a_recall_can_be_widened() {
    let mut world = World::with_job("released");
    let part = world.usual("release-recalled").with("extent", "part".into());
    world.say(&part);
    world.steps(&["release-recalled"]);
    let other = world
        .usual("release-recalled")
        .with("cause", digest("another").into());
    assert_eq!(code(&mut world, &other), "not-equal");
}

fn approved_by(tags: &[&str]) -> Value {
    tags.iter().map(|tag| digest(tag)).collect()
}

#[test]
fn as_many_different_people_look_as_the_rule_set_says() {
    let mut world = World::with_job("assessed");
    let draft = world.usual("disclosure-approved");
    for (tags, expected) in [
        (approved_by(&["ann"]), "too-few-reviews"),
        (approved_by(&["ann", "ann"]), "field-invalid"),
        (approved_by(&["ann", "signatory"]), "same-person"),
        (approved_by(&["ann", "bob"]), "allowed"),
        (approved_by(&["ann", "bob", "cat"]), "allowed"),
    ] {
        assert_eq!(code(&mut world, &draft.clone().with("tags", tags)), expected);
    }
    // One reviewer, where the rule set says so; none only under a standing approval.
    let mut world = World::with_job("ran");
    let nobody = world.usual("outputs-assessed").with("reviews", 0.into());
    assert_eq!(code(&mut world, &nobody), "not-standing");
    let standing = world
        .approval("wessex", "workflow")
        .with("egress", "standing".into());
    world.say(&standing);
    for (reviews, tags, sentence) in [
        (0, vec![], "Checked by fixed rules; no person looked."),
        (1, vec!["ann"], "Checked by one person."),
        (2, vec!["ann", "bob"], "Checked by two people."),
        (3, vec!["ann", "bob", "cat"], "Checked by 3 people."),
    ] {
        let mut world = world.clone();
        let assessed = world.usual("outputs-assessed").with("reviews", reviews.into());
        world.say(&assessed);
        let approved = world
            .usual("disclosure-approved")
            .with("tags", approved_by(&tags));
        world.say(&approved);
        world.steps(&["outputs-moved", "outputs-rechecked", "job-released"]);
        let public = words::of(&world.job_state(world.job.unwrap()));
        assert!(public.sentence.contains(sentence), "{}", public.sentence);
    }
}

#[test]
fn a_further_reviewer_is_another_person() {
    let mut world = World::with_job("staged");
    let review = Cast::tre("wessex", TreRole::Review);
    let draft = world
        .usual("outputs-rechecked")
        .with("how", "person".into())
        .by(&review);
    assert_eq!(code(&mut world, &draft), "not-by-person");
    for (tag, expected) in [
        ("ann", "same-person"),
        ("signatory", "same-person"),
        ("cat", "allowed"),
    ] {
        let draft = draft.clone().with("tag", digest(tag).into());
        assert_eq!(code(&mut world, &draft), expected, "{tag}");
    }
    let automatic = draft.with("how", "automatic".into());
    assert_eq!(code(&mut world, &automatic), "not-by-person");
}

#[test]
fn sign_off_without_a_person_needs_a_standing_approval() {
    let mut world = World::with_job("checked");
    let relay = Cast::tre("wessex", TreRole::Relay);
    let automatic = |world: &World| {
        let draft = world.usual("job-signed-off").by(&relay);
        draft.with("how", "standing".into()).without("tag")
    };
    let draft = automatic(&world);
    assert_eq!(code(&mut world, &draft), "not-standing");
    let standing = world
        .approval("wessex", "workflow")
        .with("sign_off", "standing".into());
    world.say(&standing);
    let draft = automatic(&world);
    assert_eq!(code(&mut world, &draft), "allowed");
    // It names the approvals in force, and no others.
    let stale = draft.with("approvals", json!([digest("a"), digest("b"), digest("c")]));
    assert_eq!(code(&mut world, &stale), "not-equal");
}

#[test]
fn attempts_are_counted_and_limited() {
    let mut world = World::with_job("failed");
    let draft = world.usual("run-started").with("attempt", 3.into());
    assert_eq!(code(&mut world, &draft), "not-next-number");
    world.steps(&["run-started", "run-failed", "run-started", "run-failed"]);
    let draft = world.usual("run-started");
    assert_eq!(code(&mut world, &draft), "over-limit");
}

#[test]
fn nobody_takes_anothers_job_id_or_datasets() {
    let mut world = World::founded();
    let job = world.submit(&["wessex"])[0];
    let draft = world.submission(id("another"), &["mercia"]);
    let taken = json!({ "mercia": { "datasets": [Cast::dataset("mercia", 0)], "job": job } });
    assert_eq!(code(&mut world, &draft.clone().with("jobs", taken)), "job-taken");
    let others = json!({ "mercia": { "datasets": [Cast::dataset("wessex", 0)], "job": id("fresh") } });
    assert_eq!(code(&mut world, &draft.clone().with("jobs", others)), "not-yours");
    let nowhere = json!({ "devon": { "datasets": [Cast::dataset("wessex", 0)], "job": id("fresh") } });
    assert_eq!(code(&mut world, &draft.with("jobs", nowhere)), "other-state");
    // Nor writes the stream of a job that was sent to another TRE.
    let relay = Cast::tre("mercia", TreRole::Relay);
    let draft = world.usual("job-collected").by(&relay);
    assert_eq!(code(&mut world, &draft), "not-your-stream");
    let unknown = world.usual("job-collected").on(&Stream::Job(id("nobody's job")));
    assert_eq!(code(&mut world, &unknown), "wrong-state");
}

#[test]
fn a_run_once_logged_cannot_be_denied() {
    let mut world = World::with_job("running");
    let draft = world.usual("job-cancelled").with("began", false.into());
    assert_eq!(code(&mut world, &draft), "run-began");
}

#[test]
fn a_revoked_key_signs_nothing_after_its_revocation() {
    let mut world = World::with_job("submitted");
    let draft = world.usual("job-collected");
    let before = world.sign(&draft);
    assert!(world.judge(&before).is_ok());
    world.steps(&["key-revoked"]);
    assert_eq!(world.judge(&before).unwrap_err().code(), "not-your-key");
    let relay = Cast::tre("wessex", TreRole::Relay);
    world.renew_key(&relay);
    let added = json!({ "keys": world.keys_of(&relay), "role": "relay" });
    let root = Cast::tre("wessex", TreRole::Root);
    world.say(&Draft::new(&root, &root.home(), "key-added", added));
    world.steps(&["job-collected"]);
}
