//! A witness over HTTP, status by status (C2SP tlog-witness).

use std::collections::BTreeMap;
use std::sync::Arc;

use daybook_agent::witness::{Beginning, Witness, create_key, router};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::{Note, NoteSignature, NoteSigner};
use daybook_core::witness::AddCheckpoint;
use reqwest::{Client, Response};
use tempfile::TempDir;
use tokio::net::TcpListener;

const ORIGIN: &str = "log.example/daybook";

fn log(seed: u8) -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[seed; 32]).unwrap()
}

fn leaves() -> [Hash; 3] {
    [0_u8, 1, 2].map(|n| Hash::leaf(&[n]))
}

fn note(size: u64) -> Note {
    let [a, b, c] = leaves();
    let root = match size {
        1 => a,
        2 => Hash::node(&a, &b),
        _ => Hash::node(&Hash::node(&a, &b), &c),
    };
    Checkpoint::new(ORIGIN, size, root)
        .unwrap()
        .sign(&log(1))
        .unwrap()
}

struct Site {
    url: String,
    witness: Arc<Witness>,
    _folder: TempDir,
}

async fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    create_key(folder.path(), "w.example").unwrap();
    let beginnings = BTreeMap::from([(ORIGIN.to_owned(), Beginning::Never)]);
    let witness = Witness::open(folder.path(), &[log(1).verifier().clone()], &beginnings).unwrap();
    let witness = Arc::new(witness);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = router(witness.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Site {
        url,
        witness,
        _folder: folder,
    }
}

impl Site {
    async fn post(&self, body: String) -> Response {
        let url = format!("{}/add-checkpoint", self.url);
        Client::new().post(url).body(body).send().await.unwrap()
    }

    async fn ask(&self, old: u64, proof: &[Hash], checkpoint: Note) -> Response {
        let proof = proof.to_vec();
        let request = AddCheckpoint {
            old,
            proof,
            checkpoint,
        };
        self.post(request.to_string()).await
    }

    async fn monitored(&self, origin: &str) -> Response {
        let hash = Hash::of(origin.as_bytes())
            .0
            .map(|byte| format!("{byte:02x}"))
            .concat();
        reqwest::get(format!("{}/{hash}/checkpoint", self.url))
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_checkpoint_that_continues_the_last_is_cosigned_and_shown() {
    let site = site().await;
    assert_eq!(site.monitored(ORIGIN).await.status(), 404);
    let answer = site.ask(0, &[], note(2)).await;
    assert_eq!(answer.status(), 200);
    let body = answer.text().await.unwrap();
    assert!(
        body.starts_with('\u{2014}') && body.ends_with('\n') && body.lines().count() == 1,
        "{body}"
    );
    let line = NoteSignature::parse(body.trim_end()).unwrap();
    assert!(site.witness.key().time_of(note(2).text(), &line).is_some());
    assert_eq!(site.ask(2, &leaves()[2..], note(3)).await.status(), 200);
    let shown = Note::parse(&site.monitored(ORIGIN).await.bytes().await.unwrap()).unwrap();
    assert_eq!(shown.text(), note(3).text());
    assert!(shown.verify(&[log(1).verifier().clone()]).is_ok());
    let lines = shown.signatures();
    assert!(
        lines
            .iter()
            .any(|line| site.witness.key().time_of(shown.text(), line).is_some())
    );
    // The same size again is cosigned again.
    assert_eq!(site.ask(3, &[], note(3)).await.status(), 200);
    assert_eq!(site.monitored("other.example").await.status(), 404);
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    let site = site().await;
    for body in ["", "old 0\n", "old 0\n\nx", "old x\n\nlog\n1\n"] {
        assert_eq!(site.post(body.to_owned()).await.status(), 400, "{body:?}");
    }
    let stranger = Checkpoint::new(ORIGIN, 2, *leaves().first().unwrap()).unwrap();
    assert_eq!(
        site.ask(0, &[], stranger.sign(&log(2)).unwrap()).await.status(),
        403
    );
    let mut spoiled = note(2);
    let line = NoteSignature::new(ORIGIN.parse().unwrap(), log(1).verifier().id(), vec![0; 64]).unwrap();
    spoiled.add(line).unwrap();
    assert_eq!(site.ask(0, &[], spoiled).await.status(), 403);
    let other = NoteSigner::from_seed("other.example".parse().unwrap(), &[1; 32]).unwrap();
    let other = Checkpoint::new("other.example", 0, Hash::empty_root())
        .unwrap()
        .sign(&other)
        .unwrap();
    assert_eq!(site.ask(0, &[], other).await.status(), 404);
    assert_eq!(site.ask(3, &[], note(2)).await.status(), 400);
    assert_eq!(site.ask(0, &leaves()[..1], note(2)).await.status(), 422);
    assert_eq!(site.ask(0, &[], note(2)).await.status(), 200);
    for old in [0, 1] {
        let answer = site.ask(old, &[], note(3)).await;
        assert_eq!(answer.status(), 409);
        assert_eq!(answer.headers()["content-type"], "text/x.tlog.size");
        assert_eq!(answer.text().await.unwrap(), "2\n");
    }
    assert_eq!(site.ask(2, &[], note(3)).await.status(), 422);
    let fork = Checkpoint::new(ORIGIN, 2, Hash::of(b"fork"))
        .unwrap()
        .sign(&log(1))
        .unwrap();
    assert_eq!(site.ask(2, &[], fork).await.status(), 422);
    assert_eq!(site.witness.last(ORIGIN).unwrap().size(), 2);
}

#[tokio::test]
async fn nobody_is_answered_who_sends_more_than_any_request() {
    let site = site().await;
    let answer = site.post("x".repeat(2_000_000)).await;
    assert_eq!(answer.status(), 413);
}
