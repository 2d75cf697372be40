//! The texts of projects: sentences that a patient would understand, put together from blocks so that no two projects are
//! alike.

mod conditions;
mod questions;

use serde_json::{Value, json};

pub use self::conditions::{CONDITIONS, Condition};
pub(crate) use self::questions::METHODS;
use self::questions::{CARE, LENSES, Lens, QUESTIONS, Question, TOLD};
use crate::chance::{Chance, turn};
use crate::country::{FUNDERS, KINDS, ORGANISATIONS};

/// What a project says of itself in public.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    /// Its title.
    pub(crate) title: String,
    /// Its public fields.
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// Its method, a place in [`METHODS`].
    pub(crate) method: usize,
    /// The kind of data that it needs, a place in [`KINDS`].
    pub(crate) kind: usize,
}

/// What the `n`th project says.
pub(crate) fn telling(seed: u64, n: usize) -> Telling {
    let mut chance = Chance::of(seed, &format!("words of project {n}"));
    let (condition, question, lens, round) = subject(seed, n);
    let method = chance.below(METHODS.len());
    let organisation = chance.of_all(&ORGANISATIONS);
    let put = |text: &str| {
        text.replace("{people}", condition.people)
            .replace("{name}", condition.name)
    };
    let again = if round > 0 {
        format!(", part {}", round + 1)
    } else {
        String::new()
    };
    let title = format!("{}, {}{again}", put(question.title), lens.title);
    let (_, data) = turn(&KINDS, question.kind);
    let summary = format!(
        "{} {}\n\nWe ask {}. {} {} We use {data}.\n\n{}",
        condition.about,
        question.why,
        put(question.asks),
        lens.compares,
        turn(&METHODS, method).lay,
        chance.of_all(&CARE),
    );
    let benefit = format!("{} {} {}", question.benefit, lens.benefit, chance.of_all(&TOLD));
    let partner = chance.of_all(&ORGANISATIONS);
    let mut organisations = vec![organisation.name];
    if chance.one_in(4) && partner.name != organisation.name {
        organisations.push(partner.name);
    }
    let is_paid = organisations.len() > 1 && partner.sector == "commercial";
    let commercial = match organisation.sector {
        "commercial" => "sponsor",
        _ if is_paid => "partner",
        _ => "none",
    };
    let fields = vec![
        ("title", title.clone().into()),
        (
            "line",
            capital(&format!("{}.", first_words(&put(question.asks)))).into(),
        ),
        ("lang", "en".into()),
        ("lay_summary", summary.into()),
        ("public_benefit", benefit.into()),
        ("organisations", json!(organisations)),
        ("funders", json!([chance.of_all(&FUNDERS)])),
        ("sector", organisation.sector.into()),
        ("commercial", commercial.into()),
        ("keywords", json!([condition.name, question.keyword])),
        (
            "contact",
            format!("The research office, {}", organisation.contact).into(),
        ),
    ];
    Telling {
        title,
        fields,
        method,
        kind: question.kind,
    }
}

/// What the `n`th project is about, and how often that was asked before.
fn subject(seed: u64, n: usize) -> (&'static Condition, &'static Question, &'static Lens, usize) {
    let (conditions, questions) = (CONDITIONS.len(), QUESTIONS.len());
    let all = conditions * questions * LENSES.len();
    // A step that has no divisor in common with the number of subjects comes to each of them once.
    let first = Chance::of(seed, "subjects").below(all);
    let at = (first + n.wrapping_mul(2_741)) % all;
    (
        turn(&CONDITIONS, at),
        turn(&QUESTIONS, at / conditions),
        turn(&LENSES, at / conditions / questions),
        n / all,
    )
}

/// As much of a question as a line holds.
fn first_words(text: &str) -> &str {
    const MOST: usize = 140;
    if text.len() <= MOST {
        return text;
    }
    let cut = text.get(..MOST).unwrap_or(text);
    let clause = cut.rsplit_once(", ").or_else(|| cut.rsplit_once(' '));
    clause.map_or(cut, |(head, _)| head)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use daybook_rules::deid::{FieldUse, screen};

    use super::*;

    /// Every text of a value.
    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        }
    }

    #[test]
    fn projects_differ_and_their_texts_are_whole_sentences_that_the_screen_lets_pass() {
        let subjects = CONDITIONS.len() * QUESTIONS.len() * LENSES.len();
        assert_eq!(subjects, 6_912);
        let mut titles = BTreeSet::new();
        for n in 0..subjects + 100 {
            let told = telling(7, n);
            assert!(titles.insert(told.title.clone()), "{}", told.title);
            for (field, value) in &told.fields {
                for text in texts(value) {
                    assert!(screen(FieldUse::of(field), text, &[]).is_empty(), "{text}");
                    for odd in ["{", "}", "  ", "..", " ,", " ."] {
                        assert!(!text.contains(odd), "{text}");
                    }
                }
                let text = value.as_str().unwrap_or("Lists.");
                match *field {
                    "title" => assert!(
                        text.len() <= 300 && text.starts_with(char::is_uppercase),
                        "{text}"
                    ),
                    "line" => assert!(text.chars().count() <= 150 && text.ends_with('.'), "{text}"),
                    "lay_summary" | "public_benefit" => assert!(text.ends_with('.'), "{text}"),
                    _ => {}
                }
            }
        }
    }
}
