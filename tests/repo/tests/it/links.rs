//! Links between our documents lead somewhere.

use std::path::{Path, PathBuf};

/// The targets of inline links, images and reference definitions, code left out.
fn targets(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in markdown.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Between backquotes is code: every second piece.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for (start, _) in prose.match_indices("](") {
            let rest = &prose[start + 2..];
            found.extend(rest.split([')', ' ']).next().map(str::to_owned));
        }
        if let Some((_, rest)) = prose
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
        {
            found.extend(rest.split_whitespace().next().map(str::to_owned));
        }
    }
    found
}

/// The file that a link names, relative to the repository; `None` for links elsewhere and within the page.
fn file_of(page: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
        return None;
    }
    Some(page.parent().unwrap_or(Path::new("")).join(path))
}

#[test]
fn relative_links_lead_to_files() {
    let pages = daybook_repo_tests::files().into_iter().filter(|path| {
        path.extension().is_some_and(|extension| extension == "md")
            && (path.starts_with("docs") || path == Path::new("README.md"))
    });
    let mut broken = Vec::new();
    for page in pages {
        for target in targets(&daybook_repo_tests::text(&page).unwrap()) {
            let exists =
                file_of(&page, &target).is_none_or(|file| daybook_repo_tests::root().join(file).exists());
            if !exists {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to nothing:\n{}", broken.join("\n"));
}

#[test]
fn links_of_every_form_are_seen_and_code_is_not() {
    let page = "[a](b.md) ![c](../d.png \"title\") `[no](code.md)` [e](#f)\n```\n[no](fence.md)\n```\n[g]: h/i.md#j\n";
    assert_eq!(targets(page), ["b.md", "../d.png", "#f", "h/i.md#j"]);
    let page = Path::new("docs/adr/0001.md");
    assert_eq!(file_of(page, "../API.md#x"), Some("docs/adr/../API.md".into()));
    for elsewhere in ["#f", "https://example.org/a.md", "mailto:a@example.org"] {
        assert_eq!(file_of(page, elsewhere), None, "{elsewhere}");
    }
}
