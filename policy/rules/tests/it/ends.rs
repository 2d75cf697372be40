//! Ends in time, by the log's own clock, and the register's embargo.

use daybook_core::id::Stream;
use daybook_world::{Draft, World};
use serde_json::json;

const DAY: i64 = 86_400;

/// The code with which the draft is refused, or `allowed`.
fn code(world: &mut World, draft: &Draft) -> &'static str {
    let event = world.sign(draft);
    world
        .judge(&event)
        .map_or_else(|refusal| refusal.code(), |_| "allowed")
}

#[test]
fn an_event_dated_back_passes_no_end() {
    for (state, kind) in [
        ("checked", "job-signed-off"),
        ("signed-off", "job-admitted"),
        ("admitted", "run-started"),
        ("staged", "job-released"),
    ] {
        let mut world = World::with_job(state);
        world.mark_ahead(364);
        let draft = world.usual(kind);
        assert_eq!(code(&mut world, &draft), "allowed", "{kind}");
        world.mark_ahead(366);
        assert_eq!(code(&mut world, &draft), "approval-lapsed", "{kind}");
    }
    let mut world = World::founded();
    let draft = world.usual("job-submitted");
    assert_eq!(code(&mut world, &draft), "allowed");
    world.mark_ahead(1_001);
    assert_eq!(code(&mut world, &draft), "expired");
}

#[test]
fn a_time_mark_that_was_wrong_is_taken_back_by_the_operator() {
    let mut world = World::with_job("admitted");
    let early = world.usual("time-corrected");
    assert_eq!(code(&mut world, &early), "other-state");
    world.mark_ahead(4_000);
    let (started, marked) = (world.usual("run-started"), world.usual("time-marked"));
    assert_eq!(code(&mut world, &started), "approval-lapsed");
    assert_eq!(code(&mut world, &marked), "went-back");
    let clerk = world.cast.clerk.clone();
    let corrected = world.usual("time-corrected");
    assert_eq!(code(&mut world, &corrected.clone().by(&clerk)), "not-your-stream");
    world.say(&corrected);
    assert_eq!(code(&mut world, &started), "allowed");
    world.steps(&["time-marked", "run-started"]);
}

#[test]
fn what_already_happened_is_told_whenever_it_is_told() {
    for (state, kind) in [
        ("running", "run-completed"),
        ("running", "run-failed"),
        ("ran", "outputs-assessed"),
        ("assessed", "disclosure-refused"),
        ("running", "job-cancelled"),
    ] {
        let mut world = World::with_job(state);
        world.mark_ahead(2_000);
        let draft = world.usual(kind);
        assert_eq!(code(&mut world, &draft), "allowed", "{kind}");
    }
}

/// A project under an embargo of thirty days, with a job that was admitted.
fn embargoed() -> World {
    let mut world = World::under_embargo();
    world.steps(&["job-admitted"]);
    world
}

#[test]
fn an_embargo_lets_jobs_run_until_it_ends() {
    let mut world = embargoed();
    let draft = world.usual("run-started");
    assert_eq!(code(&mut world, &draft), "allowed");
    // A version that waits for a person does not end it.
    world.steps(&["register-held"]);
    assert_eq!(code(&mut world, &draft), "allowed");
    let mut dated_back = world.clone();
    dated_back.mark_ahead(31);
    assert_eq!(code(&mut dated_back, &draft), "not-registered");
    world.advance_days(31);
    let draft = world.usual("run-started");
    assert_eq!(code(&mut world, &draft), "not-registered");
}

#[test]
fn nothing_is_published_while_an_embargo_runs_by_whatever_way() {
    for way in [&[][..], &["register-held"], &["register-withdrawn"]] {
        let mut world = embargoed();
        world.steps(way);
        let published = world.usual("register-published");
        assert_eq!(code(&mut world, &published), "too-early", "{way:?}");
        world.advance_days(30);
        let published = world.usual("register-published");
        assert_eq!(code(&mut world, &published), "allowed", "{way:?}");
        world.say(&published);
        let draft = world.usual("run-started");
        assert_eq!(code(&mut world, &draft), "allowed", "{way:?}");
    }
    // It is ended early by another one.
    let mut world = embargoed();
    let register = Stream::Register(world.cast.project);
    let soon = world.now + 60;
    let ended = world.usual("register-deferred").on(&register);
    world.say(&ended.with("until", soon.into()));
    world.steps(&["register-published"]);
}

#[test]
fn what_was_published_is_not_put_under_an_embargo() {
    for held in [&[][..], &["register-held"]] {
        let mut world = World::founded();
        world.steps(held);
        let register = Stream::Register(world.cast.project);
        let deferred = world.usual("register-deferred").on(&register);
        assert_ne!(code(&mut world, &deferred), "allowed", "{held:?}");
    }
    let mut world = World::unlisted();
    world.steps(&["register-published", "register-held"]);
    let register = Stream::Register(world.cast.project);
    let deferred = world.usual("register-deferred").on(&register);
    assert_eq!(code(&mut world, &deferred), "already-happened");
}

#[test]
fn a_page_shows_the_project_as_it_is_now() {
    let mut world = World::founded();
    let stale = world.usual("register-published");
    let until = world.now + 500 * DAY;
    let amended = world.usual("project-amended").with("until", until.into());
    world.say(&amended);
    assert_eq!(code(&mut world, &stale), "not-equal");
    let current = world.usual("register-published");
    let rests = json!([world.entries()[9].leaf().to_base64url()]);
    assert_eq!(code(&mut world, &current.with("rests_on", rests)), "allowed");
}
