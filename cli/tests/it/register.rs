//! The register, from what people typed to what the public reads: with a real hub, its editor, and its site.

use std::time::{Duration, Instant};

use daybook_agent::author::{Author, Draft};
use daybook_agent::client::{Client, Follower, Receipt};
use daybook_agent::keyfile::Keys;
use daybook_agent::random;
use daybook_core::id::{Actor, Stream, Subject, TreRole};
use daybook_core::note::VerifierKey;
use daybook_core::sealed;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bin::{Serving, Site, run, stderr, stdout};

/// A number with the check digit of an NHS number: the screen holds the text in which it stands.
const NUMBER: &str = "943 476 5919";
/// A word that stands in one public text.
const CANARY: &str = "zyxomma";
/// A word that stands in a text for auditors alone.
const SECRET: &str = "qwagga";
/// What a browser must not take for more than text.
const HOSTILE: &str =
    "</title><script>alert('x')</script>\u{202e}\u{2066} & \"quotes\" <img src=x onerror=alert(1)>";

/// A TRE, a registrar and a hub with its site.
pub(crate) struct Federation {
    pub(crate) site: Site,
    pub(crate) hub: Serving,
    pub(crate) log_key: VerifierKey,
    pub(crate) client: Client,
    pub(crate) registrar: Author,
    review: Author,
    dataset: Uuid,
}

pub(crate) fn origin(site: &Site) -> String {
    let text = std::fs::read_to_string(site.path("daybook.toml")).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("origin = \""))
        .unwrap()
        .trim_end_matches('"')
        .to_owned()
}

impl Federation {
    /// A TRE with a dataset, and a registrar.
    pub(crate) async fn new() -> Self {
        let site = Site::new();
        let log_key: VerifierKey = site.init().parse().unwrap();
        let hub = site.serve();
        let client = Client::new(&hub.url).unwrap();
        let name = origin(&site);
        let author = |keys: Keys| {
            let follower = Follower::new(client.clone(), &name, log_key.clone());
            Author::new(keys, client.clone(), follower)
        };
        let fresh = |actor: Actor| author(Keys::fresh(actor).unwrap());
        let tre = || "wessex".parse().unwrap();
        let mut operator = author(Keys::read(&site.path("keys/operator.json")).unwrap());
        let registrar = fresh(Actor::Registrar("main".parse().unwrap()));
        let mut root = fresh(Actor::Tre(tre(), TreRole::Root));
        let review = fresh(Actor::Tre(tre(), TreRole::Review));
        let keys = |author: &Author| author.keys.registration(&name);
        let grant = json!({ "role": "registrar", "id": "main", "keys": keys(&registrar) });
        say(&mut operator, Stream::Federation, "role-granted", grant, vec![]).await;
        let thumbprint = root.keys.event.public().thumbprint().to_base64url();
        let invite = json!({ "tre": "wessex", "root": thumbprint });
        say(&mut operator, Stream::Federation, "tre-invited", invite, vec![]).await;
        let joined = vec![("name", "Wessex Secure Place".into())];
        let stream = Stream::Tre(tre());
        let own = json!({ "keys": keys(&root) });
        say(&mut root, stream.clone(), "tre-joined", own, joined).await;
        let lent = json!({ "role": "review", "keys": keys(&review) });
        say(&mut root, stream, "key-added", lent, vec![]).await;
        let dataset = random::id().unwrap();
        let about = vec![
            ("title", "Stays in hospital".into()),
            ("controller", "Wessex Hospitals".into()),
        ];
        say(
            &mut root,
            Stream::Dataset(dataset),
            "dataset-registered",
            json!({}),
            about,
        )
        .await;
        Self {
            site,
            hub,
            log_key,
            client,
            registrar,
            review,
            dataset,
        }
    }

    /// A project that says this about itself, approved by the TRE.
    pub(crate) async fn project(&mut self, title: &str, summary: &str) -> (Uuid, Receipt) {
        let id = random::id().unwrap();
        let about = vec![
            ("title", title.into()),
            ("lay_summary", summary.into()),
            ("public_benefit", "Better care.".into()),
            ("organisations", json!([HOSTILE])),
            ("commercial", "none".into()),
            ("lead", format!("Dr {SECRET}").into()),
        ];
        let until = random::now() + 86_400 * 100;
        let stream = Stream::Project(id);
        let registered = say(
            &mut self.registrar,
            stream,
            "project-registered",
            json!({ "until": until }),
            about,
        )
        .await;
        let clear = json!({
            "cause": registered.leaf_hash, "body": "access-committee", "until": until, "datasets": [self.dataset],
        });
        let stream = Stream::Approval("wessex".parse().unwrap(), Subject::Project, id);
        let by = vec![
            ("decided_by", "The Wessex Committee".into()),
            ("reference", SECRET.into()),
        ];
        say(&mut self.review, stream, "approval-granted", clear, by).await;
        (id, registered)
    }

    pub(crate) async fn until_state(&self, project: Uuid, state: &str) {
        until(&format!("the register says {state}"), async || {
            let found = self.client.get::<Value>(&format!("/v1/projects/{project}")).await;
            found.is_ok_and(|found| found["register"]["state"] == state)
        })
        .await;
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.hub.url)).await.unwrap();
        answer.text().await.unwrap()
    }

    /// Everything that the public can read about a project, as one text.
    pub(crate) async fn everything(&self, project: Uuid) -> String {
        let mut paths = vec!["/".to_owned(), "/projects".to_owned(), "/cy/projects".to_owned()];
        paths.extend(["csv", "json", "jsonl", "atom"].map(|kind| format!("/projects.{kind}")));
        paths.extend(["/activity.atom", "/sitemap.xml"].map(str::to_owned));
        for part in [
            "",
            "/history",
            "/record.json",
            "/versions/1",
            "/versions/1/record.json",
            "/versions/2",
            "/feed.atom",
            "/card",
        ] {
            paths.push(format!("/projects/{project}{part}"));
        }
        let listed: Value = self.client.get("/v1/events?limit=1").await.unwrap();
        for index in 0..listed["tree_size"].as_u64().unwrap() {
            paths.extend([format!("/check/{index}"), format!("/v1/events/{index}/openings")]);
        }
        // A text travels in an opening as base64url, at any of three offsets.
        let mut all = String::new();
        for path in paths {
            let text = self.text(&path).await;
            for opening in text.split('"').filter(|part| part.len() > 40) {
                let bytes = daybook_core::base64url::decode(opening).unwrap_or_default();
                all.push_str(&String::from_utf8_lossy(&bytes));
            }
            all.push_str(&text);
        }
        all.retain(|c| !c.is_whitespace());
        all
    }
}

pub(crate) async fn say(
    author: &mut Author,
    stream: Stream,
    kind: &str,
    clear: Value,
    sealed: Vec<(&str, Value)>,
) -> Receipt {
    author
        .say(&Draft {
            stream,
            kind,
            clear,
            sealed,
        })
        .await
        .unwrap()
}

pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_tell_who_somebody_is_waits_for_a_person_and_what_is_erased_is_gone() {
    let mut federation = Federation::new().await;
    let summary = format!("We look at {CANARY} in the person with number {NUMBER}.");
    let (project, registered) = federation.project("Held back", &summary).await;
    federation.until_state(project, "held").await;
    let number: String = NUMBER.split(' ').collect();
    let page = federation.everything(project).await;
    assert!(
        !page.contains(&number) && !page.contains(CANARY) && !page.contains("Heldback"),
        "{page}"
    );

    let config = federation.site.path("daybook.toml");
    let config = config.to_str().unwrap();
    let id = project.to_string();
    let review = run(&["register", "review", "--config", config, &id]);
    assert!(
        stdout(&review).contains(&format!(">>>{NUMBER}<<<")),
        "{} {}",
        stdout(&review),
        stderr(&review)
    );
    let pass = run(&[
        "register",
        "pass",
        "--code",
        "false-hit",
        "--config",
        config,
        "--url",
        &federation.hub.url,
        &id,
    ]);
    assert!(pass.status.success(), "{}", stderr(&pass));
    federation.until_state(project, "published").await;
    let path = format!("/projects/{project}");
    until("the page shows it", async || {
        federation.text(&path).await.contains(CANARY)
    })
    .await;
    assert!(
        federation
            .text(&format!("/projects?q={CANARY}"))
            .await
            .contains(&id)
    );
    let shown = federation.everything(project).await;
    assert!(!shown.contains(SECRET), "of another class");

    let openings: Value = federation
        .client
        .get(&format!("/v1/events/{}/openings", registered.index))
        .await
        .unwrap();
    let summary = openings["openings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "lay_summary")
        .unwrap();
    let digest = sealed::digest(summary["opening"].as_str().unwrap()).to_base64url();
    let follower = Follower::new(
        federation.client.clone(),
        &origin(&federation.site),
        federation.log_key.clone(),
    );
    let keys = Keys::read(&federation.site.path("keys/operator.json")).unwrap();
    let mut operator = Author::new(keys, federation.client.clone(), follower);
    let fields = json!([{ "event": registered.leaf_hash, "digests": [digest] }]);
    let stream = Stream::Erasure(random::id().unwrap());
    let clear = json!({ "fields": fields, "reason": "request" });
    say(&mut operator, stream, "fields-erased", clear, vec![]).await;
    until("a version without it stands", async || {
        let found: Value = federation
            .client
            .get(&format!("/v1/projects/{project}"))
            .await
            .unwrap();
        found["register"]["version"] == 2
    })
    .await;
    let version = format!("/projects/{project}/versions/2");
    until("its page is there", async || {
        federation.text(&version).await.contains("Held back")
    })
    .await;
    let page = federation.everything(project).await;
    assert!(!page.contains(&number) && !page.contains(CANARY), "{page}");
    let log = federation.hub.terminate();
    assert!(log);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_view_of_the_register_has_is_on_the_page_at_the_next_request() {
    let mut federation = Federation::new().await;
    // The list is asked for all the while, so that an older one is there to be given out.
    let asked = reqwest::get(format!("{}/projects", federation.hub.url))
        .await
        .unwrap();
    let tag = asked.headers()["etag"].clone();
    let (project, _) = federation.project(CANARY, "We count visits.").await;
    until("the view has it", async || {
        drop(federation.text("/projects").await);
        let found = federation
            .client
            .get::<Value>(&format!("/v1/projects/{project}"))
            .await;
        found.is_ok_and(|found| found["register"]["state"] == "published")
    })
    .await;
    let request = reqwest::Client::new()
        .get(format!("{}/projects", federation.hub.url))
        .header("if-none-match", tag);
    let list = request.send().await.unwrap();
    assert_eq!(list.status(), 200);
    assert!(list.text().await.unwrap().contains(CANARY));
    let page = federation.text(&format!("/projects/{project}")).await;
    assert!(page.contains(CANARY), "{page}");
    as_one_file(&federation, &page);
    assert!(federation.hub.terminate());
}

/// The commands that a page names make the file that holds all of it, and check it.
fn as_one_file(federation: &Federation, page: &str) {
    let out = federation.site.text("project.zip");
    for command in ["evidence", "verify"] {
        let (_, rest) = page.split_once(&format!("<code>daybook {command} ")).unwrap();
        let (words, _) = rest.split_once('<').unwrap();
        let words = words.replace("project.zip", &out);
        let args: Vec<&str> = [command].into_iter().chain(words.split(' ')).collect();
        let done = run(&args);
        assert!(
            done.status.success(),
            "{args:?}: {} {}",
            stdout(&done),
            stderr(&done)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_shown_as_text() {
    let mut federation = Federation::new().await;
    let (project, _) = federation
        .project(HOSTILE, &format!("{HOSTILE}\n\n{}", "wide".repeat(900)))
        .await;
    federation.until_state(project, "published").await;
    let path = format!("/projects/{project}");
    until("the page is there", async || {
        federation.text(&path).await.contains("quotes")
    })
    .await;
    for path in [
        "/",
        "/projects",
        "/projects?q=quotes",
        &path,
        &format!("{path}/history"),
        &format!("{path}/versions/1"),
        &format!("{path}/card"),
    ] {
        let text = federation.text(path).await;
        assert!(text.contains("quotes"), "{path}");
        // The site's own scripts are files, but for data about the page, in which nothing can end the element.
        assert!(
            !text.contains("<script>") && !text.contains("<img src=x"),
            "{path}: {text}"
        );
        assert!(!text.contains(['\u{202e}', '\u{2066}']), "{path}");
    }
    for path in ["/projects.atom", "/activity.atom", "/sitemap.xml"] {
        let text = federation.text(path).await;
        assert!(
            !text.contains("<script") && !text.contains('\u{202e}'),
            "{path}: {text}"
        );
    }
    let check = federation.text("/projects.json").await;
    let found: Value = serde_json::from_str(&check).unwrap();
    assert_eq!(found["projects"].as_array().unwrap().len(), 1);
    assert!(federation.hub.terminate());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embargo_shows_one_line_and_nothing_of_the_project() {
    let mut federation = Federation::new().await;
    let config = federation.site.path("daybook.toml");
    let config = config.to_str().unwrap().to_owned();
    let id = random::id().unwrap();
    let about = vec![
        ("title", CANARY.into()),
        ("lay_summary", CANARY.into()),
        ("public_benefit", CANARY.into()),
        ("organisations", json!([CANARY])),
        ("commercial", "none".into()),
    ];
    let until_end = random::now() + 86_400 * 100;
    let clear = json!({ "until": until_end });
    say(
        &mut federation.registrar,
        Stream::Project(id),
        "project-registered",
        clear,
        about,
    )
    .await;
    until("the view knows it", async || {
        federation
            .text(&format!("/projects/{id}"))
            .await
            .contains("looked at")
    })
    .await;
    let day = jiff::Timestamp::from_second(random::now() + 86_400 * 30).unwrap();
    let day = day.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let deferred = run(&[
        "register",
        "defer",
        "--config",
        &config,
        "--url",
        &federation.hub.url,
        "--tre",
        "wessex",
        "--code",
        "commercial",
        "--until",
        &day,
        &id.to_string(),
    ]);
    assert!(deferred.status.success(), "{}", stderr(&deferred));
    federation.until_state(id, "deferred").await;
    let path = format!("/projects/{id}");
    until("the page says so", async || {
        federation.text(&path).await.contains("not yet public")
    })
    .await;
    assert!(!federation.everything(id).await.contains(CANARY));
    let waiting = run(&["register", "waiting", "--config", &config, "--json"]);
    assert!(
        stdout(&waiting).contains("\"deferred\""),
        "{} {}",
        stdout(&waiting),
        stderr(&waiting)
    );
    assert!(federation.hub.terminate());
}
