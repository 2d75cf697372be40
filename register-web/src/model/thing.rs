//! TREs, datasets and workflows, as their pages show what the register has published about them.

use daybook_views::register::Part;

use super::names::Names;
use crate::text::{clean, paragraphs};

/// What is published about a TRE; empty where nothing is.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreText {
    pub(crate) organisation: Option<String>,
    pub(crate) accreditation: Vec<String>,
    pub(crate) tiers: Vec<String>,
    /// The page of its evaluation by SATRE, the community's list of what a TRE should be able to do.
    pub(crate) satre: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) contact: Option<String>,
    pub(crate) note: Vec<String>,
    /// The entry that says all this.
    pub(crate) entry: Option<u64>,
}

impl TreText {
    pub(crate) fn of(names: &Names, tre: &str) -> Self {
        let Some(part) = names.part(&format!("tre/{tre}")) else {
            return Self::default();
        };
        Self {
            organisation: text(part, "organisation"),
            accreditation: texts(part, "accreditation"),
            tiers: texts(part, "tiers"),
            satre: text(part, "satre"),
            domain: text(part, "domain"),
            url: text(part, "url"),
            contact: text(part, "contact"),
            note: long(part, "note"),
            entry: Some(part.entry),
        }
    }
}

/// What is published about a dataset; empty where nothing is.
#[derive(Clone, Debug, Default)]
pub(crate) struct DatasetPart {
    pub(crate) title: Option<String>,
    pub(crate) controller: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) description: Vec<String>,
    pub(crate) data_model: Option<String>,
    pub(crate) snapshot: Option<String>,
    pub(crate) gateway_pid: Option<String>,
    pub(crate) url: Option<String>,
    /// The entry that says all this.
    pub(crate) entry: Option<u64>,
}

impl DatasetPart {
    pub(crate) fn of(part: Option<&Part>) -> Self {
        let Some(part) = part else {
            return Self::default();
        };
        Self {
            title: text(part, "title"),
            controller: text(part, "controller"),
            kind: text(part, "kind_of"),
            description: long(part, "description"),
            data_model: text(part, "data_model"),
            snapshot: text(part, "snapshot"),
            gateway_pid: text(part, "gateway_pid"),
            url: text(part, "url"),
            entry: Some(part.entry),
        }
    }
}

/// What is published about a workflow; empty where nothing is.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkflowPart {
    pub(crate) title: Option<String>,
    pub(crate) permalink: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) licence: Option<String>,
    pub(crate) note: Vec<String>,
    /// The entry that says all this.
    pub(crate) entry: Option<u64>,
}

impl WorkflowPart {
    pub(crate) fn of(part: Option<&Part>) -> Self {
        let Some(part) = part else {
            return Self::default();
        };
        Self {
            title: text(part, "title"),
            permalink: text(part, "permalink"),
            version: text(part, "version"),
            licence: text(part, "licence"),
            note: long(part, "note"),
            entry: Some(part.entry),
        }
    }
}

fn text(part: &Part, name: &str) -> Option<String> {
    part.text(name).map(clean).filter(|text| !text.trim().is_empty())
}

fn texts(part: &Part, name: &str) -> Vec<String> {
    part.texts(name).into_iter().map(clean).collect()
}

fn long(part: &Part, name: &str) -> Vec<String> {
    part.text(name).map(paragraphs).unwrap_or_default()
}
