//! What goes wrong: processes that are killed, a hub that is away or refuses, a disk that is full.

use daybook_core::id::Subject;
use serde_json::json;

use super::federation::{Federation, WHOLE_LIFE, until};
use super::process::RelayProcess;
use super::{approve, begin, run, send_outputs};

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_after_each_of_its_steps_says_each_once_and_ends_as_it_would_have() {
    let mut federation = Federation::new().await;
    let (mut runner, mut review) = (federation.service("runner"), federation.service("review"));
    let mut relay = federation.relay();
    let job = federation.submit().await;
    let outbox = federation.site.path(&format!("relay/live/outbox/job.{job}"));
    let folder = federation.site.path(&format!("relay/live/jobs/{job}"));
    // The files of the relay's own steps, in the order in which they come.
    let before_the_run = ["job.json", "packet.part", "packet.zip", "1", "2", "3", "4"];
    let after_it = ["10", "11", "result.zip", "12"];
    let file = |step: &str| match step.parse::<u64>() {
        Ok(seq) => outbox.join(format!("{seq:06}.json")),
        Err(_) => folder.join(step),
    };
    for step in before_the_run {
        // A file that comes and goes may be missed: the step after it is then there.
        let seen = async || (file(step).exists() || file("packet.zip").exists()).then_some(());
        until(step, seen).await;
        relay.kill();
        relay = federation.relay();
    }
    federation.until_state(job, "signed-off").await;
    run(&mut runner, job).await;
    approve(&mut review, job).await;
    send_outputs(&runner, job).await;
    for step in after_it {
        let seen = async || (file(step).exists() || file("12").exists()).then_some(());
        until(step, seen).await;
        relay.kill();
        relay = federation.relay();
    }
    federation.until_state(job, "released").await;
    assert_eq!(federation.kinds(job).await, WHOLE_LIFE);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_hub_is_away_the_tre_goes_on_and_its_record_arrives_whole() {
    let mut federation = Federation::new().await;
    let relay = federation.relay();
    let mut runner = federation.service("runner");
    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
    federation.door.shut();
    assert!(!begin(&mut runner, job).await);
    // Held while it is cut off, by the operator of the TRE.
    assert!(federation.command(&["hold", "--all", "--reason", "incident"]).0);
    runner.until_state(job, "on-hold").await;
    let text = federation.until_status("! hub").await;
    assert!(text.contains("Everything is held (incident)"), "{text}");
    assert!(federation.command(&["resume", "--all"]).0);
    runner.until_state(job, "running").await;
    relay.kill();
    let _relay = federation.relay();
    runner
        .say(
            job,
            "run-completed",
            json!({ "attempt": 1, "engine": "command" }),
            vec![],
        )
        .await;
    assert_eq!(
        federation.state(job).await.unwrap(),
        "signed-off",
        "nobody outside knows yet"
    );
    // Meanwhile the hub itself is another process.
    federation.kill_hub();
    federation.start_hub();
    federation.door.open();
    federation.until_state(job, "ran").await;
    let kinds = federation.kinds(job).await;
    assert_eq!(
        kinds[4..],
        [
            "job-admitted",
            "run-started",
            "job-held",
            "job-resumed",
            "run-completed"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_refuses_for_good_is_set_aside_and_the_job_waits_for_a_new_approval() {
    let mut federation = Federation::new().await;
    let _relay = federation.relay();
    let mut runner = federation.service("runner");
    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
    federation.door.shut();
    begin(&mut runner, job).await;
    let project = federation.project;
    federation.withdraw(Subject::Project, project).await;
    federation.door.open();
    federation.until_state(job, "on-hold").await;
    assert_eq!(federation.kinds(job).await[4..], ["job-held"]);
    let view = runner.client.job(job).await.unwrap();
    assert_eq!(
        (view.state.as_str(), view.facts["held"].as_str()),
        ("on-hold", Some("approval-lapsed"))
    );
    let refused = federation.site.path(&format!("relay/live/refused/job.{job}"));
    assert_eq!(
        std::fs::read_dir(refused).unwrap().count(),
        3,
        "both events, and why"
    );
    federation.until_status("has refused job-admitted").await;

    let version = federation
        .version(&daybook_core::id::Stream::Project(project))
        .await;
    federation.approve(Subject::Project, project, &version).await;
    federation.until_state(job, "signed-off").await;
    // What was said before is said anew, for it stands nowhere.
    for name in ["job-admitted", "run-started"] {
        runner.voice.unsay(&runner.spool.job(job), name).unwrap();
    }
    run(&mut runner, job).await;
    federation.until_state(job, "assessed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_takes_no_new_work_says_so_and_loses_nothing() {
    let mut federation = Federation::new().await;
    let Some(relay) = RelayProcess::start_on_small_disk(&federation.site) else {
        eprintln!("no file system of its own can be given to a process here: not tested in this run");
        return;
    };
    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
    relay.fill_disk(&federation.site);
    let next = federation.submit().await;
    until("the relay says so", async || {
        relay.log().contains("disk").then_some(())
    })
    .await;
    assert_eq!(federation.state(next).await.unwrap(), "submitted");
    let runner = federation.link("runner");
    assert_eq!(
        runner.job(job).await.unwrap().state,
        "signed-off",
        "it goes on serving"
    );
    relay.empty_disk(&federation.site);
    federation.until_state(next, "signed-off").await;
}
