//! A witness that was brought back from a backup.

use axum::http::StatusCode;

use super::authors::counts;
use super::forger::{Forged, alter};
use super::liar::Liar;
use super::scene::{Auditor, shared};
use super::trees::{follow, takes_any, witness};

#[test]
fn a_witness_brought_back_from_a_backup_cosigns_a_fork_which_proves_itself() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let folder = witness(&scene, &liar);
    let files = || {
        std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().path())
    };
    let record = files()
        .find(|path| path.extension().is_some_and(|end| end == "checkpoint"))
        .unwrap();
    let backup = std::fs::read(&record).unwrap();
    let before = scene.entries().len();
    {
        let _turn = scene.federation();
        let event = scene.sign(&scene.keys("relay"), counts(), |_| {});
        scene.post(&event).unwrap();
    }
    let (cosigned, said) = follow(&scene, folder.path(), &liar.url, &[]);
    assert!(cosigned, "{said}");

    // Brought back, it knows nothing of what came since, and a fork from there looks to it like any other growth.
    std::fs::write(&record, backup).unwrap();
    let forged = Forged::with(&scene, |entries| {
        for entry in &mut entries[before..] {
            *entry = alter(entry, |claims| claims.iat -= 1);
        }
        entries.push(entries[0].clone());
    });
    let size = forged.entries.len();
    // Nor does a hub that lies say what the other witnesses have cosigned since.
    liar.lie(move |asked| {
        let alone =
            (asked.path == "/v1/witnesses").then(|| (StatusCode::OK, br#"{"witnesses":[]}"#.to_vec()));
        takes_any(asked).or(alone).or_else(|| forged.answer(&asked.path))
    });
    let (cosigned, said) = follow(&scene, folder.path(), &liar.url, &[]);
    assert!(cosigned, "{said}");
    let text = std::fs::read_to_string(&record).unwrap();
    assert_eq!(text.lines().nth(1), Some(size.to_string().as_str()));
    // But what it has cosigned is a note under the log's key that contradicts the log, for whoever lays both side by side.
    let verdict = Auditor::new(&scene).audit(&scene.url, &["--since", record.to_str().unwrap()]);
    verdict.finds(if verdict.says("log-forked") {
        "log-forked"
    } else {
        "log-went-back"
    });

    // Without any record it does not even start.
    std::fs::remove_file(&record).unwrap();
    let (cosigned, said) = follow(&scene, folder.path(), &liar.url, &[]);
    assert!(
        !cosigned && said.contains("there is no record of it.example/log"),
        "{said}"
    );
}
