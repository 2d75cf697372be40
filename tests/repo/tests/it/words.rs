//! Words that must not be committed.

use std::path::Path;

/// What is forbidden in a file, found in a line; `None` when the line is clean.
///
/// The words are put together here, so that this file itself passes.
fn forbidden(line: &str, is_rust: bool, repository: Option<&str>) -> Option<String> {
    let attribute = |name: &str| format!("#[{name}");
    let mut words = vec![format!("/{}/", "root")];
    if is_rust {
        words.extend([
            format!("{}!", "todo"),
            attribute("ignore"),
            attribute("allow("),
            format!("#!{}", &attribute("allow(")[1..]),
        ]);
    }
    words.extend(repository.map(str::to_owned));
    if let Some(word) = words.into_iter().find(|word| line.contains(word.as_str())) {
        return Some(word);
    }
    // A home with a name in it; `/home/` alone or `/home/<user>` is a fine example.
    let (_, name) = line.split_once(&format!("/{}/", "home"))?;
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        .then(|| format!("/{}/ and a name", "home"))
}

/// Text that others wrote, or that a program writes.
fn is_exempt(path: &Path) -> bool {
    path.starts_with("tests/vectors") || path == Path::new("Cargo.lock")
}

#[test]
fn nothing_unfinished_or_local_is_committed() {
    let root = daybook_repo_tests::root();
    // A folder at the top of the file system, `/src` for example, is too short to mean this machine.
    let repository = root.to_str().filter(|path| path.matches('/').count() > 1);
    let mut found = Vec::new();
    for path in daybook_repo_tests::files().iter().filter(|path| !is_exempt(path)) {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        for (number, line) in daybook_repo_tests::text(path)
            .unwrap_or_default()
            .lines()
            .enumerate()
        {
            if let Some(word) = forbidden(line, is_rust, repository) {
                found.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert!(
        found.is_empty(),
        "these must not be committed:\n{}",
        found.join("\n")
    );
}

#[test]
fn each_forbidden_word_is_found() {
    let local = format!("see /{}/alice/data", "home");
    let lines = [
        (format!("    {}!()", "todo"), true),
        (format!("#[{}]", "ignore"), true),
        (format!("#[{}(dead_code)]", "allow"), true),
        (format!("#![{}(dead_code)]", "allow"), true),
        (format!("in /{}/x", "root"), false),
        (local, false),
        ("at /srv/checkout/x".to_owned(), false),
    ];
    for (line, is_rust) in lines {
        assert!(
            forbidden(&line, is_rust, Some("/srv/checkout")).is_some(),
            "{line}"
        );
    }
    for line in [
        "#[expect(dead_code, reason = \"…\")]",
        "/home/<you>",
        "a [todo] list",
        "the tree's root/leaf",
    ] {
        assert_eq!(forbidden(line, true, Some("/srv/checkout")), None, "{line}");
    }
}
