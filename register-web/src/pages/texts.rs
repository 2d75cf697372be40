//! Pages of plain words: what the words mean, how data are protected, what the register covers, how accessible it is.

use askama::Template;
use axum::extract::State;
use daybook_rules::words;

use super::{Shown, show};
use crate::frame::Frame;
use crate::site::Site;
use crate::visit::Visit;

/// The words that the glossary explains: keys of the catalogue.
const TERMS: [&str; 22] = [
    "accreditation",
    "analysis",
    "approval",
    "checkpoint",
    "controller",
    "dataset",
    "de-identified",
    "disclosure",
    "embargo",
    "entry",
    "five-safes",
    "lay-summary",
    "log",
    "project",
    "proof",
    "register",
    "safe-haven",
    "satre",
    "sealed",
    "team",
    "witness",
    "workflow",
];

#[derive(Template)]
#[template(path = "glossary.html")]
struct Glossary {
    page: Frame,
    /// Id, word and meaning, in the order of the alphabet.
    terms: Vec<(&'static str, &'static str, &'static str)>,
    /// A state's word, and the sentences that may stand beside it.
    states: Vec<(String, Vec<String>)>,
}

/// What the words mean.
pub(crate) async fn glossary(State(site): State<Site>, visit: Visit) -> Shown {
    let frame = plain(&site, &visit, "", "glossary");
    let mut terms: Vec<_> = TERMS
        .iter()
        .map(|term| {
            let text = format!("{term}-text");
            (*term, frame.code("term", term), frame.code("term", text))
        })
        .collect();
    terms.sort_by_key(|(_, word, _)| word.to_lowercase());
    let tre = frame.say("glossary.the-place");
    let mut states: Vec<(String, Vec<String>)> = Vec::new();
    for (_, word, sentence, _) in words::all(visit.language.tongue()) {
        let sentence = capital(&sentence.replace("{tre}", tre));
        match states.iter_mut().find(|(known, _)| known == word) {
            Some((_, sentences)) => sentences.push(sentence),
            None => states.push((word.to_owned(), vec![sentence])),
        }
    }
    states.sort();
    show(&Glossary {
        terms,
        states,
        page: frame,
    })
}

/// The sentence with a capital letter: it may begin with what stands for a place's name.
fn capital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    let mut text: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    text.push_str(rest.as_str());
    text
}

#[derive(Template)]
#[template(path = "protection.html")]
struct Protection {
    page: Frame,
}

/// How data are protected.
pub(crate) async fn protection(State(site): State<Site>, visit: Visit) -> Shown {
    show(&Protection {
        page: plain(&site, &visit, "protection", "protection"),
    })
}

#[derive(Template)]
#[template(path = "coverage.html")]
struct Coverage {
    page: Frame,
}

/// What the register covers, and what it cannot show.
pub(crate) async fn coverage(State(site): State<Site>, visit: Visit) -> Shown {
    show(&Coverage {
        page: plain(&site, &visit, "", "coverage"),
    })
}

#[derive(Template)]
#[template(path = "accessibility.html")]
struct Accessibility {
    page: Frame,
}

/// How accessible the site is, and how that was found out.
pub(crate) async fn accessibility(State(site): State<Site>, visit: Visit) -> Shown {
    show(&Accessibility {
        page: plain(&site, &visit, "", "accessibility"),
    })
}

/// The frame of a page whose words are a table of the catalogue, with `title` and `lead`.
fn plain(site: &Site, visit: &Visit, part: &'static str, table: &str) -> Frame {
    let say = |name: &str| visit.language.say(&format!("{table}.{name}"));
    Frame::new(site, visit, part, say("title")).described(say("lead"))
}
