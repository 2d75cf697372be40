//! A job's history out of logs that are honest and logs that are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Json, http::Uri};
use daybook_agent::author::Author;
use daybook_agent::client::{Client, Follower};
use daybook_agent::collect::{CollectError, Collection};
use daybook_agent::history::{HistoryError, JobHistory, job_history};
use daybook_agent::keyfile::Keys;
use daybook_agent::packet::{Bag, Limits, commitment};
use daybook_core::Hash;
use daybook_core::base64url;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::id::{Stream, TreRole};
use daybook_core::note::NoteSigner;
use daybook_core::tree::{RightEdge, encode_tile};
use daybook_world::{Cast, Ending, ORIGIN, World, digest};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::packet::{released_packet, withheld_packet};

/// What a hub shows; a test changes it before it is shown.
#[derive(Clone)]
struct Shown {
    /// Entries by index, as texts.
    entries: Vec<String>,
    /// What the tree is made of, if not of the entries.
    leaves: Vec<Hash>,
    /// Indexes that are not shown in lists.
    hidden: Vec<usize>,
    /// A stream in whose place another one is shown.
    instead: Option<(String, String)>,
    /// Openings of each entry.
    openings: BTreeMap<usize, Value>,
    /// The seed of the key that signs.
    seed: [u8; 32],
}

const SEED: [u8; 32] = [9; 32];

fn signer(seed: &[u8; 32]) -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), seed).unwrap()
}

impl Shown {
    fn of(world: &World) -> Self {
        let entries = world.entries();
        let openings = entries.iter().enumerate().map(|(index, event)| {
            let list = world.openings(event).into_iter().map(
                |opening| json!({"name": opening.name(), "class": "parties", "opening": opening.as_str()}),
            );
            (index, list.collect())
        });
        Self {
            leaves: entries.iter().map(|event| *event.leaf()).collect(),
            entries: entries.iter().map(|event| event.as_str().to_owned()).collect(),
            hidden: Vec::new(),
            instead: None,
            openings: openings.collect(),
            seed: SEED,
        }
    }

    /// Puts another event into the place of one, in the tree too.
    fn replace(&mut self, index: usize, event: &str) {
        event.clone_into(&mut self.entries[index]);
        if let Ok(event) = Event::parse(event) {
            self.leaves[index] = *event.leaf();
        }
    }

    fn page(&self, stream: &str) -> Value {
        let stream = match &self.instead {
            Some((asked, shown)) if asked == stream => shown,
            _ => stream,
        };
        let entries = self.entries.iter().enumerate().filter(|(index, text)| {
            let is_of = Event::parse(text).is_ok_and(|event| event.claims().sub.to_string() == *stream);
            is_of && !self.hidden.contains(index)
        });
        let shown = entries.map(|(index, text)| json!({"index": index, "leaf_hash": "", "event": text}));
        json!({"entries": shown.collect::<Vec<_>>(), "next": null, "tree_size": self.entries.len()})
    }

    fn checkpoint(&self) -> String {
        let mut edge = RightEdge::new();
        self.leaves.iter().for_each(|leaf| drop(edge.append(*leaf)));
        let checkpoint = Checkpoint::new(ORIGIN, edge.size(), edge.root()).unwrap();
        checkpoint.sign(&signer(&self.seed)).unwrap().to_string()
    }

    /// Serves it, and answers with somebody who asks.
    async fn serve(self) -> (Client, Follower) {
        assert!(self.entries.len() < 256, "one tile is enough here");
        let app = Router::new()
            .route("/v1/events", get(|State(shown): State<Arc<Self>>, Query(query): Query<BTreeMap<String, String>>| async move {
                Json(shown.page(&query["stream"]))
            }))
            .route("/log/checkpoint", get(|State(shown): State<Arc<Self>>| async move { shown.checkpoint() }))
            .fallback(|State(shown): State<Arc<Self>>, uri: Uri| async move {
                let openings = uri.path().strip_prefix("/v1/events/").and_then(|rest| rest.strip_suffix("/openings"));
                match openings {
                    Some(index) => Json(json!({"openings": shown.openings[&index.parse().unwrap()]})).into_response(),
                    None => encode_tile(&shown.leaves).into_response(),
                }
            })
            .with_state(Arc::new(self));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let key = signer(&SEED).verifier().clone();
        let follower = Follower::new(client.clone(), ORIGIN, key);
        (client, follower)
    }

    async fn history(self, job: Uuid) -> Result<JobHistory, HistoryError> {
        let (client, mut follower) = self.serve().await;
        job_history(&client, &mut follower, job, &|_, _| {}).await
    }

    async fn collection(self, job: Uuid) -> Result<Collection, CollectError> {
        let (client, follower) = self.serve().await;
        let keys = Keys::fresh("operator".parse().unwrap()).unwrap();
        Collection::find(&mut Author::new(keys, client, follower), job, &|_, _| {}).await
    }
}

fn world(ending: Ending) -> (World, Uuid) {
    let mut world = World::founded();
    let job = world.run_job("wessex", ending);
    (world, job)
}

/// The index of the first event of a type; the world's first TRE and project are those of the job.
fn index(world: &World, kind: &str) -> usize {
    world
        .entries()
        .iter()
        .position(|event| event.claims().kind == kind)
        .unwrap()
}

/// What is wrong with a log that must not be believed.
async fn disbelieved(shown: Shown, job: Uuid) -> HistoryError {
    match shown.history(job).await {
        Ok(_) => panic!("it is believed"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_honest_log_is_believed_with_every_key_s_own_history() {
    let (world, job) = world(Ending::ReleasedInPart);
    let history = Shown::of(&world).history(job).await.unwrap();
    assert_eq!(
        (history.tre.as_str(), history.tree_size),
        ("wessex", world.entries().len() as u64)
    );
    let of_job = |event: &&Event| event.claims().sub == Stream::Job(job);
    assert_eq!(history.job.len(), world.entries().iter().filter(of_job).count());
    assert!(
        history.verified > history.job.len() + history.sent.len(),
        "the streams of the keys too"
    );
}

#[tokio::test]
async fn an_event_that_another_key_signed_is_found() {
    let (world, job) = world(Ending::ReleasedInPart);
    for (kind, role) in [
        ("disclosure-approved", TreRole::Relay),
        ("job-released", TreRole::Root),
    ] {
        let mut shown = Shown::of(&world);
        let at = index(&world, kind);
        let key = world.key(&Cast::tre("mercia", role));
        let forged = Event::sign(world.entries()[at].claims(), &key).unwrap();
        shown.replace(at, forged.as_str());
        let error = disbelieved(shown, job).await;
        assert!(
            matches!(error, HistoryError::Breach { index, .. } if index == at as u64),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_signature_that_does_not_hold_is_found_although_the_tree_holds_it() {
    let (world, job) = world(Ending::ReleasedInPart);
    for kind in ["job-checked", "job-submitted", "member-added", "tre-joined"] {
        let mut shown = Shown::of(&world);
        let at = index(&world, kind);
        let (signed, signature) = shown.entries[at].rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        let changed = format!("{signed}.{other}{}", &signature[1..]);
        shown.replace(at, &changed);
        let error = disbelieved(shown, job).await;
        let found = matches!(error, HistoryError::Signature { index, .. } | HistoryError::Breach { index, .. } if index >= at as u64);
        assert!(found, "{kind}: {error:?}");
    }
}

#[tokio::test]
async fn an_entry_that_was_never_published_is_found() {
    let (world, job) = world(Ending::ReleasedInPart);
    let mut shown = Shown::of(&world);
    let at = index(&world, "outputs-moved");
    shown.leaves[at] = Hash::of(b"another");
    let error = disbelieved(shown, job).await;
    assert!(
        matches!(error, HistoryError::NotInTree { index, .. } if index == at as u64),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_event_that_is_left_out_is_missed() {
    let (world, job) = world(Ending::ReleasedInPart);
    for kind in ["changes-requested", "key-added"] {
        let mut shown = Shown::of(&world);
        shown.hidden.push(index(&world, kind));
        let error = disbelieved(shown, job).await;
        assert!(matches!(error, HistoryError::Breach { .. }), "{kind}: {error:?}");
    }
}

#[tokio::test]
async fn another_stream_another_log_s_key_and_a_job_that_nobody_took_up_are_told() {
    let (world, job) = world(Ending::ReleasedInPart);
    let mut shown = Shown::of(&world);
    shown.instead = Some(("federation".to_owned(), "tre/mercia".to_owned()));
    assert!(matches!(
        shown.history(job).await,
        Err(HistoryError::OtherStream(_))
    ));
    let mut shown = Shown::of(&world);
    shown.seed = [1; 32];
    assert!(matches!(
        shown.history(job).await,
        Err(HistoryError::Checkpoint(_))
    ));
    let unknown = Shown::of(&world).history(daybook_world::id("nothing")).await;
    assert!(matches!(unknown, Err(HistoryError::NotTheJob(_))));
}

/// A job that is released, of the packet that the other tests make, with its digest.
fn with_packet(bag: &Bag, bytes: &[u8]) -> (World, Uuid) {
    let outputs = base64url::encode(&commitment::of_released(bag).unwrap());
    let mut world = World::founded();
    let mut draft = world.submission(bag.external_identifier, &["wessex"]);
    draft = draft.on(&Stream::Submission(bag.external_identifier));
    let submitted = world.say(&draft);
    let job = submitted.claims().data["jobs"]["wessex"]["job"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    world.job = Some(job);
    for kind in Ending::Cancelled
        .steps()
        .into_iter()
        .take(6)
        .chain(["run-completed"])
    {
        world.say(&world.usual(kind));
    }
    for kind in [
        "outputs-assessed",
        "disclosure-approved",
        "outputs-moved",
        "outputs-rechecked",
        "job-released",
    ] {
        let mut draft = world.usual(kind).with("outputs", outputs.clone().into());
        if kind == "job-released" {
            draft = draft.seal("packet_digest", Hash::of(bytes).to_base64url().into());
        }
        world.say(&draft);
    }
    (world, job)
}

#[tokio::test]
async fn a_packet_is_handed_over_only_if_it_is_the_one_of_which_the_history_speaks() {
    let bag = released_packet();
    let bytes = bag.to_zip().unwrap();
    let (world, job) = with_packet(&bag, &bytes);
    let collection = Shown::of(&world).collection(job).await.unwrap();
    assert_eq!(collection.digest, Some(Hash::of(&bytes)));
    assert_eq!(collection.verify(&bytes, &Limits::default()).unwrap(), bag);
    assert!(!collection.is_received());

    let mut other = bag.clone();
    other
        .payload
        .insert("outputs/counts.csv".to_owned(), b"a,b\n1,3\n".to_vec());
    let other = other.to_zip().unwrap();
    let verify =
        |collection: &Collection, bytes: &[u8]| collection.verify(bytes, &Limits::default()).unwrap_err();
    assert!(matches!(verify(&collection, &other), CollectError::Digest));
    // Without the digest, which is deleted after a year, the commitment still tells.
    let later = Collection {
        digest: None,
        ..collection
    };
    assert!(matches!(verify(&later, &other), CollectError::Outputs));
    assert!(matches!(verify(&later, b"no zip"), CollectError::Bag(_)));
    assert!(matches!(
        verify(&later, &withheld_packet().to_zip().unwrap()),
        CollectError::Outputs
    ));
    let mut foreign = bag;
    foreign.external_identifier = daybook_world::id("another");
    assert!(matches!(
        verify(&later, &foreign.to_zip().unwrap()),
        CollectError::OtherSubmission(_)
    ));
}

#[tokio::test]
async fn a_digest_that_the_tre_did_not_seal_is_not_believed() {
    let bag = released_packet();
    let bytes = bag.to_zip().unwrap();
    let (world, job) = with_packet(&bag, &bytes);
    let mut shown = Shown::of(&world);
    let at = index(&world, "job-released");
    let forged =
        daybook_core::sealed::Opening::new([3; 16], "packet_digest", digest("other").into()).unwrap();
    shown.openings.insert(
        at,
        json!([{"name": "packet_digest", "class": "parties", "opening": forged.as_str()}]),
    );
    assert!(matches!(
        shown.collection(job).await,
        Err(CollectError::Opening(_))
    ));
    let mut shown = Shown::of(&world);
    shown.openings.insert(at, json!([]));
    assert_eq!(shown.collection(job).await.unwrap().digest, None);
}

#[tokio::test]
async fn what_was_asked_back_deleted_or_never_offered_is_told() {
    let (recalled, job) = world(Ending::Recalled);
    let error = Shown::of(&recalled).collection(job).await.unwrap_err();
    assert!(
        matches!(error, CollectError::Recalled { .. }) && error.to_string().contains("do not use"),
        "{error}"
    );
    let (expired, job) = world(Ending::Released);
    assert!(matches!(
        Shown::of(&expired).collection(job).await,
        Err(CollectError::Expired(_))
    ));
    let (withheld, job) = world(Ending::Withheld);
    let error = Shown::of(&withheld).collection(job).await.unwrap_err();
    assert!(
        matches!(&error, CollectError::Nothing(last) if last == "disclosure-refused"),
        "{error}"
    );
}

#[tokio::test]
async fn a_packet_without_outputs_is_handed_over_and_one_with_them_is_not() {
    let bag = withheld_packet();
    let mut world = World::founded();
    let draft = world.submission(bag.external_identifier, &["wessex"]);
    let submitted = world.say(&draft.on(&Stream::Submission(bag.external_identifier)));
    let job = submitted.claims().data["jobs"]["wessex"]["job"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    world.job = Some(job);
    for kind in Ending::Withheld.steps().into_iter().chain(["packet-offered"]) {
        world.say(&world.usual(kind));
    }
    let collection = Shown::of(&world).collection(job).await.unwrap();
    assert_eq!(collection.offer.released, None);
    let collection = Collection {
        digest: None,
        ..collection
    };
    collection
        .verify(&bag.to_zip().unwrap(), &Limits::default())
        .unwrap();
    let released = released_packet().to_zip().unwrap();
    let error = collection.verify(&released, &Limits::default()).unwrap_err();
    assert!(matches!(error, CollectError::Stray), "{error}");
}
