//! `docs/EVENTS.md`, made from a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use daybook_core::sealed::ReaderClass;

use crate::judge::Condition;
use crate::table::{EventRule, NONE, Table, Target, about};
use crate::words;

const HEAD: &str = "# Events

This page is made from the rule table; do not edit it. `DAYBOOK_GENERATE=1 cargo test -p daybook-rules --test it` writes it.

Each event is one entry of the log, signed by its author. Its **clear fields** stand in `data` for everybody and for ever.
Its **sealed fields** stand there as salted digests only, in `_sd`, a fixed number for each type (decoys fill up); the
value travels in an opening, which can be deleted. A field is required unless it is marked *optional*.

An event **follows** if it is well formed, signed with a key of its author that is valid at that entry, the next of its stream, by
an organisation that may write the stream, and if all that stands here holds: its role, the state of its stream, its
fields and its conditions.

Reader classes of sealed fields: `public` everybody, once a screen for personal data has passed; `public-from`
everybody, from a time on; `parties` the project's members and the TRE; `auditor` appointed auditors; `issuer-only` nobody outside the
organisation that signed: the opening never reaches the hub.
";

const CONDITIONS: &str = "## Conditions

A *field* is a clear field of the event, a *member* one of the state of its stream, a *stream* a name under \"relies on\". `@leaf`
is the event's leaf hash, `@iat` its time, `@was` the state before, `@id` and `@subject` parts of its stream's name, `@tre`,
`@project` and `@member` parts of its author's. *Now* is `iat`; where the event relies on the stream `log` and its newest time
mark is later, it is that.

| condition | holds if |
|---|---|
| `same FIELD MEMBER` | both are equal |
| `next FIELD MEMBER` | the field is one more than the member (1 where there is none) |
| `most FIELD LIMIT` | the field is at most the limit |
| `grows FIELD MEMBER` | the field is larger than the member |
| `clock MEMBER` | `iat` is not before the member |
| `has MEMBER FIELD`, `lacks MEMBER FIELD` | the member has, or has not, an entry of that name |
| `present MEMBER`, `absent MEMBER` | the state has, or has not, the member |
| `fresh FIELD MEMBER` | the field, where it is there, neither equals the member nor stands in it |
| `future FIELD LIMIT` | the time is after `iat`, by at most so many days |
| `other STREAM STATE…` | each of these streams is in one of the states |
| `quotes FIELD STREAM MEMBER` | the field equals that member of each of these streams' states |
| `mine STREAM` | each of these streams is written by the author's organisation |
| `past MEMBER` | the member, where there is one, is not after now |
| `unexpired STREAM` | `until` of each of these streams is after now |
";

/// What each event of the built-in rules says, by its type, in a sentence or a few.
pub fn abouts() -> BTreeMap<String, String> {
    about()
        .into_iter()
        .map(|(_, kind, words)| (kind, words))
        .collect()
}

/// The page: per stream and event who signs, from which state to which, fields, conditions; then limits, codes and the public words.
pub fn events(table: &Table) -> String {
    let mut page = HEAD.to_owned();
    let mut stream = String::new();
    for (of, kind, about) in about() {
        let Some(rule) = table.rule(&kind) else { continue };
        if of != stream {
            head(&mut page, table, &of);
            stream = of;
        }
        event(&mut page, &kind, &about, rule);
    }
    page.push('\n');
    page.push_str(CONDITIONS);
    for (name, says) in Condition::glossary() {
        line(&mut page, &format!("| `{name}` | {says} |"));
    }
    lists(&mut page, table);
    public_words(&mut page);
    page
}

fn line(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{text}");
}

fn head(page: &mut String, table: &Table, stream: &str) {
    line(page, &format!("\n## Stream `{stream}`\n"));
    let states: Vec<String> = table
        .states(stream)
        .iter()
        .map(|state| {
            let end = if table.is_end(stream, state) { " ■" } else { "" };
            format!("`{state}`{end}")
        })
        .collect();
    line(page, &format!("States: {} (■ is an end).", states.join(", ")));
}

/// What an event type of the first table is for, in a sentence or two.
pub fn about_event(kind: &str) -> Option<String> {
    let found = about().into_iter().find(|(_, known, _)| known == kind);
    found.map(|(_, _, about)| about)
}

fn event(page: &mut String, kind: &str, about: &str, rule: &EventRule) {
    line(page, &format!("\n### `{kind}`\n\n{about}\n"));
    let from: Vec<&str> = rule
        .from
        .iter()
        .map(|from| if from == NONE { "–" } else { from })
        .collect();
    let to = match &rule.to {
        Target::State(to) => to.clone(),
        Target::Same => "the same".to_owned(),
        Target::Resume => "where it was held".to_owned(),
        Target::By(map) => {
            let pairs: Vec<String> = map.iter().map(|(from, to)| format!("{from} → {to}")).collect();
            pairs.join(", ")
        }
    };
    line(
        page,
        &format!("- signed by: {}; version {}", rule.by.join(", "), rule.version),
    );
    line(page, &format!("- from → to: {} → {to}", from.join(", ")));
    if !rule.reads.is_empty() {
        let reads: Vec<String> = rule
            .reads
            .iter()
            .map(|(alias, template)| format!("{alias} `{}`", template.as_str()))
            .collect();
        line(page, &format!("- relies on: {}", reads.join(", ")));
    }
    if !rule.when.is_empty() {
        let when: Vec<String> = rule
            .when
            .iter()
            .map(|condition| format!("`{condition}`"))
            .collect();
        line(page, &format!("- conditions: {}", when.join(", ")));
    }
    if rule.digests > 0 {
        line(page, &format!("- digests in `_sd`: {}", rule.digests));
    }
    if rule.clear.is_empty() && rule.sealed.is_empty() {
        return;
    }
    line(page, "\n| field | readers | holds |\n|---|---|---|");
    let optional = |required: bool| if required { "" } else { " *(optional)*" };
    for (name, field) in &rule.clear {
        let (mark, holds) = (optional(field.required), field.kind.describe());
        line(page, &format!("| `{name}`{mark} | clear | {holds} |"));
    }
    for (name, field) in &rule.sealed {
        let (mark, holds) = (optional(field.required), field.kind.describe());
        line(
            page,
            &format!("| `{name}`{mark} | {} | {holds} |", field.class.as_str()),
        );
    }
}

fn lists(page: &mut String, table: &Table) {
    line(page, "\n## Limits\n\n| limit | value |\n|---|---|");
    for (name, limit) in table.limits() {
        line(page, &format!("| {name} | {limit} |"));
    }
    line(
        page,
        "\n## How long the hub keeps an opening\n\n| class | days |\n|---|---|",
    );
    for class in ReaderClass::ALL {
        let days = match (class, table.retain_days(class)) {
            (ReaderClass::IssuerOnly, _) => "never has it".to_owned(),
            (_, None) => "as long as the log".to_owned(),
            (_, Some(days)) => days.to_string(),
        };
        line(page, &format!("| {} | {days} |", class.as_str()));
    }
    line(page, "\n## Codes\n\n| list | codes |\n|---|---|");
    for (name, codes) in table.codes() {
        let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
        line(page, &format!("| {name} | {} |", codes.join(", ")));
    }
}

fn public_words(page: &mut String) {
    line(
        page,
        "\n## What the public reads about a job\n\n| state | word | sentence | whose turn |\n|---|---|---|---|",
    );
    for (state, word, sentence, turn) in words::all(words::Tongue::English) {
        line(
            page,
            &format!("| {state} | {word} | {sentence} | {} |", turn.as_str()),
        );
    }
}
