//! Who vouches: checkpoints that the clerk put into the log with what witnesses said, and the root keys of TREs.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::WitnessKey;
use daybook_core::event::Event;
use daybook_core::note::{NoteSignature, VerifierKey};
use daybook_core::trust::TrustPolicy;
use daybook_core::{Hash, base64url};
use serde_json::Value;

use crate::finding::{Finding, Kind, Report};

/// The roots that TREs publish of themselves: a TRE and the thumbprint of its root key, one or more.
pub type Anchors = BTreeMap<String, BTreeSet<String>>;

/// Reads a file of anchors: lines `tre <id> <thumbprint>`, comments after `#`.
///
/// # Errors
/// The number of the first line that is none.
pub fn parse_anchors(text: &str) -> Result<Anchors, usize> {
    let mut anchors = Anchors::new();
    for (at, line) in text.lines().enumerate() {
        let words: Vec<&str> = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        match words.as_slice() {
            [] => {}
            ["tre", id, root] if Hash::from_base64url(root).is_some() => {
                anchors
                    .entry((*id).to_owned())
                    .or_default()
                    .insert((*root).to_owned());
            }
            _ => return Err(at + 1),
        }
    }
    Ok(anchors)
}

/// Checks an anchored checkpoint by itself, by the policy and the keys that the log has `named` (base64url), and against the
/// root that the entries give at its size.
pub(crate) fn anchored(
    policy: &TrustPolicy,
    origin: &str,
    named: &[String],
    event: &Event,
    root: Option<Hash>,
) -> Result<(), String> {
    let data = &event.claims().data;
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let size = data.get("size").and_then(Value::as_u64).unwrap_or(0);
    let stated = Hash::from_base64url(text("root")).ok_or("its root is no digest")?;
    if root != Some(stated) {
        return Err(format!(
            "the entries give another root at {size} entries, or there are not so many"
        ));
    }
    let checkpoint = Checkpoint::new(origin, size, stated).map_err(|error| error.to_string())?;
    let body = checkpoint.to_string();
    let signature = base64url::decode(text("signature")).unwrap_or_default();
    // The policy's keys, and those that the log itself has named up to here: an anchor is as old as its key.
    let known = named.iter().filter_map(|x| {
        let x: [u8; 32] = base64url::decode(x)?.try_into().ok()?;
        VerifierKey::new(origin.parse().ok()?, &x).ok()
    });
    let keys: Vec<VerifierKey> = policy
        .logs()
        .iter()
        .map(|log| log.key.clone())
        .chain(known)
        .collect();
    let signed = keys.iter().any(|key| {
        let line = NoteSignature::new(key.name().clone(), key.id(), signature.clone());
        let note = daybook_core::note::Note::new(body.as_str())
            .ok()
            .zip(line)
            .and_then(|(mut note, line)| {
                note.add(line).ok()?;
                Some(note)
            });
        note.is_some_and(|note| Checkpoint::open(&note, key, origin).is_ok())
    });
    if !signed {
        return Err("no key of the log has signed it".to_owned());
    }
    for one in data
        .get("cosignatures")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        cosigned(&body, one)?;
    }
    Ok(())
}

fn cosigned(body: &str, one: &Value) -> Result<(), String> {
    let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
    let key: Option<[u8; 32]> = base64url::decode(text("key")).and_then(|key| key.try_into().ok());
    let time = one.get("time").and_then(Value::as_u64).unwrap_or(0);
    let signature = base64url::decode(text("signature")).unwrap_or_default();
    // The signature does not cover the witness's name, which a policy knows by the key.
    let key = key
        .zip("witness".parse().ok())
        .and_then(|(key, name)| WitnessKey::new(name, &key).ok());
    if key.is_some_and(|key| key.verifies(body, time, &signature)) {
        Ok(())
    } else {
        Err(format!("the cosignature {} does not hold", text("id")))
    }
}

/// Compares the roots of all TREs with what they vouch for, and with what was seen first.
pub(crate) fn roots(
    tres: &BTreeMap<String, String>,
    anchors: &Anchors,
    pins: &mut BTreeMap<String, String>,
    report: &mut Report,
) {
    for (tre, root) in tres {
        match anchors.get(tre) {
            Some(known) if !known.contains(root) => {
                let words = format!(
                    "the log knows {tre} by the root {root}, and the anchors name another: the operator may have made a key for it"
                );
                report.add(Finding::new(Kind::TreRootDiffers, words));
            }
            _ => {}
        }
        match pins.get(tre) {
            Some(pinned) if pinned != root => {
                let words = format!("{tre} was known by the root {pinned}, and is now by {root}");
                report.add(Finding::new(Kind::TreRootDiffers, words));
            }
            Some(_) => {}
            None => {
                pins.insert(tre.clone(), root.clone());
                if !anchors.contains_key(tre) {
                    let words = format!(
                        "{tre} has the root {root}; compare it with what {tre} publishes, or name it in --anchors"
                    );
                    report.add(Finding::new(Kind::Pinned, words));
                }
            }
        }
    }
    for tre in anchors.keys().filter(|tre| !tres.contains_key(*tre)) {
        let words = format!("the anchors name {tre}, and the log knows no such TRE");
        report.add(Finding::new(Kind::NotCompared, words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_lines_of_three_words() {
        let root = Hash::of(b"root").to_base64url();
        let text = format!("# from the TREs' own sites\ntre wessex {root} # 2026\n\n");
        assert_eq!(parse_anchors(&text).unwrap()["wessex"], BTreeSet::from([root]));
        for bad in ["tre wessex", "tre wessex x", "wessex x y", "tre a b c"] {
            assert_eq!(parse_anchors(&format!("\n{bad}\n")), Err(2), "{bad}");
        }
    }

    #[test]
    fn a_root_that_is_not_the_vouched_for_one_is_an_alarm_and_a_new_one_is_pinned() {
        let tres = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let anchors = Anchors::from([("a".to_owned(), BTreeSet::from(["9".to_owned()]))]);
        let (mut pins, mut report) = (BTreeMap::new(), Report::default());
        roots(&tres, &anchors, &mut pins, &mut report);
        assert_eq!(
            (report.counts[&Kind::TreRootDiffers], report.counts[&Kind::Pinned]),
            (1, 1)
        );
        let mut again = Report::default();
        roots(&tres, &Anchors::new(), &mut pins, &mut again);
        assert_eq!(again, Report::default());
        pins.insert("b".to_owned(), "3".to_owned());
        roots(&tres, &Anchors::new(), &mut pins, &mut again);
        assert_eq!(again.counts[&Kind::TreRootDiffers], 1);
    }
}
