//! What an operator does with a relay.

use serde_json::Value;

use super::federation::{Federation, until};

#[tokio::test(flavor = "multi_thread")]
async fn in_the_shadow_all_is_signed_and_nothing_leaves_until_the_relay_goes_live() {
    let mut federation = Federation::new().await;
    federation.configure("mode = \"live\"\n", "");
    let relay = federation.relay();
    let job = federation.submit().await;
    let review = federation.link("review");
    let done = async || {
        let view = review.job(job).await.ok()?;
        (view.state == "signed-off").then_some(view)
    };
    until("it is signed off in the shadow", done).await;
    assert!(review.jobs(None, 0).await.unwrap().is_shadow);
    let (_, text) = federation.command(&["outbound"]);
    for says in [
        "job-collected of job/",
        "has not left",
        "in clear, for everybody",
        "the relay asks the hub",
        "eyJ",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let (_, lines) = federation.command(&["outbound", "--json"]);
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.iter().filter(|one| one["kind"] == "event").count(), 4);
    // Since then the hub has been asked often enough to have taken something, had anything been sent.
    assert_eq!(federation.state(job).await.unwrap(), "submitted");
    assert!(federation.kinds(job).await.is_empty());
    assert!(federation.command(&["go-live"]).0);
    assert!(relay.terminate());
    let _relay = federation.relay();
    federation.until_state(job, "signed-off").await;
    assert_eq!(federation.kinds(job).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_well_and_what_to_do_about_the_rest() {
    let federation = Federation::new().await;
    let (is_well, text) = federation.command(&["doctor"]);
    assert!(is_well, "{text}");
    for says in ["keys", "clock", "registration", "link", "space", "log"] {
        assert!(text.contains(says), "{says}: {text}");
    }
    federation.door.shut();
    let (is_well, text) = federation.command(&["doctor"]);
    assert!(!is_well && text.contains("fail  hub"), "{text}");
    let key = federation.site.path("keys/tre-wessex-relay.json");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (is_well, text) = federation.command(&["doctor"]);
    assert!(!is_well && text.contains("chmod 600"), "{text}");
    let (is_well, text) = federation.command(&["hold", "--all", "--reason", "tired"]);
    assert!(!is_well && text.contains("incident"), "{text}");
}
