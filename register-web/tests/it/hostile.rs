//! Hostile text in any public field is shown as text or is refused at the event, on every type of page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axum::http::StatusCode;
use daybook_core::id::Stream;
use daybook_core::sealed::ReaderClass;
use daybook_rules::SealedKind;
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

/// What every public field of an event may hold, made from one text: by the rule table, so that none is forgotten.
fn planted(site: &TestSite, kind: &str, long: &str) -> Vec<(String, Value)> {
    let line: String = long.chars().filter(|c| *c != '\n').collect();
    let short = |most: usize| -> String { line.chars().take(most).collect() };
    let mut fields = Vec::new();
    for (name, field) in &site.log.world.table().rule(kind).unwrap().sealed {
        if !matches!(field.class, ReaderClass::Public | ReaderClass::PublicFrom) {
            continue;
        }
        let value = match &field.kind {
            SealedKind::Text(most @ 1_000..) => long.chars().take(*most).collect::<String>().into(),
            SealedKind::Text(most) => short(*most).into(),
            SealedKind::Texts(_, most) => json!([short(*most), short(most - 1)]),
            SealedKind::Url(_) => "https://x.example/?a=%22%3E%3Cscript%3E&b='c';(d)".into(),
            _ => continue,
        };
        fields.push((name.clone(), value));
    }
    assert!(!fields.is_empty(), "{kind} has no public field");
    fields
}

/// Events whose public fields the register shows; those that begin a thing have the fields of those that amend it.
const SHOWN: [&str; 9] = [
    "project-amended",
    "approval-granted",
    "tre-amended",
    "dataset-amended",
    "workflow-registered",
    "output-linked",
    "release-recalled",
    "project-closed",
    "register-withdrawn",
];

/// The same whose fields are amended by one of the others, or are shown nowhere but beside their entry.
const OTHERS: [&str; 14] = [
    "dataset-registered",
    "dataset-withdrawn",
    "key-doubts-settled",
    "log-closed",
    "log-key-rotated",
    "log-opened",
    "project-registered",
    "register-published",
    "role-doubts-settled",
    "role-granted",
    "time-corrected",
    "tre-joined",
    "tre-suspended",
    "workflow-withdrawn",
];

#[test]
fn every_type_with_a_public_field_is_tried() {
    let table = daybook_rules::Table::v1();
    let is_public =
        |field: &daybook_rules::Sealed| matches!(field.class, ReaderClass::Public | ReaderClass::PublicFrom);
    let public: BTreeSet<&str> = table
        .events()
        .filter(|(_, rule)| rule.sealed.values().any(is_public))
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(public, SHOWN.into_iter().chain(OTHERS).collect());
}

/// Says the usual event of a type, or one like it, with all its public fields planted.
async fn say(site: &mut TestSite, kind: &str, long: &str, draft: Draft) {
    let mut draft = draft;
    for (name, value) in planted(site, kind, long) {
        draft = draft.seal(&name, value);
    }
    site.log.say(&draft).await;
}

/// Nothing of a text has become a part of the page, and nothing turns what stands around it.
fn check(path: &str, page: &str) {
    // The document that is hashed holds each text as it was said.
    if path.ends_with("/record.json") {
        assert!(serde_json::from_str::<Value>(page).is_ok(), "{path}: {page}");
        return;
    }
    // What a form sends again with a search is not seen, and has to be as it was asked.
    let mut seen = page.to_owned();
    for hidden in between(page, "<input type=\"hidden\"", ">") {
        seen = seen.replace(hidden, "");
    }
    let page = seen.as_str();
    for bad in ["\u{202e}", "\u{2066}", "\u{200f}", "\u{e0041}", "\0"] {
        assert!(!page.contains(bad), "{path} holds {bad:?}");
    }
    if path.contains("/projects.csv") {
        return check_table(page);
    }
    if page.starts_with("<?xml") {
        check_tags(path, page);
    }
    // Data for programs hold texts as they are: they are never taken for a page.
    if !page.starts_with('<') {
        for line in page.lines().filter(|line| line.starts_with('{')) {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{path}: {line}");
        }
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

/// Each row has all its cells, and none is a formula.
fn check_table(text: &str) {
    let (mut rows, mut cell, mut is_quoted) = (vec![Vec::new()], String::new(), false);
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => rows.last_mut().unwrap().push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                rows.last_mut().unwrap().push(std::mem::take(&mut cell));
                rows.push(Vec::new());
            }
            c => cell.push(c),
        }
    }
    assert!(
        !is_quoted && rows.pop().is_some_and(|last| last.is_empty()),
        "a cell is open"
    );
    for row in &rows {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        assert!(
            row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])),
            "{row:?}"
        );
    }
}

/// The elements of a feed or a sitemap are its own, and each that begins ends.
fn check_tags(path: &str, text: &str) {
    let mut open = Vec::new();
    for tag in between(text, "<", ">") {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('?') {
            continue;
        }
        assert!(
            [
                "feed",
                "id",
                "title",
                "updated",
                "link",
                "author",
                "name",
                "rights",
                "entry",
                "summary",
                "category",
                "urlset",
                "url",
                "loc",
                "lastmod",
                "xhtml:link",
                "sitemapindex",
                "sitemap",
            ]
            .contains(&name),
            "{path}: {tag}"
        );
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{path}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{path}: {open:?}");
}

/// Addresses that show things of every kind.
fn shared() -> Vec<String> {
    let dataset = Cast::dataset("wessex", 0);
    let mut paths: Vec<String> = [
        "/",
        "/projects",
        "/projects?q=alert",
        "/projects?sort=title",
        "/jobs",
        "/jobs?state=refused",
        "/tres",
        "/tres/wessex",
        "/datasets",
        "/datasets?tre=wessex",
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
        "/sitemap-projects.xml",
        "/sitemap-organisations.xml",
        "/robots.txt",
        "/data/fields.json",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.extend(["", "/feed.atom"].map(|part| format!("/datasets/{dataset}{part}")));
    paths
}

/// Addresses of one project.
fn of_project(project: Uuid, versions: &[i64]) -> Vec<String> {
    let mut paths: Vec<String> = ["", "/history", "/card", "/feed.atom", "/jobs", "/record.json"]
        .iter()
        .map(|part| format!("/projects/{project}{part}"))
        .collect();
    paths.extend(
        versions
            .iter()
            .map(|version| format!("/projects/{project}/versions/{version}")),
    );
    paths
}

/// The pages that show an organisation, a topic and a search by hostile words.
fn named(long: &str) -> Vec<String> {
    let line: String = long.chars().filter(|c| *c != '\n').collect();
    let escaped = |most: usize| -> String {
        let mut escaped = String::new();
        let text: String = line.chars().take(most).collect();
        for byte in text.bytes() {
            write!(escaped, "%{byte:02X}").unwrap();
        }
        escaped
    };
    vec![
        format!("/organisations?name={}", escaped(200)),
        format!("/projects?organisation={}", escaped(200)),
        format!("/projects.atom?organisation={}", escaped(200)),
        format!("/projects?topic={}", escaped(60)),
        format!("/projects?q={}", escaped(150)),
    ]
}

async fn check_all(site: &TestSite, paths: Vec<String>) {
    for path in paths {
        for prefix in ["", "/cy"] {
            let path = match (prefix, path.as_str()) {
                ("/cy", "/") => prefix.to_owned(),
                _ => format!("{prefix}{path}"),
            };
            let (status, page) = site.ask(&path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            check(&path, &page);
        }
    }
}

#[tokio::test]
async fn hostile_text_in_any_public_field_is_text_on_every_page() {
    let mut site = TestSite::new().await;
    let own = site.log.world.cast.project;
    for (nth, long) in texts(4_000).iter().enumerate() {
        // One project that begins like that, and one that turns into it, with all on which its page rests.
        let fields = planted(&site, "project-registered", long);
        let fields: Vec<(&str, Value)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        let project = site.project(&format!("hostile {nth}"), &fields).await;
        let workflow = daybook_world::id(&format!("hostile workflow {nth}"));
        for kind in [
            "project-amended",
            "tre-amended",
            "dataset-amended",
            "output-linked",
            "approval-granted",
        ] {
            let mut draft = site.log.world.usual(kind);
            if kind == "project-amended" {
                let until = site.log.world.state_of(&format!("project/{own}"))["until"].clone();
                draft = draft.with("material", false.into()).with("until", until);
            }
            say(&mut site, kind, long, draft).await;
        }
        let draft = site
            .log
            .world
            .usual("workflow-registered")
            .on(&Stream::Workflow(workflow));
        say(&mut site, "workflow-registered", long, draft).await;
        let usual = std::mem::replace(&mut site.log.world.cast.workflow, workflow);
        let refused = site.run("wessex", Ending::Refused).await;
        site.log.world.cast.workflow = usual;
        let recalled = site.run("wessex", Ending::Released).await;
        let draft = site.log.world.usual("release-recalled");
        say(&mut site, "release-recalled", long, draft).await;
        site.publish(own).await;
        site.approve("wessex", project).await;
        site.publish(project).await;
        let stream = Stream::Project(project);
        let draft = site.log.world.usual("project-closed").on(&stream);
        say(&mut site, "project-closed", long, draft).await;
        site.publish(project).await;
        site.settle().await;

        let version = i64::try_from(nth).unwrap() + 2;
        let mut paths = shared();
        paths.extend(of_project(project, &[1, 2]));
        paths.extend(of_project(own, &[version]));
        paths.extend([refused, recalled].map(|job| format!("/jobs/{job}")));
        paths.push(format!("/workflows/{workflow}"));
        paths.extend(named(long));
        let reached = site.log.world.entries().len();
        paths.extend((reached - 12..reached).map(|index| format!("/check/{index}")));
        check_all(&site, paths).await;

        let shown = site.page(&format!("/workflows/{workflow}")).await;
        assert!(
            shown.contains("x.example"),
            "the workflow's fields are shown: {shown}"
        );
        let draft = site
            .log
            .world
            .usual("register-withdrawn")
            .on(&Stream::Register(project));
        say(&mut site, "register-withdrawn", long, draft).await;
        site.settle().await;
        check_all(&site, vec![format!("/projects/{project}")]).await;
    }
}

#[tokio::test]
async fn what_is_too_long_or_no_address_is_refused_at_the_event() {
    let mut site = TestSite::new().await;
    site.run("wessex", Ending::Released).await;
    for kind in SHOWN {
        let fields = site.log.world.table().rule(kind).unwrap().sealed.clone();
        for (name, field) in fields {
            let mut bad: Vec<Value> = vec![
                json!("a\u{0}b"),
                json!("a\u{7}b"),
                json!("x".repeat(10 * 1024 * 1024)),
            ];
            match field.kind {
                SealedKind::Text(most) => bad.push("x".repeat(most + 1).into()),
                SealedKind::Texts(items, most) => {
                    bad.extend([
                        json!(vec!["x"; items + 1]),
                        json!(["x".repeat(most + 1)]),
                        json!([]),
                    ]);
                }
                SealedKind::Url(most) => bad.extend([
                    json!("javascript:alert(1)"),
                    json!("http://x.example/"),
                    json!("https://x.example/\" onclick=\"alert(1)"),
                    json!(format!("https://x.example/{}", "x".repeat(most))),
                ]),
                SealedKind::Code(..) => bad.extend([json!("<b>"), json!("en\" onload=\"x")]),
                SealedKind::Date => bad.extend([json!("2026-13-01"), json!("<b>")]),
                SealedKind::Int(..) | SealedKind::Digest => {}
            }
            if !matches!(field.class, ReaderClass::Public | ReaderClass::PublicFrom) {
                continue;
            }
            for value in bad {
                refused(&mut site, kind, &name, &value).await;
            }
        }
    }
}

/// An event with such a field is refused, or the field cannot even be sealed.
async fn refused(site: &mut TestSite, kind: &str, name: &str, value: &Value) {
    if daybook_core::sealed::Opening::new([7; 16], name, value.clone()).is_err() {
        return;
    }
    let draft = site.log.world.usual(kind).seal(name, value.clone());
    let candidate = site.log.sign(&draft).await;
    let answer = site.log.offer(&candidate).await;
    assert!(
        matches!(answer, Err(AppendError::Refused(_))),
        "{kind} {name} {}: {answer:?}",
        value.to_string().chars().take(60).collect::<String>()
    );
}
