//! Data for search engines (JSON-LD, schema.org), as they may stand in a page.

use serde_json::{Value, json};

use crate::frame::Frame;
use crate::model::project::ProjectText;
use crate::model::thing::DatasetPart;

/// The context of every document.
const CONTEXT: &str = "https://schema.org";

/// A project.
pub(crate) fn project(text: &ProjectText, address: &str) -> String {
    let organisations = |names: &[String]| -> Vec<Value> {
        names
            .iter()
            .map(|name| json!({ "@type": "Organization", "name": name }))
            .collect()
    };
    written(&json!({
        "@context": CONTEXT,
        "@type": "ResearchProject",
        "url": address,
        "name": text.title,
        "description": text.line.clone().or_else(|| text.summary.first().cloned()),
        "keywords": text.topics,
        "member": organisations(&text.organisations),
        "funder": organisations(&text.funders),
    }))
}

/// A dataset, which nobody can fetch.
pub(crate) fn dataset(text: &DatasetPart, tre: &str, address: &str) -> String {
    written(&json!({
        "@context": CONTEXT,
        "@type": "Dataset",
        "url": address,
        "name": text.title,
        "description": text.description.first().cloned().or_else(|| text.title.clone()),
        "creator": text.controller.as_ref().map(|name| json!({ "@type": "Organization", "name": name })),
        "provider": { "@type": "Organization", "name": tre },
        "isAccessibleForFree": false,
    }))
}

/// The site, and how it is searched.
pub(crate) fn site(frame: &Frame) -> String {
    let search = format!("{}/projects?q={{search_term_string}}", frame.address);
    written(&json!({
        "@context": CONTEXT,
        "@type": "WebSite",
        "url": frame.address(),
        "name": frame.settings.name,
        "inLanguage": frame.language.code(),
        "potentialAction": {
            "@type": "SearchAction",
            "target": { "@type": "EntryPoint", "urlTemplate": search },
            "query-input": "required name=search_term_string",
        },
    }))
}

/// The register as a dataset of its own.
pub(crate) fn register(frame: &Frame) -> String {
    let file = |path: &str, kind: &str| {
        json!({
            "@type": "DataDownload", "contentUrl": format!("{}{path}", frame.address), "encodingFormat": kind,
        })
    };
    written(&json!({
        "@context": CONTEXT,
        "@type": "Dataset",
        "url": frame.address(),
        "name": frame.settings.name,
        "description": frame.description,
        "license": frame.settings.licence,
        "isAccessibleForFree": true,
        "distribution": [
            file("/projects.csv", "text/csv"),
            file("/projects.json", "application/json"),
            file("/projects.jsonl", "application/jsonl"),
        ],
    }))
}

/// Nothing in it can end the element in which it stands.
fn written(document: &Value) -> String {
    document
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_script_in_which_linked_data_stands() {
        let text = ProjectText {
            title: Some("</script><script>alert(1)</script>&".to_owned()),
            ..ProjectText::default()
        };
        let linked = project(&text, "https://r.example/projects/1");
        assert!(!linked.contains(['<', '>', '&']), "{linked}");
        let back: Value = serde_json::from_str(&linked).unwrap();
        assert_eq!(back["name"], "</script><script>alert(1)</script>&");
    }
}
