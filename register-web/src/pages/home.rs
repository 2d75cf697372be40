//! Home: what this is, how to look, and what is new.

use askama::Template;
use axum::extract::State;
use daybook_views::Page;
use daybook_views::register::{Hit, SearchFilter, Sort};

use super::{Shown, posted};
use crate::frame::Frame;
use crate::machine::linked;
use crate::model::names::Names;
use crate::pages::projects::ProjectRow;
use crate::site::Site;
use crate::visit::Visit;

/// Projects that are shown as new.
const LATEST: u16 = 5;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    page: Frame,
    projects: u64,
    latest: Vec<ProjectRow>,
}

/// The first page.
pub(crate) async fn get(State(site): State<Site>, visit: Visit) -> Shown {
    let filter = SearchFilter::default();
    let latest = Page {
        limit: LATEST,
        ..Page::default()
    };
    let found = site.views.search_register(&filter, Sort::Newest, &latest).await?;
    let facets = site.views.register_facets(&filter).await?;
    let names = Names::of_tres(&site.views, tres(&found.rows)).await?;
    let mut frame = Frame::new(&site, &visit, "home", visit.language.say("home.title"))
        .described(visit.language.say("home.lead"))
        .true_to(found.as_of)
        .with_feed("/projects.atom".to_owned())
        .with_post("describedby", "/projects.json", "application/json")
        .of_page_type("WebSite");
    frame.linked = linked::site(&frame);
    let page = Home {
        page: frame,
        projects: facets.total,
        latest: found
            .rows
            .iter()
            .map(|hit| ProjectRow::of(&hit.row, &names))
            .collect(),
    };
    posted(&page, &page.page)
}

/// The TREs of rows.
fn tres(rows: &[Hit]) -> Vec<String> {
    rows.iter().flat_map(|hit| hit.row.tres.clone()).collect()
}
