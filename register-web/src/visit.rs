//! Who asks for what: the language, the path and the query of a request.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::header::HOST;
use axum::http::request::Parts;

use crate::site::Site;
use crate::words::Language;

/// A request for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// The language of the interface.
    pub(crate) language: Language,
    /// The path without the language's prefix; it begins with a slash.
    pub(crate) path: String,
    /// The query, without its question mark; empty where there is none.
    pub(crate) query: String,
    /// The address of the site, without a slash at the end.
    pub(crate) address: String,
}

impl Visit {
    /// Reads a path with its prefix.
    pub(crate) fn of(path: &str, query: &str, address: &str) -> Self {
        let own = Language::ALL
            .into_iter()
            .filter(|language| !language.prefix().is_empty());
        let mut found = own.filter_map(|language| {
            let rest = path.strip_prefix(language.prefix())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((language, rest))
        });
        let (language, rest) = found.next().unwrap_or((Language::English, path));
        Self {
            language,
            path: if rest.is_empty() {
                "/".to_owned()
            } else {
                rest.to_owned()
            },
            query: query.to_owned(),
            address: address.to_owned(),
        }
    }
}

/// A name that a `Host` header may hold: anything else would let an asker choose what links to us look like.
fn is_host(host: &str) -> bool {
    host.len() <= 253
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

impl FromRequestParts<Site> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Infallible> {
        let address = if site.settings.address.is_empty() {
            let host = parts
                .headers
                .get(HOST)
                .and_then(|host| host.to_str().ok())
                .filter(|host| is_host(host));
            format!("http://{}", host.unwrap_or("localhost"))
        } else {
            site.settings.address.clone()
        };
        // The path as it was asked for: where routes are nested, the language's prefix is cut off for them.
        let uri = parts
            .extensions
            .get::<OriginalUri>()
            .map_or(&parts.uri, |original| &original.0);
        Ok(Self::of(uri.path(), uri.query().unwrap_or_default(), &address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_told_by_the_first_part_of_the_path() {
        for (path, language, rest) in [
            ("/", Language::English, "/"),
            ("/cy", Language::Welsh, "/"),
            ("/cy/", Language::Welsh, "/"),
            ("/cy/projects", Language::Welsh, "/projects"),
            ("/cynon", Language::English, "/cynon"),
        ] {
            let visit = Visit::of(path, "", "");
            assert_eq!((visit.language, visit.path.as_str()), (language, rest), "{path}");
        }
    }
}
