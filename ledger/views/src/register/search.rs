//! Searching the register: its row, full text, facets with counts, and pages by key.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::id::{Stream, Subject};
use daybook_store::StoreError;
use daybook_store::project::{Columns, Rest, Row as _, Texts, Words};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{NAME, Searched, VERSION};
use crate::ViewError;
use crate::read::{Listed, MAX_KEPT, MAX_LIMIT, Page, Param, Views, is_not_made, number};
use crate::statistics::year;

type Fields = BTreeMap<String, Value>;
/// Index and time of an entry.
type Place = (u64, i64);

/// What the register is searched by from a version on.
pub(super) fn row(
    project: Uuid,
    (version, first, last): (i64, Place, Place),
    rests: &[(&Rest, Fields)],
) -> Searched {
    let of = |kind: &[&str]| {
        let found = rests
            .iter()
            .rev()
            .find(|(rest, _)| kind.contains(&rest.entry.kind.as_str()));
        found.map(|(_, fields)| fields.clone()).unwrap_or_default()
    };
    let details = of(&["project-registered", "project-amended"]);
    let text = |fields: &Fields, name: &str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (mut tres, mut datasets, mut kinds, mut names) =
        (BTreeSet::new(), Vec::new(), BTreeSet::new(), Vec::new());
    let mut status = "approved";
    for (rest, fields) in rests {
        match (&rest.entry.stream, rest.entry.kind.as_str()) {
            (Stream::Approval(tre, Subject::Project, _), "approval-granted") => {
                tres.insert(tre.to_string());
                datasets.extend(rest.entry.ids("datasets").unwrap_or_default());
            }
            (Stream::Dataset(_), _) => {
                kinds.extend(fields.get("kind_of").and_then(Value::as_str).map(str::to_owned));
                names.push(text(fields, "title"));
            }
            (Stream::Tre(_), _) => names.push(text(fields, "name")),
            (_, "output-linked") => names.push(text(fields, "title")),
            (_, kind) => status = further(status, kind),
        }
    }
    let organisations = texts(&details, "organisations");
    let topics: BTreeSet<String> = texts(&details, "keywords")
        .iter()
        .map(|topic| topic.to_lowercase())
        .collect();
    let topics: Vec<String> = topics.into_iter().collect();
    let kinds: Vec<String> = kinds.into_iter().collect();
    datasets.sort_unstable();
    datasets.dedup();
    names.extend(organisations.iter().cloned());
    names.extend(kinds.iter().cloned());
    names.extend(texts(&details, "funders"));
    let (title, line) = (text(&details, "title"), text(&details, "line"));
    let words = Words([
        title.clone(),
        format!("{line} {}", topics.join(" ")),
        names.join(" "),
        format!(
            "{} {}",
            text(&details, "lay_summary"),
            text(&details, "public_benefit")
        ),
    ]);
    let lang = text(&details, "lang");
    Searched {
        project,
        listed: true,
        first: first.0,
        first_at: first.1,
        published: last.0,
        at: last.1,
        version,
        title,
        line,
        lang: if lang.is_empty() { "en".to_owned() } else { lang },
        tres: tres.into_iter().collect(),
        organisations: Texts(organisations),
        sector: text(&details, "sector"),
        datasets,
        kinds: Texts(kinds),
        topics: Texts(topics),
        commercial: text(&details, "commercial"),
        status: status.to_owned(),
        year: year(first.1),
        words,
    }
}

fn further(status: &'static str, kind: &str) -> &'static str {
    match (status, kind) {
        (_, "project-closed") => "closed",
        ("approved" | "running", "job-released") => "released",
        ("approved", "run-started") => "running",
        _ => status,
    }
}

fn texts(fields: &Fields, name: &str) -> Vec<String> {
    let list = fields.get(name).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// What is looked for. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchFilter {
    /// Words, as people type them: quotes, `or` and `-` mean what they usually mean.
    pub text: Option<String>,
    /// Only approved by this TRE.
    pub tre: Option<String>,
    /// Only with this organisation.
    pub organisation: Option<String>,
    /// Only led from this sector.
    pub sector: Option<String>,
    /// Only for this dataset.
    pub dataset: Option<Uuid>,
    /// Only for data of this kind.
    pub kind: Option<String>,
    /// Only on this topic.
    pub topic: Option<String>,
    /// Only that have come so far.
    pub status: Option<String>,
    /// Only first published in this year.
    pub year: Option<i64>,
    /// Only with such a part of a company.
    pub commercial: Option<String>,
}

/// The order of what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// What was changed last comes first.
    #[default]
    Changed,
    /// What was published first last comes first.
    Newest,
    /// By title.
    Title,
    /// What fits the words best comes first.
    Relevance,
}

/// The place of a row in the order: a number or a text, and the project.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchKey {
    /// For [`Sort::Changed`] and [`Sort::Newest`].
    Index(u64, Uuid),
    /// For [`Sort::Title`].
    Title(String, Uuid),
    /// For [`Sort::Relevance`].
    Rank(f64, Uuid),
}

/// A row that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The row.
    pub row: Searched,
    /// Its place.
    pub place: SearchKey,
}

/// One value of a facet, and how many rows have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facet {
    /// The value.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// How many were found, and by facet; the most frequent value first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// All.
    pub total: u64,
    /// By the facet's name.
    pub by: BTreeMap<String, Vec<Facet>>,
}

/// Facets of which a row has one value: name, and the expression for it.
const SINGLE: [(&str, &str); 4] = [
    ("commercial", "commercial"),
    ("sector", "sector"),
    ("status", "status"),
    ("year", "year::text"),
];
/// Facets of which a row has several: name, and the column of the list.
const MANY: [(&str, &str); 4] = [
    ("kind", "kinds"),
    ("organisation", "organisations"),
    ("topic", "topics"),
    ("tre", "tres"),
];

struct Asked {
    wheres: Vec<String>,
    params: Vec<Param>,
}

impl Asked {
    fn of(filter: &SearchFilter) -> Self {
        let mut asked = Self {
            wheres: vec!["t.listed".to_owned()],
            params: Vec::new(),
        };
        let SearchFilter {
            text,
            tre,
            organisation,
            sector,
            dataset,
            kind,
            topic,
            status,
            year,
            commercial,
        } = filter.clone();
        asked.only("t.words @@ websearch_to_tsquery('pg_catalog.english', $)", text);
        asked.only("$ = ANY (t.tres)", tre);
        asked.only("$ = ANY (t.organisations)", organisation);
        asked.only("t.sector = $", sector);
        asked.only("$ = ANY (t.datasets)", dataset);
        asked.only("$ = ANY (t.kinds)", kind);
        asked.only("$ = ANY (t.topics)", topic);
        asked.only("t.status = $", status);
        asked.only("t.year = $", year);
        asked.only("t.commercial = $", commercial);
        asked
    }

    fn only(&mut self, condition: &str, value: Option<impl ToSql + Sync + Send + 'static>) {
        if let Some(value) = value {
            self.params.push(Box::new(value));
            let place = format!("${}", self.params.len());
            self.wheres.push(condition.replace('$', &place));
        }
    }

    /// Two values that make a place in the order.
    fn after(&mut self, (order, sign): (&str, char), first: Param, project: Uuid) {
        self.params.push(first);
        self.params.push(Box::new(project));
        let at = self.params.len();
        self.wheres
            .push(format!("({order}, t.project) {sign} (${}, ${at})", at - 1));
    }

    fn conditions(&self) -> String {
        self.wheres.join("\n                     AND ")
    }
}

impl Sort {
    /// What rows are ordered by, and which way.
    fn order(self, text: Option<usize>) -> (String, char) {
        match (self, text) {
            (Self::Newest, _) => ("t.first".to_owned(), '<'),
            (Self::Title, _) => ("t.title".to_owned(), '>'),
            (Self::Relevance, Some(place)) => (
                format!("ts_rank(t.words, websearch_to_tsquery('pg_catalog.english', ${place}))::float8"),
                '<',
            ),
            _ => ("t.published".to_owned(), '<'),
        }
    }

    fn place(self, row: &Searched, rank: f64) -> SearchKey {
        match self {
            Self::Changed => SearchKey::Index(row.published, row.project),
            Self::Newest => SearchKey::Index(row.first, row.project),
            Self::Title => SearchKey::Title(row.title.clone(), row.project),
            Self::Relevance => SearchKey::Rank(rank, row.project),
        }
    }
}

impl Views {
    /// What the register holds of what is looked for; relevance without words is the order of changes.
    pub async fn search_register(
        &self,
        filter: &SearchFilter,
        sort: Sort,
        page: &Page<SearchKey>,
    ) -> Result<Listed<Hit>, ViewError> {
        self.wait(NAME, page.at_least).await?;
        let sort = if filter.text.is_none() && sort == Sort::Relevance {
            Sort::Changed
        } else {
            sort
        };
        let mut asked = Asked::of(filter);
        let kept = asked.wheres.len() <= MAX_KEPT;
        let (order, sign) = sort.order(filter.text.as_ref().map(|_| 1));
        match page.after.clone() {
            Some(SearchKey::Index(index, project)) => {
                asked.after((&order, sign), Box::new(number(index)), project);
            }
            Some(SearchKey::Title(title, project)) => asked.after((&order, sign), Box::new(title), project),
            Some(SearchKey::Rank(rank, project)) => asked.after((&order, sign), Box::new(rank), project),
            None => {}
        }
        let limit = usize::from(page.limit.clamp(1, MAX_LIMIT));
        let names: Vec<&str> = Searched::TABLE.columns.iter().map(|column| column.name).collect();
        let way = if sign == '<' { "DESC" } else { "ASC" };
        let rank = if sort == Sort::Relevance {
            order.as_str()
        } else {
            "0::float8"
        };
        let sql = format!(
            "-- search_register
             SELECT c.size, p.*
             FROM view_cursors AS c
             LEFT JOIN (
                 SELECT found.*, row_number() OVER () AS nth
                 FROM (
                     SELECT TRUE AS found, {rank} AS rank, {columns}
                     FROM {schema}.register_search AS t
                     WHERE {conditions}
                     ORDER BY {order} {way}, t.project {way}
                     LIMIT {limit}
                 ) AS found
             ) AS p ON TRUE
             WHERE c.schema = '{schema}'
             ORDER BY p.nth",
            columns = names
                .iter()
                .map(|name| format!("t.{name}"))
                .collect::<Vec<_>>()
                .join(", "),
            schema = schema(),
            conditions = asked.conditions(),
            limit = limit + 1,
        );
        let rows = self.ask(&sql, &asked.params, kept).await?;
        let as_of = rows.first().ok_or(behind())?.try_get::<_, i64>(0)?;
        let is_found = |row: &&tokio_postgres::Row| matches!(row.try_get(1), Ok(Some(true)));
        let hits: Result<Vec<Hit>, StoreError> = rows
            .iter()
            .filter(is_found)
            .map(|row| {
                let rank: f64 = row.try_get(2)?;
                let row = Searched::read(&mut Columns::new(row, 3))?;
                Ok(Hit {
                    place: sort.place(&row, rank),
                    row,
                })
            })
            .collect();
        let mut rows = hits?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Listed {
            as_of: u64::try_from(as_of).unwrap_or_default(),
            rows,
            has_more,
        })
    }

    /// How many there are of what is looked for, and by facet.
    pub async fn register_facets(&self, filter: &SearchFilter) -> Result<Facets, ViewError> {
        let asked = Asked::of(filter);
        let single = SINGLE.iter().map(|(name, value)| {
            format!("SELECT '{name}', {value}, count(*) FROM m WHERE {value} <> '' GROUP BY {value}")
        });
        // Lists are counted before they are taken apart: many rows have the same one.
        let many = MANY.iter().map(|(name, list)| {
            format!(
                "SELECT '{name}', v, sum(n)::bigint
                 FROM (SELECT {list} AS list, count(*) AS n FROM m GROUP BY {list}) AS l, unnest(list) AS v
                 WHERE v <> ''
                 GROUP BY v"
            )
        });
        let parts: Vec<String> = single.chain(many).collect();
        let sql = format!(
            "-- register_facets
             WITH m AS MATERIALIZED (
                 SELECT commercial, kinds, organisations, sector, status, topics, tres, year
                 FROM {schema}.register_search AS t
                 WHERE {conditions}
             )
             SELECT '', '', count(*) FROM m
             UNION ALL {parts}
             ORDER BY 1, 3 DESC, 2",
            schema = schema(),
            conditions = asked.conditions(),
            parts = parts.join("\n             UNION ALL "),
        );
        let rows = self
            .ask(&sql, &asked.params, asked.wheres.len() <= MAX_KEPT)
            .await?;
        let mut facets = Facets::default();
        for row in &rows {
            let name: String = row.try_get(0)?;
            let count = u64::try_from(row.try_get::<_, i64>(2)?).unwrap_or_default();
            if name.is_empty() {
                facets.total = count;
            } else {
                let value = row.try_get(1)?;
                facets.by.entry(name).or_default().push(Facet { value, count });
            }
        }
        Ok(facets)
    }

    pub(super) async fn ask(
        &self,
        sql: &str,
        params: &[Param],
        kept: bool,
    ) -> Result<Vec<tokio_postgres::Row>, ViewError> {
        let client = self.reader.connection().await?;
        let params: Vec<&(dyn ToSql + Sync)> = params
            .iter()
            .map(|param| -> &(dyn ToSql + Sync) { param.as_ref() })
            .collect();
        let rows = async {
            let statement = if kept {
                client.prepare_cached(sql).await?
            } else {
                client.prepare(sql).await?
            };
            client.query(&statement, &params).await
        };
        rows.await.map_err(|error| {
            if is_not_made(&error) {
                behind()
            } else {
                error.into()
            }
        })
    }
}

pub(super) fn schema() -> String {
    format!("{NAME}_v{VERSION}")
}

pub(super) fn behind() -> ViewError {
    ViewError::Behind {
        view: NAME,
        as_of: 0,
        wanted: 0,
    }
}
