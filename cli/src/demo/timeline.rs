//! What the demo prints while it plays.

use std::io::IsTerminal as _;

use crate::commands::output;

/// A readable account, one line for each event.
pub(super) struct Timeline {
    colour: bool,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            colour: std::io::stdout().is_terminal(),
        }
    }
}

impl Timeline {
    /// A heading.
    pub(super) fn chapter(&self, title: &str) {
        output::line("");
        output::line(&self.paint("1", title));
    }

    /// An event that was appended.
    pub(super) fn event(&self, who: &str, what: &str, kind: &str, index: u64) {
        let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        let index = format!("{index:>4}");
        output::line(&format!(
            "  {}  {}  {who:<10}  {what:<58}  {}",
            self.paint("2", &time),
            self.paint("36", &index),
            self.paint("2", kind)
        ));
    }

    /// Something that is worth saying and is no event.
    pub(super) fn note(&self, text: &str) {
        output::line(&format!(
            "                              {}",
            self.paint("2", text)
        ));
    }

    /// A result that holds or does not.
    pub(super) fn check(&self, holds: bool, text: &str) {
        let mark = if holds {
            self.paint("32", "holds")
        } else {
            self.paint("31", "DOES NOT HOLD")
        };
        output::line(&format!("  {mark}  {text}"));
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
