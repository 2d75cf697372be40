//! Three jobs at once that end as nobody wished, by the real programs and cwltool. The other ends are in `runner.rs`.

use serde_json::{Value, json};

use super::place::{Place, kinds};
use super::study::Plot;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_leaves_nothing_breaks_down_or_is_stopped_has_a_defined_end() {
    let mut place = Place::new().await;
    let mut jobs = Vec::new();
    for plot in [Plot::Silent, Plot::Fails, Plot::Hangs] {
        let workflow = place.adopt(plot).await;
        jobs.push(place.submit(plot, workflow).await);
    }
    let [silent, fails, hangs] = jobs[..] else {
        unreachable!()
    };

    place.until_state(silent, "assessed").await;
    place.both("approve", silent, &[]);
    place.until_state(silent, "released").await;
    let bag = place.results(silent).await;
    assert!(!bag.payload.keys().any(|path| path.starts_with("outputs/")));

    place.until_state(fails, "abandoned").await;
    let events = place.events(fails).await;
    let codes: Vec<&Value> = events
        .iter()
        .filter(|event| event.claims().kind == "run-failed")
        .map(|event| &event.claims().data["code"])
        .collect();
    assert_eq!(codes, [&json!("tool-error")]);
    let (word, sentence) = place.public(fails).await;
    assert_eq!(word, "Stopped by a fault", "{sentence}");
    let bag = place.results(fails).await;
    assert!(!bag.payload.keys().any(|path| path.starts_with("outputs/")));

    place.until_state(hangs, "running").await;
    // It is confirmed as soon as the relay has heard.
    place.federation.door.shut();
    let more = json!({ "reason": "mistake" });
    place
        .team_says(hangs, "cancellation-requested", more, "We sent the wrong one.")
        .await;
    let sentence = place.public(hangs).await.1;
    assert!(
        sentence.ends_with("wessex has not confirmed that it has stopped."),
        "{sentence}"
    );
    place.federation.door.open();
    place.until_state(hangs, "cancelled").await;
    let events = place.events(hangs).await;
    let data = &events.last().unwrap().claims().data;
    assert!(kinds(&events).contains(&"job-cancelled"));
    let cancelled = events
        .iter()
        .find(|event| event.claims().kind == "job-cancelled")
        .unwrap();
    assert_eq!(cancelled.claims().data["began"], json!(true), "{data:?}");
    let sentence = place.public(hangs).await.1;
    assert!(!sentence.contains("not confirmed"), "{sentence}");
    // Nothing of any run is left running.
    let runner = place.runner.as_ref().unwrap().pid().cast_signed();
    let left = super::process::descendants(runner);
    assert!(left.is_empty(), "{left:?}");
}
