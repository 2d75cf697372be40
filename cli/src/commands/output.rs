//! What a command prints.

use std::io::{self, Write as _};

/// One line on standard output. A reader who has gone away ends nothing.
pub(crate) fn line(text: &str) {
    drop(writeln!(io::stdout(), "{text}"));
}

/// An error with all its causes on standard error, one cause a line.
pub(crate) fn error(error: &anyhow::Error) {
    let causes = error
        .chain()
        .skip(1)
        .map(|cause| format!("\n  because: {cause}"))
        .collect::<Vec<_>>()
        .concat();
    drop(writeln!(io::stderr(), "error: {error}{causes}"));
}
