//! Taking words for TLS out of a connection string, whichever of libpq's two forms it has.

use super::address::AddressError;

/// A parameter that was taken out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) value: String,
}

/// The text without the parameters of these names, and those parameters.
pub(super) fn split(text: &str, names: &[&str]) -> Result<(String, Vec<Param>), AddressError> {
    if text.starts_with("postgresql://") || text.starts_with("postgres://") {
        split_url(text, names)
    } else {
        split_words(text, names)
    }
}

fn split_url(text: &str, names: &[&str]) -> Result<(String, Vec<Param>), AddressError> {
    // A password may hold a question mark: the driver looks for the parameters after the at sign, and so do we.
    let after = text.find('@').unwrap_or(0);
    let Some(mark) = text
        .get(after..)
        .and_then(|rest| rest.find('?'))
        .map(|at| after + at)
    else {
        return Ok((text.to_owned(), Vec::new()));
    };
    let (front, query) = text.split_at(mark);
    let (mut kept, mut taken) = (Vec::new(), Vec::new());
    for part in query
        .trim_start_matches('?')
        .split('&')
        .filter(|part| !part.is_empty())
    {
        match part.split_once('=') {
            Some((name, value)) if names.contains(&name) => taken.push(Param {
                name: name.to_owned(),
                value: percent_decoded(value)?,
            }),
            _ => kept.push(part),
        }
    }
    let mark = if kept.is_empty() { "" } else { "?" };
    Ok((format!("{front}{mark}{}", kept.join("&")), taken))
}

fn percent_decoded(text: &str) -> Result<String, AddressError> {
    let broken = AddressError::Form("a percent sign that two hexadecimal digits do not follow");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (Some(byte), Some(after)) = (byte, tail.get(2..)) else {
            return Err(broken);
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| broken)
}

fn split_words(text: &str, names: &[&str]) -> Result<(String, Vec<Param>), AddressError> {
    let (mut kept, mut taken) = (String::new(), Vec::new());
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (param, after) = word(rest)?;
        let (whole, tail) = rest.split_at(rest.len() - after.len());
        if names.contains(&param.name.as_str()) {
            taken.push(param);
        } else {
            kept.push_str(whole);
            if !whole.ends_with(char::is_whitespace) {
                kept.push(' ');
            }
        }
        rest = tail.trim_start();
    }
    Ok((kept, taken))
}

/// The first `name = value` of a text, and what follows it.
fn word(text: &str) -> Result<(Param, &str), AddressError> {
    let (name, rest) = text
        .split_once('=')
        .ok_or(AddressError::Form("a name that no equals sign follows"))?;
    let rest = rest.trim_start();
    let (quoted, rest) = rest.strip_prefix('\'').map_or((false, rest), |rest| (true, rest));
    let mut value = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, next)) = chars.next() {
        let is_end = if quoted {
            next == '\''
        } else {
            next.is_whitespace()
        };
        if is_end {
            let param = Param {
                name: name.trim().to_owned(),
                value,
            };
            return Ok((param, rest.get(at + 1..).unwrap_or_default()));
        }
        let next = if next == '\\' {
            chars
                .next()
                .ok_or(AddressError::Form("a backslash that nothing follows"))?
                .1
        } else {
            next
        };
        value.push(next);
    }
    if quoted {
        return Err(AddressError::Form("a quote that does not end"));
    }
    Ok((
        Param {
            name: name.trim().to_owned(),
            value,
        },
        "",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (String, Vec<(String, String)>) {
        let (rest, params) = split(text, &["sslmode", "sslrootcert"]).unwrap();
        (
            rest,
            params
                .into_iter()
                .map(|param| (param.name, param.value))
                .collect(),
        )
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn url_keeps_all_but_the_words_that_are_taken() {
        assert_eq!(
            taken("postgresql://u:p@h/db?sslmode=require&connect_timeout=3&sslrootcert=%2Fa%20b"),
            (
                "postgresql://u:p@h/db?connect_timeout=3".to_owned(),
                vec![pair("sslmode", "require"), pair("sslrootcert", "/a b")]
            )
        );
        assert_eq!(taken("postgres://h/db?sslmode=disable").0, "postgres://h/db");
        assert_eq!(taken("postgres://h/db").0, "postgres://h/db");
    }

    #[test]
    fn question_mark_in_a_password_begins_no_parameters() {
        let url = "postgresql://u:p?sslmode=disable@h/db";
        assert_eq!(taken(url), (url.to_owned(), Vec::new()));
    }

    #[test]
    fn words_keep_quotes_and_escapes() {
        assert_eq!(
            taken(r"host=h password='it\'s sslmode=disable' sslmode = 'verify-ca' dbname=a\ b"),
            (
                r"host=h password='it\'s sslmode=disable' dbname=a\ b ".to_owned(),
                vec![pair("sslmode", "verify-ca")]
            )
        );
        assert_eq!(taken("sslrootcert=/x").1, [pair("sslrootcert", "/x")]);
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for text in [
            "host='h",
            "host",
            r"host=h\",
            "postgres://h/db?sslmode=%4",
            "postgres://h/db?sslmode=%zz",
        ] {
            assert!(
                matches!(split(text, &["sslmode"]), Err(AddressError::Form(_))),
                "{text}"
            );
        }
    }
}
