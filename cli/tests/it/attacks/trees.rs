//! Trees under the log's own key that are not the tree: split views, rollbacks, thieves of the key, and standing still.

use std::path::Path;

use axum::http::StatusCode;
use daybook_agent::keyfile::Keys;
use daybook_core::Hash;
use daybook_core::event::{Event, Seen};
use daybook_core::tree::encode_bundle;

use super::authors::counts;
use super::forger::{Forged, alter, event, first_of, last_of};
use super::liar::{Asked, Liar};
use super::scene::{Auditor, Scene, Verdict, shared};
use crate::bin::{run, stderr, stdout};
use crate::witnesses::new_witness;

/// Another history than the log's, which parts from it before anything that a test reads of it, and is longer for certain:
/// other tests append meanwhile.
fn fork(scene: &Scene) -> Forged {
    Forged::with(scene, |entries| {
        entries[5] = alter(&entries[5], |claims| claims.iat -= 1);
        entries.extend(vec![entries[0].clone(); 64]);
    })
}

/// A hub that takes any cosignature, as one would that lies.
pub(crate) fn takes_any(asked: &Asked) -> Option<(StatusCode, Vec<u8>)> {
    (asked.path == "/log/cosignatures").then(|| (StatusCode::OK, b"{}".to_vec()))
}

/// Looks once as a witness: whether something was cosigned, and what was said.
pub(crate) fn follow(scene: &Scene, folder: &Path, url: &str, more: &[&str]) -> (bool, String) {
    let folder = folder.to_str().unwrap();
    let base = [
        "witness",
        "follow",
        "--once",
        "--dir",
        folder,
        "--log-key",
        &scene.log_key,
        "--hub",
        url,
    ];
    let output = run(&[&base[..], more].concat());
    (output.status.success(), stdout(&output) + &stderr(&output))
}

pub(crate) fn witness(scene: &Scene, liar: &Liar) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    new_witness(folder.path(), "another.example/witness");
    liar.lie(takes_any);
    let (cosigned, said) = follow(scene, folder.path(), &liar.url, &["--first-contact", "none"]);
    assert!(cosigned, "{said}");
    folder
}

#[test]
fn a_witness_cosigns_no_second_tree() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let folder = witness(&scene, &liar);
    let forged = fork(&scene);
    liar.lie(move |asked| takes_any(asked).or_else(|| forged.answer(&asked.path)));
    let (cosigned, said) = follow(&scene, folder.path(), &liar.url, &[]);
    // Against its own record, or against what another witness has cosigned.
    let is_told = said.contains("they may prove a fork") || said.contains("they prove it");
    assert!(!cosigned && is_told, "{said}");
    liar.lie(takes_any);
    let (cosigned, said) = follow(&scene, folder.path(), &liar.url, &[]);
    assert!(cosigned, "{said}");
}

#[test]
fn an_event_by_somebody_who_was_shown_another_tree_is_refused_and_found() {
    let scene = shared();
    let shown = |claims: &mut daybook_core::event::Claims| {
        let root = Hash::of(b"what only this TRE was shown");
        claims.seen = Some(Seen { root, size: 20 });
    };
    let event = {
        let _turn = scene.federation();
        let event = scene.sign(&scene.keys("relay"), counts(), shown);
        assert!(scene.post(&event).unwrap_err().is("seen-unknown"));
        event
    };
    // A hub that forked this TRE can never merge what the TRE says.
    let liar = Liar::before(&scene);
    liar.serve(Forged::with(&scene, |entries| {
        entries.push(event.as_str().to_owned());
    }));
    Auditor::new(&scene)
        .audit(&liar.url, &["--no-lists"])
        .finds("seen-unknown");
}

#[test]
fn a_log_that_goes_back_or_forks_is_found_by_who_has_read_it_before() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let auditor = Auditor::new(&scene);
    // Both from one reading: other tests append meanwhile.
    let mut entries = scene.entries();
    liar.serve(Forged::of(&scene, entries.clone()));
    auditor.audit(&liar.url, &["--no-lists"]).holds();
    entries.truncate(entries.len() - 2);
    liar.serve(Forged::of(&scene, entries));
    auditor.audit(&liar.url, &["--no-lists"]).finds("log-went-back");
    let auditor = Auditor::new(&scene);
    liar.repent();
    auditor.audit(&liar.url, &["--no-lists"]).holds();
    liar.serve(fork(&scene));
    auditor.audit(&liar.url, &["--no-lists"]).finds("log-forked");
}

#[test]
fn a_log_that_is_cut_short_is_found() {
    let scene = shared();
    let liar = Liar::before(&scene);
    liar.lie(|asked| {
        asked
            .path
            .starts_with("/log/tile/entries/")
            .then(|| (StatusCode::NOT_FOUND, Vec::new()))
    });
    Auditor::new(&scene)
        .audit(&liar.url, &["--no-lists"])
        .finds("entry-missing");
    // The newest checkpoint stays, and the last entries that it covers are gone.
    let whole = Forged::with(&scene, |_| {});
    let bundle = encode_bundle(&whole.entries[..whole.entries.len() - 3]).unwrap();
    liar.lie(move |asked| {
        if asked.path.starts_with("/log/tile/entries/") {
            return Some((StatusCode::OK, bundle.clone()));
        }
        whole.answer(&asked.path)
    });
    Auditor::new(&scene)
        .audit(&liar.url, &["--no-lists"])
        .finds("entry-missing");
}

/// A thief's log: one entry that the thief wants to be believed, under the log's own key.
fn stolen(scene: &Scene) -> (Forged, Event) {
    let mut claims = event(&scene.entries()[0]).claims().clone();
    claims.jti = daybook_agent::random::id().unwrap();
    let thief = Keys::fresh("tre/wessex/relay".parse().unwrap()).unwrap();
    let wanted = Event::sign(&claims, &thief.event).unwrap();
    (Forged::of(scene, vec![wanted.as_str().to_owned()]), wanted)
}

#[test]
fn what_a_stolen_log_key_signs_meets_no_quorum() {
    let scene = shared();
    let (forged, wanted) = stolen(&scene);
    let folder = tempfile::tempdir().unwrap();
    let (entry, proof) = (folder.path().join("entry"), folder.path().join("proof"));
    std::fs::write(&entry, wanted.as_str()).unwrap();
    std::fs::write(&proof, forged.proof(0)).unwrap();
    let policy = scene.path("log.policy");
    let verify = |trust: [&str; 2]| {
        let (proof, entry) = (proof.to_str().unwrap(), entry.to_str().unwrap());
        let args = ["verify", proof, "--entry", entry, trust[0], trust[1]];
        run(&args).status.code()
    };
    // Who asks for no witness is deceived; who asks for the quorum is not.
    assert_eq!(verify(["--log-key", &scene.log_key]), Some(0));
    assert_eq!(verify(["--policy", policy.to_str().unwrap()]), Some(1));
    let liar = Liar::before(&scene);
    liar.serve(forged);
    let verdict = Verdict::by_policy(&liar.url, &policy);
    assert!(verdict.says("quorum-away"), "{verdict:#?}");
    // The thief's log has no history that the rules allow.
    verdict.finds("not-allowed");
}

#[test]
fn what_hub_and_tre_rewrite_together_contradicts_what_anybody_else_has_kept() {
    let scene = shared();
    let truth = scene.path("truth.checkpoint");
    std::fs::write(&truth, Forged::with(&scene, |_| {}).note.to_string()).unwrap();
    // The TRE takes its refusal back, with its own key, and the hub signs a tree in which it never stood.
    let relay = scene.keys("relay");
    let forged = Forged::with(&scene, |entries| {
        let at = first_of(entries, "job-refused");
        entries.truncate(at + 1);
        let mut claims = event(&entries[at]).claims().clone();
        claims.iat -= 1;
        entries[at] = Event::sign(&claims, &relay.event).unwrap().as_str().to_owned();
    });
    let liar = Liar::before(&scene);
    liar.serve(forged);
    // By itself it is a log like any other: what they never signed leaves no trace.
    Auditor::new(&scene).audit(&liar.url, &["--no-lists"]).holds();
    let auditor = Auditor::new(&scene);
    let since = ["--no-lists", "--since", truth.to_str().unwrap()];
    let verdict = auditor.audit(&liar.url, &since);
    assert!(
        verdict.says("log-forked") || verdict.says("log-went-back"),
        "{verdict:#?}"
    );
    assert_eq!(verdict.code, Some(1));
    // An auditor who had read on finds the same by itself.
    let auditor = Auditor::new(&scene);
    auditor.audit(&scene.url, &["--no-lists"]).holds();
    let verdict = auditor.audit(&liar.url, &["--no-lists"]);
    verdict.finds("log-forked");
}

#[test]
fn a_checkpoint_that_is_served_for_ever_is_found_by_comparing() {
    let scene = shared();
    let liar = Liar::before(&scene);
    let frozen = Forged::with(&scene, |_| {});
    let size = frozen.entries.len();
    liar.serve(frozen);
    let kept_still = Auditor::new(&scene);
    kept_still.audit(&liar.url, &["--no-lists"]).holds();
    {
        let _turn = scene.federation();
        let event = scene.sign(&scene.keys("relay"), counts(), |_| {});
        scene.post(&event).unwrap();
    }
    // The same again: nothing is wrong as far as this auditor can see.
    kept_still.audit(&liar.url, &["--no-lists"]).holds();
    let newer = Forged::with(&scene, |_| {});
    assert!(newer.entries.len() > size && last_of(&newer.entries, "tre-reported") >= size);
    let since = scene.path("newer.checkpoint");
    std::fs::write(&since, newer.note.to_string()).unwrap();
    let verdict = kept_still.audit(&liar.url, &["--no-lists", "--since", since.to_str().unwrap()]);
    verdict.finds("log-went-back");
}
