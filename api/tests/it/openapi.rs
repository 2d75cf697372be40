//! The description of the API: kept as it is, complete, and true of every answer that any of these tests gets.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::Method;
use daybook_api::{ProblemKind, document};
use serde_json::Value;

use crate::hub::{Answer, Hub, insider};
use crate::lists::Viewing;

static DESCRIPTION: LazyLock<Value> = LazyLock::new(document::openapi_document);

/// An answer is one that the description has: status, content type, headers, schema, type of problem.
#[track_caller]
pub(crate) fn check(method: &Method, uri: &str, answer: &Answer) {
    let path = uri.split('?').next().unwrap();
    if method == Method::HEAD || method == Method::OPTIONS {
        return;
    }
    let Some(operations) = described(path) else {
        // From the thousandth tile on, a tile's number has slashes.
        assert!(
            !answer.status.is_success() || path.starts_with("/log/tile/"),
            "{path} is not described"
        );
        return;
    };
    let Some(operation) = operations.get(method.as_str().to_lowercase()) else {
        assert_eq!(answer.status.as_u16(), 405, "{method} {path} is not described");
        return;
    };
    let name = format!("{method} {path} {}", answer.status);
    let response = &operation["responses"][answer.status.as_str()];
    let shared = response["$ref"].as_str();
    let shared = shared.and_then(|place| DESCRIPTION.pointer(place.trim_start_matches('#')));
    let response = shared.unwrap_or(response);
    assert!(response.is_object(), "{name} is not described: {}", answer.text());
    for (header, about) in response["headers"].as_object().into_iter().flatten() {
        let is_there = !answer.header(header).is_empty() || about["required"] != true;
        assert!(is_there, "{name} has no {header}");
    }
    let Some(content) = response.get("content") else {
        assert!(answer.body.is_empty(), "{name} has a body");
        return;
    };
    let kind = answer.header("content-type");
    let schema = content.get(kind).map(|content| &content["schema"]);
    let schema = schema.unwrap_or_else(|| panic!("{name} does not answer with {kind:?}"));
    if kind.ends_with("json") {
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let faults = faults(schema, &body, "");
        assert!(faults.is_empty(), "{name}: {faults:?} in {body}");
    }
}

/// The operations of the path that fits best: the one with the fewest parameters.
fn described(path: &str) -> Option<&'static Value> {
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    let fitting = paths.iter().filter(|(template, _)| fits(template, path));
    let best = fitting.min_by_key(|(template, _)| template.matches('{').count());
    best.map(|(_, operations)| operations)
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(wanted, found)| match wanted.split_once('}') {
                Some((_, end)) => found.len() > end.len() && found.ends_with(end),
                None => wanted == found,
            })
}

/// What of a value is not as the schema says. A member that the schema does not name is a fault: it was forgotten there.
fn faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |fault: String| found.push(format!("{at}: {fault}"));
    let mut deeper = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                deeper.extend(faults(DESCRIPTION.pointer(pointer).unwrap(), value, at));
            }
            "type" => {
                let is = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("there is no type {other}"),
                };
                if !is {
                    say(format!("no {rule}"));
                }
                let known = schema.get("properties").and_then(Value::as_object);
                let unknown = value.as_object().zip(known).into_iter();
                for (members, known) in unknown {
                    for name in members.keys().filter(|name| !known.contains_key(*name)) {
                        say(format!("{name} is not described"));
                    }
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        deeper.extend(faults(rule, member, &format!("{at}/{name}")));
                    }
                }
            }
            "required" => {
                let names = rule.as_array().unwrap().iter();
                for name in names.filter(|name| value.get(name.as_str().unwrap()).is_none()) {
                    say(format!("no member {name}"));
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    deeper.extend(faults(rule, item, &format!("{at}/*")));
                }
            }
            "anyOf" => {
                let choices = rule.as_array().unwrap();
                if choices.iter().all(|choice| !faults(choice, value, at).is_empty()) {
                    say("fits none of the choices".to_owned());
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => say(format!("is not one of {rule}")),
            "const" if rule != value => say(format!("is not {rule}")),
            "minimum" if value.as_i64().is_some_and(|n| n < rule.as_i64().unwrap()) => {
                say("too small".to_owned());
            }
            "maximum" if value.as_u64().is_some_and(|n| n > rule.as_u64().unwrap()) => {
                say("too large".to_owned());
            }
            // A run of schemathesis looks at what is in texts.
            "enum"
            | "const"
            | "minimum"
            | "maximum"
            | "pattern"
            | "format"
            | "description"
            | "maxItems"
            | "contentMediaType"
            | "examples"
            | "additionalProperties" => {}
            other => panic!("the check does not know the keyword {other}"),
        }
    }
    found.extend(deeper);
    found
}

#[test]
fn the_description_is_kept() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let expected = document::openapi();
    if std::env::var_os("DAYBOOK_GENERATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/openapi.json is out of date: run `make generate` and look at the difference"
    );
}

#[test]
fn examples_are_as_their_schemas_say() {
    let schemas = DESCRIPTION["components"]["schemas"].as_object().unwrap();
    let mut count = 0;
    for (name, schema) in schemas {
        for example in schema["examples"].as_array().into_iter().flatten() {
            assert_eq!(faults(schema, example, ""), Vec::<String>::new(), "{name}");
            count += 1;
        }
    }
    assert!(count > 3);
    let problems = DESCRIPTION["components"]["examples"].as_object().unwrap();
    assert_eq!(problems.len(), ProblemKind::ALL.len());
    for example in problems.values() {
        let found = faults(&schemas["Problem"], &example["value"], "");
        assert!(found.is_empty(), "{found:?} in {example}");
    }
}

#[test]
fn the_table_of_routes_is_kept() {
    const MARKS: (&str, &str) = ("<!-- routes, by `make generate` -->\n", "<!-- end of routes -->");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/API.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(MARKS.0).unwrap();
    let (_, after) = rest.split_once(MARKS.1).unwrap();
    let expected = [before, MARKS.0, &document::routes(), MARKS.1, after].concat();
    if std::env::var_os("DAYBOOK_GENERATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            text == expected,
            "docs/API.md has not all routes: run `make generate` and look at the difference"
        );
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"],
        "properties": { "a": { "type": "integer", "minimum": 0 }, "b": { "anyOf": [{ "enum": ["x"] }, { "type": "null" }] } },
    });
    for (value, expected) in [
        (r#"{"a":1,"b":"x"}"#, 0),
        (r#"{"a":1,"b":null}"#, 0),
        (r#"{"a":-1}"#, 1),
        (r#"{"a":"1"}"#, 1),
        (r#"{"b":"y"}"#, 2),
        (r#"{"a":1,"c":1}"#, 1),
        ("[]", 2),
    ] {
        let found = faults(&schema, &serde_json::from_str(value).unwrap(), "");
        assert_eq!(found.len(), expected, "{value}: {found:?}");
    }
    assert!(fits("/log/tile/{level}/{index}.p/{width}", "/log/tile/0/000.p/7"));
    assert!(!fits("/log/tile/{level}/{index}.p/{width}", "/log/tile/0/000/7"));
    assert!(!fits("/v1/jobs/{id}", "/v1/jobs/x/history"));
}

#[tokio::test]
async fn every_route_is_described_and_no_other() {
    let hub = Hub::new().await;
    let told = format!("{:?}", hub.router);
    let mut routes: BTreeSet<&str> = told.split('"').filter(|text| text.starts_with('/')).collect();
    routes.retain(|route| *route != "/" && !route.contains("__private"));
    assert!(routes.len() > 30, "the router tells its routes: {told}");
    let operations = document::operations();
    let described: BTreeSet<&str> = operations.iter().map(document::Operation::route).collect();
    assert_eq!(described, routes);
    for route in routes {
        let filled: Vec<&str> = route
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect();
        let answer = hub
            .call(Method::PATCH, &filled.join("/"), None, Body::empty())
            .await;
        assert_eq!(answer.slug(), "method-not-allowed", "{route}");
        let taken: BTreeSet<String> = answer
            .header("allow")
            .split(',')
            .filter(|method| *method != "HEAD")
            .map(str::to_lowercase)
            .collect();
        let described: BTreeSet<String> = operations
            .iter()
            .filter(|operation| operation.route() == route)
            .map(|operation| operation.method().to_owned())
            .collect();
        assert_eq!(described, taken, "{route}");
    }
}

#[test]
fn every_problem_is_described_where_it_may_be_met() {
    let operations = document::operations();
    for kind in ProblemKind::ALL {
        let count = operations
            .iter()
            .filter(|operation| operation.problems().contains(kind))
            .count();
        // No operation meets it: it is about what is none.
        assert_eq!(count == 0, *kind == ProblemKind::MethodNotAllowed, "{kind:?}");
    }
    let ids: BTreeSet<String> = DESCRIPTION["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), operations.len(), "each has an id of its own");
}

#[tokio::test]
async fn every_example_is_answered() {
    let viewing = Viewing::new().await;
    let hub = &viewing.hub;
    for (path, operations) in DESCRIPTION["paths"].as_object().unwrap() {
        let operation = &operations["get"];
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let (mut filled, mut queries) = (path.clone(), vec![String::new()]);
        for parameter in &parameters {
            let (name, example) = (parameter["name"].as_str().unwrap(), parameter["example"].as_str());
            match (parameter["in"].as_str().unwrap(), example) {
                ("path", Some(example)) => filled = filled.replace(&format!("{{{name}}}"), example),
                ("query", Some(example)) => queries.push(format!("?{name}={example}")),
                _ => {}
            }
        }
        let chance = ["/log/tile/0/000", "/log/tile/entries/000", "/v1/checkpoints/1"];
        if !operation.is_object() || chance.contains(&filled.as_str()) {
            // No tile is full yet, and which sizes were published is chance.
            continue;
        }
        for query in queries {
            let uri = format!("{filled}{query}");
            let caller = insider(&hub.world);
            let is_private = path.starts_with("/v1/packets");
            let answer = hub
                .call(Method::GET, &uri, is_private.then_some(&caller), Body::empty())
                .await;
            assert_eq!(answer.status.as_u16(), 200, "{uri}: {}", answer.text());
            if query.is_empty() || !answer.header("content-type").ends_with("json") {
                continue;
            }
            let body = answer.json();
            let rows = body.as_object().unwrap().values().find_map(Value::as_array);
            assert!(rows.is_some_and(|rows| !rows.is_empty()), "{uri} finds nothing");
        }
    }
}

#[tokio::test]
async fn the_hub_serves_what_is_kept() {
    let hub = Hub::new().await;
    let answer = hub.get("/openapi.json").await;
    assert_eq!(answer.text(), document::openapi());
    assert_eq!(answer.json()["openapi"], "3.1.0");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}
