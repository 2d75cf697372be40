//! A TRE's root key stays on a machine without network: it joins and lends keys by files that people carry.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::bin::{Serving, Site, run, stderr, stdout};

/// Runs a command that must succeed, and keeps what it printed in a file.
fn keep(site: &Site, name: &str, args: &[&str]) -> PathBuf {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let path = site.path(name);
    std::fs::write(&path, &output.stdout).unwrap();
    path
}

/// Makes keys and answers with their file and the file of their public side.
fn keys(site: &Site, actor: &str) -> (String, String) {
    let name = actor.replace('/', "-");
    let file = site.text(&format!("{name}.json"));
    keep(
        site,
        &format!("{name}.made"),
        &["keys", "new", "--actor", actor, "--out", &file],
    );
    let shown = keep(
        site,
        &format!("{name}.public"),
        &["keys", "show", &file, "--origin", "it.example/log"],
    );
    (file, shown.to_str().unwrap().to_owned())
}

fn append(hub: &Serving, log_key: &str, file: &Path) {
    let file = file.to_str().unwrap();
    let args = ["event", "append", "--hub", &hub.url, "--log-key", log_key, file];
    let appended = run(&args);
    assert!(appended.status.success(), "{}", stderr(&appended));
}

fn place(site: &Site, hub: &Serving, stream: &str) -> String {
    let name = format!("{}.place", stream.replace('/', "-"));
    let file = keep(site, &name, &["event", "place", "--hub", &hub.url, stream]);
    file.to_str().unwrap().to_owned()
}

/// A hub, and what the offline machine has of a TRE that is not in the log yet.
struct Scene {
    site: Site,
    hub: Serving,
    log_key: String,
    root: String,
    root_public: String,
}

impl Scene {
    fn new() -> Self {
        let site = Site::new();
        let log_key = site.init();
        let hub = site.serve();
        let (root, root_public) = keys(&site, "tre/wessex/root");
        Self {
            site,
            hub,
            log_key,
            root,
            root_public,
        }
    }

    fn place(&self, stream: &str) -> String {
        place(&self.site, &self.hub, stream)
    }

    /// Signs at a place that was carried, with a hub that is not there.
    fn sign(&self, key: &str, stream: &str, kind: &str, data: &str, sealed: &str) -> Output {
        let at = self.place(stream);
        run(&[
            "event",
            "sign",
            "--hub",
            "http://127.0.0.1:9",
            "--log-key",
            &self.log_key,
            "--place",
            &at,
            "--key",
            key,
            "--stream",
            stream,
            "--type",
            kind,
            "--data",
            data,
            "--sealed",
            sealed,
        ])
    }

    fn append(&self, signed: &Output) {
        assert!(signed.status.success(), "{}", stderr(signed));
        let file = self.site.path("signed.json");
        std::fs::write(&file, &signed.stdout).unwrap();
        append(&self.hub, &self.log_key, &file);
    }

    /// The operator invites the root by its fingerprint, and the root joins.
    fn join(&self) {
        let shown = stdout(&run(&["keys", "show", &self.root]));
        let fingerprint = shown.split_whitespace().nth(1).unwrap();
        let invitation = format!(r#"{{"tre":"wessex","root":"{fingerprint}"}}"#);
        let operator = self.site.text("keys/operator.json");
        self.append(&self.sign(&operator, "federation", "tre-invited", &invitation, "{}"));
        let public: Value =
            serde_json::from_str(&std::fs::read_to_string(&self.root_public).unwrap()).unwrap();
        let joins = format!(r#"{{"keys":{}}}"#, public["keys"]);
        let says = r#"{"name":"Wessex"}"#;
        self.append(&self.sign(&self.root, "tre/wessex", "tre-joined", &joins, says));
    }

    fn delegate(&self, role: &str, keys: &str, place: &str) -> Output {
        run(&[
            "keys",
            "delegate",
            "--root",
            &self.root,
            "--role",
            role,
            "--keys",
            keys,
            "--place",
            place,
            "--log-key",
            &self.log_key,
        ])
    }
}

#[test]
fn a_root_that_never_goes_online_joins_and_lends_keys() {
    let scene = Scene::new();
    scene.join();
    let (relay, public) = keys(&scene.site, "tre/wessex/relay");
    scene.append(&scene.delegate("relay", &public, &scene.place("tre/wessex")));
    let known = scene.hub.text("/v1/keys");
    assert!(known.contains("tre/wessex/relay"), "{known}");
    // A service states what it has seen, so it does not sign without the hub.
    let output = scene.sign(&relay, "tre/wessex", "tre-reported", "{}", "{}");
    assert!(stderr(&output).contains("is a service"), "{}", stderr(&output));
}

#[test]
fn what_the_hub_would_refuse_is_refused_where_the_root_key_is() {
    let scene = Scene::new();
    scene.join();
    let (_, relay) = keys(&scene.site, "tre/wessex/relay");
    let (_, runner) = keys(&scene.site, "tre/wessex/runner");
    let elsewhere = scene.place("federation");
    let at = scene.place("tre/wessex");
    let forged = std::fs::read_to_string(&relay).unwrap();
    std::fs::write(
        scene.site.path("forged"),
        forged.replacen("\"proof\":\"", "\"proof\":\"AAAA", 1),
    )
    .unwrap();
    for (role, keys, place, says) in [
        ("relay", &runner, &at, "were to be lent to tre/wessex/relay"),
        (
            "runner",
            &scene.root_public,
            &at,
            "were to be lent to tre/wessex/runner",
        ),
        (
            "relay",
            &at,
            &at,
            "is not what `daybook keys show FILE --origin LOG` prints",
        ),
        (
            "relay",
            &relay,
            &relay,
            "is not what `daybook event place` prints",
        ),
        ("relay", &relay, &elsewhere, "the place is one of federation"),
        ("relay", &scene.site.text("forged"), &at, "cannot be lent"),
    ] {
        let output = scene.delegate(role, keys, place);
        assert!(
            !output.status.success() && stderr(&output).contains(says),
            "{says}: {}",
            stderr(&output)
        );
    }
}
