//! `docs/REGISTER.md`: the data model of the register, made from the rules and from the views.

use std::fmt::Write as _;
use std::path::Path;

use daybook_core::sealed::ReaderClass;
use daybook_rules::Table;

/// Which public fields of events answer which of the five questions: the heading, and the types of events.
const SAFES: [(&str, &[&str]); 4] = [
    (
        "The project, and the people (safe project, safe people)",
        &["project-registered"],
    ),
    (
        "Approvals (safe project)",
        &["approval-granted", "approval-withdrawn"],
    ),
    ("Data (safe data)", &["dataset-registered"]),
    (
        "Places and ways of analysis (safe setting)",
        &["tre-joined", "workflow-registered"],
    ),
];
/// What came of it, and the register's own events.
const REST: [(&str, &[&str]); 2] = [
    (
        "Results (safe outputs)",
        &["job-released", "release-recalled", "output-linked"],
    ),
    (
        "The register's own events",
        &[
            "register-published",
            "register-held",
            "register-deferred",
            "register-withdrawn",
        ],
    ),
];

fn page() -> String {
    let mut text = String::from(
        "# The register's data model\n\n\
         This page is made from the rule table and the views; do not edit it. \
         `DAYBOOK_GENERATE=1 cargo test -p daybook-views --test it document::` writes it.\n\n\
         What the public reads about a project comes from two places: fields of events that stand in clear, and openings of \
         sealed fields of the classes `public` and `public-from`, once an entry of the register has published them. \
         A `?` says that a field may be missing. All fields of all events: [EVENTS.md](EVENTS.md).\n\n\
         ## Fields of events, by the Five Safes\n",
    );
    let table = Table::v1();
    for (heading, kinds) in SAFES.iter().chain(&REST) {
        _ = writeln!(
            text,
            "\n### {heading}\n\n| event | field | readers | holds |\n|---|---|---|---|"
        );
        for kind in *kinds {
            let rule = table.rule(kind).unwrap();
            for (name, clear) in &rule.clear {
                let mark = if clear.required { "" } else { "?" };
                _ = writeln!(
                    text,
                    "| `{kind}` | `{name}`{mark} | clear | {} |",
                    clear.kind.describe()
                );
            }
            for (name, sealed) in &rule.sealed {
                if matches!(sealed.class, ReaderClass::Public | ReaderClass::PublicFrom) {
                    let mark = if sealed.required { "" } else { "?" };
                    _ = writeln!(
                        text,
                        "| `{kind}` | `{name}`{mark} | {} | {} |",
                        sealed.class.as_str(),
                        sealed.kind.describe()
                    );
                }
            }
        }
    }
    text.push_str(
        "\n## Tables\n\nPages read views, which are made from the log and can be thrown away and filled again. \
         Each view has a schema of its own, `<name>_v<version>`; key columns come first and are marked.\n",
    );
    for view in daybook_views::all().iter() {
        _ = writeln!(text, "\n### `{}` (version {})", view.name(), view.version());
        for of in view.tables() {
            _ = writeln!(
                text,
                "\n`{}`: {}\n\n| column | holds |\n|---|---|",
                of.name,
                of.about.trim()
            );
            for (at, column) in of.columns.iter().enumerate() {
                let mark = if at < of.keys { " (key)" } else { "" };
                _ = writeln!(text, "| `{}`{mark} | {} |", column.name, column.about.trim());
            }
        }
    }
    text
}

#[test]
fn the_page_of_the_data_model_is_that_of_the_views() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/REGISTER.md");
    let expected = page();
    if std::env::var_os("DAYBOOK_GENERATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/REGISTER.md is out of date: run this test again with DAYBOOK_GENERATE=1 and look at the difference"
    );
}
