//! The sitemaps name every page that search engines should keep, in every language.

use std::collections::BTreeSet;

use daybook_core::canonical;
use daybook_core::id::Stream;
use daybook_world::Cast;
use serde_json::json;

use crate::support::{TestSite, between};

const SITE: &str = "https://register.example";

/// The addresses of a sitemap or of an index.
fn addresses(text: &str) -> Vec<String> {
    between(text, "<loc>", "</loc>")
        .into_iter()
        .map(|address| address.replace("&amp;", "&"))
        .collect()
}

/// The paths of all pages that search engines should keep.
fn expected(site: &TestSite) -> BTreeSet<String> {
    let mut expected: BTreeSet<String> = [
        "",
        "projects",
        "jobs",
        "tres",
        "datasets",
        "organisations",
        "workflows",
        "numbers",
        "protection",
        "record",
        "glossary",
        "coverage",
        "data",
        "accessibility",
        "tres/wessex",
        "tres/mercia",
    ]
    .iter()
    .map(|path| format!("/{path}"))
    .collect();
    // The founding has put some on the register too.
    let streams = site.log.world.entries().iter().map(|event| &event.claims().sub);
    let published = streams.filter_map(|stream| match stream {
        Stream::Register(project) => Some(format!("/projects/{project}")),
        _ => None,
    });
    expected.extend(published);
    expected.insert(format!("/datasets/{}", Cast::dataset("wessex", 0)));
    for name in ["Kernow+%26+Co", "Trust+one", "Trust+two", "Trust+three"] {
        expected.insert(format!("/organisations?name={name}"));
    }
    expected
}

#[tokio::test]
async fn every_page_is_in_one_of_the_sitemaps_once_for_each_language() {
    let mut site = TestSite::new().await;
    let mut projects = Vec::new();
    for name in ["one", "two", "three"] {
        let fields = [
            ("title", name.into()),
            ("lay_summary", "We count.".into()),
            ("organisations", json!(["Kernow & Co", format!("Trust {name}")])),
        ];
        let project = site.project(name, &fields).await;
        site.approve("wessex", project).await;
        site.publish(project).await;
        projects.push(project);
    }
    let hidden = site
        .project("not on the register", &[("title", "x".into())])
        .await;
    site.settle().await;

    let expected = expected(&site);
    assert!(
        projects
            .iter()
            .all(|id| expected.contains(&format!("/projects/{id}")))
    );
    let index = site.page("/sitemap.xml").await;
    let mut found = BTreeSet::new();
    for address in addresses(&index) {
        let path = address.strip_prefix(SITE).unwrap();
        let map = site.page(path).await;
        for address in addresses(&map) {
            let path = address.strip_prefix(SITE).unwrap();
            let (language, plain) = match path.strip_prefix("/cy") {
                Some("") => ("cy", "/"),
                Some(plain) => ("cy", plain),
                None if path == "/" => ("en", "/"),
                None => ("en", path),
            };
            assert!(
                found.insert((plain.to_owned(), language)),
                "{path} stands there twice"
            );
            let page = site.page(path).await;
            assert!(!page.contains("content=\"noindex\""), "{path}");
            // What the sitemap says of other languages is what the page says.
            let line = map
                .lines()
                .find(|line| line.contains(&format!("<loc>{}</loc>", address.replace('&', "&amp;"))));
            for (code, prefix) in [("en", ""), ("cy", "/cy")] {
                let other = if prefix.is_empty() || plain != "/" {
                    format!("{prefix}{plain}")
                } else {
                    prefix.to_owned()
                };
                let other = format!("{SITE}{other}");
                let pair = format!("hreflang=\"{code}\" href=\"{}\"", other.replace('&', "&amp;"));
                assert!(line.unwrap().contains(&pair), "{path}: {line:?}");
                let pair = format!("hreflang=\"{code}\" href=\"{}\"", other.replace('&', "&#38;"));
                assert!(page.contains(&pair), "{path} {pair}");
            }
        }
    }
    let both = |paths: &BTreeSet<String>| -> BTreeSet<(String, &'static str)> {
        let all = paths
            .iter()
            .flat_map(|path| ["cy", "en"].map(|code| (path.clone(), code)));
        all.collect()
    };
    assert_eq!(found, both(&expected));
    assert!(!index.contains(&hidden.to_string()));
    assert!(
        site.page("/robots.txt")
            .await
            .contains("Sitemap: https://register.example/sitemap.xml")
    );
}

#[tokio::test]
async fn a_sitemap_begins_after_the_place_in_its_address() {
    let mut site = TestSite::new().await;
    let mut projects = Vec::new();
    for name in ["one", "two", "three"] {
        let project = site.project(name, &[("title", name.into())]).await;
        site.approve("wessex", project).await;
        site.publish(project).await;
        let stream = Stream::Register(project);
        let entries = site.log.world.entries();
        projects.push((
            entries
                .iter()
                .position(|event| event.claims().sub == stream)
                .unwrap(),
            project,
        ));
    }
    site.settle().await;
    let (index, second) = projects[1];
    let place = daybook_core::base64url::encode(canonical::text(&json!([index, second])).as_bytes());
    let rest = site.page(&format!("/sitemap-projects.xml?after={place}")).await;
    let of = |id| format!("{SITE}/projects/{id}");
    let found = addresses(&rest);
    assert_eq!(found.first(), Some(&of(projects[0].1)));
    assert!(
        projects[1..].iter().all(|(_, id)| !found.contains(&of(*id))),
        "{found:?}"
    );
    assert_eq!(site.ask("/sitemap-projects.xml?after=nowhere").await.0, 400);
}
