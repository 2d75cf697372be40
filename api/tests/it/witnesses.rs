//! What witnesses say, as it is served, brought and waited for.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use daybook_api::Witnessing;
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::Cosigner;
use daybook_core::note::Note;
use daybook_core::proof_file::ProofFile;
use daybook_core::trust::TrustPolicy;
use daybook_testkit::{signer, workflow};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::hub::{Answer, Hub, append_body};

fn cosigner(name: &str) -> Cosigner {
    let seed = Hash::of(name.as_bytes()).0;
    Cosigner::from_seed(name.parse().unwrap(), &seed).unwrap()
}

/// A hub with two witnesses, both needed, and what ends its gathering.
pub(crate) async fn witnessed(waits: bool) -> (Hub, tokio_util::sync::DropGuard) {
    let mut hub = Hub::new().await;
    let text = format!(
        "witness w {}\nwitness v {}\ngroup both all w v\nquorum both\n",
        cosigner("w").verifier(),
        cosigner("v").verifier()
    );
    let policy = TrustPolicy::parse(text.as_bytes()).unwrap();
    let policy = policy.for_log(signer().verifier().clone());
    let (witnesses, gatherer) = hub.store.witnesses(policy);
    let stop = CancellationToken::new();
    tokio::spawn(gatherer.run(stop.clone()));
    let independent = ["v".to_owned()].into();
    hub.app = hub.app.clone().witnessed(Witnessing {
        witnesses,
        independent,
        waits,
    });
    hub.router = daybook_api::router(hub.app.clone());
    (hub, stop.drop_guard())
}

/// The newest published checkpoint, with that witness's line under it.
pub(crate) async fn cosigned(hub: &Hub, by: &[&str]) -> String {
    let size = hub.store.head.borrow().size;
    let released = hub.store.published.clone().covering(size).await.unwrap();
    let mut note = Note::parse(released.note.as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    for name in by {
        note.add(cosigner(name).cosign(&checkpoint, 1_795_300_000).unwrap())
            .unwrap();
    }
    note.to_string()
}

pub(crate) async fn bring(hub: &Hub, note: String) -> Answer {
    hub.call(Method::POST, "/log/cosignatures", None, Body::from(note))
        .await
}

/// What a problem answers, for the test of the whole set.
pub(crate) async fn bad_cosignature() -> Answer {
    let (hub, _guard) = witnessed(false).await;
    let note = cosigned(&hub, &["stranger"]).await;
    bring(&hub, note).await
}

#[tokio::test]
async fn the_policy_names_log_witnesses_and_what_the_quorum_is_worth() {
    let (hub, _guard) = witnessed(false).await;
    let text = hub.get("/log/policy").await.text();
    assert!(text.contains("# From outside of the federation: v.\n"), "{text}");
    assert!(text.contains("only if 2 witnesses lie; 0 may be away"), "{text}");
    let policy = TrustPolicy::parse(text.as_bytes()).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 2));
    let bare = Hub::new().await.get("/log/policy").await.text();
    assert!(
        TrustPolicy::parse(bare.as_bytes()).is_ok_and(|policy| !policy.asks_for_witnesses()),
        "{bare}"
    );
}

#[tokio::test]
async fn cosignatures_that_are_brought_are_served_with_checkpoint_and_proofs() {
    let (hub, _guard) = witnessed(false).await;
    let answer = bring(&hub, cosigned(&hub, &["w", "stranger"]).await).await;
    let size = hub.store.head.borrow().size;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::OK, json!({ "size": size, "taken": 1 }))
    );
    bring(&hub, cosigned(&hub, &["v"]).await).await;
    let witnesses = &hub.app_witnesses();
    witnesses.covering(size).await.unwrap();
    let policy = hub.get("/log/policy").await.text();
    let policy = TrustPolicy::parse(policy.as_bytes()).unwrap();
    for uri in ["/log/checkpoint".to_owned(), format!("/v1/checkpoints/{size}")] {
        let note = Note::parse(&hub.get(&uri).await.body).unwrap();
        assert_eq!(policy.open(&note).unwrap().witnesses.len(), 2, "{uri}");
    }
    let proof = ProofFile::parse(&hub.get("/v1/events/3/proof").await.body).unwrap();
    let leaf = *hub.world.entries()[3].leaf();
    assert_eq!(proof.verify_by(&leaf, &policy).unwrap().checkpoint.size(), size);
    let standing = hub.get("/v1/witnesses").await.json();
    assert_eq!(standing["witnessed_size"], size);
    assert_eq!(standing["witnesses"][1]["is_independent"], true);
    assert_eq!(standing["witnesses"][0]["size"], size);
    assert_eq!(hub.get("/v1/checkpoints/0").await.status, StatusCode::NOT_FOUND);
    assert_eq!(hub.get("/v1/checkpoints/01").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_entry_is_proved_against_a_witnessed_checkpoint_rather_than_a_newer_one() {
    let (mut hub, _guard) = witnessed(false).await;
    bring(&hub, cosigned(&hub, &["w", "v"]).await).await;
    let size = hub.store.head.borrow().size;
    hub.app_witnesses().covering(size).await.unwrap();
    let draft = workflow(&hub.world, "later");
    hub.say(&draft).await;
    cosigned(&hub, &[]).await;
    let of = |answer: Answer| {
        Checkpoint::parse(ProofFile::parse(&answer.body).unwrap().checkpoint().text())
            .unwrap()
            .size()
    };
    assert_eq!(of(hub.get("/v1/events/0/proof").await), size);
    assert_eq!(of(hub.get(&format!("/v1/events/{size}/proof")).await), size + 1);
    // The checkpoint itself is the newest, whoever has cosigned it.
    let newest = Note::parse(&hub.get("/log/checkpoint").await.body).unwrap();
    assert_eq!(Checkpoint::parse(newest.text()).unwrap().size(), size + 1);
}

#[tokio::test]
async fn a_hub_that_waits_for_its_quorum_serves_no_checkpoint_before() {
    let (mut hub, _guard) = witnessed(true).await;
    assert_eq!(hub.get("/log/checkpoint").await.slug(), "not-found");
    bring(&hub, cosigned(&hub, &["w", "v"]).await).await;
    let size = hub.store.head.borrow().size;
    hub.app_witnesses().covering(size).await.unwrap();
    let draft = workflow(&hub.world, "later");
    hub.say(&draft).await;
    cosigned(&hub, &[]).await;
    let served = Note::parse(&hub.get("/log/checkpoint").await.body).unwrap();
    assert_eq!(Checkpoint::parse(served.text()).unwrap().size(), size);
}

#[tokio::test]
async fn who_waits_for_witnesses_gets_a_proof_that_the_policy_believes() {
    let (mut hub, _guard) = witnessed(false).await;
    let draft = workflow(&hub.world, "waited-for");
    let signed = hub.sign(&draft).await;
    let body = append_body(&signed);
    let size = hub.store.head.borrow().size;
    let witnessing = async {
        hub.store.published.clone().covering(size + 1).await.unwrap();
        bring(&hub, cosigned(&hub, &["w", "v"]).await).await
    };
    let (answer, brought) = tokio::join!(hub.post("/v1/events?wait=witnessed", &body), witnessing);
    assert_eq!(brought.status, StatusCode::OK);
    let answer = answer.json();
    assert_eq!(answer["witnessed"], true, "{answer}");
    let policy = TrustPolicy::parse(hub.get("/log/policy").await.text().as_bytes()).unwrap();
    let proof = ProofFile::parse(answer["proof"].as_str().unwrap().as_bytes()).unwrap();
    assert!(proof.verify_by(signed.event.leaf(), &policy).is_ok());
}

#[tokio::test]
async fn nothing_is_taken_that_is_not_a_witnesss_over_a_published_checkpoint() {
    let (hub, _guard) = witnessed(false).await;
    let note = cosigned(&hub, &["w"]).await;
    let forked = note.replacen('\n', "\n9", 1);
    assert_eq!(bring(&hub, forked).await.slug(), "bad-cosignature");
    assert_eq!(
        bring(&hub, cosigned(&hub, &[]).await).await.slug(),
        "bad-cosignature"
    );
    assert_eq!(bring(&hub, "x".to_owned()).await.slug(), "malformed-request");
    assert_eq!(bring(&hub, "x".repeat(20_000)).await.slug(), "too-large");
    let bare = Hub::new().await;
    assert_eq!(bring(&bare, note).await.slug(), "no-witnesses");
    assert_eq!(hub.get("/v1/witnesses").await.json()["witnesses"][0]["size"], 0);
}
