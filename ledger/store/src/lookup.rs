//! What streams are looked up by: columns beside the state that say what it says.

use daybook_core::constitution::State;
use serde_json::Value;

/// The columns of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lookup<'a> {
    /// The TRE of a job's state.
    pub(crate) tre: Option<&'a str>,
    /// Its request.
    pub(crate) packet: Option<&'a str>,
    /// Its results.
    pub(crate) results: Option<&'a str>,
    /// Whether nobody has collected it yet.
    pub(crate) waits: Option<bool>,
}

impl<'a> Lookup<'a> {
    /// What the columns hold for a state.
    pub(crate) fn of(state: &'a State) -> Self {
        let text = |name| state.get(name).and_then(Value::as_str);
        Self {
            tre: text("tre"),
            packet: text("packet"),
            results: text("results"),
            waits: text("state").map(|state| state == "submitted"),
        }
    }

    /// Each column by its name, as it is shown.
    pub(crate) fn shown(&self) -> [(&'static str, String); 4] {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        [
            ("tre", text(self.tre)),
            ("packet", text(self.packet)),
            ("results", text(self.results)),
            (
                "waits",
                self.waits.map_or_else(String::new, |waits| waits.to_string()),
            ),
        ]
    }
}
