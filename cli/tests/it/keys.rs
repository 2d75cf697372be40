//! Keys that are replaced, lost or stolen: the drill of docs/how-to/when-a-key-is-stolen.md.

use daybook_agent::keyfile::Keys;
use daybook_core::id::Subject;
use daybook_core::note::Note;
use serde_json::{Value, json};

use crate::bin::{Serving, Site, run, stderr, stdout};
use crate::relay::federation::{Federation, draft, until};

const ORIGIN: &str = "it.example/log";

/// What `daybook audit` says with a state of its own: its exit code, and how many there are of each kind.
fn audit(url: &str, trust: [&str; 2]) -> (Option<i32>, Value) {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let output = run(&["audit", url, trust[0], trust[1], "--state", state, "--json"]);
    let report: Result<Value, _> = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}", stderr(&output)));
    (output.status.code(), report["counts"].clone())
}

fn kid(keys: &Keys) -> String {
    keys.event.public().thumbprint().to_base64url()
}

async fn size(federation: &Federation) -> u64 {
    let listed: Value = federation.client.get("/v1/events?limit=1").await.unwrap();
    listed["tree_size"].as_u64().unwrap()
}

/// Waits until everything that was said is published.
async fn published(federation: &Federation) {
    let all = size(federation).await;
    until("all of it is published", async || {
        let standing: Value = federation.client.get("/v1/witnesses").await.ok()?;
        (standing["published_size"].as_u64()? >= all).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_key_signed_is_in_doubt_until_its_owner_says_what_holds() {
    let mut federation = Federation::new().await;
    let tre = || "tre/wessex".parse().unwrap();
    let key = federation.log_key.to_string();
    let before = size(&federation).await;
    // A thief withdraws an approval with the review service's key.
    let workflow = federation.workflow;
    federation.withdraw(Subject::Workflow, workflow).await;
    let stolen = kid(&federation.review.keys);
    let approval = format!("approval/wessex/workflow/{workflow}");
    let by_thief = federation.client.entries(&approval, None).await.unwrap();
    let by_thief = by_thief.last().unwrap().leaf_hash.clone();

    let fresh = Keys::fresh("tre/wessex/review".parse().unwrap()).unwrap();
    let lent = json!({ "keys": fresh.registration(ORIGIN), "role": "review" });
    let root = &mut federation.tre_root;
    root.say(&draft(tre(), "key-added", lent, vec![])).await.unwrap();
    let ended = json!({ "kid": stolen, "reason": "compromised", "suspect_from": before });
    root.say(&draft(tre(), "key-revoked", ended, vec![]))
        .await
        .unwrap();
    // It signs nothing more; what it signed stays where it is, and is in doubt.
    let version = federation.version(&approval.parse().unwrap()).await;
    let again = json!({ "reason": "other" });
    let late = draft(
        format!("approval/wessex/project/{}", federation.project)
            .parse()
            .unwrap(),
        "approval-withdrawn",
        again,
        vec![],
    );
    let refused = federation.review.say(&late).await.unwrap_err();
    assert!(format!("{refused:#}").contains("not a valid key"), "{refused:#}");
    published(&federation).await;
    let (code, counts) = audit(federation.client.base(), ["--log-key", &key]);
    assert_eq!((code, &counts["in-doubt"]), (Some(0), &json!(1)), "{counts}");

    let settled = json!({ "kid": stolen, "affirmed": [], "disowned": [by_thief], "rest": "affirmed" });
    let root = &mut federation.tre_root;
    root.say(&draft(tre(), "key-doubts-settled", settled, vec![]))
        .await
        .unwrap();
    // What the thief did is undone in its own terms, by the new key.
    let hub = federation.client.base().to_owned();
    let follower =
        daybook_agent::client::Follower::new(federation.client.clone(), ORIGIN, federation.log_key.clone());
    federation.review = daybook_agent::author::Author::new(fresh, federation.client.clone(), follower);
    let approved = federation
        .version(&format!("workflow/{workflow}").parse().unwrap())
        .await;
    federation.approve(Subject::Workflow, workflow, &approved).await;
    published(&federation).await;
    let (code, counts) = audit(&hub, ["--log-key", &key]);
    assert_eq!((code, counts.get("in-doubt")), (Some(0), None), "{counts}");
    assert_eq!(federation.version(&approval.parse().unwrap()).await, version);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_root_takes_over_where_the_first_is_lost_and_the_last_one_never_ends() {
    let mut federation = Federation::new().await;
    let tre = || "tre/wessex".parse().unwrap();
    let key = federation.log_key.to_string();
    let second = Keys::fresh("tre/wessex/root".parse().unwrap()).unwrap();
    let (first, other) = (kid(&federation.tre_root.keys), kid(&second));
    let lent = json!({ "keys": second.registration(ORIGIN), "role": "root" });
    federation
        .tre_root
        .say(&draft(tre(), "key-added", lent, vec![]))
        .await
        .unwrap();
    let follower =
        daybook_agent::client::Follower::new(federation.client.clone(), ORIGIN, federation.log_key.clone());
    let mut second = daybook_agent::author::Author::new(second, federation.client.clone(), follower);
    let lost = |kid: &str| {
        let data = json!({ "kid": kid, "reason": "lost" });
        draft(tre(), "key-revoked", data, vec![])
    };
    second.say(&lost(&first)).await.unwrap();
    let refused = federation.tre_root.say(&lost(&other)).await;
    assert!(refused.is_err(), "the first root has ended");
    let ended = second.say(&lost(&other)).await;
    assert!(ended.is_err(), "the last root never ends");
    let relay = Keys::fresh("tre/wessex/relay".parse().unwrap()).unwrap();
    let lent = json!({ "keys": relay.registration(ORIGIN), "role": "relay" });
    second
        .say(&draft(tre(), "key-added", lent, vec![]))
        .await
        .unwrap();
    published(&federation).await;
    // Auditors who compare with what the TRE published at first follow from there.
    let anchors = federation.site.path("anchors");
    std::fs::write(&anchors, format!("tre wessex {first}\n")).unwrap();
    let state = federation.site.text("audit");
    let args = [
        "audit",
        federation.client.base(),
        "--log-key",
        &key,
        "--state",
        &state,
        "--anchors",
        anchors.to_str().unwrap(),
    ];
    let output = run(&args);
    assert!(
        output.status.success() && stdout(&output).ends_with("The log holds.\n"),
        "{}",
        stdout(&output)
    );
}

/// The log's lines of a checkpoint that is served.
fn lines(hub: &Serving) -> usize {
    let note = hub.text("/log/checkpoint");
    let note = Note::parse(note.as_bytes()).unwrap();
    let lines = note.signatures().iter();
    lines.filter(|line| line.name().as_str() == ORIGIN).count()
}

fn word(output: &std::process::Output, name: &str) -> String {
    let text = stdout(output);
    let line = text.lines().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("{text}{}", stderr(output)))
        .split_whitespace()
        .last()
        .unwrap()
        .to_owned()
}

/// Keys of registrars that the operator has named: something for the log to grow by.
pub(crate) fn grow(site: &Site, hub: &Serving, log_key: &str, id: &str) {
    let keys = Keys::fresh(format!("registrar/{id}").parse().unwrap()).unwrap();
    let data = json!({ "id": id, "keys": keys.registration(ORIGIN), "role": "registrar" });
    let data = data.to_string();
    site.operator_says(hub, log_key, "role-granted", [&data, "{}"])
        .unwrap();
}

#[test]
fn a_log_key_is_replaced_while_both_sign_and_verifiers_follow() {
    let site = Site::new();
    let old = site.init();
    let hub = site.serve();
    assert_eq!(lines(&hub), 1);
    grow(&site, &hub, &old, "before");
    assert!(hub.terminate());

    // Both sign, and whoever knows either believes it.
    let second = site.text("keys/log.second.key");
    let made = run(&["keys", "log", "--origin", ORIGIN, "--out", &second]);
    let (new, x) = (word(&made, "verifier key"), word(&made, "x "));
    let hub = site.serve();
    grow(&site, &hub, &old, "announced");
    assert_eq!(lines(&hub), 2);
    for key in [&old, &new] {
        let (code, counts) = audit(&hub.url, ["--log-key", key]);
        let differs = counts.get("log-key-differs").is_some();
        // The log does not name the new one yet.
        assert_eq!(
            (code, differs),
            if key == &old {
                (Some(0), false)
            } else {
                (Some(1), true)
            },
            "{counts}"
        );
    }
    let note = hub.text("/log/checkpoint");
    let note: Vec<&str> = note.lines().collect();
    let root: Vec<u8> = daybook_core::Hash::from_base64(note[2]).unwrap().0.to_vec();
    let rotated = json!({
        "key": x, "reason": "planned", "size": note[1].parse::<u64>().unwrap(),
        "root": daybook_core::base64url::encode(&root),
    });
    let rotated = rotated.to_string();
    site.operator_says(&hub, &old, "log-key-rotated", [&rotated, "{}"])
        .unwrap();
    assert!(hub.terminate());

    // The new one signs first, and the old one beside it for as long as somebody asks by it.
    let swap = |from: &str, to: &str| {
        std::fs::rename(
            site.path(&format!("keys/{from}")),
            site.path(&format!("keys/{to}")),
        )
        .unwrap();
    };
    swap("log.key", "old");
    swap("log.second.key", "log.key");
    swap("old", "log.second.key");
    let hub = site.serve();
    grow(&site, &hub, &new, "swapped");
    assert_eq!(lines(&hub), 2);
    assert_eq!(audit(&hub.url, ["--log-key", &new]).0, Some(0));
    let both = site.path("both.policy");
    std::fs::write(&both, format!("log {old}\nlog {new}\nquorum none\n")).unwrap();
    let (code, counts) = audit(&hub.url, ["--policy", both.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{counts}");
    assert!(hub.terminate());

    // The old one is gone: what it signed is still there, under a log that names both.
    std::fs::remove_file(&second).unwrap();
    let hub = site.serve();
    grow(&site, &hub, &new, "after");
    assert_eq!(lines(&hub), 1);
    let (code, counts) = audit(&hub.url, ["--log-key", &new]);
    assert_eq!(code, Some(0), "{counts}");
    let (code, counts) = audit(&hub.url, ["--log-key", &old]);
    assert!(
        code == Some(1) && counts.get("checkpoint-unbelieved").is_some(),
        "{counts}"
    );
    let inside = site.run(&["audit-db", "--json"]);
    assert!(inside.status.success(), "{}", stdout(&inside));
    let looked = site.run(&["doctor"]);
    assert!(looked.status.success(), "{}", stdout(&looked));
    assert!(hub.terminate());
}

#[test]
fn a_log_key_that_the_log_does_not_name_opens_nothing() {
    let site = Site::new();
    site.init();
    std::fs::remove_file(site.path("keys/log.key")).unwrap();
    let made = run(&[
        "keys",
        "log",
        "--origin",
        ORIGIN,
        "--out",
        &site.text("keys/log.key"),
    ]);
    assert!(made.status.success(), "{}", stderr(&made));
    let refused = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    assert!(refused.contains("this database holds the log"), "{refused}");
}
