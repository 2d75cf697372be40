//! The register itself: search, facets, and one row for each project.

use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Query, State};
use daybook_views::Page;
use daybook_views::register::{Facet, Facets, SearchFilter, SearchKey, Searched, Sort};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Shown, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::names::Names;
use crate::paging;
use crate::site::Site;
use crate::text::clean;
use crate::visit::Visit;

/// Projects on one page.
const ROWS: u16 = 20;
/// Values of a facet that are shown.
const VALUES: usize = 8;
/// Characters of a search at most.
const MAX_TEXT: usize = 200;

/// What the address may ask for. What is not known is not heard, so that links from elsewhere go on to work.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Asked {
    #[serde(skip_serializing_if = "String::is_empty")]
    q: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tre: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    organisation: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sector: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dataset: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    topic: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    year: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    commercial: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sort: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    after: String,
}

/// A project as lists show it.
pub(crate) struct ProjectRow {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) line: String,
    pub(crate) lang: String,
    pub(crate) organisations: Vec<String>,
    pub(crate) kinds: Vec<String>,
    pub(crate) tres: Vec<(String, String)>,
    pub(crate) status: String,
    pub(crate) commercial: String,
    pub(crate) first_at: i64,
}

impl ProjectRow {
    pub(crate) fn of(row: &Searched, names: &Names) -> Self {
        Self {
            id: row.project,
            title: clean(&row.title),
            line: clean(&row.line),
            lang: row.lang.clone(),
            organisations: row.organisations.0.iter().map(|name| clean(name)).collect(),
            kinds: row.kinds.0.iter().map(|kind| clean(kind)).collect(),
            tres: row.tres.iter().map(|tre| (tre.clone(), names.tre(tre))).collect(),
            status: row.status.clone(),
            commercial: row.commercial.clone(),
            first_at: row.first_at,
        }
    }
}

/// One way to narrow what is found.
struct FacetBox {
    /// The parameter.
    name: &'static str,
    values: Vec<FacetValue>,
    /// How many values are not shown.
    more: usize,
}

struct FacetValue {
    value: String,
    label: String,
    count: u64,
    href: String,
}

/// A filter that is on, and the address without it.
struct Chosen {
    name: &'static str,
    label: String,
    href: String,
}

#[derive(Template)]
#[template(path = "projects.html")]
struct Projects {
    page: Frame,
    asked: Asked,
    /// The words that are looked for, as they may be shown.
    words: String,
    total: u64,
    rows: Vec<ProjectRow>,
    chosen: Vec<Chosen>,
    facets: Vec<FacetBox>,
    sorts: Vec<(&'static str, String, bool)>,
    next: Option<String>,
    first: Option<String>,
    clear: String,
}

/// The list.
pub(crate) async fn get(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let filter = asked.filter()?;
    let sort = asked.sort();
    let page = Page {
        after: asked.place()?,
        limit: ROWS,
        at_least: None,
    };
    let found = site.views.search_register(&filter, sort, &page).await?;
    let facets = site.views.register_facets(&filter).await?;
    let mut tres: Vec<String> = found.rows.iter().flat_map(|hit| hit.row.tres.clone()).collect();
    tres.extend(
        facets
            .by
            .get("tre")
            .into_iter()
            .flatten()
            .map(|facet| facet.value.clone()),
    );
    tres.push(asked.tre.clone());
    let names = Names::of_tres(&site.views, tres).await?;
    let language = visit.language;
    let title = if asked.q.is_empty() {
        language.say("projects.title").to_owned()
    } else {
        language.fill("projects.title-search", &[("words", &asked.q)])
    };
    let mut frame = Frame::new(&site, &visit, "projects", &title)
        .described(language.say("projects.lead"))
        .true_to(found.as_of);
    let query = asked.without(&["after"]).query();
    frame.path = format!("/projects{query}");
    // Every combination of filters is the same list anew: search engines keep the list and the projects.
    frame.is_indexed = query.is_empty();
    let frame = frame
        .with_feed(format!("/projects.atom{query}"))
        .with_data(format!("/projects.json{query}"))
        .of_page_type("CollectionPage");
    let last = found.rows.last().filter(|_| found.has_more);
    let next = last.map(|hit| asked.with("after", &encode(&hit.place)));
    let page = Projects {
        chosen: asked.chosen(&frame, &names),
        facets: boxes(&asked, &facets, &frame, &names),
        sorts: sorts(&asked, &frame),
        next: next.map(|asked| frame.to(format!("/projects{}", asked.query()))),
        first: (!asked.after.is_empty()).then(|| frame.to(format!("/projects{query}"))),
        clear: frame.to("/projects"),
        total: facets.total,
        rows: found
            .rows
            .iter()
            .map(|hit| ProjectRow::of(&hit.row, &names))
            .collect(),
        page: frame,
        words: clean(&asked.q),
        asked,
    };
    posted(&page, &page.page)
}

/// The parameters that filter, in the order in which they are shown.
const FILTERS: [&str; 9] = [
    "status",
    "tre",
    "kind",
    "topic",
    "organisation",
    "sector",
    "commercial",
    "year",
    "dataset",
];

impl Asked {
    fn value(&self, name: &str) -> &str {
        match name {
            "q" => &self.q,
            "tre" => &self.tre,
            "organisation" => &self.organisation,
            "sector" => &self.sector,
            "dataset" => &self.dataset,
            "kind" => &self.kind,
            "topic" => &self.topic,
            "status" => &self.status,
            "year" => &self.year,
            "commercial" => &self.commercial,
            "sort" => &self.sort,
            _ => &self.after,
        }
    }

    fn place_of(&mut self, name: &str) -> &mut String {
        match name {
            "q" => &mut self.q,
            "tre" => &mut self.tre,
            "organisation" => &mut self.organisation,
            "sector" => &mut self.sector,
            "dataset" => &mut self.dataset,
            "kind" => &mut self.kind,
            "topic" => &mut self.topic,
            "status" => &mut self.status,
            "year" => &mut self.year,
            "commercial" => &mut self.commercial,
            "sort" => &mut self.sort,
            _ => &mut self.after,
        }
    }

    /// The same with another value.
    fn with(&self, name: &str, value: &str) -> Self {
        let mut asked = self.without(&["after"]);
        value.clone_into(asked.place_of(name));
        asked
    }

    fn without(&self, names: &[&str]) -> Self {
        let mut asked = self.clone();
        for name in names {
            asked.place_of(name).clear();
        }
        asked
    }

    /// As a query, with its question mark; empty where nothing is asked.
    pub(crate) fn query(&self) -> String {
        let names = ["q"].into_iter().chain(FILTERS).chain(["sort", "after"]);
        let pairs: Vec<String> = names
            .filter(|name| !self.value(name).is_empty())
            .map(|name| format!("{name}={}", escape(self.value(name))))
            .collect();
        if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        }
    }

    /// What is looked for; what cannot be meant is refused, since "nothing found" would be untrue.
    pub(crate) fn filter(&self) -> Result<SearchFilter, Failure> {
        let text = |value: &str| {
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        if FILTERS.iter().chain(&["q"]).any(|name| {
            let value = self.value(name);
            value.chars().count() > MAX_TEXT || value.contains('\0')
        }) {
            return Err(Failure::Malformed);
        }
        let parsed = |value: &str| -> Result<Option<i64>, Failure> {
            text(value)
                .map(|year| year.parse().map_err(|_| Failure::Malformed))
                .transpose()
        };
        let dataset = text(&self.dataset).map(|id| id.parse().map_err(|_| Failure::Malformed));
        Ok(SearchFilter {
            text: text(&self.q),
            tre: text(&self.tre),
            organisation: text(&self.organisation),
            sector: text(&self.sector),
            dataset: dataset.transpose()?,
            kind: text(&self.kind),
            topic: text(&self.topic),
            status: text(&self.status),
            year: parsed(&self.year)?,
            commercial: text(&self.commercial),
        })
    }

    /// In which order; the best fit first where words are looked for.
    pub(crate) fn sort(&self) -> Sort {
        match self.sort.as_str() {
            "new" => Sort::Newest,
            "title" => Sort::Title,
            "changed" => Sort::Changed,
            _ if self.q.trim().is_empty() => Sort::Newest,
            _ => Sort::Relevance,
        }
    }

    fn place(&self) -> Result<Option<SearchKey>, Failure> {
        if self.after.is_empty() {
            return Ok(None);
        }
        let key = match self.sort() {
            Sort::Title => paging::decode(&self.after).map(|(title, id)| SearchKey::Title(title, id)),
            Sort::Relevance => paging::decode(&self.after).map(|(rank, id)| SearchKey::Rank(rank, id)),
            _ => paging::decode(&self.after).map(|(index, id)| SearchKey::Index(index, id)),
        };
        key.map(Some).ok_or(Failure::Malformed)
    }

    fn chosen(&self, frame: &Frame, names: &Names) -> Vec<Chosen> {
        let on = FILTERS.into_iter().filter(|name| !self.value(name).is_empty());
        on.map(|name| Chosen {
            name,
            label: label(frame, names, name, self.value(name)),
            href: frame.to(format!("/projects{}", self.without(&[name, "after"]).query())),
        })
        .collect()
    }
}

fn encode(place: &SearchKey) -> String {
    match place {
        SearchKey::Index(index, id) => paging::encode(&(index, id)),
        SearchKey::Title(title, id) => paging::encode(&(title, id)),
        SearchKey::Rank(rank, id) => paging::encode(&(rank, id)),
    }
}

/// What a value is called.
fn label(frame: &Frame, names: &Names, name: &str, value: &str) -> String {
    match name {
        "tre" => names.tre(value),
        "sector" | "status" | "commercial" if frame.language.has_any(&format!("{name}.{value}")) => {
            frame.code(name, value).to_owned()
        }
        "dataset" => value
            .parse()
            .ok()
            .and_then(|id| names.dataset(id))
            .and_then(|part| part.text("title"))
            .map_or_else(|| frame.say("projects.this-dataset").to_owned(), clean),
        _ => clean(value),
    }
}

fn boxes(asked: &Asked, facets: &Facets, frame: &Frame, names: &Names) -> Vec<FacetBox> {
    let offered = FILTERS.into_iter().filter(|name| asked.value(name).is_empty());
    let filled = offered.filter_map(|name| {
        let values = facets.by.get(name)?;
        let value = |facet: &Facet| FacetValue {
            value: clean(&facet.value),
            label: label(frame, names, name, &facet.value),
            count: facet.count,
            href: frame.to(format!("/projects{}", asked.with(name, &facet.value).query())),
        };
        Some(FacetBox {
            name,
            values: values.iter().take(VALUES).map(value).collect(),
            more: values.len().saturating_sub(VALUES),
        })
    });
    filled.collect()
}

fn sorts(asked: &Asked, frame: &Frame) -> Vec<(&'static str, String, bool)> {
    let mut offered = vec!["new", "changed", "title"];
    if !asked.q.trim().is_empty() {
        offered.insert(0, "best");
    }
    let current = match asked.sort() {
        Sort::Newest => "new",
        Sort::Changed => "changed",
        Sort::Title => "title",
        Sort::Relevance => "best",
    };
    let sort = |name: &'static str| {
        let href = frame.to(format!("/projects{}", asked.with("sort", name).query()));
        (name, href, name == current)
    };
    offered.into_iter().map(sort).collect()
}

/// A value as it stands in a query.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else if byte == b' ' {
            escaped.push('+');
        } else {
            _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_asked_and_only_that() {
        let asked = Asked {
            q: "heart & lung".to_owned(),
            tre: "wessex".to_owned(),
            after: "x".to_owned(),
            ..Asked::default()
        };
        assert_eq!(asked.without(&["after"]).query(), "?q=heart+%26+lung&tre=wessex");
        assert_eq!(asked.with("tre", "").query(), "?q=heart+%26+lung");
        assert_eq!(Asked::default().query(), "");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let year = Asked {
            year: "MMXXVI".to_owned(),
            ..Asked::default()
        };
        assert!(matches!(year.filter(), Err(Failure::Malformed)));
        let place = Asked {
            after: "nowhere".to_owned(),
            ..Asked::default()
        };
        assert!(matches!(place.place(), Err(Failure::Malformed)));
    }
}
