//! What a command prints.

use std::io::{self, Write as _};

/// One line on standard output. A reader who has gone away ends nothing.
pub(crate) fn line(text: &str) {
    drop(writeln!(io::stdout(), "{text}"));
}

/// An error with all its causes on standard error, one cause a line.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    drop(writeln!(io::stderr(), "{text}"));
}
