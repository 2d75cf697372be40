//! For search engines: which pages there are.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use daybook_views::register::{SearchFilter, Sort};
use daybook_views::{MAX_LIMIT, Page};

use super::xml::escape;
use crate::frame::stamp;
use crate::pages::Shown;
use crate::site::Site;
use crate::visit::Visit;
use crate::words::Language;

/// Addresses of one sitemap at most, as its rules say.
const MOST: usize = 50_000;
/// Pages that are always there.
const FIXED: [&str; 13] = [
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
    "/data",
];

/// The projects that were changed last, and the pages that are always there.
pub(crate) async fn get(State(site): State<Site>, visit: Visit) -> Shown {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    let mut left = MOST;
    for path in FIXED {
        for language in Language::ALL {
            let path = if path == "/" && !language.prefix().is_empty() {
                ""
            } else {
                path
            };
            _ = writeln!(
                text,
                "<url><loc>{}</loc></url>",
                escape(&format!("{}{}{path}", visit.address, language.prefix()))
            );
            left -= 1;
        }
    }
    let mut page = Page {
        limit: MAX_LIMIT,
        ..Page::default()
    };
    loop {
        let found = site
            .views
            .search_register(&SearchFilter::default(), Sort::Changed, &page)
            .await?;
        for hit in found.rows.iter().take(left) {
            let address = format!("{}/projects/{}", visit.address, hit.row.project);
            _ = writeln!(
                text,
                "<url><loc>{}</loc><lastmod>{}</lastmod></url>",
                escape(&address),
                stamp(hit.row.at)
            );
        }
        left = left.saturating_sub(found.rows.len());
        page.after = found.rows.last().map(|hit| hit.place.clone());
        if !found.has_more || left == 0 {
            break;
        }
    }
    text.push_str("</urlset>\n");
    Ok(([(header::CONTENT_TYPE, "application/xml; charset=utf-8")], text).into_response())
}

/// Where the sitemap is. Everything may be read by anybody; searches are not worth keeping.
pub(crate) async fn robots(visit: Visit) -> Shown {
    let text = format!(
        "User-agent: *\nDisallow: /v1/\nDisallow: /check/\nSitemap: {}/sitemap.xml\n",
        visit.address
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
