//! Organisations that take part in projects: all by name, and what one takes part in.

use askama::Template;
use axum::extract::{Query, State};
use daybook_views::register::{SearchFilter, Sort};
use serde::Deserialize;

use super::{Shown, first, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::names::Names;
use crate::pages::projects::ProjectRow;
use crate::paging;
use crate::site::Site;
use crate::text::clean;
use crate::visit::Visit;

/// Organisations on one page.
const ROWS: u16 = 100;
/// Characters of a name at most: as many as events may hold.
const MAX_NAME: usize = 200;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    name: String,
    after: String,
}

#[derive(Template)]
#[template(path = "organisations.html")]
struct Organisations {
    page: Frame,
    /// Name as it is written in links, name as it is shown, and projects.
    rows: Vec<(String, String, u64)>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "organisation.html")]
struct Organisation {
    page: Frame,
    name: String,
    total: u64,
    /// Projects in which a company has a part.
    with_company: u64,
    /// TREs that have approved projects of it: id, name, and how many.
    tres: Vec<(String, String, u64)>,
    projects: Vec<ProjectRow>,
    has_more: bool,
}

/// The list; with a name, that one's page.
pub(crate) async fn get(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    if asked.name.is_empty() {
        all(&site, &visit, &asked).await
    } else {
        one(&site, &visit, &asked.name).await
    }
}

async fn all(site: &Site, visit: &Visit, asked: &Asked) -> Shown {
    let after = name_of(&asked.after)?;
    let found = site.views.register_organisations(after.as_deref(), ROWS).await?;
    let mut frame = Frame::new(site, visit, "projects", visit.language.say("organisations.title"))
        .described(visit.language.say("organisations.lead"))
        .true_to(found.as_of)
        .of_page_type("CollectionPage");
    frame.is_indexed = after.is_none();
    let last = found.rows.last().filter(|_| found.has_more);
    let next = last.map(|row| frame.to(format!("/organisations?after={}", paging::encode(&row.value))));
    let page = Organisations {
        rows: found
            .rows
            .iter()
            .map(|row| (row.value.clone(), clean(&row.value), row.count))
            .collect(),
        next,
        page: frame,
    };
    posted(&page, &page.page)
}

/// The name after which a part of the list begins; none where nothing is said.
pub(crate) fn name_of(after: &str) -> Result<Option<String>, Failure> {
    if after.is_empty() {
        return Ok(None);
    }
    let name = paging::decode::<String>(after).filter(|name| !name.contains('\0'));
    name.map(Some).ok_or(Failure::Malformed)
}

async fn one(site: &Site, visit: &Visit, name: &str) -> Shown {
    if name.chars().count() > MAX_NAME || name.contains('\0') {
        return Err(Failure::Malformed);
    }
    let filter = SearchFilter {
        organisation: Some(name.to_owned()),
        ..SearchFilter::default()
    };
    let found = site
        .views
        .search_register(&filter, Sort::Newest, &first())
        .await?;
    if found.rows.is_empty() {
        return Err(Failure::NotFound);
    }
    let facets = site.views.register_facets(&filter).await?;
    let of = |facet: &str| facets.by.get(facet).into_iter().flatten();
    let tres = of("tre").map(|tre| tre.value.clone());
    let shown = found.rows.iter().flat_map(|hit| hit.row.tres.clone());
    let names = Names::of_tres(&site.views, tres.chain(shown)).await?;
    let frame = Frame::new(site, visit, "projects", name);
    let own = format!("/organisations?name={}", frame.escape(name));
    let query = format!("organisation={}", frame.escape(name));
    let mut frame = frame
        .described(&visit.language.count("count.projects", facets.total))
        .true_to(found.as_of)
        .with_feed(format!("/projects.atom?{query}"))
        .with_data(format!("/projects.json?{query}"))
        .with_post("cite-as", &own, "text/html")
        .with_post("collection", "/organisations", "text/html")
        .with_post(
            "describedby",
            &format!("/projects.json?{query}"),
            "application/json",
        )
        .of_type("Organization");
    frame.path = own;
    let page = Organisation {
        name: name.to_owned(),
        total: facets.total,
        with_company: of("commercial")
            .filter(|part| part.value != "none")
            .map(|part| part.count)
            .sum(),
        tres: of("tre")
            .map(|tre| (tre.value.clone(), names.tre(&tre.value), tre.count))
            .collect(),
        projects: found
            .rows
            .iter()
            .map(|hit| ProjectRow::of(&hit.row, &names))
            .collect(),
        has_more: found.has_more,
        page: frame,
    };
    posted(&page, &page.page)
}
