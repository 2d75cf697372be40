//! The one check that a packet passes before anything else of a TRE sees it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::archive::Limits;
use super::bag::{Bag, Payload};
use super::facts::is_reserved;
use super::model::{METADATA_PATH, Request};
use super::preview::{PREVIEW_FILES, PREVIEW_PATH};
use super::read::{ROOT, read_request};
use super::refused::{Refused, cut};
use super::request::request_metadata;
use super::rules::{self, Finding, Rule};
use super::workflow::{workflow_copy, workflow_digest};

/// Characters of one warning, as `job-checked` allows.
const WARNING_LIMIT: usize = 300;

/// A packet that may go on, cleaned of what a request cannot say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The bag from here on: only the files that the request names, under metadata written anew from it.
    pub bag: Bag,
    /// What is asked for.
    pub request: Request,
    /// What was noticed: tolerated, recommended otherwise, taken out.
    pub findings: Vec<Finding>,
    /// Ids of the actions that were taken out, because only a TRE can take such steps.
    pub removed: Vec<String>,
}

/// Checks a packet whole: zip, bag, and every MUST of Five Safes RO-Crate 0.4 for a request.
///
/// Nothing is written and nothing is fetched; memory is bounded by `limits`. Equal bytes give equal answers, so a
/// runner that checks again comes to the same. The rules are those of [`RULES`](super::RULES).
///
/// # Errors
/// [`Refused`] with every rule that is broken; of a zip or bag that cannot be opened, the first one.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<Checked, Refused> {
    let (bag, mut findings) =
        Bag::open(bytes, limits).map_err(|error| Refused::packet(error.finding().into_iter().collect()))?;
    let reading = read_request(&bag).map_err(|error| Refused::packet(error.findings()))?;
    let request = reading.request;
    findings.extend(reading.warnings);
    findings.extend(unnamed(&bag.payload, &request));
    let removed = reading.dropped;
    let claim = |id: &String| Finding::new(&rules::CLAIM_REMOVED, id, "");
    findings.extend(removed.iter().map(claim));
    let bag = clean(bag, &request);
    // Nothing may change its meaning on the way, however its ids are made.
    if !read_request(&bag).is_ok_and(|again| again.request == request) {
        return Err(Refused::packet(vec![Finding::new(&rules::CRATE_ROLES, ROOT, "")]));
    }
    Ok(Checked {
        bag,
        request,
        findings,
        removed,
    })
}

impl Checked {
    /// The profile's code, for `job-checked`.
    pub fn profile(&self) -> &'static str {
        "five-safes-0.4"
    }

    /// What was noticed, as `job-checked` takes it: a text for each rule, of at most 300 characters.
    pub fn warnings(&self) -> Vec<String> {
        let mut by_rule: BTreeMap<&str, (&'static Rule, Vec<&Finding>)> = BTreeMap::new();
        for finding in &self.findings {
            let entry = by_rule.entry(finding.rule.code);
            entry.or_insert((finding.rule, Vec::new())).1.push(finding);
        }
        let texts = by_rule.into_values().filter_map(|(_, findings)| {
            let (first, more) = findings.split_first()?;
            let text = first.to_string();
            Some(match more.len() {
                0 => cut(&text, WARNING_LIMIT),
                more => format!("{} (and {more} more)", cut(&text, WARNING_LIMIT - 30)),
            })
        });
        texts.collect()
    }

    /// The digest of the workflow's copy in the packet, if it carries one.
    pub fn workflow_digest(&self) -> Option<[u8; 32]> {
        workflow_copy(&self.bag, &self.request).map(|files| workflow_digest(&files))
    }

    /// The packet with the workflow's files in it; unchanged where it carries a copy.
    #[must_use]
    pub fn with_workflow(mut self, files: &Payload) -> Self {
        if self.request.workflow.folder.is_some() {
            return self;
        }
        let taken = |folder: &str| {
            let folder = folder.to_lowercase();
            self.bag.payload.keys().any(|path| {
                let path = path.to_lowercase();
                path.starts_with(&folder) || folder.strip_suffix('/') == Some(&path)
            })
        };
        let numbered = (1..).map(|number| format!("workflow-{number}/"));
        let mut free = std::iter::once("workflow/".to_owned()).chain(numbered);
        let Some(folder) = free.find(|folder| !taken(folder)) else {
            return self;
        };
        let copies = files
            .iter()
            .map(|(path, bytes)| (format!("{folder}{path}"), bytes.clone()));
        self.bag.payload.extend(copies);
        self.request.workflow.folder = Some(folder);
        let metadata = request_metadata(&self.request);
        self.bag.payload.insert(METADATA_PATH.to_owned(), metadata);
        self
    }

    /// The workflow's parameters as JSON, by their names; see [`Request::arguments`].
    pub fn arguments(&self) -> Map<String, Value> {
        self.request.arguments(&self.bag.payload)
    }
}

/// The files that a request names are all that goes on.
fn clean(bag: Bag, request: &Request) -> Bag {
    let mut payload: Payload = bag
        .payload
        .into_iter()
        .filter(|(path, _)| request.names(path) && !is_reserved(path))
        .collect();
    payload.insert(METADATA_PATH.to_owned(), request_metadata(request));
    Bag { payload, ..bag }
}

/// Files that do not go on, told in one finding.
fn unnamed(payload: &Payload, request: &Request) -> Option<Finding> {
    let is_expected = |path: &str| {
        request.names(path)
            || [METADATA_PATH, PREVIEW_PATH].contains(&path)
            || path.starts_with(PREVIEW_FILES)
    };
    let mut unnamed = payload.keys().filter(|path| !is_expected(path));
    let first = unnamed.next()?;
    let detail = match unnamed.count() {
        0 => String::new(),
        more => format!("and {more} more"),
    };
    Some(Finding::new(&rules::FILE_UNNAMED, first, detail))
}
