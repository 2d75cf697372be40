//! De-identification: what in a text that is meant for the public may tell who somebody is.
//!
//! Nothing is published while a hit stands in it: a person looks, and passes it or has it changed. The rules differ by
//! field, since a contact has an address by its nature and a list of organisations has names. They find patterns and the
//! names that the submission's own openings hold; a stranger's name is found by no pattern, so that people still read.

mod event;
mod mail;
mod names;
mod numbers;
mod places;

use std::fmt;
use std::ops::Range;

pub use self::event::{OpeningHit, screen_openings};

/// What a hit seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HitKind {
    /// An NHS, CHI or Health and Care number: ten digits of which the last one fits.
    HealthNumber,
    /// A National Insurance number.
    InsuranceNumber,
    /// A date near a word about birth.
    BirthDate,
    /// An electronic mail address of a person.
    Email,
    /// A telephone number.
    Telephone,
    /// A whole postcode.
    Postcode,
    /// An ORCID identifier.
    Orcid,
    /// A name that the submission's own openings hold.
    Name,
}

impl HitKind {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HealthNumber => "health-number",
            Self::InsuranceNumber => "insurance-number",
            Self::BirthDate => "birth-date",
            Self::Email => "email",
            Self::Telephone => "telephone",
            Self::Postcode => "postcode",
            Self::Orcid => "orcid",
            Self::Name => "name",
        }
    }
}

impl fmt::Display for HitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HealthNumber => "an NHS, CHI or Health and Care number",
            Self::InsuranceNumber => "a National Insurance number",
            Self::BirthDate => "a date of birth",
            Self::Email => "a person's e-mail address",
            Self::Telephone => "a telephone number",
            Self::Postcode => "a postcode",
            Self::Orcid => "an ORCID identifier",
            Self::Name => "the name of a person",
        })
    }
}

/// Something that may tell who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it seems to be.
    pub kind: HitKind,
    /// Where it stands, in bytes of the text; both ends lie between characters.
    pub span: Range<usize>,
}

/// What a field is for, by which it is screened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldUse {
    /// Sentences.
    Prose,
    /// How to reach an office: its address, its mailbox, its telephone.
    Contact,
    /// Names of people who chose to be named.
    Named,
    /// Codes, dates and addresses of pages, which are no prose. Only numbers and identifiers of people are looked for.
    Code,
}

impl FieldUse {
    /// The use of a field of an event.
    pub fn of(field: &str) -> Self {
        match field {
            "contact" => Self::Contact,
            "applicants" => Self::Named,
            "url" | "permalink" | "domain" | "version" | "gateway_pid" | "satre" | "page" => Self::Code,
            _ => Self::Prose,
        }
    }
}

/// Looks through a text; hits come in the order in which they stand there, and do not overlap.
///
/// `names` are those of people which the submission's own openings hold.
pub fn screen(field: FieldUse, text: &str, names: &[String]) -> Vec<Hit> {
    let mut hits = Vec::new();
    numbers::health(text, &mut hits);
    numbers::insurance(text, &mut hits);
    numbers::orcid(text, &mut hits);
    if field != FieldUse::Code {
        numbers::birth_dates(text, &mut hits);
        numbers::telephones(text, field == FieldUse::Contact, &mut hits);
        mail::addresses(text, field == FieldUse::Contact, &mut hits);
    }
    if field == FieldUse::Prose {
        places::postcodes(text, &mut hits);
    }
    if matches!(field, FieldUse::Prose | FieldUse::Contact) {
        names::known(text, names, &mut hits);
    }
    hits.sort_by_key(|hit| (hit.span.start, hit.kind));
    let mut end = 0;
    hits.retain(|hit| {
        let is_free = hit.span.start >= end;
        if is_free {
            end = hit.span.end;
        }
        is_free
    });
    hits
}

/// Whether a byte belongs to a word or a number, so that what is next to it is only a part of one.
fn is_wordy(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Whether a span stands alone: neither side goes on with a letter or a digit.
fn stands_alone(text: &str, span: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    let before = span.start.checked_sub(1).and_then(|at| bytes.get(at));
    let after = bytes.get(span.end);
    !before.is_some_and(|byte| is_wordy(*byte)) && !after.is_some_and(|byte| is_wordy(*byte))
}

/// The largest place at or before `at` that lies between characters.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|place| text.is_char_boundary(*place))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
