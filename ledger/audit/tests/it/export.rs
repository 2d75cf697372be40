//! Static copies: whole, continued, and never of another log than was signed.

use std::fs;
use std::path::Path;

use daybook_audit::Progress;
use daybook_audit::export::{ExportError, Exported, export};
use daybook_audit::source::Source;
use daybook_core::tree::{Resource, TileId, TilePath};
use daybook_core::trust::TrustPolicy;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::copies::{Copy, audit, checkpoint, signer};
use crate::whole::BUSY;

fn entries() -> Vec<String> {
    BUSY.entries()
        .iter()
        .map(|event| event.as_str().to_owned())
        .collect()
}

async fn to(copy: &Copy, folder: &Path) -> Result<Exported, ExportError> {
    let source = Source::new(copy.log().to_str().unwrap()).unwrap();
    let policy = TrustPolicy::of_log(signer().verifier().clone());
    let progress = watch::Sender::new(Progress::default());
    export(&source, &policy, folder, true, &progress).await
}

/// The names of all files below a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}

#[tokio::test]
async fn a_copy_has_the_files_of_the_log_and_goes_on_with_what_is_new() {
    let (all, out) = (entries(), TempDir::new().unwrap());
    let first = Copy::of(&BUSY.entries()[..200]);
    let done = to(&first, out.path()).await.unwrap();
    assert_eq!((done.entries, done.fetched), (200, 1));
    assert_eq!(
        to(&first, out.path()).await.unwrap().fetched,
        0,
        "all of it was there"
    );
    first.write(&all);
    let done = to(&first, out.path()).await.unwrap();
    assert_eq!((done.entries, done.fetched), (all.len() as u64, 2));
    // Partial tiles of smaller trees are gone where the full one is there.
    let whole = Copy::of(BUSY.entries());
    assert_eq!(names(out.path()), names(&whole.log()));
    for name in names(out.path()) {
        assert_eq!(
            fs::read(out.path().join(&name)).unwrap(),
            fs::read(whole.log().join(&name)).unwrap(),
            "{name}"
        );
    }
    let mut options = whole.options();
    options.source = Source::new(out.path().to_str().unwrap()).unwrap();
    assert!(audit(options).await.holds());
}

#[tokio::test]
async fn what_is_not_what_was_signed_never_becomes_the_copy() {
    let (all, out) = (entries(), TempDir::new().unwrap());
    let log = Copy::of(&BUSY.entries()[..256]);
    to(&log, out.path()).await.unwrap();
    let before = fs::read(out.path().join("checkpoint")).unwrap();
    // Other entries than those of the signed root.
    let mut other = all.clone();
    other.swap(270, 271);
    log.write(&other);
    log.sign(&checkpoint(&all));
    let differs = to(&log, out.path()).await;
    assert!(matches!(differs, Err(ExportError::RootDiffers(_))), "{differs:?}");
    assert_eq!(fs::read(out.path().join("checkpoint")).unwrap(), before);
    // A log that shows less than it has shown.
    log.sign(&checkpoint(&all[..100]));
    let back = to(&log, out.path()).await;
    assert!(
        matches!(back, Err(ExportError::WentBack { copy: 256, log: 100 })),
        "{back:?}"
    );
    let thief =
        daybook_core::note::NoteSigner::from_seed(signer().verifier().name().clone(), &[7; 32]).unwrap();
    log.publish(&checkpoint(&all).sign(&thief).unwrap());
    assert!(matches!(to(&log, out.path()).await, Err(ExportError::Trust(_))));
    // What was damaged in the copy is found, and a tile is made anew.
    let log = Copy::of(&BUSY.entries()[..256]);
    let tile = TilePath::new(Resource::Hashes(TileId { level: 0, n: 0 }), 256).unwrap();
    let tile = out.path().join(tile.to_string());
    let good = fs::read(&tile).unwrap();
    fs::write(&tile, b"damaged").unwrap();
    to(&log, out.path()).await.unwrap();
    assert_eq!(fs::read(&tile).unwrap(), good);
    let bundle = TilePath::new(Resource::Entries(0), 256).unwrap();
    let bundle = out.path().join(bundle.to_string());
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert!(matches!(
        to(&log, out.path()).await,
        Err(ExportError::RootDiffers(256))
    ));
    fs::remove_file(&bundle).unwrap();
    assert_eq!(to(&log, out.path()).await.unwrap().fetched, 1);
}
