//! Feeds (RFC 4287): what came onto the register or was changed, one project's versions, and everything that happens.

use std::fmt::Write as _;

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use daybook_core::id::{Slug, random_id};
use daybook_views::register::{SearchFilter, Searched, Sort};
use daybook_views::{ActivityFilter, Page};

use super::xml::escape;
use crate::failure::Failure;
use crate::frame::stamp;
use crate::model::names::Names;
use crate::pages::Shown;
use crate::pages::history::public_project;
use crate::pages::projects::Asked;
use crate::site::Site;
use crate::visit::Visit;

/// Entries of a feed.
const ROWS: u16 = 50;

/// One entry.
struct Item {
    id: String,
    title: String,
    link: String,
    at: i64,
    summary: String,
    topics: Vec<String>,
}

/// Projects that the filters find, those first that were changed last.
pub(crate) async fn projects(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let page = Page {
        limit: ROWS,
        ..Page::default()
    };
    let found = site
        .views
        .search_register(&asked.filter()?, Sort::Changed, &page)
        .await?;
    let items: Vec<Item> = found.rows.iter().map(|hit| item(&visit, &hit.row)).collect();
    let query = asked.query();
    let title = format!("{}: {}", site.settings.name, visit.language.say("nav.projects"));
    Ok(feed(
        &site,
        &visit,
        &title,
        &format!("/projects.atom{query}"),
        &format!("/projects{query}"),
        &items,
    ))
}

/// The versions of one project's record.
pub(crate) async fn project(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id = public_project(&site, &id).await?;
    let page = Page {
        limit: ROWS,
        ..Page::default()
    };
    let found = site.views.register_versions(id, &page).await?;
    let newest = site.views.register_version(id, None).await?.row;
    let title = match newest {
        Some(version) => {
            let edition = site.views.edition(version).await?;
            edition
                .details()
                .and_then(|part| part.text("title"))
                .map(str::to_owned)
        }
        None => None,
    };
    let title = title.unwrap_or_else(|| visit.language.say("project.untitled").to_owned());
    let items: Vec<Item> = found
        .rows
        .iter()
        .map(|version| Item {
            id: format!("urn:uuid:{id}:{}", version.version),
            title: format!(
                "{title}: {}",
                visit
                    .language
                    .fill("project.version", &[("n", &version.version.to_string())])
            ),
            link: format!(
                "{}{}/projects/{id}/versions/{}",
                visit.address,
                visit.language.prefix(),
                version.version
            ),
            at: version.at,
            summary: String::new(),
            topics: Vec::new(),
        })
        .collect();
    Ok(feed(
        &site,
        &visit,
        &title,
        &format!("/projects/{id}/feed.atom"),
        &format!("/projects/{id}"),
        &items,
    ))
}

/// Projects that are approved for a dataset, those first that were changed last.
pub(crate) async fn dataset(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id = random_id(&id).map_err(|_| Failure::NotFound)?;
    site.views.dataset(id, None).await?.row.ok_or(Failure::NotFound)?;
    let filter = SearchFilter {
        dataset: Some(id),
        ..SearchFilter::default()
    };
    let page = Page {
        limit: ROWS,
        ..Page::default()
    };
    let found = site.views.search_register(&filter, Sort::Changed, &page).await?;
    let names = Names::read(&site.views, vec![format!("dataset/{id}")]).await?;
    let title = names.dataset(id).and_then(|part| part.text("title"));
    let title = title.unwrap_or(visit.language.say("project.unnamed-dataset"));
    let items: Vec<Item> = found.rows.iter().map(|hit| item(&visit, &hit.row)).collect();
    let (own, page) = (format!("/datasets/{id}/feed.atom"), format!("/datasets/{id}"));
    Ok(feed(&site, &visit, title, &own, &page, &items))
}

/// What happens at a TRE.
pub(crate) async fn tre(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id: Slug = id.parse().map_err(|_| Failure::NotFound)?;
    site.views
        .tre(id.as_str(), None)
        .await?
        .row
        .ok_or(Failure::NotFound)?;
    let filter = ActivityFilter {
        tre: Some(id.to_string()),
        ..ActivityFilter::default()
    };
    let name = Names::of_tres(&site.views, [id.as_str()]).await?.tre(id.as_str());
    let (own, page) = (format!("/tres/{id}/feed.atom"), format!("/tres/{id}"));
    happenings(&site, &visit, &filter, &name, (&own, &page)).await
}

/// Everything of which the public hears.
pub(crate) async fn activity(State(site): State<Site>, visit: Visit) -> Shown {
    let title = format!("{}: {}", site.settings.name, visit.language.say("feed.activity"));
    let filter = ActivityFilter::default();
    happenings(&site, &visit, &filter, &title, ("/activity.atom", "/")).await
}

async fn happenings(
    site: &Site,
    visit: &Visit,
    filter: &ActivityFilter,
    title: &str,
    (own, page_path): (&str, &str),
) -> Shown {
    let page = Page {
        limit: ROWS,
        ..Page::default()
    };
    let found = site.views.activity(filter, &page).await?;
    let tres: Vec<String> = found.rows.iter().filter_map(|row| row.tre.clone()).collect();
    let names = Names::of_tres(&site.views, tres).await?;
    let items: Vec<Item> = found
        .rows
        .iter()
        .map(|row| Item {
            id: format!(
                "{}{}/check/{}#{}",
                visit.address,
                visit.language.prefix(),
                row.entry,
                row.part
            ),
            title: row.sentence(&names.tre(row.tre.as_deref().unwrap_or_default())),
            link: format!("{}{}/check/{}", visit.address, visit.language.prefix(), row.entry),
            at: row.at,
            summary: String::new(),
            topics: Vec::new(),
        })
        .collect();
    Ok(feed(site, visit, title, own, page_path, &items))
}

/// A project, as it was changed last.
fn item(visit: &Visit, row: &Searched) -> Item {
    Item {
        id: format!("urn:uuid:{}", row.project),
        title: row.title.clone(),
        link: format!(
            "{}{}/projects/{}",
            visit.address,
            visit.language.prefix(),
            row.project
        ),
        at: row.at,
        summary: row.line.clone(),
        topics: row.topics.0.clone(),
    }
}

fn feed(site: &Site, visit: &Visit, title: &str, own: &str, page: &str, items: &[Item]) -> Response {
    let address = |path: &str| format!("{}{}{path}", visit.address, visit.language.prefix());
    let updated = items.iter().map(|item| item.at).max().unwrap_or_default();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"{lang}\">\n\
         <id>{own}</id>\n<title>{title}</title>\n<updated>{updated}</updated>\n<link rel=\"self\" href=\"{own}\"/>\n\
         <link href=\"{page}\"/>\n<author><name>{author}</name></author>\n<rights>{rights}</rights>\n",
        lang = visit.language.code(),
        own = escape(&address(own)),
        title = escape(title),
        updated = stamp(updated),
        page = escape(&address(page)),
        author = escape(&site.settings.name),
        rights = escape(&site.settings.licence),
    );
    for item in items {
        _ = writeln!(
            text,
            "<entry><id>{}</id><title>{}</title><updated>{}</updated><link href=\"{}\"/><summary>{}</summary>",
            escape(&item.id),
            escape(&item.title),
            stamp(item.at),
            escape(&item.link),
            escape(&item.summary),
        );
        for topic in &item.topics {
            _ = writeln!(text, "<category term=\"{}\"/>", escape(topic));
        }
        text.push_str("</entry>\n");
    }
    text.push_str("</feed>\n");
    let kind = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")];
    (kind, text).into_response()
}
