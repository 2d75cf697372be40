//! Who has an answer already is not sent it again.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::hub::{Answer, Hub};

impl Hub {
    async fn get_unless(&self, uri: &str, tag: &str) -> Answer {
        let request = Request::get(uri).header("if-none-match", tag);
        let answer = tower::ServiceExt::oneshot(self.router.clone(), request.body(Body::empty()).unwrap());
        let (parts, body) = answer.await.unwrap().into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
        }
    }
}

impl Hub {
    /// Waits until a checkpoint covers all that the world knows of.
    async fn until_published(&self) {
        let size = self.world.entries().len() as u64;
        self.store.published.clone().covering(size).await.unwrap();
    }
}

#[tokio::test]
async fn openings_are_kept_by_nobody_on_the_way() {
    let hub = Hub::new().await;
    let answer = hub.get("/v1/events/3/openings").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "private, no-store");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let mut hub = Hub::new().await;
    let job = hub.submit().await;
    let submission = hub.world.job_state(job)["submission"]
        .as_str()
        .unwrap()
        .to_owned();
    hub.until_published().await;
    let table = hub.world.table().hash();
    let steady = [
        "/v1/events/3".to_owned(),
        format!("/v1/rules/{table}"),
        "/v1/keys?actor=operator".to_owned(),
        "/v1/streams/tre/mercia/head".to_owned(),
    ];
    let moving = [
        format!("/v1/jobs/{job}"),
        format!("/v1/jobs/{job}/history"),
        format!("/v1/submissions/{submission}"),
        format!("/v1/streams/job/{job}/head"),
        "/log/checkpoint".to_owned(),
    ];
    let mut tags = Vec::new();
    for uri in steady.iter().chain(&moving) {
        let first = hub.get(uri).await;
        let tag = first.header("etag").to_owned();
        assert!(
            tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20,
            "{uri}"
        );
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let again = hub.get_unless(uri, &known).await;
            assert_eq!(
                (again.status, again.body.len()),
                (StatusCode::NOT_MODIFIED, 0),
                "{uri}"
            );
            assert_eq!(again.header("etag"), tag);
            assert_eq!(again.header("cache-control"), first.header("cache-control"));
        }
        let other = hub.get_unless(uri, "\"another\"").await;
        assert_eq!((other.status, other.body), (StatusCode::OK, first.body), "{uri}");
        tags.push(tag);
    }
    hub.steps(&["job-collected"]).await;
    hub.until_published().await;
    for (n, uri) in steady.iter().chain(&moving).enumerate() {
        let has_changed = n >= steady.len();
        let again = hub.get_unless(uri, &tags[n]).await;
        assert_eq!(again.status == StatusCode::OK, has_changed, "{uri}");
    }
}

#[tokio::test]
async fn only_what_is_published_may_be_kept_for_ever() {
    let mut hub = Hub::new().await;
    let owner = hub.unpublishing().await;
    let draft = daybook_testkit::workflow(&hub.world, "fresh");
    let index = hub.say(&draft).await.1["index"].clone();
    let fresh = hub.get(&format!("/v1/events/{index}")).await;
    assert_eq!(fresh.header("cache-control"), "no-cache");
    owner.batch_execute("COMMIT").await.unwrap();
    let size = index.as_u64().unwrap() + 1;
    hub.store.published.clone().covering(size).await.unwrap();
    let old = hub.get(&format!("/v1/events/{index}")).await;
    assert!(old.header("cache-control").ends_with("immutable"));
    assert_eq!(
        (old.header("etag"), &old.body),
        (fresh.header("etag"), &fresh.body)
    );
}
