//! What programs read: tables, JSON, feeds, a sitemap, and a card for other people's pages.

mod atom;
mod card;
mod export;
pub(crate) mod linked;
mod sitemap;
mod xml;

use axum::Router;
use axum::routing::get;

pub(crate) use self::export::FIELDS;
use crate::site::Site;

/// Every path of this kind.
pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/projects.csv", get(export::csv))
        .route("/projects.json", get(export::json))
        .route("/projects.jsonl", get(export::jsonl))
        .route("/projects.atom", get(atom::projects))
        .route("/activity.atom", get(atom::activity))
        .route("/projects/{id}/feed.atom", get(atom::project))
        .route("/tres/{id}/feed.atom", get(atom::tre))
        .route("/datasets/{id}/feed.atom", get(atom::dataset))
        .route("/projects/{id}/card", get(card::get))
        .route("/data/fields.json", get(export::fields))
        .route("/sitemap.xml", get(sitemap::index))
        .route("/sitemap-pages.xml", get(sitemap::pages))
        .route("/sitemap-projects.xml", get(sitemap::projects))
        .route("/sitemap-tres.xml", get(sitemap::tres))
        .route("/sitemap-datasets.xml", get(sitemap::datasets))
        .route("/sitemap-organisations.xml", get(sitemap::organisations))
        .route("/sitemap-workflows.xml", get(sitemap::workflows))
        .route("/robots.txt", get(sitemap::robots))
}
