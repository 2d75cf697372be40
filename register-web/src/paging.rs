//! Which part of a list: a place in it, written into the address.

use daybook_core::base64url;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::failure::Failure;

/// Writes a place. It says nothing that the page does not show, and is nobody's secret.
pub(crate) fn encode(place: &impl Serialize) -> String {
    let text = serde_json::to_vec(place).unwrap_or_default();
    base64url::encode(&text)
}

/// Reads a place; `None` where it is none.
pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&base64url::decode(text)?).ok()
}

/// Reads the place of a row in a list that begins with the newest; none where nothing is said.
pub(crate) fn place(text: &str) -> Result<Option<(u64, Uuid)>, Failure> {
    match text {
        "" => Ok(None),
        text => decode(text).map(Some).ok_or(Failure::Malformed),
    }
}
