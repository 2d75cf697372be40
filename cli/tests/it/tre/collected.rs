//! `daybook collect`: what the log says is verified, the transfer goes on where it was cut, and nothing else is handed over.

use std::fs;
use std::process::Output;

use daybook_core::Hash;

use serde_json::json;

use super::place::{Job, Place, REVIEWERS};
use super::study::Plot;
use crate::bin::{run, stderr, stdout};

/// `daybook collect` into files of this name.
fn collect(place: &Place, job: Job, name: &str) -> Output {
    let text = |name: &str| place.federation.site.text(name);
    run(&[
        "collect",
        &job.id.to_string(),
        "--hub",
        place.federation.client.base(),
        "--log-key",
        &place.federation.log_key.to_string(),
        "--key",
        &text("keys/member.json"),
        "--out",
        &text(&format!("{name}.zip")),
        "--files",
        &text(name),
    ])
}

/// `daybook submit` of the shipped study instead of another submission.
fn submit_instead(place: &Place, of: Job) -> Job {
    let federation = &place.federation;
    let packet = place.path("changed.zip");
    fs::write(&packet, Plot::Shipped.request().to_zip().unwrap()).unwrap();
    let submitted = run(&[
        "submit",
        "--hub",
        federation.client.base(),
        "--log-key",
        &federation.log_key.to_string(),
        "--key",
        &federation.site.text("keys/member.json"),
        "--packet",
        packet.to_str().unwrap(),
        "--workflow",
        &federation.workflow.to_string(),
        "--to",
        &format!("wessex={}", federation.dataset),
        "--replaces",
        &of.submission.to_string(),
    ]);
    let text = stdout(&submitted);
    assert!(submitted.status.success(), "{text}{}", stderr(&submitted));
    let after = |word: &str| {
        let mut words = text.split_whitespace().skip_while(|found| *found != word);
        words.nth(1).unwrap().parse().unwrap()
    };
    Job {
        id: after("job"),
        submission: after("submission"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_is_asked_to_change_something_sends_another_request_which_is_run_anew() {
    let mut place = Place::new().await;
    let asked = place.submit_shipped().await;
    place.until_state(asked, "assessed").await;
    let ask = [
        "--reviewer",
        REVIEWERS[0],
        "--kind",
        "change",
        "--text",
        "Use bands of ten years.",
    ];
    place.review(&[&["ask", &asked.id.to_string()][..], &ask].concat());
    place.until_state(asked, "changes-requested").await;
    assert_eq!(place.public(asked).await.0, "Waiting for the research team");

    let changed = submit_instead(&place, asked);
    let reason = json!({ "reason": "not-needed" });
    place
        .team_says(
            asked,
            "cancellation-requested",
            reason,
            "Another request has the bands.",
        )
        .await;
    place.until_state(asked, "cancelled").await;
    place.until_state(changed, "assessed").await;
    let stream = format!("submission/{}", changed.submission);
    let entries = place.federation.client.entries(&stream, None).await.unwrap();
    let said = daybook_core::event::Event::parse(&entries[0].event).unwrap();
    assert_eq!(said.claims().data["replaces"], json!(asked.submission));
    place.both("approve", changed, &[]);
    place.until_state(changed, "released").await;
    let collected = collect(&place, changed, "results");
    assert!(collected.status.success(), "{}", stderr(&collected));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_came_in_part_are_fetched_on_and_nothing_is_handed_over_that_does_not_hold() {
    let mut place = Place::new().await;
    let job = place.submit_shipped().await;
    place.until_state(job, "assessed").await;
    let early = collect(&place, job, "early");
    assert!(
        !early.status.success() && stderr(&early).contains("not offered anything"),
        "{}",
        stderr(&early)
    );
    place.both("approve", job, &[]);
    place.until_state(job, "released").await;

    let first = collect(&place, job, "first");
    assert!(first.status.success(), "{}", stderr(&first));
    assert!(
        stdout(&first).contains("is what was approved, all of it: 2 files"),
        "{}",
        stdout(&first)
    );
    let counts = fs::read(place.path("first/counts.csv")).unwrap();
    assert!(counts.starts_with(b"age_band,year,"));
    let whole = fs::read(place.path("first.zip")).unwrap();
    let released = place.federation.last_of(job.id, "job-released").await;
    let packet = released.claims().data["packet"].as_str().unwrap().to_owned();
    let part = |name: &str| place.path(&format!("{name}.zip.{packet}.part"));

    // A half that came before is gone on from; one that is of something else is found out, and fetched anew.
    let half = &whole[..whole.len() / 2];
    let strange = vec![b'?'; half.len()];
    for (name, before) in [("second", half), ("third", &strange)] {
        fs::write(part(name), before).unwrap();
        let again = collect(&place, job, name);
        assert!(again.status.success(), "{}", stderr(&again));
        assert_eq!(fs::read(place.path(&format!("{name}.zip"))).unwrap(), whole);
        assert!(!part(name).exists());
    }

    // Said once, however often it is collected.
    let stream = format!("submission/{}", job.submission);
    let said = place.federation.client.entries(&stream, None).await.unwrap();
    let kinds = said.iter().map(|entry| {
        let event = daybook_core::event::Event::parse(&entry.event).unwrap();
        event.claims().kind.clone()
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["job-submitted", "results-received"]);

    // What lies there already is never overwritten, and another file is not taken for it.
    fs::remove_dir_all(place.path("first")).unwrap();
    fs::write(place.path("first.zip"), b"PK of somebody else").unwrap();
    let other = collect(&place, job, "first");
    assert!(
        !other.status.success() && stderr(&other).contains("choose another --out"),
        "{}",
        stderr(&other)
    );
    assert_eq!(
        Hash::of(&fs::read(place.path("first.zip")).unwrap()),
        Hash::of(b"PK of somebody else")
    );
}
