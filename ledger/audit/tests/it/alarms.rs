//! What a person is told of, although no rule forbids it: late and missing states, odd clocks, counts that leave a gap.

use daybook_audit::{Finding, Kind, Report, Severity};
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_world::{BEGINNING, Ending, World, digest};
use serde_json::json;

use crate::copies::{Copy, audit};

const DAY: i64 = 86_400;

/// The audit of a log so many days after its beginning.
async fn after(events: &[Event], days: i64) -> Report {
    let copy = Copy::of(events);
    let mut options = copy.options();
    options.now = BEGINNING + days * DAY;
    audit(options).await
}

/// What is found, and that it is a warning that leaves the log one that holds.
fn warns(report: &Report, kind: Kind) {
    assert!(
        report.counts.contains_key(&kind),
        "{kind} is not in {:#?}",
        report.findings
    );
    assert_eq!(kind.severity(), Severity::Warning);
    assert!(report.holds(), "{:#?}", report.findings);
}

fn quiet(report: &Report, kind: Kind) {
    assert!(!report.counts.contains_key(&kind), "{:#?}", report.findings);
}

/// A job with these reviewers out of so many that its rule set asks for.
fn reviewed(tags: &[&str], asked: u64) -> World {
    let mut world = World::with_job("ran");
    // The workflow's results may leave by fixed rules, where the rule set asks for nobody.
    let standing = world
        .approval("wessex", "workflow")
        .with("egress", "standing".into());
    world.say(&standing);
    let assessed = world.usual("outputs-assessed").with("reviews", asked.into());
    world.say(&assessed);
    let tags: Vec<String> = tags.iter().map(|tag| digest(tag)).collect();
    let approved = world.usual("disclosure-approved").with("tags", json!(tags));
    world.say(&approved);
    world.steps(&["outputs-moved", "outputs-rechecked", "job-released"]);
    world
}

#[tokio::test]
async fn outputs_that_leave_without_a_decision_are_not_allowed() {
    for state in ["assessed", "ran"] {
        let mut world = World::with_job(state);
        let draft = world.usual("job-released");
        let mut events = world.entries().to_vec();
        events.push(world.sign(&draft));
        let report = after(&events, 1).await;
        assert_eq!(
            report.counts.get(&Kind::NotAllowed),
            Some(&1),
            "{:#?}",
            report.findings
        );
        assert!(!report.holds());
    }
}

#[tokio::test]
async fn one_reviewer_where_two_were_due_and_none_at_all_are_told() {
    let two = after(reviewed(&["ann", "bob"], 2).entries(), 1).await;
    quiet(&two, Kind::OneReviewer);
    quiet(&two, Kind::ReleasedByRuleAlone);
    // A TRE's own rule set may ask for fewer than the number of the rules: it is allowed, and told.
    warns(
        &after(reviewed(&["ann"], 1).entries(), 1).await,
        Kind::OneReviewer,
    );
    let none = after(reviewed(&[], 0).entries(), 1).await;
    assert_eq!(none.counts.get(&Kind::ReleasedByRuleAlone), Some(&1));
    assert!(none.holds());
}

#[tokio::test]
async fn an_approval_that_lapses_or_is_withdrawn_while_a_job_runs_is_told() {
    let mut world = World::with_job("running");
    quiet(&after(world.entries(), 1).await, Kind::ApprovalLapsed);
    warns(&after(world.entries(), 400).await, Kind::ApprovalLapsed);
    let approval = world.approval("wessex", "workflow");
    let mut withdrawn = world.usual("approval-withdrawn");
    withdrawn.actor = approval.actor;
    withdrawn.stream = approval.stream;
    world.say(&withdrawn);
    warns(&after(world.entries(), 1).await, Kind::ApprovalLapsed);
}

/// A log in which a run begins, and the withdrawal of its workflow's approval comes after it, dated so many seconds before.
fn withdrawn_before(seconds: i64) -> World {
    let mut world = World::with_job("running");
    let approval = world.approval("wessex", "workflow");
    let withdrawn = world
        .usual("approval-withdrawn")
        .by(&approval.actor)
        .on(&approval.stream);
    world.now -= seconds;
    world.say(&withdrawn);
    world
}

#[tokio::test]
async fn a_withdrawal_that_comes_behind_what_jobs_did_after_its_date_is_told_with_these_jobs() {
    quiet(
        &after(withdrawn_before(300).entries(), 1).await,
        Kind::WithdrawalLate,
    );
    let world = withdrawn_before(3_600);
    let report = after(world.entries(), 1).await;
    warns(&report, Kind::WithdrawalLate);
    let late = |finding: &&Finding| finding.kind == Kind::WithdrawalLate;
    let finding = report.findings.iter().find(late).unwrap();
    assert_eq!(finding.index, Some(world.entries().len() as u64 - 1));
    let run = world
        .entries()
        .iter()
        .rev()
        .find(|event| event.claims().kind == "run-started");
    let Stream::Job(job) = run.unwrap().claims().sub else {
        panic!("a run is a job's")
    };
    assert!(finding.words.contains(&job.to_string()), "{}", finding.words);
}

#[tokio::test]
async fn a_cancellation_that_nobody_confirms_is_told_after_a_week() {
    let mut world = World::with_job("running");
    world.steps(&["cancellation-requested"]);
    quiet(&after(world.entries(), 6).await, Kind::CancellationOpen);
    warns(&after(world.entries(), 9).await, Kind::CancellationOpen);
    world.steps(&["job-cancelled"]);
    quiet(&after(world.entries(), 9).await, Kind::CancellationOpen);
}

#[tokio::test]
async fn a_tre_that_says_nothing_while_a_job_waits_for_it_is_told() {
    let mut world = World::with_job("collected");
    world.steps(&["time-marked"]);
    quiet(&after(world.entries(), 13).await, Kind::TreSilent);
    let report = after(world.entries(), 20).await;
    warns(&report, Kind::TreSilent);
    // The log's own clock stands still as well.
    warns(&report, Kind::CheckpointStale);
    let mut done = World::founded();
    done.run_job("wessex", Ending::Released);
    quiet(&after(done.entries(), 20).await, Kind::TreSilent);
}

/// A log with a collected job, in which the TRE then counts what it has made, sees in the log, and still sends.
fn counted(made: u64, acknowledged: u64, waiting: u64) -> World {
    let mut world = World::with_job("collected");
    let draft = world.usual("tre-reported");
    let draft = draft
        .with("made", made.into())
        .with("acknowledged", acknowledged.into())
        .with("waiting", waiting.into());
    world.say(&draft);
    world
}

#[tokio::test]
async fn what_a_tre_counts_as_on_its_way_is_told_only_when_it_has_not_come_for_days() {
    let mut world = counted(2, 1, 1);
    quiet(&after(world.entries(), 3).await, Kind::ReportGap);
    warns(&after(world.entries(), 5).await, Kind::ReportGap);
    world.steps(&["job-checked"]);
    quiet(&after(world.entries(), 5).await, Kind::ReportGap);
}

#[tokio::test]
async fn what_a_tre_has_given_up_is_told_once_it_has_stood_for_days_and_no_more_when_it_is_accounted_for() {
    let mut world = counted(9, 1, 0);
    quiet(&after(world.entries(), 3).await, Kind::ReportGap);
    warns(&after(world.entries(), 5).await, Kind::ReportGap);
    let whole = world.usual("tre-reported");
    world.say(
        &whole
            .with("made", 1.into())
            .with("acknowledged", 1.into())
            .with("waiting", 0.into()),
    );
    quiet(&after(world.entries(), 5).await, Kind::ReportGap);
}

#[tokio::test]
async fn counts_that_come_no_more_are_told_and_once_however_often_somebody_looks() {
    let copy = Copy::of(counted(1, 1, 0).entries());
    let mut options = copy.options();
    options.now = BEGINNING + 30 * DAY;
    quiet(&audit(options).await, Kind::ReportGap);
    for _ in 0..3 {
        let mut options = copy.options();
        options.now = BEGINNING + 40 * DAY;
        let report = audit(options).await;
        warns(&report, Kind::ReportGap);
        assert_eq!(report.counts[&Kind::ReportGap], 1);
    }
}

#[tokio::test]
async fn rules_that_change_while_outputs_are_under_review_are_told() {
    let mut world = World::with_job("cleared");
    world.steps(&["policy-adopted"]);
    warns(&after(world.entries(), 1).await, Kind::RulesChangedMidReview);
    let mut world = World::founded();
    world.run_job("wessex", Ending::Released);
    world.steps(&["policy-adopted"]);
    quiet(&after(world.entries(), 1).await, Kind::RulesChangedMidReview);
}

#[tokio::test]
async fn clocks_that_are_ahead_of_the_logs_own_or_go_back_are_told() {
    let marked = |ahead: i64| {
        let mut world = World::with_job("collected");
        world.now += ahead;
        world.steps(&["job-checked"]);
        world.now -= ahead;
        world.steps(&["time-marked"]);
        world
    };
    quiet(&after(marked(60).entries(), 1).await, Kind::ClockSkew);
    warns(&after(marked(3_600).entries(), 1).await, Kind::ClockSkew);

    let mut back = World::with_job("checked");
    back.now -= 3_600;
    back.steps(&["job-signed-off"]);
    let report = after(back.entries(), 1).await;
    assert!(report.holds(), "{:#?}", report.findings);
    warns(&report, Kind::ClockSkew);
    assert!(matches!(
        back.entries().last().unwrap().claims().sub,
        Stream::Job(_)
    ));
}
