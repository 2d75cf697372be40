//! The register for machines: what can be fetched, what its fields hold, and under which licence.

use askama::Template;
use axum::extract::State;

use super::{Shown, posted};
use crate::frame::Frame;
use crate::machine::{FIELDS, linked};
use crate::site::Site;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "data.html")]
struct Data {
    page: Frame,
    /// The names of the fields of a project; what each holds stands in the catalogue.
    fields: [&'static str; FIELDS.len()],
    /// A card of a project, as another site would show it.
    embed: String,
}

/// The page.
pub(crate) async fn get(State(site): State<Site>, visit: Visit) -> Shown {
    let mut frame = Frame::new(&site, &visit, "", visit.language.say("data.title"))
        .described(visit.language.say("data.lead"))
        .with_feed("/projects.atom".to_owned())
        .with_data("/projects.json".to_owned())
        .with_post("item", "/projects.csv", "text/csv")
        .with_post("item", "/projects.json", "application/json")
        .with_post("item", "/projects.jsonl", "application/jsonl")
        .with_post("describedby", "/data/fields.json", "application/json")
        .of_type("Dataset");
    frame.linked = linked::register(&frame);
    let embed = format!(
        "<iframe src=\"{}/projects/ID/card\" title=\"{}\" width=\"420\" height=\"220\"></iframe>",
        visit.address, site.settings.name
    );
    let page = Data {
        fields: FIELDS,
        embed,
        page: frame,
    };
    posted(&page, &page.page)
}
