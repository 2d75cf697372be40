//! For search engines: which pages there are, in sitemaps under one index (sitemaps.org).

use std::fmt::Write as _;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use daybook_views::register::{SearchFilter, SearchKey, Sort};
use daybook_views::{Dataset, DatasetFilter, Long, MAX_LIMIT, NewestKey, Page, Workflow, WorkflowFilter};
use serde::Deserialize;
use uuid::Uuid;

use super::xml::escape;
use crate::frame::stamp;
use crate::model::names::Names;
use crate::model::thing::{DatasetPart, WorkflowPart};
use crate::pages::organisations::name_of;
use crate::pages::{Shown, projects};
use crate::paging;
use crate::site::Site;
use crate::visit::Visit;
use crate::words::Language;

const XML: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
const SITEMAPS: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";
/// Things in one sitemap at most: each has an address in every language, and 50,000 addresses are allowed (sitemaps.org).
const PORTION: u16 = 5_000;
/// Pages that are always there.
const FIXED: [&str; 14] = [
    "/",
    "/projects",
    "/jobs",
    "/tres",
    "/datasets",
    "/organisations",
    "/workflows",
    "/numbers",
    "/protection",
    "/record",
    "/glossary",
    "/coverage",
    "/accessibility",
    "/data",
];

/// Lists of which there may be more than one sitemap holds: the name of their sitemaps.
const LONG: [(&str, Long); 3] = [
    ("projects", Long::Projects),
    ("datasets", Long::Datasets),
    ("workflows", Long::Workflows),
];

/// Where a sitemap begins.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    after: String,
}

/// The sitemaps: of the pages that are always there, and of each kind of thing. Analyses are in none: there may be millions,
/// and the pages of their projects lead to them.
pub(crate) async fn index(State(site): State<Site>, visit: Visit) -> Shown {
    let mut paths = vec!["/sitemap-pages.xml".to_owned(), "/sitemap-tres.xml".to_owned()];
    let mut put = |name: &str, after: Option<String>| {
        let after = after.map(|after| format!("?after={after}")).unwrap_or_default();
        paths.push(format!("/sitemap-{name}.xml{after}"));
    };
    for (name, list) in LONG {
        for key in site.views.portions(list, PORTION).await? {
            put(name, key.map(|key| paging::encode(&(key.index, key.id))));
        }
    }
    for name in site.views.organisation_portions(PORTION).await? {
        put("organisations", name.map(|name| paging::encode(&name)));
    }
    let mut text = format!("{XML}<sitemapindex xmlns=\"{SITEMAPS}\">\n");
    for path in paths {
        let address = escape(&format!("{}{path}", visit.address));
        _ = writeln!(text, "<sitemap><loc>{address}</loc></sitemap>");
    }
    text.push_str("</sitemapindex>\n");
    Ok(xml(text))
}

/// The pages that are always there.
pub(crate) async fn pages(visit: Visit) -> Shown {
    let mut map = Map::new(&visit);
    for path in FIXED {
        map.put(path, None);
    }
    Ok(map.end())
}

/// Projects on the register, the newest first.
pub(crate) async fn projects(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let mut map = Map::new(&visit);
    let after = paging::place(&asked.after)?.map(|(index, id)| SearchKey::Index(index, id));
    let mut page = whole(after);
    loop {
        let filter = SearchFilter::default();
        let found = site.views.search_register(&filter, Sort::Newest, &page).await?;
        for hit in &found.rows {
            map.put(&format!("/projects/{}", hit.row.project), Some(hit.row.at));
        }
        page.after = found.rows.last().map(|hit| hit.place.clone());
        if !found.has_more || map.is_full() {
            return Ok(map.end());
        }
    }
}

/// Datasets of which the register says what they are.
pub(crate) async fn datasets(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let mut map = Map::new(&visit);
    let mut page = whole(paging::place(&asked.after)?.map(newest));
    loop {
        let found = site.views.datasets(&DatasetFilter::default(), &page).await?;
        let streams = found.rows.iter().map(|row| format!("dataset/{}", row.id));
        let names = Names::read(&site.views, streams.collect()).await?;
        for row in &found.rows {
            let is_named = DatasetPart::of(names.dataset(row.id)).title.is_some();
            map.put_if(is_named, &format!("/datasets/{}", row.id));
        }
        page.after = found.rows.last().map(Dataset::place);
        if !found.has_more || map.is_full() {
            return Ok(map.end());
        }
    }
}

/// Workflows of which the register says what they are.
pub(crate) async fn workflows(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let mut map = Map::new(&visit);
    let mut page = whole(paging::place(&asked.after)?.map(newest));
    loop {
        let found = site.views.workflows(&WorkflowFilter::default(), &page).await?;
        let streams = found.rows.iter().map(|row| format!("workflow/{}", row.id));
        let names = Names::read(&site.views, streams.collect()).await?;
        for row in &found.rows {
            let is_named = WorkflowPart::of(names.workflow(row.id)).title.is_some();
            map.put_if(is_named, &format!("/workflows/{}", row.id));
        }
        page.after = found.rows.last().map(Workflow::place);
        if !found.has_more || map.is_full() {
            return Ok(map.end());
        }
    }
}

/// All TREs.
pub(crate) async fn tres(State(site): State<Site>, visit: Visit) -> Shown {
    let mut map = Map::new(&visit);
    let mut page = whole(None);
    loop {
        let found = site.views.tres(&page).await?;
        for row in &found.rows {
            map.put(&format!("/tres/{}", row.id), None);
        }
        page.after = found.rows.last().map(|row| row.id.clone());
        if !found.has_more || map.is_full() {
            return Ok(map.end());
        }
    }
}

/// Organisations that take part in projects, by name.
pub(crate) async fn organisations(
    State(site): State<Site>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Shown {
    let mut map = Map::new(&visit);
    let mut after = name_of(&asked.after)?;
    loop {
        let found = site
            .views
            .register_organisations(after.as_deref(), MAX_LIMIT)
            .await?;
        for row in &found.rows {
            map.put(
                &format!("/organisations?name={}", projects::escape(&row.value)),
                None,
            );
        }
        after = found.rows.last().map(|row| row.value.clone());
        if !found.has_more || map.is_full() {
            return Ok(map.end());
        }
    }
}

fn newest((index, id): (u64, Uuid)) -> NewestKey {
    NewestKey { index, id }
}

fn whole<K>(after: Option<K>) -> Page<K> {
    Page {
        after,
        limit: MAX_LIMIT,
        at_least: None,
    }
}

fn xml(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/xml; charset=utf-8")], text).into_response()
}

/// One sitemap, as it is written.
struct Map<'a> {
    visit: &'a Visit,
    text: String,
    /// Things so far, written or passed over.
    things: u16,
}

impl<'a> Map<'a> {
    fn new(visit: &'a Visit) -> Self {
        Self {
            visit,
            text: format!(
                "{XML}<urlset xmlns=\"{SITEMAPS}\" xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">\n"
            ),
            things: 0,
        }
    }

    /// A page in every language, each of which names all of them, as the pages themselves do.
    fn put(&mut self, path: &str, changed: Option<i64>) {
        let address = |language: Language| match (language.prefix(), path) {
            (prefix, "/") if !prefix.is_empty() => escape(&format!("{}{prefix}", self.visit.address)),
            (prefix, path) => escape(&format!("{}{prefix}{path}", self.visit.address)),
        };
        let changed = changed.map(|at| format!("<lastmod>{}</lastmod>", stamp(at)));
        let mut others = String::new();
        for language in Language::ALL {
            let (code, address) = (language.code(), address(language));
            _ = write!(
                others,
                "<xhtml:link rel=\"alternate\" hreflang=\"{code}\" href=\"{address}\"/>"
            );
        }
        for language in Language::ALL {
            let (address, changed) = (address(language), changed.as_deref().unwrap_or_default());
            _ = writeln!(self.text, "<url><loc>{address}</loc>{changed}{others}</url>");
        }
        self.things += 1;
    }

    /// The same of a page that search engines should keep; others are counted.
    fn put_if(&mut self, is_kept: bool, path: &str) {
        if is_kept {
            self.put(path, None);
        } else {
            self.things += 1;
        }
    }

    fn is_full(&self) -> bool {
        self.things >= PORTION
    }

    fn end(mut self) -> Response {
        self.text.push_str("</urlset>\n");
        xml(self.text)
    }
}

/// Where the sitemap is. Everything may be read by anybody; searches are not worth keeping.
pub(crate) async fn robots(visit: Visit) -> Shown {
    let text = format!(
        "User-agent: *\nDisallow: /v1/\nDisallow: /check/\nSitemap: {}/sitemap.xml\n",
        visit.address
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
