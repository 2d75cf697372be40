//! Hostile text in any public field is shown as text or is refused at the event, on every type of page.

use axum::http::StatusCode;
use daybook_core::id::{Stream, TreRole};
use daybook_store::append::AppendError;
use daybook_world::{Cast, Draft, Ending};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestSite, between};

/// What must never be taken for more than text.
const SCRIPT: &str = "</title></script><script>alert('x')</script>\u{202e}\u{2066}\u{200f}\u{e0041} & \"q\" <img src=x onerror=alert(1)> {{7*7}} ⟦";

/// Characters of every block of Unicode: one of each sixteen code points, where anything is assigned at all.
fn every_block() -> String {
    let ranges = [
        0x20..0x3_3480_u32,
        0xe_0000..0xe_01f0,
        0xf_0000..0xf_0010,
        0x10_fff0..0x11_0000,
    ];
    let mut text = String::new();
    for start in ranges.into_iter().flat_map(|range| range.step_by(16)) {
        let mut sixteen = (start..start + 16).filter_map(char::from_u32);
        text.extend(sixteen.find(|c| !c.is_control() && !is_noncharacter(*c)));
    }
    text
}

/// What is no character for ever: events that hold one are refused for their form.
fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// Texts that fit a field of so many characters.
fn texts(most: usize) -> Vec<String> {
    let blocks: Vec<char> = every_block().chars().collect();
    let mut texts = vec![
        SCRIPT.chars().take(most).collect(),
        "W".repeat(most),
        "\u{202e}".repeat(most / 2) + &"ا".repeat(most / 2),
        "a\u{301}".repeat(most / 2),
        "x \n\n ".repeat(most / 5),
    ];
    texts.extend(
        blocks
            .chunks(most * 7 / 10)
            .map(|chunk| format!("x{}", chunk.iter().skip(1).collect::<String>())),
    );
    texts
}

/// What a TRE says about itself or about a dataset: stream, type of event, whose key, and fields.
type Thing<'a> = (Stream, &'a str, TreRole, Vec<(&'a str, Value)>);

/// Nothing of a text has become a part of the page, and nothing turns what stands around it.
fn check(path: &str, page: &str) {
    for bad in ["\u{202e}", "\u{2066}", "\u{200f}", "\u{e0041}", "\0"] {
        assert!(!page.contains(bad), "{path} holds {bad:?}");
    }
    // Data for programs hold texts as they are: they are never taken for a page.
    if !page.starts_with('<') {
        return;
    }
    for bad in ["<script>", "<img src=x", "onerror=alert(1)>", ">49<"] {
        assert!(!page.contains(bad), "{path} holds {bad:?}");
    }
    for linked in between(page, "application/ld+json\">", "</script>") {
        let read: Result<Value, _> = serde_json::from_str(linked);
        assert!(read.is_ok(), "{path}: {linked}");
    }
    if page.starts_with("<!DOCTYPE html>") {
        assert_eq!(page.matches("</html>").count(), 1, "{path}");
        assert_eq!(page.matches("</main>").count(), 1, "{path}");
    }
}

/// Every address that shows anything of a project, or of what it rests on.
fn paths(project: Uuid, job: Uuid, workflow: Uuid) -> Vec<String> {
    let dataset = Cast::dataset("wessex", 0);
    let mut paths: Vec<String> = [
        "/",
        "/projects",
        "/projects?q=alert",
        "/projects?sort=title",
        "/jobs",
        "/tres",
        "/tres/wessex",
        "/datasets",
        "/workflows",
        "/organisations",
        "/numbers",
        "/record",
        "/data",
        "/glossary",
        "/projects.csv",
        "/projects.json",
        "/projects.jsonl",
        "/projects.atom",
        "/activity.atom",
        "/tres/wessex/feed.atom",
        "/sitemap.xml",
        "/robots.txt",
        "/data/fields.json",
    ]
    .map(str::to_owned)
    .to_vec();
    for part in ["", "/history", "/versions/1", "/card", "/feed.atom", "/jobs"] {
        paths.push(format!("/projects/{project}{part}"));
    }
    paths.extend([
        format!("/datasets/{dataset}"),
        format!("/datasets/{dataset}/feed.atom"),
        format!("/jobs/{job}"),
    ]);
    paths.push(format!("/workflows/{workflow}"));
    paths.extend((0..60).map(|index| format!("/check/{index}")));
    paths
}

#[tokio::test]
async fn hostile_text_in_any_public_field_is_text_on_every_page() {
    let mut site = TestSite::new().await;
    let all = texts(4_000);
    for (nth, long) in all.iter().enumerate() {
        let short = |most: usize| -> String { long.chars().filter(|c| *c != '\n').take(most).collect() };
        let fields: [(&str, Value); 12] = [
            ("title", short(300).into()),
            ("line", short(150).into()),
            ("lay_summary", long.clone().into()),
            ("public_benefit", long.clone().into()),
            ("safeguards", long.clone().into()),
            ("contact", short(300).into()),
            (
                "organisations",
                json!([short(200), format!("{} {nth}", short(190))]),
            ),
            ("funders", json!([short(200)])),
            ("applicants", json!([short(200)])),
            ("keywords", json!([short(60)])),
            ("url", "https://x.example/?a=%22%3E%3Cscript%3E&b=c".into()),
            ("commercial", "partner".into()),
        ];
        let project = site.project(&format!("hostile {nth}"), &fields).await;
        let things: [Thing<'_>; 2] = [
            (
                Stream::Tre("wessex".parse().unwrap()),
                "tre-amended",
                TreRole::Root,
                vec![
                    ("name", short(200).into()),
                    ("organisation", short(200).into()),
                    ("note", long.chars().take(2_000).collect::<String>().into()),
                    ("accreditation", json!([short(200)])),
                    ("tiers", json!([short(200)])),
                    ("contact", short(300).into()),
                    ("domain", short(253).into()),
                ],
            ),
            (
                Stream::Dataset(Cast::dataset("wessex", 0)),
                "dataset-amended",
                TreRole::Relay,
                vec![
                    ("title", short(200).into()),
                    ("controller", short(200).into()),
                    ("description", long.clone().into()),
                    ("kind_of", short(100).into()),
                    ("data_model", short(100).into()),
                    ("gateway_pid", short(100).into()),
                ],
            ),
        ];
        for (stream, kind, role, fields) in things {
            let mut draft = Draft::new(&Cast::tre("wessex", role), &stream, kind, json!({}));
            for (name, value) in fields {
                draft = draft.seal(name, value);
            }
            site.log.say(&draft).await;
        }
        site.approve("wessex", project).await;
        site.publish(project).await;
        let job = site.run("wessex", Ending::Refused).await;
        site.settle().await;
        let workflow = site.log.world.cast.workflow;
        for path in paths(project, job, workflow) {
            for prefix in ["", "/cy"] {
                let path = match (prefix, path.as_str()) {
                    ("/cy", "/") => prefix.to_owned(),
                    _ => format!("{prefix}{path}"),
                };
                let (status, page) = site.ask(&path).await;
                let is_there =
                    status == StatusCode::OK || (path.contains("/check/") && status == StatusCode::NOT_FOUND);
                assert!(is_there, "{path}: {status}");
                check(&path, &page);
            }
        }
    }
}

#[tokio::test]
async fn what_is_too_long_or_no_address_is_refused_at_the_event() {
    let mut site = TestSite::new().await;
    for (field, value) in [
        ("lay_summary", json!("x".repeat(10 * 1024 * 1024))),
        ("title", json!("x".repeat(301))),
        ("line", json!("x".repeat(151))),
        ("title", json!("a\u{0}b")),
        ("keywords", json!(vec!["x"; 21])),
        ("url", json!("javascript:alert(1)")),
        ("url", json!("https://x.example/\" onclick=\"alert(1)")),
        ("commercial", json!("<b>")),
        ("lang", json!("en\" onload=\"x")),
    ] {
        let until = site.log.world.now + 86_400;
        let stream = Stream::Project(daybook_world::id("too much"));
        let registrar = site.log.world.cast.registrar.clone();
        let draft = Draft::new(
            &registrar,
            &stream,
            "project-registered",
            json!({ "until": until }),
        )
        .seal(field, value.clone());
        let made = daybook_core::sealed::Opening::new([7; 16], field, value.clone());
        if made.is_err() {
            continue;
        }
        let candidate = site.log.sign(&draft).await;
        let answer = site.log.offer(&candidate).await;
        assert!(
            matches!(answer, Err(AppendError::Refused(_))),
            "{field} {}: {answer:?}",
            value.to_string().chars().take(60).collect::<String>()
        );
    }
}
