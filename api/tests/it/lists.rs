//! Lists over the views.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use daybook_core::base64url;
use daybook_store::project::{MAX_FOLD, Progress, Projector, Start};
use daybook_views::Views;
use daybook_world::{Ending, id};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::hub::{Answer, Hub, access_key, insider, sha256, token};

/// A hub whose projector runs, with the job of the description's examples.
pub(crate) struct Viewing {
    pub(crate) hub: Hub,
    pub(crate) job: Uuid,
    pub(crate) projector: Projector,
}

/// Every list, and the name of its rows.
const LISTS: [(&str, &str); 10] = [
    ("/v1/jobs", "jobs"),
    ("/v1/submissions", "submissions"),
    ("/v1/projects", "projects"),
    (
        "/v1/projects/1c9f0e8e-51f3-4538-b940-45cc53e2dccd/members",
        "members",
    ),
    ("/v1/datasets", "datasets"),
    ("/v1/tres", "tres"),
    ("/v1/workflows", "workflows"),
    ("/v1/approvals", "approvals"),
    ("/v1/register", "entries"),
    ("/v1/activity", "activity"),
];

impl Viewing {
    pub(crate) async fn new() -> Self {
        let mut hub = Hub::new().await;
        let submission = id("example submission");
        let draft = hub.world.submission(submission, &["wessex", "mercia"]);
        hub.say(&draft).await;
        let job = id(&format!("job of {submission} at wessex"));
        hub.world.job = Some(job);
        hub.steps(&Ending::Withheld.steps()).await;
        let (bytes, member) = (b"a packet", insider(&hub.world));
        let path = format!("/v1/packets/{}", id(&format!("packet of {submission}")));
        let token = token(&member, &Method::PUT, &path).sign(&access_key(&member));
        let request = Request::put(format!("{path}?sha256={}", sha256(bytes)))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_LENGTH, bytes.len())
            .body(Body::from(bytes.as_slice()))
            .unwrap();
        assert_eq!(hub.send(request).await.status, StatusCode::CREATED);
        let projector = Projector::start(Start {
            address: hub.database().into(),
            views: daybook_views::all(),
            head: hub.store.head.clone(),
            batch: MAX_FOLD,
        });
        let projector = projector.await.unwrap();
        hub.app = hub
            .app
            .with_views(Views::new(hub.store.reader.clone(), projector.progress()));
        hub.router = daybook_api::router(hub.app.clone());
        let viewing = Self { hub, job, projector };
        for (list, _) in LISTS {
            viewing.fresh(list).await;
        }
        viewing
    }

    fn size(&self) -> usize {
        self.hub.world.entries().len()
    }

    /// The whole of a list as it is now.
    async fn fresh(&self, list: &str) -> Value {
        let joint = if list.contains('?') { '&' } else { '?' };
        let uri = format!("{list}{joint}limit=200&at_least={}", self.size());
        self.hub.get(&uri).await.json()
    }

    /// Sends what must be refused, and answers with the detail.
    async fn detail(&self, uri: &str) -> String {
        let answer = self.hub.get(uri).await;
        assert_eq!(answer.slug(), "malformed-request", "{uri}");
        answer.problem()["detail"].as_str().unwrap().to_owned()
    }
}

/// A hub whose views are only being made.
pub(crate) async fn view_behind() -> Answer {
    let mut hub = Hub::new().await;
    let views = Views::new(hub.store.reader.clone(), Progress::new(["jobs"]));
    hub.router = daybook_api::router(hub.app.clone().with_views(views));
    let answer = hub.get("/v1/jobs").await;
    assert_eq!(answer.problem()["as_of"], 0);
    answer
}

#[tokio::test]
async fn pages_of_any_length_hold_the_same_rows() {
    let viewing = Viewing::new().await;
    for (list, name) in LISTS {
        let whole = viewing.fresh(list).await;
        assert_eq!(
            (&whole["as_of"], &whole["next"]),
            (&json!(viewing.size()), &json!(null)),
            "{list}"
        );
        let rows = whole[name].as_array().unwrap();
        assert!(!rows.is_empty(), "{list}");
        for limit in [1, 3, rows.len()] {
            let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
            loop {
                let page = viewing
                    .hub
                    .get(&format!("{list}?limit={limit}{cursor}"))
                    .await
                    .json();
                found.extend(page[name].as_array().unwrap().clone());
                pages += 1;
                match page["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
                assert!(pages <= rows.len(), "the pages of {list} never end");
            }
            assert_eq!(found, *rows, "{list} by {limit}");
            assert_eq!(pages, rows.len().div_ceil(limit), "{list} by {limit}");
        }
    }
}

#[tokio::test]
async fn what_a_list_tells_is_what_the_log_says() {
    let mut viewing = Viewing::new().await;
    let job = viewing.job;
    let jobs = viewing.fresh("/v1/jobs").await["jobs"].clone();
    let listed = jobs
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["id"] == json!(job))
        .unwrap()
        .clone();
    let alone = viewing.hub.get(&format!("/v1/jobs/{job}")).await.json();
    for (name, value) in alone.as_object().unwrap() {
        if !["seq", "leaf_hash"].contains(&name.as_str()) {
            assert_eq!(listed[name], *value, "{name}");
        }
    }
    for (query, count) in [
        ("tre=wessex", 1),
        ("tre=mercia&state=submitted", 1),
        ("state=withheld", 1),
        ("state=running", 0),
        ("tre=nowhere", 0),
        ("tre=wessex&state=submitted", 0),
    ] {
        let found = viewing.fresh(&format!("/v1/jobs?{query}")).await;
        assert_eq!(found["jobs"].as_array().unwrap().len(), count, "{query}");
    }
    // A project is on the register only once it has an entry there.
    let count = |list: &Value, name: &str| list[name].as_array().unwrap().len();
    let before = (
        viewing.fresh("/v1/projects").await,
        viewing.fresh("/v1/register").await,
    );
    let draft = viewing.hub.world.usual("project-registered");
    viewing.hub.say(&draft).await;
    let after = (
        viewing.fresh("/v1/projects").await,
        viewing.fresh("/v1/register").await,
    );
    assert_eq!(count(&after.0, "projects"), count(&before.0, "projects") + 1);
    assert_eq!(count(&after.1, "entries"), count(&before.1, "entries"));
    let newest = &after.0["projects"][0];
    assert_eq!(
        (&newest["register"], &newest["members"]),
        (&json!(null), &json!(0))
    );
    let alone = format!("/v1/projects/{}", newest["id"].as_str().unwrap());
    let mut alone = viewing.hub.get(&alone).await.json();
    assert_eq!(
        alone.as_object_mut().unwrap().remove("as_of"),
        Some(json!(viewing.size()))
    );
    assert_eq!(alone, *newest);
    let nobody = viewing
        .hub
        .get(&format!(
            "/v1/projects/{}/members",
            newest["id"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(nobody["members"], json!([]));
}

#[tokio::test]
async fn nothing_that_a_person_typed_is_in_a_list() {
    let viewing = Viewing::new().await;
    let mut told = String::new();
    for (list, _) in LISTS {
        told.push_str(&viewing.fresh(list).await.to_string());
    }
    let world = &viewing.hub.world;
    let openings = world.entries().iter().flat_map(|event| world.openings(event));
    let typed: Vec<String> = openings
        .filter_map(|opening| opening.value().as_str().map(ToOwned::to_owned))
        .filter(|text| text.len() > 8)
        .collect();
    assert!(typed.len() > 3);
    for text in typed {
        assert!(!told.contains(&text), "{text:?} is told to everybody");
    }
}

#[tokio::test]
async fn who_wants_a_size_gets_it_or_is_told() {
    let mut viewing = Viewing::new().await;
    let size = viewing.size();
    for (list, _) in LISTS {
        let detail = viewing.detail(&format!("{list}?at_least={}", size + 1)).await;
        assert_eq!(
            detail,
            format!("`at_least` is {}, and the log has {size} entries.", size + 1)
        );
        viewing
            .detail(&format!("{list}?at_least=18446744073709551615"))
            .await;
        assert!(
            viewing
                .detail(&format!("{list}?at_least=x"))
                .await
                .starts_with("`at_least` is a whole")
        );
    }
    // What was appended is seen by who says how far.
    let draft = daybook_testkit::workflow(&viewing.hub.world, "listed");
    viewing.hub.say(&draft).await;
    let found = viewing
        .hub
        .get(&format!("/v1/workflows?at_least={}", size + 1))
        .await
        .json();
    assert_eq!(
        (&found["as_of"], &found["workflows"][0]["registered"]),
        (&json!(size + 1), &json!(size))
    );
    assert_eq!(view_behind().await.slug(), "view-behind");
}

#[tokio::test]
async fn a_wrong_parameter_is_named_with_what_is_allowed() {
    let viewing = Viewing::new().await;
    for (list, _) in LISTS {
        for (query, named) in [
            ("limit=0", "`limit` is a whole number from 1 to 200"),
            ("limit=201", "`limit` is a whole number from 1 to 200"),
            ("limit=1&limit=2", "\"limit\" is there twice"),
            ("cursor=x", "`cursor` is not"),
            ("colour=red", "There is no parameter \"colour\" here. There are "),
        ] {
            let detail = viewing.detail(&format!("{list}?{query}")).await;
            assert!(detail.contains(named), "{list}?{query}: {detail}");
        }
        let told = viewing.detail(&format!("{list}?colour=red")).await;
        assert!(told.ends_with("`limit`, `cursor`, `at_least`."), "{told}");
    }
    for (uri, named) in [
        ("/v1/jobs?state=done", "`state` is one of `submitted`, "),
        ("/v1/jobs?project=x", "`project` is a random UUID"),
        ("/v1/jobs?tre=WESSEX", "`tre` is a registered id"),
        ("/v1/projects?register=x", "`register` is one of `published`, "),
        ("/v1/approvals?subject=tre", "`subject` is one of `member`, "),
        ("/v1/tres/wessex?limit=1", "There are `at_least`."),
    ] {
        let detail = viewing.detail(uri).await;
        assert!(detail.contains(named), "{uri}: {detail}");
    }
    for (uri, has_size) in [
        (format!("/v1/projects/{}", id("none")), true),
        (format!("/v1/projects/{}/members", id("none")), true),
        (format!("/v1/datasets/{}", id("none")), true),
        (format!("/v1/workflows/{}", id("none")), true),
        ("/v1/tres/nowhere".to_owned(), true),
        ("/v1/projects/x".to_owned(), false),
        ("/v1/tres/NOWHERE".to_owned(), false),
        ("/v1/datasets/%00".to_owned(), false),
    ] {
        let answer = viewing.hub.get(&uri).await;
        assert_eq!(answer.slug(), "not-found", "{uri}");
        assert_eq!(answer.problem().get("as_of").is_some(), has_size, "{uri}");
    }
}

#[tokio::test]
async fn a_cursor_that_somebody_made_up_leads_nowhere() {
    let viewing = Viewing::new().await;
    let project = id("project");
    let of = |list: &str, at: &str| base64url::encode(format!("[\"{list}\",{at}]").as_bytes());
    for (uri, cursor) in [
        ("/v1/tres", of("tres", "\"a\\u0000b\"")),
        ("/v1/tres", of("tres", "\"A\"")),
        ("/v1/tres", of("jobs", "\"a\"")),
        ("/v1/jobs", of("jobs", "[1]")),
        (
            "/v1/jobs",
            of("jobs", "[-1,\"1c9f0e8e-51f3-4538-b940-45cc53e2dccd\"]"),
        ),
        (
            "/v1/submissions",
            of("jobs", "[1,\"1c9f0e8e-51f3-4538-b940-45cc53e2dccd\"]"),
        ),
        (
            "/v1/approvals",
            of(
                "approvals",
                "[\"wessex\",\"x\",\"1c9f0e8e-51f3-4538-b940-45cc53e2dccd\"]",
            ),
        ),
        ("/v1/keys", of("keys", "[1,\"\\u0000\"]")),
        ("/v1/tres/wessex/queue", of("queue of wessex", "\"\\u0000\"")),
    ] {
        let detail = viewing.detail(&format!("{uri}?cursor={cursor}")).await;
        assert!(detail.contains("`cursor`"), "{uri} {detail}");
    }
    // Beyond what the database can count is beyond the end or the beginning, and no fault of the hub.
    let far = of("jobs", &format!("[18446744073709551615,\"{project}\"]"));
    assert_eq!(
        viewing.hub.get(&format!("/v1/jobs?cursor={far}")).await.status,
        StatusCode::OK
    );
    let far = of("activity", "[18446744073709551615,-9223372036854775808]");
    assert_eq!(
        viewing
            .hub
            .get(&format!("/v1/activity?cursor={far}"))
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_has_a_page_is_not_sent_it_again_until_the_log_grows() {
    let mut viewing = Viewing::new().await;
    let ask = async |hub: &Hub, uri: &str, tag: &str| {
        let request = Request::get(uri).header(header::IF_NONE_MATCH, tag);
        let answer = tower::ServiceExt::oneshot(hub.router.clone(), request.body(Body::empty()).unwrap());
        answer.await.unwrap().status()
    };
    let mut tags = Vec::new();
    for (list, _) in LISTS {
        let answer = viewing.hub.get(list).await;
        let tag = answer.header("etag").to_owned();
        assert_eq!(
            ask(&viewing.hub, list, &tag).await,
            StatusCode::NOT_MODIFIED,
            "{list}"
        );
        tags.push(tag);
    }
    let draft = daybook_testkit::workflow(&viewing.hub.world, "newer");
    viewing.hub.say(&draft).await;
    for ((list, _), tag) in LISTS.iter().zip(tags) {
        let uri = format!("{list}?at_least={}", viewing.size());
        assert_eq!(ask(&viewing.hub, &uri, &tag).await, StatusCode::OK, "{list}");
    }
}

#[tokio::test]
async fn a_hub_without_views_says_so() {
    let hub = Hub::new().await;
    for (list, _) in LISTS {
        assert_eq!(hub.get(list).await.slug(), "unavailable", "{list}");
    }
}
