//! The page of each problem, where the `type` of a document leads.

use axum::body::Body;
use axum::http::{Request, header};
use daybook_api::ProblemKind;
use serde_json::{Value, json};

use crate::hub::{Answer, Hub};

/// Asks as a browser does, or a program. What is not there is a page too, and so not looked at as a problem document.
async fn ask(hub: &Hub, uri: &str, accept: &str) -> Answer {
    let request = Request::get(uri).header(header::ACCEPT, accept);
    let answer = tower::ServiceExt::oneshot(hub.router.clone(), request.body(Body::empty()).unwrap());
    let (parts, body) = answer.await.unwrap().into_parts();
    let answer = Answer {
        status: parts.status,
        headers: parts.headers,
        body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
    };
    crate::openapi::check(&axum::http::Method::GET, uri, &answer);
    answer
}

/// A page that is whole: one title, one first heading, a language, no scripts, nothing from elsewhere.
#[track_caller]
fn check_page(answer: &Answer) {
    let text = answer.text();
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    for once in [
        "<html lang=\"en\">",
        "<title>",
        "<main>",
        "<h1>",
        "name=\"viewport\"",
        "</html>",
    ] {
        assert_eq!(text.matches(once).count(), 1, "{once} in {text}");
    }
    let without_example = text.split("<pre").next().unwrap();
    assert!(!without_example.contains('`'), "a mark of code is left in {text}");
    for never in ["<script", "http://", "https://", "<img", "style=\"", " onclick"] {
        assert!(!text.contains(never), "{never} in {text}");
    }
    let policy = answer.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    let style = text
        .split_once("<style>")
        .unwrap()
        .1
        .split_once("</style>")
        .unwrap()
        .0;
    let digest = daybook_core::Hash::of(style.as_bytes()).to_base64url();
    let digest = digest.replace('-', "+").replace('_', "/");
    assert!(
        policy.contains(&format!("'sha256-{digest}='")),
        "a browser would drop the style"
    );
}

#[tokio::test]
async fn each_problem_has_a_page_for_people_and_one_for_programs() {
    let hub = Hub::new().await;
    let list = ask(&hub, "/problems", "text/html").await;
    check_page(&list);
    let all = ask(&hub, "/problems", "application/json").await.json();
    assert_eq!(all["problems"].as_array().unwrap().len(), ProblemKind::ALL.len());
    for (kind, told) in ProblemKind::ALL.iter().zip(all["problems"].as_array().unwrap()) {
        let uri = kind.type_uri();
        let page = ask(&hub, &uri, "text/html,application/xhtml+xml,*/*;q=0.8").await;
        check_page(&page);
        let text = page.text();
        assert!(text.contains(&format!(
            "<code>{}</code>, HTTP status {}",
            kind.slug(),
            kind.status()
        )));
        for heading in ["What it means", "What to do", "Example"] {
            assert!(text.contains(&format!("<h2>{heading}</h2>")), "{uri}");
        }
        assert!(
            text.contains("&quot;type&quot;: &quot;/problems/"),
            "the example is escaped"
        );
        assert!(list.text().contains(&format!("<a href=\"{uri}\">")), "{uri}");

        let alone = ask(&hub, &uri, "application/json").await.json();
        assert_eq!(alone, *told);
        assert_eq!(
            (&alone["type"], &alone["title"]),
            (&json!(uri), &json!(kind.title()))
        );
        let example = &alone["example"];
        assert_eq!(
            (&example["type"], &example["status"]),
            (&json!(uri), &json!(kind.status().as_u16()))
        );
        for words in [&alone["meaning"], &alone["remedy"], &example["detail"]] {
            assert!(words.as_str().unwrap().len() > 10, "{uri}: {words}");
        }
    }
}

#[tokio::test]
async fn no_two_problems_are_explained_alike() {
    let hub = Hub::new().await;
    let all = ask(&hub, "/problems", "application/json").await.json();
    let mut words: Vec<&Value> = all["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["meaning"])
        .collect();
    let count = words.len();
    words.sort_by_key(ToString::to_string);
    words.dedup();
    assert_eq!(words.len(), count, "a problem was forgotten");
}

#[tokio::test]
async fn a_name_that_no_problem_has_is_not_found_by_anybody() {
    let hub = Hub::new().await;
    for uri in ["/problems/none", "/problems/%3Cscript%3E", "/problems/Not-Found"] {
        let page = ask(&hub, uri, "text/html").await;
        assert_eq!(page.status.as_u16(), 404);
        check_page(&page);
        let document = ask(&hub, uri, "application/json").await;
        assert_eq!(
            (document.status.as_u16(), document.slug().as_str()),
            (404, "not-found")
        );
    }
}

#[tokio::test]
async fn a_page_that_somebody_has_is_not_sent_again() {
    let hub = Hub::new().await;
    let first = hub.get("/problems/busy").await;
    let request = Request::get("/problems/busy").header(header::IF_NONE_MATCH, first.header("etag"));
    let answer = tower::ServiceExt::oneshot(hub.router.clone(), request.body(Body::empty()).unwrap());
    assert_eq!(answer.await.unwrap().status().as_u16(), 304);
}
