//! Runs `tests/python/test_events.py`: events between this crate and implementations in Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::events::{judge, text};

/// The Python that has the libraries of `tests/python/requirements.txt`.
fn python() -> PathBuf {
    let python = std::env::var_os("DAYBOOK_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.exists(),
        "{} is missing: run `make setup`, or set DAYBOOK_PYTHON",
        python.display()
    );
    python
}

#[test]
fn events_of_and_for_other_implementations_are_the_same() {
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("made-{}.json", std::process::id()));
    let output = Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/test_events.py"))
        .env("DAYBOOK_MADE", &made)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let events: Vec<Value> = serde_json::from_str(&fs::read_to_string(&made).unwrap()).unwrap();
    fs::remove_file(&made).unwrap();
    for library in ["jwcrypto", "joserfc"] {
        let of_library = events.iter().filter(|made| text(made, "library") == library);
        assert!(of_library.count() > 40, "{library} made too few");
    }
    for made in events {
        let event = judge(text(&made, "event"), text(&made, "x"));
        assert_eq!(
            event.map(|event| event.leaf().to_base64url()),
            Ok(text(&made, "leaf").to_owned())
        );
    }
}
