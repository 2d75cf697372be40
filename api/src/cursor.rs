//! Cursors: where a list goes on, opaque to whoever sends them back.

use daybook_core::base64url;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{Problem, ProblemKind};

/// Characters of a cursor at most.
const MAX_CURSOR: usize = 512;
/// U+0000 as JSON writes it.
const NUL: &[u8] = b"\\u0000";

/// The place `at` in the list of that name.
pub(crate) fn encode(list: &str, at: &impl Serialize) -> String {
    // Names and numbers can always be written.
    let text = serde_json::to_vec(&(list, at)).unwrap_or_default();
    base64url::encode(&text)
}

/// The place in the list of that name, or a problem where the cursor was made elsewhere.
pub(crate) fn decode<T: DeserializeOwned>(list: &str, cursor: &str) -> Result<T, Problem> {
    let bytes = (cursor.len() <= MAX_CURSOR)
        .then(|| base64url::decode(cursor))
        .flatten();
    // The database takes no U+0000 in a text, and no place has one.
    let bytes = bytes.filter(|bytes| !bytes.windows(NUL.len()).any(|part| part == NUL));
    let found = bytes.and_then(|bytes| serde_json::from_slice::<(String, T)>(&bytes).ok());
    match found {
        Some((name, at)) if name == list => Ok(at),
        _ => Err(refused()),
    }
}

/// What a cursor that leads nowhere is answered with.
pub(crate) fn refused() -> Problem {
    Problem::new(
        ProblemKind::MalformedRequest,
        "`cursor` is not the `next` of a page of this list. Begin without one.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_own_list_only() {
        let cursor = encode("events", &(7_u64, "name"));
        assert_eq!(
            decode::<(u64, String)>("events", &cursor).unwrap(),
            (7, "name".to_owned())
        );
        decode::<(u64, String)>("keys", &cursor).unwrap_err();
        decode::<u64>("events", &cursor).unwrap_err();
        for garbage in ["", "x", "!", "AAAA", &"A".repeat(100_000)] {
            decode::<u64>("events", garbage).unwrap_err();
        }
        decode::<String>("events", &encode("events", &"a\0b")).unwrap_err();
        assert_eq!(
            decode::<String>("events", &encode("events", &"a\u{1}")).unwrap(),
            "a\u{1}"
        );
    }
}
