//! What waits in the polling zone for a further person: it is checked once more, or taken back, and then it is gone from there.

use std::fs;

use serde_json::json;

use super::place::{Job, Place, REVIEWERS};
use crate::bin::stderr;
use crate::relay::federation::{Federation, until};

/// A job whose outputs are in the polling zone.
async fn stage(place: &mut Place) -> Job {
    let job = place.submit_shipped().await;
    place.until_state(job, "assessed").await;
    place.both("approve", job, &[]);
    place.until_relay(job, "staged").await;
    assert_eq!(left(place, job, "outputs"), 2);
    job
}

/// How many files of a job are below a name in the relay's spool.
fn left(place: &Place, job: Job, name: &str) -> usize {
    let path = place.path(&format!("relay/live/jobs/{}/{name}", job.id));
    fs::read_dir(&path).map_or(usize::from(path.exists()), Iterator::count)
}

async fn assert_nothing_came(place: &Place, job: Job) {
    let bag = place.results(job).await;
    assert!(!bag.payload.keys().any(|path| path.starts_with("outputs/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_outputs_wait_for_a_further_person_and_are_destroyed_before_it_is_said_that_they_are() {
    let mut place = Place::of(Federation::new().await).await;
    place
        .federation
        .configure("mode = \"live\"\n", "mode = \"live\"\nrecheck = \"person\"\n");
    place.start();

    let job = stage(&mut place).await;
    let id = job.id.to_string();
    let own = place.try_review(&["recheck", &id, "--reviewer", REVIEWERS[0]]);
    assert!(!own.status.success(), "who has let them out is no further person");
    assert!(
        stderr(&own).contains("another person must do this"),
        "{}",
        stderr(&own)
    );
    place.review(&["recheck", &id, "--reviewer", "Somebody Else"]);
    place.until_state(job, "released").await;
    let rechecked = place.federation.last_of(job.id, "outputs-rechecked").await;
    assert_eq!(rechecked.claims().data["how"], "person");

    let job = stage(&mut place).await;
    let reason = json!({ "reason": "mistake" });
    place
        .team_says(job, "cancellation-requested", reason, "The wrong years.")
        .await;
    place.until_relay(job, "cancelled").await;
    assert_eq!(left(&place, job, "outputs"), 0);
    place.until_state(job, "cancelled").await;
    let cancelled = place.federation.last_of(job.id, "job-cancelled").await;
    assert_eq!(cancelled.claims().data["destroyed"], true);
    assert_nothing_came(&place, job).await;

    // With the hub away, the packet with the outputs is made and cannot be sent. Then a person says no.
    let job = stage(&mut place).await;
    let id = job.id.to_string();
    place.until_state(job, "staged").await;
    place.federation.door.shut();
    place.review(&["recheck", &id, "--reviewer", "Somebody Else"]);
    until("the packet is made", async || {
        (left(&place, job, "result.zip") == 1).then_some(())
    })
    .await;
    let refusal = [
        "--reviewer",
        "Somebody Else",
        "--reason",
        "disclosure-risk",
        "--text",
        "Too small.",
    ];
    place.review(&[&["refuse", &id][..], &refusal].concat());
    assert_eq!(left(&place, job, "outputs") + left(&place, job, "result.zip"), 0);
    place.federation.door.open();
    place.until_state(job, "withheld").await;
    assert_nothing_came(&place, job).await;
}
