//! Pages that were asked for before are kept, and what is new is there at the next request all the same.

use axum::http::header::{ETAG, IF_NONE_MATCH};
use daybook_core::id::Stream;
use daybook_world::Draft;
use serde_json::{Value, json};

use crate::support::TestSite;

fn fields(title: &str) -> [(&'static str, Value); 4] {
    [
        ("title", format!("{title} of beds").into()),
        ("line", format!("In one line, {title}").into()),
        ("lay_summary", format!("We count visits, {title}.").into()),
        ("organisations", json!(["Kernow Trust"])),
    ]
}

#[tokio::test]
async fn what_is_published_is_on_every_page_at_the_next_request() {
    let mut site = TestSite::new().await;
    let project = site.project("fresh", &fields("Zephyr")).await;
    site.approve("wessex", project).await;
    site.publish(project).await;
    site.settle().await;
    let paths: Vec<String> = [
        "/",
        "/cy",
        "/projects",
        "/projects?q=beds",
        "/projects?organisation=Kernow+Trust",
        "/organisations?name=Kernow+Trust",
        "/projects.csv",
        "/projects.json",
        "/projects.atom",
        "/tres/wessex/feed.atom",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(
        ["", "/history", "/card", "/record.json", "/feed.atom"]
            .map(|part| format!("/projects/{project}{part}")),
    )
    .collect();
    let mut tags = Vec::new();
    for path in &paths {
        let (_, first, made) = site.answer(path, &[]).await;
        let (status, second, kept) = site.answer(path, &[]).await;
        assert_eq!(
            (status.as_u16(), &made, &first[ETAG]),
            (200, &kept, &second[ETAG]),
            "{path}"
        );
        assert!(!made.contains("Quokka"), "{path}");
        tags.push(first[ETAG].to_str().unwrap().to_owned());
    }
    let until = site.log.world.state_of(&format!("project/{project}"))["until"].clone();
    let mut draft = Draft::new(
        &site.log.world.cast.registrar.clone(),
        &Stream::Project(project),
        "project-amended",
        json!({ "material": false, "until": until }),
    );
    for (name, value) in fields("Quokka") {
        draft = draft.seal(name, value);
    }
    site.log.say(&draft).await;
    site.publish(project).await;
    site.settle().await;
    for (path, tag) in paths.iter().zip(&tags) {
        let (status, headers, page) = site.answer(path, &[(IF_NONE_MATCH, tag)]).await;
        assert_eq!(status.as_u16(), 200, "{path}");
        // The feed of a TRE tells of what happened there, and titles nothing.
        assert!(
            page.contains("Quokka") || path.starts_with("/tres/"),
            "{path}: {page}"
        );
        let new = headers[ETAG].to_str().unwrap();
        let (status, _, body) = site.answer(path, &[(IF_NONE_MATCH, new)]).await;
        assert_eq!((status.as_u16(), body.as_str()), (304, ""), "{path}");
    }
}
