//! What the site says of who watches the log.

use std::fmt::Write as _;

use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::Cosigner;
use daybook_core::note::Note;
use daybook_core::trust::TrustPolicy;
use daybook_store::witnessed::{Gatherer, Witnesses};
use daybook_testkit::{TestLog, signer};
use daybook_world::Ending;
use jiff::Timestamp;

use crate::support::{TestSite, figures_of};

const NAMES: [&str; 2] = ["inner", "outer"];

fn cosigner(name: &str) -> Cosigner {
    let seed = daybook_core::Hash::of(name.as_bytes()).0;
    let name = format!("{name}.example/witness");
    Cosigner::from_seed(name.parse().unwrap(), &seed).unwrap()
}

/// Two witnesses of whom one is enough.
fn watch(log: &TestLog) -> (Witnesses, Gatherer) {
    let mut text = String::new();
    for name in NAMES {
        writeln!(text, "witness {name} {}", cosigner(name).verifier()).unwrap();
    }
    text.push_str("group one-of-two 1 inner outer\nquorum one-of-two\n");
    let policy = TrustPolicy::parse(text.as_bytes()).unwrap();
    log.store.witnesses(policy.for_log(signer().verifier().clone()))
}

/// A site whose log is watched, one of its witnesses being from outside.
async fn watched(independent: &[&str]) -> (TestSite, Witnesses) {
    let mut witnesses = None;
    let names: Vec<String> = independent.iter().map(|name| (*name).to_owned()).collect();
    let site = TestSite::of(|log, site| {
        let (watching, gatherer) = watch(log);
        tokio::spawn(gatherer.run(tokio_util::sync::CancellationToken::new()));
        witnesses = Some(watching.clone());
        site.witnessed(watching, names.into(), false)
    })
    .await;
    (site, witnesses.unwrap())
}

/// A witness cosigns the newest checkpoint, so many seconds ago.
async fn cosign(site: &TestSite, witnesses: &Witnesses, name: &str, ago: i64) -> u64 {
    let reached = site.settle().await;
    let released = site.log.store.published.latest().unwrap();
    let note = Note::parse(released.note.as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    let time = u64::try_from(Timestamp::now().as_second() - ago).unwrap();
    let line = cosigner(name).cosign(&checkpoint, time).unwrap();
    witnesses.record(reached, &line).await.unwrap();
    witnesses.covering(reached).await.unwrap();
    reached
}

#[tokio::test]
async fn each_witness_is_named_with_what_it_signed_last_and_how_long_ago() {
    let (mut site, witnesses) = watched(&["outer"]).await;
    let page = site.page("/record").await;
    assert_eq!(figures_of(&page)["witnesses"], "2");
    assert_eq!(page.matches("Has not signed yet").count(), 2, "{page}");

    let first = cosign(&site, &witnesses, "inner", 7_200).await;
    let page = site.page("/record").await;
    let shown = figures_of(&page);
    assert_eq!(shown["witness.inner"], first.to_string());
    assert_eq!(shown["witnessed"], first.to_string());
    assert!(
        page.contains("2 hours ago") && page.contains("inner.example/witness"),
        "{page}"
    );
    assert_eq!(page.matches("Has not signed yet").count(), 1, "{page}");
    // Who is from outside is said of the one that has not signed as well.
    assert!(!page.contains("None of the witnesses is independent"), "{page}");

    // The log grows, and only one of them signs on: each entry is checked against what was cosigned.
    site.run("wessex", Ending::Refused).await;
    let grown = site.settle().await;
    let newest = site.page(&format!("/check/{}", grown - 1)).await;
    assert!(
        newest.contains("No witness has signed this checkpoint"),
        "{newest}"
    );
    let old = site.page("/check/1").await;
    assert!(old.contains("signed the same checkpoint: inner."), "{old}");
    assert!(old.contains("None of them is independent"), "{old}");
    assert!(old.contains(&format!("the record of {first} entries")), "{old}");
    let second = cosign(&site, &witnesses, "outer", 60).await;
    assert!(second >= grown);
    let shown = figures_of(&site.page("/record").await);
    assert_eq!(
        (shown["witness.inner"].as_str(), shown["witness.outer"].as_str()),
        (first.to_string().as_str(), second.to_string().as_str())
    );
    let page = site.page("/check/1").await;
    assert!(page.contains("signed the same checkpoint: outer."), "{page}");
    assert!(!page.contains("None of them is independent"), "{page}");
}

#[tokio::test]
async fn it_is_said_where_no_witness_is_independent_and_where_nobody_watches() {
    let (site, _) = watched(&[]).await;
    let page = site.page("/record").await;
    assert!(page.contains("None of the witnesses is independent"), "{page}");
    let page = site.page("/cy/record").await;
    assert!(
        page.contains("Nid oes yr un o&#39;r tystion yn annibynnol"),
        "{page}"
    );
    let page = TestSite::new().await.page("/record").await;
    assert!(page.contains("Nobody else watches this record"), "{page}");
}

#[tokio::test]
async fn what_is_so_at_this_moment_is_made_anew_for_each_who_asks() {
    let site = TestSite::new().await;
    site.settle().await;
    for path in ["/record", "/check/1", "/cy/record"] {
        let (_, headers, _) = site.answer(path, &[]).await;
        assert!(!headers.contains_key("etag"), "{path}");
        assert_eq!(headers["cache-control"], "public, no-cache", "{path}");
    }
    let (_, headers, _) = site.answer("/projects", &[]).await;
    let tag = headers["etag"].to_str().unwrap();
    let (status, _, body) = site
        .answer("/projects", &[(axum::http::header::IF_NONE_MATCH, tag)])
        .await;
    assert_eq!((status.as_u16(), body.as_str()), (304, ""));
}
