use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

/// Calls by which pages name keys.
const CALLS: [&str; 5] = ["say(\"", "fill(\"", "count(\"", "item(\"", "key: \""];

/// Every key that a template or the code names, with where it does.
fn named() -> BTreeSet<(String, String)> {
    let mut named = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["templates", "src", "src/pages", "src/model"] {
        let Ok(entries) = fs::read_dir(root.join(folder)) else {
            continue;
        };
        for file in entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
        {
            let text = fs::read_to_string(&file).unwrap();
            for call in CALLS {
                for (at, _) in text.match_indices(call) {
                    let key = text[at + call.len()..].split('"').next().unwrap();
                    if key.contains('.') && !key.contains(['{', '/', ' ']) {
                        named.insert((key.to_owned(), file.display().to_string()));
                    }
                }
            }
        }
    }
    named
}

#[test]
fn every_key_that_a_page_names_has_english_words() {
    let named = named();
    assert!(
        named.len() > 50,
        "the search for keys finds too few: {}",
        named.len()
    );
    let missing: Vec<_> = named
        .iter()
        .filter(|(key, _)| !Language::English.has(key))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn welsh_says_all_that_english_does_and_nothing_else() {
    let extra: Vec<&String> = WELSH
        .texts
        .keys()
        .filter(|key| !ENGLISH.texts.contains_key(*key))
        .collect();
    assert!(extra.is_empty(), "{extra:?}");
    let missing: Vec<&String> = ENGLISH
        .texts
        .keys()
        .filter(|key| !WELSH.texts.contains_key(*key))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_same_places_are_filled_in_every_language() {
    let places = |words: &Words| -> BTreeSet<String> {
        let texts = match words {
            Words::Text(text) => vec![text.clone()],
            Words::List(texts) => texts.clone(),
            Words::Forms(forms) => forms.values().cloned().collect(),
        };
        let names = texts.iter().flat_map(|text| {
            text.split('{')
                .skip(1)
                .filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned()))
        });
        names.filter(|name| name != "n").collect()
    };
    for (key, words) in &WELSH.texts {
        assert_eq!(places(words), places(&ENGLISH.texts[key]), "{key}");
    }
}

#[test]
fn what_is_filled_in_is_never_taken_for_a_place() {
    assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "x")]), "{b} and x");
    assert_eq!(fill("{", &[]), "{");
    assert_eq!(fill("a {missing} b", &[]), "a  b");
}

#[test]
fn numbers_have_their_forms_and_their_thousands_apart() {
    assert_eq!(
        [0, 999, 1000, 1_234_567].map(thousands),
        ["0", "999", "1,000", "1,234,567"]
    );
    assert_eq!(Language::English.count("count.projects", 1), "1 project");
    assert_eq!(Language::English.count("count.projects", 1200), "1,200 projects");
}
