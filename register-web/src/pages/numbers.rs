//! Numbers: what happened in each year, and how long it took, over all TREs. Each TRE's own numbers stand on its page.

use askama::Template;
use axum::extract::State;
use daybook_views::Page;
use daybook_views::register::SearchFilter;
use daybook_views::statistics::EVERYWHERE;

use super::{Shown, posted};
use crate::frame::Frame;
use crate::model::figures::Figures;
use crate::model::names::Names;
use crate::site::Site;
use crate::visit::Visit;

/// TREs to whose own numbers the page leads.
const TRES: u16 = 100;

#[derive(Template)]
#[template(path = "numbers.html")]
struct Numbers {
    page: Frame,
    figures: Figures,
    /// Projects on the register.
    projects: u64,
    /// Id and name.
    tres: Vec<(String, String)>,
}

/// The page.
pub(crate) async fn get(State(site): State<Site>, visit: Visit) -> Shown {
    let statistics = site.views.statistics(EVERYWHERE).await?;
    let facets = site.views.register_facets(&SearchFilter::default()).await?;
    let page = Page {
        limit: TRES,
        ..Page::default()
    };
    let tres = site.views.tres(&page).await?;
    let names = Names::of_tres(&site.views, tres.rows.iter().map(|tre| tre.id.as_str())).await?;
    let mut tres: Vec<(String, String)> = tres
        .rows
        .into_iter()
        .map(|tre| (names.tre(&tre.id), tre.id))
        .map(|(name, id)| (id, name))
        .collect();
    tres.sort_by(|a, b| a.1.cmp(&b.1));
    let frame = Frame::new(&site, &visit, "numbers", visit.language.say("numbers.title"))
        .described(visit.language.say("numbers.lead"))
        .true_to(statistics.as_of)
        .of_type("Dataset");
    let page = Numbers {
        figures: Figures::of(&statistics),
        projects: facets.total,
        tres,
        page: frame,
    };
    posted(&page, &page.page)
}
