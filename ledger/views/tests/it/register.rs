//! The register: versions, what they show, searching, and erasing.

use std::collections::BTreeSet;

use daybook_core::id::Stream;
use daybook_store::project::{MAX_FOLD, Projector, Start, check, rebuild};
use daybook_testkit::TestLog;
use daybook_views::register::{SearchFilter, Sort, digest};
use daybook_views::{Page, Views, register};
use daybook_world::Draft;
use serde_json::json;
use uuid::Uuid;

use crate::support::until;

/// A word that stands in one text of one project.
const CANARY: &str = "zyxomma";

struct Register {
    log: TestLog,
    projector: Projector,
    views: Views,
    project: Uuid,
    /// Leaf hash, digests of public openings, and index of the project's entry.
    details: (String, Vec<String>, u64),
}

impl Register {
    /// A project that says something, approved by two TREs, and not on the register yet.
    async fn new() -> Self {
        let mut log = TestLog::founded().await;
        let cast = log.world.cast.clone();
        let project = cast.project;
        let head = log.world.state_of(&format!("project/{project}"));
        let draft = Draft::new(
            &cast.registrar,
            &Stream::Project(project),
            "project-amended",
            json!({ "material": false, "until": head["until"] }),
        )
        .seal("title", "Asthma in young people".into())
        .seal("line", format!("A line about {CANARY}s.").into())
        .seal("lay_summary", "We count visits.".into())
        .seal("public_benefit", "Better care.".into())
        .seal("organisations", json!(["Wessex, Bath and Co"]))
        .seal("commercial", "partner".into())
        .seal("keywords", json!(["Lungs"]));
        let (said, receipt) = log.say(&draft).await;
        let digests = said
            .openings
            .iter()
            .map(|opening| opening.digest().to_base64url());
        let details = (receipt.leaf.to_base64url(), digests.collect(), receipt.index);
        let projector = Projector::start(Start {
            address: log.db.config().into(),
            views: daybook_views::all(),
            head: log.store.head.clone(),
            batch: MAX_FOLD,
        });
        let projector = projector.await.unwrap();
        let views = Views::new(log.store.reader.clone(), projector.progress());
        Self {
            log,
            projector,
            views,
            project,
            details,
        }
    }

    /// Publishes a version that rests on the project's entry and shows all of it; answers with the digest it carries.
    async fn publish(&mut self) -> String {
        let (leaf, digests, _) = self.details.clone();
        let draft = self
            .log
            .world
            .usual("register-published")
            .with("openings", json!(digests))
            .with("rests_on", json!([leaf]));
        self.log.say(&draft).await;
        self.folded().await;
        let version = self
            .views
            .register_version(self.project, None)
            .await
            .unwrap()
            .row
            .unwrap();
        digest(&self.views.edition(version).await.unwrap().document())
    }

    async fn folded(&self) {
        let size = self.log.store.head.borrow().size;
        let progress = self.projector.progress();
        until("the register has followed", async || {
            progress.size(register::NAME) >= size
        })
        .await;
        assert!(progress.stopped().is_empty(), "{:?}", progress.stopped());
    }

    async fn found(&self, text: &str) -> Vec<Uuid> {
        let filter = SearchFilter {
            text: Some(text.to_owned()),
            ..SearchFilter::default()
        };
        let found = self
            .views
            .search_register(&filter, Sort::Relevance, &Page::default())
            .await
            .unwrap();
        found.rows.into_iter().map(|hit| hit.row.project).collect()
    }

    async fn check(&self) {
        let address = self.log.db.config().into();
        let (_, difference) = check(&address, &register::View, |_, _| {}).await.unwrap();
        assert_eq!(difference, None);
    }

    /// Every text of every table of the view.
    async fn everything(&self) -> String {
        let owner = self.log.owner().await;
        let mut all = String::new();
        for table in daybook_store::project::View::tables(&register::View) {
            let rows = owner
                .query(
                    &format!("SELECT t::text FROM register_v1.{} AS t", table.name),
                    &[],
                )
                .await;
            for row in rows.unwrap() {
                all.push_str(row.get::<_, &str>(0));
                all.push('\n');
            }
        }
        all
    }
}

#[tokio::test]
async fn nothing_that_was_typed_is_in_the_view_until_it_is_published() {
    let mut register = Register::new().await;
    register.folded().await;
    assert!(!register.everything().await.contains(CANARY));
    register.publish().await;
    assert!(register.everything().await.contains(CANARY));
    register.check().await;
}

#[tokio::test]
async fn a_version_shows_what_it_rests_on_and_can_be_searched() {
    let mut register = Register::new().await;
    register.publish().await;
    let (leaf, digests, index) = register.details.clone();
    let version = register
        .views
        .register_version(register.project, None)
        .await
        .unwrap()
        .row
        .unwrap();
    let edition = register.views.edition(version).await.unwrap();
    let part = edition.details().unwrap();
    assert_eq!((part.leaf.as_str(), part.entry), (leaf.as_str(), index));
    assert_eq!(part.text("title"), Some("Asthma in young people"));
    assert_eq!(part.texts("organisations"), ["Wessex, Bath and Co"]);
    assert_eq!(part.text("lead"), None, "a field of another class is not there");
    let published: BTreeSet<String> = register
        .views
        .published_openings(digests.clone())
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert!(published.is_subset(&digests.into_iter().collect()) && published.len() >= 6);

    assert_eq!(
        register.found("asthma \"young people\"").await,
        [register.project]
    );
    assert_eq!(register.found("lungs -asthma").await, [] as [Uuid; 0]);
    let filter = SearchFilter {
        organisation: Some("Wessex, Bath and Co".to_owned()),
        commercial: Some("partner".to_owned()),
        topic: Some("lungs".to_owned()),
        ..SearchFilter::default()
    };
    let facets = register.views.register_facets(&filter).await.unwrap();
    assert_eq!(facets.total, 1);
    assert_eq!(facets.by["organisation"][0].value, "Wessex, Bath and Co");
    for sort in [Sort::Changed, Sort::Newest, Sort::Title] {
        let page = Page {
            limit: 1,
            ..Page::default()
        };
        let found = register
            .views
            .search_register(&filter, sort, &page)
            .await
            .unwrap();
        let after = Page {
            after: Some(found.rows[0].place.clone()),
            ..page
        };
        assert_eq!(
            register
                .views
                .search_register(&filter, sort, &after)
                .await
                .unwrap()
                .rows,
            []
        );
    }
}

#[tokio::test]
async fn an_erased_text_is_nowhere_in_the_view_and_the_page_is_due_again() {
    let mut register = Register::new().await;
    let before = register.publish().await;
    let (leaf, _, index) = register.details.clone();
    let stored = register.log.store.reader.openings(index).await.unwrap();
    let line = stored.iter().find(|opening| opening.name == "line").unwrap();
    let digest_of_line = daybook_core::sealed::digest(&line.opening).to_base64url();
    let erased = Draft::new(
        &register.log.world.cast.operator.clone(),
        &Stream::Erasure(daybook_world::id("erasure")),
        "fields-erased",
        json!({ "fields": [{ "event": leaf, "digests": [digest_of_line] }], "reason": "request" }),
    );
    register.log.say(&erased).await;
    register.folded().await;
    assert!(!register.everything().await.contains(CANARY));
    let entry = register
        .views
        .register_entry(register.project, None)
        .await
        .unwrap()
        .row
        .unwrap();
    assert!(entry.due.is_some());
    let version = register
        .views
        .register_version(register.project, None)
        .await
        .unwrap()
        .row
        .unwrap();
    let edition = register.views.edition(version).await.unwrap();
    assert!(edition.has_lost);
    assert_ne!(digest(&edition.document()), before);
    assert_eq!(
        register.found("asthma").await,
        [] as [Uuid; 0],
        "searched again once it is published anew"
    );

    // Filled anew, when the opening is long gone, the view is the same.
    register.check().await;
    let address = register.log.db.config().into();
    rebuild(&address, &register::View, |_, _| {}).await.unwrap();
    assert!(!register.everything().await.contains(CANARY));
    register.details.1.retain(|digest| *digest != digest_of_line);
    register.publish().await;
    assert_eq!(register.found("asthma").await, [register.project]);
    register.check().await;
}

#[tokio::test]
async fn a_withdrawn_entry_is_not_found_any_more() {
    let mut register = Register::new().await;
    register.publish().await;
    let draft = register.log.world.usual("register-withdrawn");
    register.log.say(&draft).await;
    register.folded().await;
    assert_eq!(register.found("asthma").await, [] as [Uuid; 0]);
    assert_eq!(
        register
            .views
            .register_facets(&SearchFilter::default())
            .await
            .unwrap()
            .total,
        1,
        "the other project"
    );
    register.check().await;
}
