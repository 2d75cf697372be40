//! One operation, described step by step.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schema::named;
use crate::problem::ProblemKind::{self, self as Kind};

/// What any route may answer with.
const ANY: [ProblemKind; 4] = [
    Kind::UriTooLong,
    Kind::RateLimited,
    Kind::Unavailable,
    Kind::Internal,
];

/// A method of a path: what it takes, and how it answers.
#[derive(Clone, Debug)]
pub struct Operation {
    method: &'static str,
    path: &'static str,
    route: &'static str,
    head: Value,
    parameters: Vec<Value>,
    responses: BTreeMap<u16, Value>,
    problems: Vec<ProblemKind>,
    /// Statuses of problems that people get as a page, with its content type and schema.
    pages: BTreeMap<u16, (String, Value)>,
}

impl Operation {
    pub(super) fn get(tag: &str, path: &'static str, id: &str, summary: &str) -> Self {
        Self::new("get", tag, path, id, summary)
    }

    pub(super) fn new(method: &'static str, tag: &str, path: &'static str, id: &str, summary: &str) -> Self {
        let head = json!({ "operationId": id, "summary": summary, "tags": [tag], "security": [] });
        Self {
            method,
            path,
            route: path,
            head,
            parameters: Vec::new(),
            responses: BTreeMap::new(),
            problems: ANY.to_vec(),
            pages: BTreeMap::new(),
        }
    }

    /// Answered by a route of the router that is spelled differently, since its paths have parts with slashes.
    pub(super) fn by(mut self, route: &'static str) -> Self {
        self.route = route;
        self
    }

    pub(super) fn note(mut self, text: &str) -> Self {
        self.head["description"] = text.into();
        self
    }

    /// Needs an access token, or takes one.
    pub(super) fn token(mut self, is_needed: bool) -> Self {
        let token = json!({ "access_token": [] });
        self.head["security"] = if is_needed {
            json!([token])
        } else {
            json!([token, {}])
        };
        self.fails(&[Kind::NotAuthenticated])
    }

    pub(super) fn in_path(mut self, name: &str, schema: &Value, example: &str, text: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": schema, "example": example, "description": text,
        }));
        self
    }

    pub(super) fn in_query(mut self, name: &str, schema: &Value, text: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "query", "required": false, "schema": schema, "description": text,
        }));
        self.fails(&[Kind::MalformedRequest])
    }

    /// A parameter of the query with a value to try.
    pub(super) fn in_query_such_as(self, name: &str, schema: &Value, example: &str, text: &str) -> Self {
        let mut operation = self.in_query(name, schema, text);
        if let Some(parameter) = operation.parameters.last_mut() {
            parameter["example"] = example.into();
        }
        operation
    }

    /// The parameter that was told last must be there.
    pub(super) fn needed(mut self) -> Self {
        if let Some(parameter) = self.parameters.last_mut() {
            parameter["required"] = true.into();
        }
        self
    }

    pub(super) fn in_header(mut self, name: &str, schema: &Value, text: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": false, "schema": schema, "description": text,
        }));
        self
    }

    pub(super) fn takes(mut self, kind: &str, schema: &Value) -> Self {
        self.head["requestBody"] = json!({ "required": true, "content": { kind: { "schema": schema } } });
        self
    }

    /// A success in JSON.
    pub(super) fn json(self, status: u16, text: &str, schema: &str) -> Self {
        self.bytes(status, text, "application/json", &named(schema))
    }

    /// A success of any content type. May be said again for another type of the same status.
    pub(super) fn bytes(mut self, status: u16, text: &str, kind: &str, schema: &Value) -> Self {
        let response = self
            .responses
            .entry(status)
            .or_insert_with(|| json!({ "description": text, "headers": request_id(), "content": {} }));
        response["content"][kind] = json!({ "schema": schema });
        self
    }

    /// Every success says in this header what the text says.
    pub(super) fn header(mut self, name: &str, text: &str) -> Self {
        for response in self.responses.values_mut() {
            response["headers"][name] =
                json!({ "description": text, "required": true, "schema": { "type": "string" } });
        }
        self
    }

    /// Has an `ETag`, and answers 304 to who has these bytes.
    pub(super) fn conditional(self) -> Self {
        let mut operation = self
            .in_header(
                "If-None-Match",
                &json!({ "type": "string" }),
                "An `ETag` of an answer that the caller has.",
            )
            .header("ETag", "Names these very bytes.");
        let nothing_new =
            json!({ "description": "The caller has this answer already.", "headers": request_id() });
        operation.responses.insert(304, nothing_new);
        operation
    }

    /// Problems with which it may answer besides those of any route.
    pub(super) fn fails(mut self, kinds: &[ProblemKind]) -> Self {
        for kind in kinds {
            if !self.problems.contains(kind) {
                self.problems.push(*kind);
            }
        }
        self
    }

    /// Problems of that status are a page for people.
    pub(super) fn also_page(mut self, status: u16, kind: &str, schema: &Value) -> Self {
        self.pages.insert(status, (kind.to_owned(), schema.clone()));
        self
    }

    /// The HTTP method, in small letters.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The path, with its parameters in braces.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The path of the router's route.
    pub fn route(&self) -> &'static str {
        self.route
    }

    /// What it does, in a few words.
    pub fn summary(&self) -> &str {
        self.head["summary"].as_str().unwrap_or_default()
    }

    /// Whether it needs an access token; `None` where it takes one and does without.
    pub fn needs_token(&self) -> Option<bool> {
        match self.head["security"].as_array().map_or(0, Vec::len) {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// The problems that it may answer with.
    pub fn problems(&self) -> &[ProblemKind] {
        &self.problems
    }

    fn by_status(&self) -> BTreeMap<u16, Vec<ProblemKind>> {
        let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
        for kind in ProblemKind::ALL
            .iter()
            .filter(|kind| self.problems.contains(kind))
        {
            by_status.entry(kind.status().as_u16()).or_default().push(*kind);
        }
        by_status
    }

    /// The answers with problems that this operation shares with others, by their names.
    pub(super) fn shared_responses(&self) -> Vec<(String, Value)> {
        let kinds = self.by_status().into_values();
        kinds.map(|kinds| (name_of(&kinds), refused(&kinds))).collect()
    }

    /// As the description has it.
    pub(super) fn describe(&self) -> Value {
        let mut body = self.head.clone();
        if !self.parameters.is_empty() {
            body["parameters"] = self.parameters.clone().into();
        }
        let mut responses: Map<String, Value> = self
            .responses
            .iter()
            .map(|(status, response)| (status.to_string(), response.clone()))
            .collect();
        for (status, kinds) in self.by_status() {
            let place = format!("#/components/responses/{}", name_of(&kinds));
            let response = match self.pages.get(&status) {
                None => json!({ "$ref": place }),
                Some((kind, schema)) => {
                    let mut response = refused(&kinds);
                    response["content"][kind] = json!({ "schema": schema });
                    response
                }
            };
            responses.insert(status.to_string(), response);
        }
        body["responses"] = responses.into();
        body
    }
}

/// What an answer with one of these problems is called.
fn name_of(kinds: &[ProblemKind]) -> String {
    let slugs: Vec<&str> = kinds.iter().map(|kind| kind.slug()).collect();
    slugs.join("_")
}

/// The problems of one status.
fn refused(kinds: &[ProblemKind]) -> Value {
    let types: Vec<String> = kinds.iter().map(|kind| kind.type_uri()).collect();
    let titles: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`: {}.", kind.slug(), kind.title()))
        .collect();
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            let place = format!("#/components/examples/{}", kind.slug());
            (kind.slug().to_owned(), json!({ "$ref": place }))
        })
        .collect();
    let mut schema = named("Problem");
    schema["properties"] = json!({ "type": { "enum": types } });
    let mut headers = request_id();
    if kinds.iter().any(|kind| kind.status().as_u16() == 401) {
        headers["WWW-Authenticate"] =
            json!({ "description": "`Bearer`.", "required": true, "schema": { "type": "string" } });
    }
    if kinds
        .iter()
        .all(|kind| kind.status().as_u16() == 503 || *kind == Kind::RateLimited)
    {
        headers["Retry-After"] = json!({
            "description": "Seconds until it is worth another try.", "required": true, "schema": { "type": "string" },
        });
    }
    json!({
        "description": titles.join(" "), "headers": headers,
        "content": { "application/problem+json": { "schema": schema, "examples": examples } },
    })
}

fn request_id() -> Value {
    json!({ "X-Request-Id": {
        "description": "The name of this request, to quote to whoever runs the hub.", "required": true,
        "schema": { "type": "string" },
    } })
}
