//! COSE receipts: what is in them, and where there is none. A library that is not ours verifies them in `cli/tests/it/outside.rs`.

use axum::http::StatusCode;
use daybook_api::{App, PacketLimits, PacketStore};
use daybook_core::checkpoint::Checkpoint;
use daybook_core::cose::ReceiptSigner;
use daybook_core::proof_file::ProofFile;
use daybook_testkit::{signer, workflow};
use daybook_world::{ORIGIN, bytes};

use crate::hub::{Hub, MAX_PACKET};

#[tokio::test]
async fn a_receipt_is_of_the_root_that_the_proof_is_of() {
    let hub = Hub::new().await;
    let size = hub.world.entries().len() as u64;
    hub.store.published.clone().covering(size).await.unwrap();
    let receipts = ReceiptSigner::from_seed(&bytes("cose.key")).unwrap();
    for index in [0, size / 2, size - 1] {
        let proof = hub.get(&format!("/v1/events/{index}/proof")).await;
        let proof = ProofFile::parse(&proof.body).unwrap();
        let checkpoint = Checkpoint::open(proof.checkpoint(), signer().verifier(), ORIGIN).unwrap();
        let answer = hub.get(&format!("/v1/events/{index}/cose-receipt")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let kind = answer.header("content-type");
        assert_eq!(kind, "application/cose; cose-type=\"cose-sign1\"");
        let expected = receipts.receipt(index, checkpoint.size(), proof.path(), checkpoint.root());
        assert_eq!(answer.body, expected.unwrap(), "entry {index}");
    }
    let keys = hub.get("/v1/cose-keys").await;
    assert_eq!(keys.header("content-type"), "application/cose-key-set");
    assert_eq!(keys.body, receipts.key_set().unwrap());
}

#[tokio::test]
async fn what_no_checkpoint_covers_has_no_receipt() {
    let mut hub = Hub::new().await;
    let owner = hub.unpublishing().await;
    let draft = workflow(&hub.world, "unpublished");
    let index = hub.say(&draft).await.1["index"].as_u64().unwrap();
    let answer = hub.get(&format!("/v1/events/{index}/cose-receipt")).await;
    assert_eq!(answer.slug(), "not-published");
    assert_eq!(answer.header("retry-after"), "1");
    owner.batch_execute("COMMIT").await.unwrap();
    for none in [(index + 1).to_string(), "01".to_owned(), "x".to_owned()] {
        let answer = hub.get(&format!("/v1/events/{none}/cose-receipt")).await;
        assert_eq!(answer.slug(), "not-found", "{none}");
    }
}

#[tokio::test]
async fn a_hub_without_that_key_says_so() {
    let mut hub = Hub::new().await;
    let folder = tempfile::tempdir().unwrap();
    let packets = PacketStore::folder(folder.path()).unwrap();
    let log_key = signer().verifier().to_string();
    let app = App::new(
        ORIGIN,
        &log_key,
        &hub.store,
        packets,
        PacketLimits::usual(MAX_PACKET),
    );
    hub.router = daybook_api::router(app);
    for uri in ["/v1/events/0/cose-receipt", "/v1/cose-keys"] {
        let answer = hub.get(uri).await;
        assert_eq!(answer.slug(), "not-found");
        assert!(
            answer.text().contains("signs no COSE receipts"),
            "{}",
            answer.text()
        );
    }
}
