//! Entries that are not what their authors signed, or not where they stood: the tree is made anew and signed with the log's key.

use daybook_agent::keyfile::Keys;
use daybook_core::event::Event;
use serde_json::json;

use super::authors::{counts, draft_for};
use super::forger::{Forged, alter, event, first_of};
use super::liar::Liar;
use super::scene::{Auditor, ORIGIN, Scene, Verdict, shared};

/// What an audit says of the true log with a change.
fn audited(scene: &Scene, change: impl FnOnce(&mut Vec<String>)) -> Verdict {
    let liar = Liar::before(scene);
    liar.serve(Forged::with(scene, change));
    Auditor::new(scene).audit(&liar.url, &["--no-lists"])
}

#[test]
fn the_true_log_holds() {
    let scene = shared();
    let liar = Liar::before(&scene);
    Auditor::new(&scene).audit(&liar.url, &[]).holds();
    audited(&scene, |_| {}).holds();
}

#[test]
fn an_altered_entry_is_found() {
    let scene = shared();
    let verdict = audited(&scene, |entries| {
        let at = first_of(entries, "job-checked");
        entries[at] = alter(&entries[at], |claims| claims.iat -= 60);
    });
    verdict.finds("signature-wrong");
}

#[test]
fn a_dropped_entry_is_found() {
    let scene = shared();
    let verdict = audited(&scene, |entries| {
        entries.remove(first_of(entries, "job-checked"));
    });
    verdict.finds("not-allowed");
}

#[test]
fn an_inserted_entry_is_found() {
    let scene = shared();
    // The same approval once more, as if it had been given again.
    let verdict = audited(&scene, |entries| {
        let again = entries[first_of(entries, "approval-granted")].clone();
        entries.push(again);
    });
    verdict.finds("not-allowed");
    // Something that the TRE's own key has signed, put where the TRE had not said it yet: in the middle.
    let relay = scene.keys("relay");
    let verdict = audited(&scene, |entries| {
        let at = first_of(entries, "job-checked");
        let mut claims = event(&entries[at]).claims().clone();
        claims.jti = daybook_agent::random::id().unwrap();
        let inserted = Event::sign(&claims, &relay.event).unwrap();
        entries.insert(at, inserted.as_str().to_owned());
    });
    verdict.finds("not-allowed");
}

#[test]
fn a_reordered_stream_is_found() {
    let scene = shared();
    let verdict = audited(&scene, |entries| {
        let at = first_of(entries, "job-checked");
        let stream = event(&entries[at]).claims().sub.clone();
        let next = (at + 1..entries.len())
            .find(|next| event(&entries[*next]).claims().sub == stream)
            .unwrap();
        entries.swap(at, next);
    });
    verdict.finds("not-allowed");
}

#[test]
fn a_forged_author_is_refused_and_found() {
    let scene = shared();
    let thief = Keys::fresh("tre/wessex/relay".parse().unwrap()).unwrap();
    let forged = {
        let _turn = scene.federation();
        let forged = scene.sign(&thief, counts(), |_| {});
        assert!(scene.post(&forged).unwrap_err().is("unknown-key"));
        forged
    };
    let by_another_key = |event: &Event| {
        // The header names the relay's true key, and the thief's key has signed.
        let (_, rest) = event.as_str().split_once('.').unwrap();
        let true_keys = scene.keys("relay");
        let own = Event::sign(event.claims(), &true_keys.event).unwrap();
        format!("{}.{rest}", own.as_str().split('.').next().unwrap())
    };
    let claimed = by_another_key(&forged);
    assert!(scene.post(&event(&claimed)).unwrap_err().is("bad-signature"));
    audited(&scene, |entries| entries.push(forged.as_str().to_owned())).finds("signature-wrong");
    audited(&scene, |entries| entries.push(claimed)).finds("signature-wrong");
}

#[test]
fn a_key_that_was_revoked_is_refused_and_found() {
    let scene = shared();
    let stolen = Keys::fresh("tre/wessex/relay".parse().unwrap()).unwrap();
    let late = {
        let mut federation = scene.federation();
        let root = &mut federation.tre_root;
        let say = |kind, clear| draft_for("tre/wessex", kind, clear);
        let lent = json!({ "keys": stolen.registration(ORIGIN), "role": "relay" });
        scene.block_on(root.say(&say("key-added", lent))).unwrap();
        let kid = stolen.event.public().thumbprint().to_base64url();
        let revoked = json!({ "kid": kid, "reason": "compromised" });
        let receipt = scene.block_on(root.say(&say("key-revoked", revoked))).unwrap();
        scene.until_published(&receipt);
        let late = scene.sign(&stolen, counts(), |_| {});
        assert!(scene.post(&late).unwrap_err().is("not-your-key"));
        late
    };
    let verdict = audited(&scene, |entries| {
        let known: Vec<String> = entries
            .iter()
            .map(|entry| event(entry).leaf().to_base64url())
            .collect();
        // The revocation is published.
        assert!(known.contains(&late.claims().prev.unwrap().to_base64url()));
        entries.push(late.as_str().to_owned());
    });
    verdict.finds("not-allowed");
}

#[test]
fn a_replay_from_another_log_is_refused_and_found() {
    let scene = shared();
    let keys = scene.keys("relay");
    let replayed = {
        let _turn = scene.federation();
        let replayed = scene.sign(&keys, counts(), |claims| {
            claims.aud = "staging.example/log".to_owned();
        });
        assert!(scene.post(&replayed).unwrap_err().is("other-log"));
        replayed
    };
    audited(&scene, |entries| entries.push(replayed.as_str().to_owned())).finds("not-allowed");
}
