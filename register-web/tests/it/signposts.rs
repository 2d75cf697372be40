//! Links by which programs find their way from a page (signposting.org): in the header of every page about one thing.

use axum::http::{StatusCode, header};
use daybook_world::{Cast, Ending};
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestSite, between};

const SITE: &str = "https://register.example";

/// The links of a page: relation and address.
async fn links(site: &TestSite, path: &str) -> Vec<(String, String)> {
    let (status, headers, _) = site.answer(path, &[]).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    let Some(text) = headers.get(header::LINK) else {
        return Vec::new();
    };
    assert!(text.len() <= 8_000, "{path}: {} bytes", text.len());
    let text = text.to_str().unwrap();
    let parts = text.split(", <").map(|part| part.trim_start_matches('<'));
    parts
        .map(|part| {
            let (address, rest) = part.split_once('>').unwrap();
            (between(rest, "rel=\"", "\"")[0].to_owned(), address.to_owned())
        })
        .collect()
}

/// Pages, each with what it is about, how it is cited, what describes it, and the list in which it stands.
fn about(project: Uuid, job: Uuid, workflow: Uuid) -> Vec<[String; 5]> {
    let dataset = Cast::dataset("wessex", 0);
    let own = format!("/projects/{project}");
    let version = format!("{own}/versions/2");
    let kernow = "/organisations?name=Kernow+%26+Co";
    let thing = |list: &str, id: String, kind: &str| {
        let path = format!("/{list}/{id}");
        let data = format!("/v1{path}");
        [path.clone(), kind.to_owned(), path, data, format!("/{list}")]
    };
    let research = "ResearchProject".to_owned();
    vec![
        [
            own.clone(),
            research.clone(),
            version.clone(),
            format!("{own}/record.json"),
            "/projects".to_owned(),
        ],
        [
            version.clone(),
            research,
            version.clone(),
            format!("{version}/record.json"),
            format!("{own}/history"),
        ],
        thing("jobs", job.to_string(), "Action"),
        thing("tres", "wessex".to_owned(), "Organization"),
        thing("datasets", dataset.to_string(), "Dataset"),
        thing("workflows", workflow.to_string(), "SoftwareSourceCode"),
        [
            kernow,
            "Organization",
            kernow,
            "/projects.json?organisation=Kernow+%26+Co",
            "/organisations",
        ]
        .map(str::to_owned),
        ["/check/3", "DigitalDocument", "/check/3", "/v1/events/3", ""].map(str::to_owned),
    ]
}

#[tokio::test]
async fn every_page_about_one_thing_says_what_it_is_how_to_cite_it_and_where_its_data_are() {
    let mut site = TestSite::new().await;
    let organisations = json!(["Kernow & Co", "x".repeat(200), "\u{4e00}".repeat(200)]);
    let fields = [
        ("title", "A title".into()),
        ("lay_summary", "We count.".into()),
        ("organisations", organisations),
    ];
    let project = site.project("signposted", &fields).await;
    site.approve("wessex", project).await;
    site.publish(project).await;
    site.publish(project).await;
    let job = site.run("wessex", Ending::Refused).await;
    let workflow = site.log.world.cast.workflow;
    site.publish(site.log.world.cast.project).await;
    site.settle().await;
    for [path, kind, cite, data, list] in about(project, job, workflow) {
        for prefix in ["", "/cy"] {
            let found = links(&site, &format!("{prefix}{path}")).await;
            let has = |rel: &str, address: String| found.contains(&(rel.to_owned(), address));
            assert!(
                has("type", "https://schema.org/AboutPage".to_owned()),
                "{path}: {found:?}"
            );
            assert!(
                has("type", format!("https://schema.org/{kind}")),
                "{path}: {found:?}"
            );
            assert!(has("cite-as", format!("{SITE}{cite}")), "{path}: {found:?}");
            assert!(has("describedby", format!("{SITE}{data}")), "{path}: {found:?}");
            assert!(
                list.is_empty() || has("collection", format!("{SITE}{list}")),
                "{path}: {found:?}"
            );
            assert!(
                has("canonical", format!("{SITE}{prefix}{path}")),
                "{path}: {found:?}"
            );
            let licence = found.iter().find(|(rel, _)| rel == "license").unwrap();
            assert!(licence.1.starts_with("https://creativecommons.org/"), "{path}");
            // Pages and data of this site are there; those of the hub's own interface are its to test.
            for (rel, address) in &found {
                let own = address
                    .strip_prefix(SITE)
                    .filter(|path| !path.starts_with("/v1/"));
                if let Some(path) = own {
                    assert_eq!(site.ask(path).await.0, StatusCode::OK, "{rel} {path}");
                }
            }
        }
    }
    // Names that would make a header too long for servers are left out of it.
    let found = links(&site, &format!("/projects/{project}")).await;
    let authors: Vec<&str> = found
        .iter()
        .filter(|(rel, _)| rel == "author")
        .map(|(_, address)| address.as_str())
        .collect();
    let long = format!("{SITE}/organisations?name={}", "x".repeat(200));
    assert_eq!(
        authors,
        [format!("{SITE}/organisations?name=Kernow+%26+Co"), long]
    );
    let found = links(&site, &format!("/jobs/{job}")).await;
    assert!(
        found.contains(&("author".to_owned(), format!("{SITE}/tres/wessex"))),
        "{found:?}"
    );
    let found = links(&site, &format!("/workflows/{workflow}")).await;
    assert!(
        found
            .iter()
            .any(|(rel, address)| rel == "item" && address.starts_with("https://example.org/")),
        "{found:?}"
    );
}

#[tokio::test]
async fn lists_say_that_they_are_lists_however_they_are_narrowed() {
    let site = TestSite::new().await;
    site.settle().await;
    let search = format!("/projects?q={}", "%F0%9F%A6%80".repeat(190));
    for path in [
        "/projects",
        "/jobs",
        "/tres",
        "/datasets",
        "/workflows",
        "/organisations",
        &search,
    ] {
        let found = links(&site, path).await;
        let kind = ("type".to_owned(), "https://schema.org/CollectionPage".to_owned());
        assert!(found.contains(&kind), "{path}: {found:?}");
    }
    for path in ["/", "/numbers", "/record", "/data"] {
        assert!(
            links(&site, path).await.iter().any(|(rel, _)| rel == "type"),
            "{path}"
        );
    }
}
