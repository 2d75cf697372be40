//! Programs that are not ours: a witness and a verifier in Go. `make interop` fetches and builds them, and says where they are.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::bin::{Site, run, stderr, stdout};
use crate::keys::grow;
use crate::witnesses::{add_to_config, new_witness, serve_witness, until};

/// A process that is killed when this value goes.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs a program to its end, which must be a good one.
fn good(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = stdout(&output) + &stderr(&output);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// litewitness for one log: its key lies with an agent, as it wants it.
struct Lite {
    key: String,
    url: String,
    _processes: [Kept; 2],
}

impl Lite {
    fn start(tools: &Path, folder: &Path, log_key: &str) -> Self {
        std::fs::create_dir(folder).unwrap();
        let (key, socket, store) = (folder.join("key"), folder.join("agent"), folder.join("db"));
        good(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key),
        );
        let agent = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        let agent = Kept(agent.unwrap());
        until("the agent listens", || socket.exists().then_some(()));
        good(
            Command::new("ssh-add")
                .arg("-q")
                .arg(&key)
                .env("SSH_AUTH_SOCK", &socket),
        );
        let shown = good(Command::new("ssh-keygen").arg("-lf").arg(&key));
        let fingerprint = shown.split_whitespace().nth(1).unwrap();
        let ctl = |args: &[&str]| {
            let mut command = Command::new(tools.join("witnessctl"));
            good(command.arg(args[0]).arg("-db").arg(&store).args(&args[1..]));
        };
        ctl(&["add-log", "-origin", "it.example/log"]);
        ctl(&["add-key", "-origin", "it.example/log", "-key", log_key]);
        // It says which address it was told, and not which it has: so it is told a free one.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let mut child = Command::new(tools.join("litewitness"))
            .args([
                "-name",
                "witness.example/lite",
                "-listen",
                &address,
                "-key",
                fingerprint,
                "-db",
            ])
            .arg(&store)
            .arg("-ssh-agent")
            .arg(&socket)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut after = |word: &str| {
            let mut found = lines.by_ref().map(Result::unwrap);
            let line = found.find(|line| line.contains(word)).unwrap();
            line.split_once(word).unwrap().1.trim().to_owned()
        };
        let key = after("vkey=");
        after("listening");
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            key,
            url: format!("http://{address}"),
            _processes: [Kept(child), agent],
        }
    }
}

#[test]
fn programs_in_go_witness_and_verify_the_log_and_are_verified() {
    let tools = PathBuf::from(std::env::var_os("DAYBOOK_INTEROP").unwrap());
    let place = Site::new();
    let log_key = place.init();
    let theirs = Lite::start(&tools.join("debian/usr/bin"), &place.path("lite"), &log_key);
    let own_key = new_witness(&place.path("own"), "witness.example/own");
    let own = serve_witness(&place.path("own"), &log_key, &["--first-contact", "none"]).unwrap();
    let policy = place.path("log.policy");
    // Both have to agree, so that each side verifies the other's cosignature.
    let text = format!(
        "log {log_key}\nwitness lite {} {}\nwitness own {own_key} {}\ngroup both all lite own\nquorum both\n",
        theirs.key, theirs.url, own.url
    );
    std::fs::write(&policy, text).unwrap();
    add_to_config(
        &place,
        &format!(
            "[witnesses]\npolicy = \"{}\"\nindependent = [\"lite\"]\n",
            policy.display()
        ),
    );
    let hub = place.serve();
    let old = place.path("old.checkpoint");
    let witnessed = || {
        let standing: Value = hub.get("/v1/witnesses");
        let size = standing["witnessed_size"].as_u64()?;
        (size == standing["published_size"]).then_some(size)
    };
    let first = until("both have cosigned", witnessed);
    std::fs::write(&old, hub.text("/log/checkpoint")).unwrap();
    grow(&place, &hub, &log_key, "main");
    let second = until("both have cosigned what came since", || {
        witnessed().filter(|size| *size > first)
    });

    // Ours verify theirs.
    let proof = place.path("proof");
    std::fs::write(&proof, hub.text("/v1/events/0/proof")).unwrap();
    let entry = place.path("entry");
    std::fs::write(&entry, hub.get("/v1/events/0")["event"].as_str().unwrap()).unwrap();
    let words = [proof.as_path(), &entry, &policy].map(|path| path.to_str().unwrap());
    let verified = run(&["verify", words[0], "--entry", words[1], "--policy", words[2]]);
    let said = stdout(&verified);
    assert!(
        verified.status.success() && said.contains("cosigned by lite, own"),
        "{said}"
    );

    // Theirs verify ours: checkpoint and cosignatures, every entry under the root, consistency, every proof.
    let said = good(
        Command::new(tools.join("verify"))
            .arg(&hub.url)
            .arg(&policy)
            .arg(&old),
    );
    assert!(
        said.contains(&format!("checkpoint of {second} entries, 3 signatures verified")),
        "{said}"
    );
    assert!(said.contains(&format!("continues that of {first}")), "{said}");
    assert!(said.contains("proofs hold, and for no other entry"), "{said}");
    // And they say no where it does not hold.
    let other = place.path("other.policy");
    let text = std::fs::read_to_string(&policy)
        .unwrap()
        .replace(&theirs.key, &fresh_key(&place));
    std::fs::write(&other, text).unwrap();
    let refused = Command::new(tools.join("verify"))
        .arg(&hub.url)
        .arg(&other)
        .arg(&old)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    assert!(hub.terminate());
}

/// A witness's key that has cosigned nothing.
fn fresh_key(site: &Site) -> String {
    new_witness(&site.path("stranger"), "witness.example/lite")
}
