//! The page of the rules, made from their table.

use std::fmt::Write as _;

use super::rules::{RULES, Rule, Severity};

const HEAD: &str = "# What a packet must be

This page is made from the rule table in `agent/src/packet/rules.rs`; do not edit it. `DAYBOOK_GENERATE=1 cargo test -p daybook-agent --test it` writes it.

A packet is one zip with one BagIt 1.0 bag in it, whose payload is a crate of [Five Safes RO-Crate 0.4](https://w3id.org/5s-crate/0.4).
`daybook packet check FILE` holds a zip or a folder against these rules before it is sent; `daybook submit` does so itself, and a TRE's relay and runner do so again.

- **must**: a packet that breaks the rule is refused, with the code `packet` and a text that names each rule broken.
- **tolerated**: taken with a warning, because published crates of the profile do the same.
- **should**: taken with a warning.
- **removed**: what breaks the rule is taken out, and the packet goes on without it.

After the check a TRE works with a cleaned packet: the files that the request names, under metadata that is written anew from what was read.
Nothing else that a client wrote goes on, so no claim of an assessment does.
Warnings travel in `job-checked`, sealed for the parties.

";

const LIMITS: &str = "
## Limits

Unless a TRE's configuration says otherwise, a packet has at most 64 MiB and 10,000 entries, unpacks to at most 256 MiB, and holds no file of more than 128 MiB.
A file of more than 1 MiB may not unpack to more than 200 times its packed size.
Names have at most 1,024 bytes, each part at most 255; the metadata file at most 4 MiB and 10,000 entities.

## The workflow's digest

A workflow is registered and recognised by one SHA-256 digest, wherever its copy lies: in a packet, in a zip, in a mirror.
It is taken over the lines `<SHA-512 in hexadecimal>  <path>` of all files of the workflow's own RO-Crate, with paths relative to that crate's root, sorted bytewise, each ended by a line feed.
`daybook packet workflow-digest FILE` prints it; so does, inside the crate's folder:

```console
$ find . -type f -printf '%P\\0' | xargs -0 sha512sum | LC_ALL=C sort | sha256sum
```

A packet may carry a copy of its workflow; it is taken only if its digest is the registered one.

## Parameters

An approval may name a JSON Schema by its digest.
It is held against one object, which has a member for each parameter of the workflow that the request fills: a value (as a boolean or whole number where its text reads as one, else as text), `{\"dataset\": id}` for a dataset, or `{\"file\": path, \"bytes\": n, \"sha512\": digest}` for a file of the packet.
";

/// Writes `docs/PACKETS.md`.
pub fn document() -> String {
    let mut page = HEAD.to_owned();
    let parts: [(&str, &[&str]); 5] = [
        ("The zip", &["zip-"]),
        ("The bag", &["bag-"]),
        (
            "The crate",
            &["crate-", "tolerated-", "root-", "part-", "file-", "place-"],
        ),
        (
            "The request",
            &["workflow-", "run-", "agent-", "project-", "input-", "claim-"],
        ),
        ("Results", &["result-"]),
    ];
    for (title, prefixes) in parts {
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "## {title}\n\n| code | | what | is wrong when it | what to do | source |\n|---|---|---|---|---|---|\n"
        );
        let belongs = |rule: &&&Rule| prefixes.iter().any(|prefix| rule.code.starts_with(prefix));
        for rule in RULES.iter().filter(belongs) {
            let severity = match rule.severity {
                Severity::Must => "**must**",
                other => other.as_str(),
            };
            let Rule {
                code,
                entity,
                wrong,
                remedy,
                source,
                ..
            } = rule;
            let _ = writeln!(
                page,
                "| `{code}` | {severity} | {entity} | {wrong} | {remedy} | {source} |"
            );
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page.push_str(LIMITS);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_stands_on_the_page_once() {
        let page = document();
        for rule in RULES {
            let row = format!("| `{}` |", rule.code);
            assert_eq!(page.matches(&row).count(), 1, "{}", rule.code);
        }
    }
}
