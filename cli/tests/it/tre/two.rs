//! Two runners in one controlled zone: a job is one's at a time, and what a dead one had begun is the other's.

use std::fs;

use super::place::{Job, Place, REVIEWERS, kinds};
use super::process::{Process, processes_of};
use super::study::Plot;
use crate::bin::{run, stderr};
use crate::relay::federation::{Federation, WHOLE_LIFE, until};

/// The second runner, with a spool of its own.
fn second(place: &Place) -> Process {
    for program in ["runner", "review"] {
        let text = fs::read_to_string(place.path(&format!("{program}.toml"))).unwrap();
        let mut config: toml::Table = text.parse().unwrap();
        let spool = place.federation.site.text("second");
        config.insert("spool".to_owned(), spool.into());
        fs::write(place.path(&format!("second-{program}.toml")), config.to_string()).unwrap();
    }
    let mut order = place.order("runner");
    *order.arguments.last_mut().unwrap() = place.federation.site.text("second-runner.toml");
    order.log = place.path("second.log");
    order.start()
}

/// Whose spool has begun an attempt of a job: `runner` or `second`.
async fn holder(place: &Place, job: Job, attempt: u32) -> &'static str {
    let begun = |spool: &str| {
        let path = format!("{spool}/jobs/{}/runs/{attempt}/started.json", job.id);
        place.path(&path).exists()
    };
    until("somebody runs it", async || {
        ["runner", "second"].into_iter().find(|spool| begun(spool))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runners_one_has_a_job_and_the_other_takes_over_what_a_dead_one_had_begun() {
    let mut place = Place::of(Federation::new().await).await;
    place.start();
    let mut second = Some(second(&place));

    let job = place.submit_shipped().await;
    let mut config = "review.toml";
    if holder(&place, job, 1).await == "second" {
        config = "second-review.toml";
    }
    place.until_state(job, "assessed").await;
    for reviewer in REVIEWERS {
        let config = place.federation.site.text(config);
        let id = job.id.to_string();
        let output = run(&[
            "review",
            "--config",
            &config,
            "approve",
            &id,
            "--reviewer",
            reviewer,
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    place.until_state(job, "released").await;
    assert_eq!(kinds(&place.events(job).await), WHOLE_LIFE);

    let workflow = place.adopt(Plot::Hangs).await;
    let job = place.submit(Plot::Hangs, workflow).await;
    let first = holder(&place, job, 1).await;
    if first == "runner" {
        place.kill_runner();
    } else {
        second.take().unwrap().kill();
    }
    let then = holder(&place, job, 2).await;
    assert_ne!(then, first);
    // The other has begun, and the relay may still be about to say why.
    let lost = until("the hub knows of the loss", async || {
        let mut events = place.events(job).await.into_iter();
        events.rfind(|event| event.claims().kind == "run-failed")
    })
    .await;
    assert_eq!(lost.claims().data["code"], "host-lost");
    place.review(&["cancel", &job.id.to_string(), "--text", "It hangs."]);
    place.until_state(job, "cancelled").await;
    until("nothing runs", async || {
        let spools = ["runner", "second"].map(|spool| place.path(spool).join("jobs"));
        spools
            .iter()
            .all(|spool| processes_of(spool).is_empty())
            .then_some(())
    })
    .await;
}
