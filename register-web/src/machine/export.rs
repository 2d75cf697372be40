//! The register as data: CSV, JSON and JSON Lines, with the filters of the list; a dictionary of the fields; JSON-LD.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse as _;
use daybook_views::register::{Searched, Sort};
use daybook_views::{MAX_LIMIT, Page};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::frame::stamp;
use crate::pages::Shown;
use crate::pages::projects::Asked;
use crate::site::Site;
use crate::text::clean;
use crate::visit::Visit;

/// Projects of one export at most; more are read by the filters, a year at a time.
const MOST: usize = 20_000;

/// The fields of a project in the exports, in their order; the catalogue says what each holds.
pub(crate) const FIELDS: [&str; 17] = [
    "id",
    "page",
    "title",
    "line",
    "language",
    "organisations",
    "sector",
    "commercial",
    "topics",
    "data",
    "tres",
    "status",
    "first_published",
    "last_published",
    "version",
    "entry",
    "record",
];

/// All projects that the filters find, in the order in which they came onto the register, the last one first.
async fn rows(site: &Site, asked: &Asked) -> Result<(u64, Vec<Searched>), Failure> {
    let filter = asked.filter()?;
    let mut page = Page {
        limit: MAX_LIMIT,
        ..Page::default()
    };
    let (mut as_of, mut rows) = (u64::MAX, Vec::new());
    loop {
        let found = site.views.search_register(&filter, Sort::Newest, &page).await?;
        as_of = as_of.min(found.as_of);
        page.after = found.rows.last().map(|hit| hit.place.clone());
        rows.extend(found.rows.into_iter().map(|hit| hit.row));
        if !found.has_more || rows.len() >= MOST {
            return Ok((as_of, rows));
        }
    }
}

/// One project, by the names of [`FIELDS`].
fn project(row: &Searched, visit: &Visit) -> Map<String, Value> {
    let page = format!("{}/projects/{}", visit.address, row.project);
    let texts =
        |texts: &[String]| -> Value { texts.iter().map(|text| clean(text)).collect::<Vec<_>>().into() };
    let values = [
        row.project.to_string().into(),
        page.clone().into(),
        clean(&row.title).into(),
        clean(&row.line).into(),
        row.lang.clone().into(),
        texts(&row.organisations.0),
        row.sector.clone().into(),
        row.commercial.clone().into(),
        texts(&row.topics.0),
        texts(&row.kinds.0),
        row.tres.clone().into(),
        row.status.clone().into(),
        stamp(row.first_at).into(),
        stamp(row.at).into(),
        row.version.into(),
        row.published.into(),
        format!("{page}/versions/{}/record.json", row.version).into(),
    ];
    let names = FIELDS.iter().map(|name| (*name).to_owned());
    names.zip(values).collect()
}

/// What stands above the projects of every export.
fn head(site: &Site, visit: &Visit, as_of: u64) -> Value {
    json!({
        "as_of": as_of,
        "fictional": site.settings.fictional,
        "fields": format!("{}/data/fields.json", visit.address),
        "licence": site.settings.licence,
        "log": site.origin.as_ref(),
        "register": site.settings.name,
    })
}

/// All as one JSON document.
pub(crate) async fn json(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let (as_of, rows) = rows(&site, &asked).await?;
    let mut document = head(&site, &visit, as_of);
    document["projects"] = rows
        .iter()
        .map(|row| Value::Object(project(row, &visit)))
        .collect();
    Ok(([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response())
}

/// A project a line; the first line says what follows.
pub(crate) async fn jsonl(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let (as_of, rows) = rows(&site, &asked).await?;
    let mut text = format!("{}\n", head(&site, &visit, as_of));
    for row in &rows {
        text.push_str(&Value::Object(project(row, &visit)).to_string());
        text.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], text).into_response())
}

/// A table (RFC 4180). Lists are joined by semicolons.
pub(crate) async fn csv(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let (_, rows) = rows(&site, &asked).await?;
    let mut text = format!("{}\r\n", FIELDS.join(","));
    for row in &rows {
        let values = project(row, &visit);
        let cells: Vec<String> = FIELDS
            .iter()
            .map(|name| cell(values.get(*name).unwrap_or(&Value::Null)))
            .collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"projects.csv\"",
        ),
    ];
    Ok((headers, text).into_response())
}

/// A cell. What a spreadsheet would take for a formula is made text by a mark that it hides.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("; "),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    };
    if text.contains([',', '"', '\n', '\r', ';']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// What each field holds, and the licence.
pub(crate) async fn fields(State(site): State<Site>, visit: Visit) -> Shown {
    let fields: Vec<Value> = FIELDS
        .iter()
        .map(|name| json!({ "name": name, "about": visit.language.say(&format!("data-field.{name}")) }))
        .collect();
    let document = json!({
        "fields": fields,
        "licence": site.settings.licence,
        "csv": "RFC 4180, UTF-8; lists are joined by \"; \"; a cell that begins with = + - or @ has a mark ' before it",
        "jsonl": "the first line is about the export, each other one is a project",
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        for (value, expected) in [
            (json!("a,b"), "\"a,b\""),
            (json!("say \"a\""), "\"say \"\"a\"\"\""),
            (json!("=1+1"), "'=1+1"),
            (json!("@x"), "'@x"),
            (json!(["a", "b"]), "\"a; b\""),
            (json!(3), "3"),
            (Value::Null, ""),
        ] {
            assert_eq!(cell(&value), expected);
        }
    }
}
