//! Two instances on one database: what one has said, the other does not deny.

use axum::http::StatusCode;
use daybook_core::tree::{Resource, TileId, TilePath};
use daybook_store::append::Candidate;
use daybook_testkit::workflow;

use crate::hub::{Hub, now};

#[tokio::test]
async fn tiles_of_another_instances_checkpoint_are_served() {
    let mut hub = Hub::new().await;
    let size = hub.world.entries().len() as u64;
    hub.store.published.clone().covering(size).await.unwrap();
    let other = hub.second().await;
    // From now on this instance hears of nothing.
    let ended = hub.store.published.clone();
    hub.store.hard_stop().cancel();
    let mut ended = ended;
    assert_eq!(ended.covering(u64::MAX).await, None);

    let draft = workflow(&hub.world, "elsewhere");
    let signed = hub.sign(&draft).await;
    let candidate = Candidate {
        event: signed.event,
        openings: signed.openings,
    };
    let receipt = other.appender.append(candidate, now()).await.unwrap();
    let path = |width: u64| {
        let id = TileId { level: 0, n: 0 };
        let width = u16::try_from(width).unwrap();
        [Resource::Hashes(id), Resource::Entries(0)]
            .map(|resource| format!("/log/{}", TilePath::new(resource, width).unwrap()))
    };
    let released = other.published.clone().covering(size + 1).await.unwrap();
    assert!(released.head.size > receipt.index);
    for uri in path(size + 1) {
        assert_eq!(hub.get(&uri).await.status, StatusCode::OK, "{uri}");
    }
    for uri in path(size + 2) {
        assert_eq!(hub.get(&uri).await.slug(), "not-found", "{uri}");
    }
    other.close().await;
}
