//! A card about a project for other people's pages, in a frame of theirs.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};

use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::project::ProjectText;
use crate::pages::history::public_project;
use crate::pages::{Shown, show};
use crate::site::Site;
use crate::visit::Visit;

/// Like that of every page, but that it may stand in anybody's frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors *";

#[derive(Template)]
#[template(path = "card.html")]
struct Card {
    page: Frame,
    link: String,
    text: ProjectText,
    at: i64,
}

/// The card.
pub(crate) async fn get(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id = public_project(&site, &id).await?;
    let version = site
        .views
        .register_version(id, None)
        .await?
        .row
        .ok_or(Failure::NotFound)?;
    let at = version.at;
    let text = ProjectText::of(&site.views.edition(version).await?);
    let title = text
        .title
        .clone()
        .unwrap_or_else(|| visit.language.say("project.untitled").to_owned());
    let frame = Frame::new(&site, &visit, "projects", &title);
    let link = format!("{}{}", visit.address, frame.link("/projects/", id));
    let mut response = show(&Card {
        page: frame,
        link,
        text,
        at,
    })?;
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}
