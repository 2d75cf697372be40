//! `GET /problems` and `GET /problems/{slug}`: what each `type` of a problem document leads to, for people and programs.

mod page;
mod texts;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use serde_json::{Value, json};

use crate::conditional;
use crate::extract::Path;
use crate::problem::{Problem, ProblemKind};

/// All types of problems.
pub(crate) async fn list_problems(headers: HeaderMap) -> Response {
    if wants_json(&headers) {
        let problems: Vec<Value> = ProblemKind::ALL.iter().map(|kind| told(*kind)).collect();
        return conditional::json(&headers, &json!({ "problems": problems }));
    }
    html(&headers, StatusCode::OK, &page::all())
}

/// One type of problem.
pub(crate) async fn get_problem(Path(slug): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let kind = ProblemKind::ALL.iter().find(|kind| kind.slug() == slug);
    let Some(kind) = kind.copied() else {
        if wants_json(&headers) {
            let detail = "No problem has this name. `/problems` lists them all.";
            return Err(Problem::new(ProblemKind::NotFound, detail));
        }
        return Ok(html(&headers, StatusCode::NOT_FOUND, &page::unknown()));
    };
    if wants_json(&headers) {
        return Ok(conditional::json(&headers, &told(kind)));
    }
    Ok(html(&headers, StatusCode::OK, &page::one(kind)))
}

/// A type of problem as programs read it.
fn told(kind: ProblemKind) -> Value {
    json!({
        "type": kind.type_uri(), "title": kind.title(), "status": kind.status().as_u16(),
        "meaning": kind.text().meaning, "remedy": kind.remedy(), "example": example(kind),
    })
}

/// A document of this type, as one might be met.
pub(crate) fn example(kind: ProblemKind) -> Value {
    let mut document = Problem::new(kind, kind.text().example).to_json();
    for (name, value) in members(kind) {
        document[name] = value;
    }
    document["request_id"] = "f3a91c0b7de24a58-0000002a".into();
    document
}

/// The members of a type besides those that every problem has.
fn members(kind: ProblemKind) -> Vec<(&'static str, Value)> {
    match kind {
        ProblemKind::NotNext => vec![
            ("code", "not-next".into()),
            ("seq", 5.into()),
            ("prev", "0tkL_6SueJfNuyPxtkJa1w6hT5bpAT-6LSHQm8AQui4".into()),
        ],
        ProblemKind::Refused => vec![("code", "wrong-state".into())],
        ProblemKind::ViewBehind => vec![("as_of", 812.into())],
        ProblemKind::NotReady => {
            let words = "The disk of the packets has 1 % of its room left.";
            vec![(
                "checks",
                json!([{ "name": "disk", "holds": false, "words": words }]),
            )]
        }
        _ => Vec::new(),
    }
}

/// Programs say so; whoever follows a link in a browser, or says nothing, gets the page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter();
    let kinds: Vec<&str> = accept
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|kind| kind.split(';').next())
        .map(str::trim)
        .collect();
    let place = |names: &[&str]| kinds.iter().position(|kind| names.contains(kind));
    let json = place(&["application/json", "application/problem+json"]);
    let page = place(&["text/html", "application/xhtml+xml"]);
    json.is_some_and(|json| page.is_none_or(|page| json < page))
}

fn html(headers: &HeaderMap, status: StatusCode, page: &str) -> Response {
    let kind = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::VARY, HeaderValue::from_static("accept")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    let tag = Hash::of(page.as_bytes()).to_base64url();
    let mut answer = (status, kind, page.to_owned()).into_response();
    if let Ok(policy) = HeaderValue::from_str(&page::policy()) {
        answer
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if status != StatusCode::OK {
        return answer;
    }
    conditional::tagged(headers, &tag, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_whoever_does_not_ask_for_json_first() {
        for (accept, expected) in [
            ("", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("application/json", true),
            ("application/problem+json;q=1", true),
            ("text/html, application/json", false),
            ("application/json, text/html", true),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_json(&headers), expected, "{accept}");
        }
    }
}
