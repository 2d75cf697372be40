//! How entries change TREs.

use daybook_core::id::Stream;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};

use super::Tre;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    tres: Rows<Tre>,
}

/// The TRE that an entry speaks of.
fn subject(entry: &Entry) -> Result<Option<String>, FoldError> {
    match (&entry.stream, entry.kind.as_str()) {
        (Stream::Tre(tre), "tre-joined" | "tre-amended" | "tre-reported") => Ok(Some(tre.to_string())),
        (Stream::Federation, "tre-invited" | "tre-suspended" | "tre-reinstated") => {
            Ok(Some(entry.text("tre")?.to_owned()))
        }
        _ => Ok(None),
    }
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Some(tre) = subject(entry)? {
            self.tres.want((tre,));
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let Some(id) = subject(entry)? else {
            return Ok(());
        };
        if entry.kind == "tre-invited" {
            self.tres.put(invited(id, entry)?);
            return Ok(());
        }
        self.tres.change(&(id,), entry, |tre| step(tre, entry))
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.tres]
    }
}

fn invited(id: String, entry: &Entry) -> Result<Tre, FoldError> {
    Ok(Tre {
        id,
        invited: entry.index,
        root: entry.text("root")?.to_owned(),
        joined: None,
        joined_at: None,
        details: None,
        suspended: None,
        suspension: None,
        reported: None,
        made: None,
        acknowledged: None,
        outstanding: None,
        runs: None,
    })
}

fn step(tre: &mut Tre, entry: &Entry) -> Result<(), FoldError> {
    match entry.kind.as_str() {
        "tre-joined" => {
            (tre.joined, tre.joined_at) = (Some(entry.index), Some(entry.at));
            tre.details = Some(entry.index);
        }
        "tre-amended" => tre.details = Some(entry.index),
        "tre-suspended" => {
            tre.suspended = Some(entry.index);
            tre.suspension = Some(entry.text("reason")?.to_owned());
        }
        "tre-reinstated" => (tre.suspended, tre.suspension) = (None, None),
        _ => {
            tre.reported = Some(entry.at);
            tre.made = Some(entry.integer("made")?);
            tre.acknowledged = Some(entry.integer("acknowledged")?);
            tre.outstanding = Some(entry.integer("waiting")?);
            tre.runs = Some(entry.integer("runs")?);
        }
    }
    Ok(())
}
