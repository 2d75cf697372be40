//! No source file grows past what one can hold in mind.

use std::io::Write as _;
use std::path::{Component, Path};

/// The most lines that a source file may have besides its tests.
const LIMIT: usize = 500;

/// Whether the file is code that ships: not below a `tests` folder, and not the tests of the module beside it.
fn ships(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
        && path.file_name().is_some_and(|name| name != "tests.rs")
        && !path
            .components()
            .any(|part| part == Component::Normal("tests".as_ref()))
}

/// The lines before the unit tests, which stand last.
fn non_test_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{'));
    tests.unwrap_or(lines.len())
}

#[test]
fn source_files_are_short() {
    let mut sizes: Vec<(usize, String)> = daybook_repo_tests::files()
        .iter()
        .filter(|path| ships(path))
        .filter_map(|path| {
            Some((
                non_test_lines(&daybook_repo_tests::text(path)?),
                path.display().to_string(),
            ))
        })
        .collect();
    sizes.sort();
    let median = sizes[sizes.len() / 2].0;
    let (longest, name) = sizes.last().unwrap();
    let report = format!(
        "{} source files, median {median} lines, longest {longest} ({name})",
        sizes.len()
    );
    // Past the test harness's capture, so that it shows when all is well.
    writeln!(std::io::stderr(), "sizes: {report}").unwrap();
    let over: Vec<_> = sizes.iter().filter(|(lines, _)| *lines > LIMIT).collect();
    assert!(
        over.is_empty(),
        "over {LIMIT} lines besides tests, split them: {over:#?}"
    );
}

#[test]
fn unit_tests_do_not_count_and_their_folders_are_left_out() {
    assert_eq!(non_test_lines("a\nb\n\n#[cfg(test)]\nmod tests {\n    c\n}\n"), 3);
    assert_eq!(non_test_lines("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
    assert!(ships(Path::new("ledger/core/src/lib.rs")));
    for path in [
        "tests/testkit/src/db.rs",
        "ledger/core/tests/it/main.rs",
        "a/src/b/tests.rs",
        "a/README.md",
    ] {
        assert!(!ships(Path::new(path)), "{path}");
    }
}
