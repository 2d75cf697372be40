//! Kinds of sealed fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{code_list, count, is_bytes, joined, numbers};

/// What the opening of a sealed field may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedKind {
    /// Text of 1 to so many characters, without control characters but for line feeds.
    Text(usize),
    /// 1 to so many texts of 1 to so many characters.
    Texts(usize, usize),
    /// A day, `YYYY-MM-DD`.
    Date,
    /// An `https` address of at most so many characters.
    Url(usize),
    /// One of a closed list, named.
    Code(String, BTreeSet<String>),
    /// An integer within limits.
    Int(i64, i64),
    /// A SHA-256 digest in base64url.
    Digest,
}

impl SealedKind {
    pub(crate) fn parse(text: &str, codes: &BTreeMap<String, BTreeSet<String>>) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let (first, rest) = words.split_first()?;
        let kind = match (*first, rest) {
            ("text", most) => Self::Text(count(most)?),
            ("texts", [items, most]) => Self::Texts(count(&[items])?, count(&[most])?),
            ("date", []) => Self::Date,
            ("url", most) => Self::Url(count(most)?),
            ("code", [name]) => Self::Code((*name).to_owned(), code_list(name, codes)?),
            ("int", rest) => {
                let [from, to] = numbers(rest)?;
                Self::Int(from, to)
            }
            ("digest", []) => Self::Digest,
            _ => return None,
        };
        Some(kind)
    }

    /// Whether a value is of this kind.
    pub fn fits(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Text(most) => text.is_some_and(|text| is_text(text, *most)),
            Self::Texts(items, most) => value.as_array().is_some_and(|list| {
                (1..=*items).contains(&list.len())
                    && list
                        .iter()
                        .all(|item| item.as_str().is_some_and(|text| is_text(text, *most)))
            }),
            Self::Date => text.is_some_and(is_date),
            Self::Url(most) => text.is_some_and(|text| is_url(text, *most)),
            Self::Code(_, codes) => text.is_some_and(|code| codes.contains(code)),
            Self::Int(from, to) => value.as_i64().is_some_and(|n| (*from..=*to).contains(&n)),
            Self::Digest => text.is_some_and(|text| is_bytes(text, 32)),
        }
    }

    /// The kind in words, for a refusal and for `docs/EVENTS.md`.
    pub fn describe(&self) -> String {
        match self {
            Self::Text(most) => {
                format!("a text of 1 to {most} characters, without control characters but line feeds")
            }
            Self::Texts(items, most) => format!("1 to {items} texts of 1 to {most} characters"),
            Self::Date => "a day, YYYY-MM-DD".to_owned(),
            Self::Url(most) => format!("an https address of at most {most} characters"),
            Self::Code(name, codes) => format!("a code of the list {name}: {}", joined(codes)),
            Self::Int(from, to) => format!("an integer from {from} to {to}"),
            Self::Digest => "a SHA-256 digest in base64url (43 characters)".to_owned(),
        }
    }
}

fn is_text(text: &str, most: usize) -> bool {
    let good = |c: char| c == '\n' || !c.is_control();
    (1..=most).contains(&text.chars().count()) && text.chars().all(good) && !text.trim().is_empty()
}

fn is_url(text: &str, most: usize) -> bool {
    text.len() <= most
        && text
            .strip_prefix("https://")
            .is_some_and(|rest| rest.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()))
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&b))
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let number = |part: &str, digits: usize| -> Option<u32> {
        let good = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| good)
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1900..=9999).contains(&year) && (1..=days).contains(&day)
}
