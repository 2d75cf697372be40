//! The target for packs of evidence, which anybody may hand to anybody: what `daybook verify` reads.

use std::sync::LazyLock;

use daybook_audit::evidence::{Evidence, Files};
use daybook_core::note::NoteSigner;
use daybook_core::trust::TrustPolicy;
use daybook_world::ORIGIN;

/// What stands before the name of each file where a seed is a text and not a zip, whose check sums no mutation survives.
const FILE: &str = "\n@@ ";

static POLICY: LazyLock<TrustPolicy> = LazyLock::new(|| {
    let signer = ORIGIN
        .parse()
        .map(|name| NoteSigner::from_seed(name, &daybook_world::bytes("log key")));
    match signer {
        Ok(Ok(signer)) => TrustPolicy::of_log(signer.verifier().clone()),
        _ => TrustPolicy::default(),
    }
});

/// Reads a pack, as a zip or as files one after the other, and checks it.
///
/// # Panics
/// When what is read is not what is written again, or a pack that holds has a file that is none of its own.
pub fn pack(data: &[u8]) {
    if let Ok((evidence, others)) = Evidence::from_zip(data) {
        look(&evidence, &others);
    }
    let files = split(data);
    let Ok((evidence, others)) = Evidence::from_files(files.clone()) else {
        return;
    };
    look(&evidence, &others);
    let mut again = evidence.taken().unwrap_or_default();
    again.extend(others);
    assert_eq!(again, files, "what was taken from a log has one spelling");
}

fn look(evidence: &Evidence, others: &Files) {
    let verdict = evidence.verify(others, &POLICY);
    assert!(!verdict.lines.is_empty());
    if verdict.holds() {
        let zip = evidence.to_zip().unwrap_or_default();
        let again = Evidence::from_zip(&zip).map(|(again, files)| (again, files.len()));
        assert!(
            again.is_ok_and(|again| again == (evidence.clone(), others.len())),
            "a pack that holds is the one that is made of its entries"
        );
    }
}

fn split(data: &[u8]) -> Files {
    let text = String::from_utf8_lossy(data);
    let parts = text.split(FILE).skip(1);
    parts
        .filter_map(|part| part.split_once('\n'))
        .map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()))
        .collect()
}
