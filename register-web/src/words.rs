//! The words of the interface: one catalogue for each language, in `words/`.
//!
//! A key is `table.name`. A text may have places in braces, which are filled by name. A key with forms for numbers is a
//! table of the categories that the language has (Unicode's plural rules). What a language lacks is said in English.

mod plural;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use daybook_rules::words::Tongue;
use serde::Deserialize;

use self::plural::Category;

static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("../words/en.toml")));
static WELSH: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("../words/cy.toml")));

/// A language of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Welsh,
}

#[derive(Default)]
struct Catalogue {
    texts: BTreeMap<String, Words>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
    Forms(BTreeMap<Category, String>),
}

impl Catalogue {
    /// A catalogue that cannot be read is an empty one, which a test finds.
    fn read(source: &str) -> Self {
        let tables: BTreeMap<String, BTreeMap<String, Words>> = toml::from_str(source).unwrap_or_default();
        let texts = tables.into_iter().flat_map(|(table, words)| {
            words
                .into_iter()
                .map(move |(name, words)| (format!("{table}.{name}"), words))
        });
        Self {
            texts: texts.collect(),
        }
    }
}

impl Language {
    /// All, the first one being that of paths without a prefix.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Welsh];

    /// Its code (BCP 47).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Welsh => "cy",
        }
    }

    /// What it calls itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Welsh => "Cymraeg",
        }
    }

    /// The language of the words for states of jobs.
    pub(crate) fn tongue(self) -> Tongue {
        match self {
            Self::English => Tongue::English,
            Self::Welsh => Tongue::Welsh,
        }
    }

    /// What its paths begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::English => "",
            Self::Welsh => "/cy",
        }
    }

    fn words(self, key: &str) -> Option<&'static Words> {
        let own = match self {
            Self::English => None,
            Self::Welsh => WELSH.texts.get(key),
        };
        own.or_else(|| ENGLISH.texts.get(key))
    }

    /// Whether anything is said under a key, in this language or in English.
    pub(crate) fn has_any(self, key: &str) -> bool {
        self.words(key).is_some()
    }

    /// Whether it says something of its own under a key.
    #[cfg(test)]
    pub(crate) fn has(self, key: &str) -> bool {
        match self {
            Self::English => ENGLISH.texts.contains_key(key),
            Self::Welsh => WELSH.texts.contains_key(key),
        }
    }

    /// What stands under a key; the key itself where nothing does, which a test refuses.
    pub(crate) fn say(self, key: &str) -> &'static str {
        match self.words(key) {
            Some(Words::Text(text)) => text,
            _ => leak_free(key),
        }
    }

    /// The same with its places filled.
    pub(crate) fn fill(self, key: &str, places: &[(&str, &str)]) -> String {
        fill(self.say(key), places)
    }

    /// What is said for a number; `{n}` is that number with its thousands apart.
    pub(crate) fn count(self, key: &str, n: u64) -> String {
        let Some(Words::Forms(forms)) = self.words(key) else {
            return format!("{key} {n}");
        };
        let category = match self {
            Self::English => plural::english(n),
            Self::Welsh => plural::welsh(n),
        };
        let form = forms.get(&category).or_else(|| forms.get(&Category::Other));
        fill(form.map_or("", String::as_str), &[("n", &thousands(n))])
    }

    /// An item of a list, from 0.
    pub(crate) fn item(self, key: &str, nth: usize) -> &'static str {
        match self.words(key) {
            Some(Words::List(items)) => items.get(nth).map_or("", String::as_str),
            _ => "",
        }
    }
}

/// A key that has no words is shown as nothing but a mark: tests look for it.
fn leak_free(_key: &str) -> &'static str {
    "⟦?⟧"
}

fn fill(text: &str, places: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    // One pass, so that what is filled in is never taken for a place.
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        let value = places.iter().find(|(known, _)| *known == name);
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// A number with its thousands apart.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
