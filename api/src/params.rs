//! Parameters of a query, read one by one: whoever sends a wrong one is told which it is, and what is taken.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use daybook_core::id::{Slug, random_id};
use uuid::Uuid;

use crate::extract::Query;
use crate::problem::{Problem, ProblemKind};

/// Parameters by their names, each said once.
#[derive(Debug)]
pub(crate) struct Params(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await?;
        Self::read(pairs)
    }
}

impl Params {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut params = BTreeMap::new();
        for (name, value) in pairs {
            if params.contains_key(&name) {
                return Err(malformed(format!(
                    "The parameter {name:?} is there twice. Say it once."
                )));
            }
            params.insert(name, value);
        }
        Ok(Self(params))
    }

    /// The same, if it holds no other parameters than these.
    pub(crate) fn only(self, allowed: &[&str]) -> Result<Self, Problem> {
        let unknown = self.0.keys().find(|name| !allowed.contains(&name.as_str()));
        match unknown {
            Some(name) => Err(malformed(format!(
                "There is no parameter {name:?} here. There are {}.",
                quoted(allowed)
            ))),
            None => Ok(self),
        }
    }

    /// A text as it is.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A random id.
    pub(crate) fn id(&self, name: &str) -> Result<Option<Uuid>, Problem> {
        self.parsed(name, "a random UUID (version 4, lower case)", |text| {
            random_id(text).ok()
        })
    }

    /// A registered id, such as a TRE's.
    pub(crate) fn slug(&self, name: &str) -> Result<Option<String>, Problem> {
        let allowed = "a registered id: small letters, digits and hyphens";
        self.parsed(name, allowed, |text| {
            text.parse::<Slug>().ok().map(|slug| slug.to_string())
        })
    }

    /// One of a closed list.
    pub(crate) fn one_of(&self, name: &str, allowed: &[impl AsRef<str>]) -> Result<Option<String>, Problem> {
        let is_there = |text: &str| allowed.iter().any(|one| one.as_ref() == text);
        let list = format!("one of {}", quoted(allowed));
        self.parsed(name, &list, |text| is_there(text).then(|| text.to_owned()))
    }

    /// Digits that make a number between two others.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.parsed(name, &allowed, |text| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_plain);
            number.filter(|number| range.contains(number))
        })
    }

    fn parsed<T>(
        &self,
        name: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(malformed(format!("`{name}` is {allowed}, and not {text:?}."))),
        }
    }
}

fn malformed(detail: String) -> Problem {
    Problem::new(ProblemKind::MalformedRequest, detail)
}

fn quoted(names: &[impl AsRef<str>]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Result<Params, Problem> {
        Params::read(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    fn detail<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
        let problem = result.unwrap_err();
        assert_eq!(problem.kind(), ProblemKind::MalformedRequest);
        problem.to_json()["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_unknown_or_said_twice_is_named() {
        assert_eq!(
            detail(params(&[("a", "1"), ("a", "2")])),
            "The parameter \"a\" is there twice. Say it once."
        );
        let told = detail(params(&[("a", "1"), ("b", "2")]).unwrap().only(&["a", "c"]));
        assert_eq!(told, "There is no parameter \"b\" here. There are `a`, `c`.");
        assert!(params(&[("a", "1")]).unwrap().only(&["a"]).is_ok());
    }

    #[test]
    fn values_are_taken_in_one_spelling_only() {
        let of = |value: &str| params(&[("p", value)]).unwrap();
        let uuid = "da1e2a3c-5b0d-4d5c-9b2f-0a1b2c3d4e5f";
        assert_eq!(of(uuid).id("p").unwrap().unwrap().to_string(), uuid);
        assert_eq!(of(uuid).id("other").unwrap(), None);
        for bad in ["", "x", &uuid.to_uppercase(), &uuid.replace('-', "")] {
            assert!(
                detail(of(bad).id("p")).starts_with("`p` is a random UUID"),
                "{bad}"
            );
        }
        assert_eq!(of("wessex").slug("p").unwrap().unwrap(), "wessex");
        for bad in ["", "WESSEX", "a/b", "a\0b"] {
            assert!(detail(of(bad).slug("p")).contains("registered id"), "{bad}");
        }
        assert_eq!(
            of("open").one_of("p", &["open", "closed"]).unwrap().unwrap(),
            "open"
        );
        assert_eq!(
            detail(of("Open").one_of("p", &["open", "closed"])),
            "`p` is one of `open`, `closed`, and not \"Open\"."
        );
        assert_eq!(of("200").number("p", 1..=200).unwrap(), Some(200));
        for bad in ["", "0", "201", "+5", "-1", "5.0", " 5", "99999999999999999999999"] {
            assert_eq!(
                detail(of(bad).number("p", 1..=200)),
                format!("`p` is a whole number from 1 to 200, and not {bad:?}.")
            );
        }
    }
}
