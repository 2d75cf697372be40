//! A site before a log in a database of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, Request, StatusCode};
use daybook_core::event::Event;
use daybook_core::id::{Actor, Stream};
use daybook_core::sealed::{Opening, ReaderClass, digest};
use daybook_register_web::{Settings, Site, router};
use daybook_store::project::{MAX_FOLD, Projector, Start};
use daybook_testkit::{TestLog, identity};
use daybook_views::Views;
use daybook_world::{Draft, Ending, ORIGIN, id};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_mins(1);
/// Bytes of an answer at most.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

pub(crate) struct TestSite {
    pub(crate) log: TestLog,
    projector: Projector,
    router: Router,
    /// Digests of the openings that were published.
    published: BTreeSet<String>,
}

impl TestSite {
    pub(crate) async fn new() -> Self {
        Self::of(|_, site| site).await
    }

    /// A site that is made a little differently.
    pub(crate) async fn of(change: impl FnOnce(&TestLog, Site) -> Site) -> Self {
        Self::over(TestLog::founded().await, change).await
    }

    /// The same over a log.
    pub(crate) async fn over(log: TestLog, change: impl FnOnce(&TestLog, Site) -> Site) -> Self {
        let projector = Projector::start(Start {
            address: log.db.config().into(),
            views: daybook_views::all(),
            head: log.store.head.clone(),
            batch: MAX_FOLD,
        });
        let projector = projector.await.unwrap();
        let views = Views::new(log.store.reader.clone(), projector.progress());
        let settings = Settings {
            address: "https://register.example".to_owned(),
            contact: "register@example.org".to_owned(),
            ..Settings::default()
        };
        let key = identity().log_key.to_string();
        let (reader, published) = (log.store.reader.clone(), log.store.published.clone());
        let site = Site::new((ORIGIN, &key), views, reader, published, settings);
        Self {
            router: router(change(&log, site)),
            projector,
            log,
            published: BTreeSet::new(),
        }
    }

    /// What an address answers with.
    pub(crate) async fn ask(&self, path: &str) -> (StatusCode, String) {
        let (status, _, text) = self.answer(path, &[]).await;
        (status, text)
    }

    /// What an address answers a request with these headers.
    pub(crate) async fn answer(
        &self,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, MAX_ANSWER).await.unwrap();
        (
            parts.status,
            parts.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    /// A page that is there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let (status, text) = self.ask(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        text
    }

    /// Waits until views and checkpoint have come as far as the log.
    pub(crate) async fn settle(&self) -> u64 {
        let size = self.log.store.head.borrow().size;
        let progress = self.projector.progress();
        let deadline = Instant::now() + LIMIT;
        while progress.sizes().values().any(|reached| *reached < size) {
            assert!(progress.stopped().is_empty(), "{:?}", progress.stopped());
            assert!(Instant::now() < deadline, "the views do not follow");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut published = self.log.store.published.clone();
        let covered = tokio::time::timeout(LIMIT, published.covering(size)).await;
        covered.unwrap().unwrap();
        size
    }

    /// A project that says this about itself.
    pub(crate) async fn project(&mut self, name: &str, fields: &[(&str, Value)]) -> Uuid {
        let project = id(name);
        let until = self.log.world.now + 300 * 86_400;
        let mut draft = Draft::new(
            &self.log.world.cast.registrar,
            &Stream::Project(project),
            "project-registered",
            json!({ "until": until }),
        );
        for (name, value) in fields {
            draft = draft.seal(name, value.clone());
        }
        self.log.say(&draft).await;
        project
    }

    /// A TRE approves a project for one of its datasets.
    pub(crate) async fn approve(&mut self, tre: &str, project: Uuid) {
        let dataset = daybook_world::Cast::dataset(tre, 0);
        let stream = format!("project/{project}");
        let version = self.log.world.state_of(&stream)["version"].clone();
        let until = self.log.world.now + 200 * 86_400;
        let draft = Draft::new(
            &daybook_world::Cast::tre(tre, daybook_core::id::TreRole::Review),
            &format!("approval/{tre}/{stream}").parse().unwrap(),
            "approval-granted",
            json!({ "body": "controller", "cause": version, "datasets": [dataset], "until": until }),
        );
        self.log.say(&draft).await;
    }

    /// Publishes all that is public of a project: what is said of it, its approvals, its outputs and results, the TREs, and the
    /// datasets and workflows; as the editor would.
    pub(crate) async fn publish(&mut self, project: Uuid) {
        let entries = self.log.world.entries().to_vec();
        let wanted = rests_on(&entries, project);
        let mut newest: BTreeMap<String, usize> = BTreeMap::new();
        for (index, event) in entries.iter().enumerate() {
            let claims = event.claims();
            let stream = claims.sub.to_string();
            let slot = match claims.kind.as_str() {
                "output-linked" => format!("{stream} output {index}"),
                "project-closed" => format!("{stream} closed"),
                "job-released" | "release-recalled" => format!("results {}", claims.kind),
                kind if DESCRIBES.contains(&kind) => stream.clone(),
                _ => continue,
            };
            if wanted.contains(&stream) {
                newest.insert(slot, index);
            }
        }
        let mut indexes: Vec<usize> = newest.into_values().collect();
        indexes.sort_unstable();
        let (mut leaves, mut digests) = (Vec::new(), Vec::new());
        for index in indexes {
            leaves.push(entries[index].leaf().to_base64url());
            let at = u64::try_from(index).unwrap();
            for stored in self.log.store.reader.openings(at).await.unwrap() {
                let digest = digest(&stored.opening).to_base64url();
                let is_public = matches!(stored.class, ReaderClass::Public | ReaderClass::PublicFrom);
                if is_public && self.published.insert(digest.clone()) {
                    digests.push(digest);
                }
            }
        }
        let state = self.log.world.state_of(&format!("register/{project}"));
        let version = state.get("version").and_then(Value::as_i64).unwrap_or(0) + 1;
        let cause = self.log.world.state_of(&format!("project/{project}"))["version"].clone();
        let draft = Draft::new(
            &Actor::Editor,
            &Stream::Register(project),
            "register-published",
            json!({ "cause": cause, "openings": digests, "rests_on": leaves, "version": version }),
        );
        self.log.say(&draft).await;
    }

    /// A job at a TRE that comes to an end.
    pub(crate) async fn run(&mut self, tre: &str, ending: Ending) -> Uuid {
        let submission = id(&format!("submission {}", self.log.world.entries().len()));
        let draft = self.log.world.submission(submission, &[tre]);
        self.log.say(&draft).await;
        let job = id(&format!("job of {submission} at {tre}"));
        self.log.world.job = Some(job);
        for kind in ending.steps() {
            self.log.world.now += 40 * 60;
            let draft = self.log.world.usual(kind);
            self.log.say(&draft).await;
        }
        job
    }

    /// The public fields of an entry, whether published or not.
    pub(crate) async fn fields(&self, index: usize) -> BTreeMap<String, Value> {
        let stored = self
            .log
            .store
            .reader
            .openings(u64::try_from(index).unwrap())
            .await
            .unwrap();
        let public = stored.iter().filter(|one| one.class == ReaderClass::Public);
        public
            .map(|one| Opening::parse(&one.opening).unwrap())
            .map(|opening| (opening.name().to_owned(), opening.value().clone()))
            .collect()
    }
}

/// Types of which the last one of a stream says what the thing is.
const DESCRIBES: [&str; 8] = [
    "project-registered",
    "project-amended",
    "approval-granted",
    "tre-joined",
    "tre-amended",
    "dataset-registered",
    "dataset-amended",
    "workflow-registered",
];

/// The streams of which a project's page tells: its own, its approvals, and the TREs, datasets, workflows and jobs that these and
/// its submissions name.
fn rests_on(entries: &[Event], project: Uuid) -> BTreeSet<String> {
    let own = Stream::Project(project).to_string();
    let mut wanted = BTreeSet::from([own.clone()]);
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for event in entries {
        let claims = event.claims();
        let stream = claims.sub.to_string();
        if claims.kind == "approval-granted" && stream.ends_with(&format!("/{own}")) {
            let tre = stream.split('/').nth(1).unwrap();
            wanted.extend([format!("tre/{tre}"), stream.clone()]);
            let datasets = claims.data.get("datasets").map(texts).unwrap_or_default();
            wanted.extend(datasets.iter().map(|id| format!("dataset/{id}")));
        }
        let of_project = matches!(claims.iss, Actor::Member { project: of, .. } if of == project);
        if claims.kind == "job-submitted" && of_project {
            wanted.insert(format!("workflow/{}", claims.data["workflow"].as_str().unwrap()));
            let jobs = claims.data["jobs"].as_object().unwrap().values();
            wanted.extend(jobs.map(|job| format!("job/{}", job["job"].as_str().unwrap())));
        }
    }
    wanted
}

/// The text between two others, each time they stand there.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split_once(after).map(|(found, _)| found))
        .collect()
}

/// Every figure of a page: by its name, what it says.
pub(crate) fn figures_of(page: &str) -> BTreeMap<String, String> {
    between(page, "data-figure=\"", "<")
        .into_iter()
        .filter_map(|found| found.split_once("\">"))
        .map(|(name, said)| (name.to_owned(), said.to_owned()))
        .collect()
}
