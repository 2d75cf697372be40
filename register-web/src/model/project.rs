//! A project's page from an edition of its register entry.

use daybook_views::register::{Edition, Part};
use uuid::Uuid;

use super::names::Names;
use crate::text::{clean, paragraphs};

/// What a project's page says of the project itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProjectText {
    pub(crate) title: Option<String>,
    pub(crate) line: Option<String>,
    pub(crate) lang: String,
    pub(crate) summary: Vec<String>,
    pub(crate) benefit: Vec<String>,
    pub(crate) safeguards: Vec<String>,
    pub(crate) organisations: Vec<String>,
    pub(crate) funders: Vec<String>,
    pub(crate) topics: Vec<String>,
    pub(crate) applicants: Vec<String>,
    pub(crate) sector: Option<String>,
    pub(crate) commercial: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) contact: Option<String>,
    /// When it ends, in seconds since 1970.
    pub(crate) until: i64,
}

impl ProjectText {
    pub(crate) fn of(edition: &Edition) -> Self {
        let Some(details) = edition.details() else {
            return Self::default();
        };
        let text = |name: &str| {
            details
                .text(name)
                .map(clean)
                .filter(|text| !text.trim().is_empty())
        };
        let texts = |name: &str| details.texts(name).into_iter().map(clean).collect::<Vec<_>>();
        let long = |name: &str| details.text(name).map(paragraphs).unwrap_or_default();
        Self {
            title: text("title"),
            line: text("line"),
            lang: text("lang").unwrap_or_else(|| "en".to_owned()),
            summary: long("lay_summary"),
            benefit: long("public_benefit"),
            safeguards: long("safeguards"),
            organisations: texts("organisations"),
            funders: texts("funders"),
            topics: texts("keywords"),
            applicants: texts("applicants"),
            sector: text("sector"),
            commercial: text("commercial"),
            url: text("url"),
            contact: text("contact"),
            until: details.clear_integer("until").unwrap_or_default(),
        }
    }
}

/// A TRE's approval of the project.
#[derive(Clone, Debug)]
pub(crate) struct ApprovalText {
    pub(crate) tre: String,
    pub(crate) tre_name: String,
    /// What kind of body decided: a code.
    pub(crate) body: String,
    pub(crate) decided_by: Option<String>,
    /// The day of the decision as `YYYY-MM-DD`.
    pub(crate) decided_on: Option<String>,
    pub(crate) at: i64,
    pub(crate) until: i64,
    pub(crate) is_withdrawn: bool,
}

/// A dataset that the project may use.
#[derive(Clone, Debug)]
pub(crate) struct DatasetText {
    pub(crate) id: Uuid,
    pub(crate) title: Option<String>,
    pub(crate) controller: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) tre_name: String,
}

/// Something that came of the project.
#[derive(Clone, Debug)]
pub(crate) struct OutputText {
    pub(crate) title: String,
    pub(crate) url: Option<String>,
    /// What it is: a code.
    pub(crate) kind: String,
    pub(crate) published: Option<String>,
    pub(crate) at: i64,
}

/// The approvals of an edition, by TRE.
pub(crate) fn approvals(edition: &Edition, names: &Names) -> Vec<ApprovalText> {
    let withdrawn: Vec<&str> = edition.of_kind("approval-withdrawn").filter_map(tre_of).collect();
    let mut approvals: Vec<ApprovalText> = edition
        .of_kind("approval-granted")
        .filter_map(|part| {
            let tre = tre_of(part)?;
            Some(ApprovalText {
                tre_name: names.tre(tre),
                body: part.clear_text("body").unwrap_or("access-committee").to_owned(),
                decided_by: part.text("decided_by").map(clean),
                decided_on: part.text("decided_on").map(clean),
                at: part.at,
                until: part.clear_integer("until").unwrap_or_default(),
                is_withdrawn: withdrawn.contains(&tre),
                tre: tre.to_owned(),
            })
        })
        .collect();
    approvals.sort_by(|a, b| a.tre_name.cmp(&b.tre_name));
    approvals
}

/// The datasets for which TREs have approved the project.
pub(crate) fn datasets(edition: &Edition, names: &Names) -> Vec<DatasetText> {
    let mut datasets = Vec::new();
    for approval in edition.of_kind("approval-granted") {
        let Some(tre) = tre_of(approval) else { continue };
        for id in uuids(approval, "datasets") {
            let part = edition
                .of_stream(&format!("dataset/{id}"))
                .or_else(|| names.dataset(id));
            let text = |name: &str| part.and_then(|part| part.text(name)).map(clean);
            datasets.push(DatasetText {
                id,
                title: text("title"),
                controller: text("controller"),
                kind: text("kind_of"),
                description: text("description"),
                tre_name: names.tre(tre),
            });
        }
    }
    datasets
}

/// What came of the project, the newest first.
pub(crate) fn outputs(edition: &Edition) -> Vec<OutputText> {
    let output = |part: &Part| OutputText {
        title: part.text("title").map(clean).unwrap_or_default(),
        url: part.text("url").map(clean),
        kind: part.clear_text("kind").unwrap_or("other").to_owned(),
        published: part.text("published").map(clean),
        at: part.at,
    };
    let mut outputs: Vec<OutputText> = edition.of_kind("output-linked").map(output).collect();
    outputs.sort_by_key(|output| std::cmp::Reverse(output.at));
    outputs
}

/// The TREs that an edition speaks of.
pub(crate) fn tres(edition: &Edition) -> Vec<&str> {
    let tres = edition
        .of_kind("approval-granted")
        .chain(edition.of_kind("approval-withdrawn"));
    tres.filter_map(tre_of).collect()
}

fn tre_of(part: &Part) -> Option<&str> {
    part.stream.strip_prefix("approval/")?.split('/').next()
}

fn uuids(part: &Part, name: &str) -> Vec<Uuid> {
    let list = part.clear.get(name).and_then(serde_json::Value::as_array);
    let ids = list.into_iter().flatten().filter_map(serde_json::Value::as_str);
    ids.filter_map(|id| id.parse().ok()).collect()
}
