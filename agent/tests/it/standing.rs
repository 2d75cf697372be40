//! What a relay believes of a hub: nothing that the log does not prove.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use daybook_agent::client::Client;
use daybook_agent::outbox::Place;
use daybook_agent::relay::{Standing, StandingError};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::id::{Stream, Subject, TreRole};
use daybook_core::note::{Note, NoteSigner};
use daybook_core::proof_file::ProofFile;
use daybook_core::tree::{TileId, Tiles, inclusion_proof, root};
use daybook_world::{Cast, ORIGIN, World};
use serde_json::json;

fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[9; 32]).unwrap()
}

/// What a hub shows: the entries of a log, and perhaps others in their place.
struct Shown {
    /// What the log holds, and what proofs are made from.
    log: Vec<Event>,
    /// What is shown instead, by index.
    instead: BTreeMap<usize, String>,
}

type Hub = Arc<Mutex<Shown>>;

async fn events(State(hub): State<Hub>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let hub = hub.lock().unwrap();
    let after = query.get("after").and_then(|after| after.parse::<usize>().ok());
    let of_stream =
        |(_, event): &(usize, &Event)| Some(&event.claims().sub.to_string()) == query.get("stream");
    let shown = hub.log.iter().enumerate().filter(of_stream);
    let shown = shown.filter(|(index, _)| after.is_none_or(|after| *index > after));
    let entries = shown.map(|(index, event)| {
        let text = hub
            .instead
            .get(&index)
            .cloned()
            .unwrap_or_else(|| event.as_str().to_owned());
        json!({ "event": text, "index": index, "leaf_hash": Hash::leaf(text.as_bytes()).to_base64url() })
    });
    Json(json!({ "entries": entries.collect::<Vec<_>>(), "next": null })).into_response()
}

async fn proof(State(hub): State<Hub>, UrlPath(index): UrlPath<u64>) -> Response {
    let hub = hub.lock().unwrap();
    let size = hub.log.len() as u64;
    if index >= size {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut tiles = Tiles::new();
    let leaves: Vec<Hash> = hub.log.iter().map(|event| *event.leaf()).collect();
    tiles.insert(TileId { level: 0, n: 0 }, leaves.into());
    let checkpoint = Checkpoint::new(ORIGIN, size, root(size, &tiles).unwrap()).unwrap();
    let mut note = Note::new(checkpoint.to_string()).unwrap();
    signer().sign(&mut note).unwrap();
    let path = inclusion_proof(index, size, &tiles).unwrap();
    ProofFile::new(index, path, note)
        .unwrap()
        .to_string()
        .into_response()
}

/// A hub that shows a world's log.
async fn serve(world: &World) -> (Hub, Client) {
    let log = world.entries().to_vec();
    assert!(log.len() <= 256, "one tile holds it");
    let hub: Hub = Arc::new(Mutex::new(Shown {
        log,
        instead: BTreeMap::new(),
    }));
    let router = Router::new()
        .route("/v1/events", get(events))
        .route("/v1/events/{index}/proof", get(proof))
        .with_state(hub.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (hub, Client::new(&url).unwrap())
}

fn standing(folder: &Path, client: &Client, world: &World) -> Standing {
    let root = world
        .key(&Cast::tre("wessex", TreRole::Root))
        .public()
        .thumbprint();
    let tre = "wessex".parse().unwrap();
    let log = signer().verifier().clone();
    Standing::open(folder.join("standing"), client.clone(), log, tre, Some(root)).unwrap()
}

fn own() -> Stream {
    Stream::Tre("wessex".parse().unwrap())
}

fn approval(world: &World) -> Stream {
    Stream::Approval("wessex".parse().unwrap(), Subject::Project, world.cast.project)
}

fn index_of(world: &World, kind: &str, stream: &Stream) -> usize {
    let is_it = |event: &Event| event.claims().kind == kind && event.claims().sub == *stream;
    world.entries().iter().position(is_it).unwrap()
}

#[tokio::test]
async fn a_relay_judges_as_the_hub_does_whatever_comes_next() {
    for kind in [
        "job-collected",
        "job-signed-off",
        "job-admitted",
        "run-started",
        "outputs-assessed",
        "job-released",
    ] {
        let world = World::ready_for(kind);
        let (_, client) = serve(&world).await;
        let folder = tempfile::tempdir().unwrap();
        let mut standing = standing(folder.path(), &client, &world);
        let usual = world.usual(kind);
        let mut changes = vec![usual.clone()];
        changes.extend(usual.data.keys().map(|field| usual.clone().without(field)));
        changes.push(usual.clone().with("project", json!(daybook_world::id("other"))));
        changes.push(usual.by(&Cast::tre("wessex", TreRole::Root)));
        for draft in changes {
            let event = world.clone().sign(&draft);
            let stream = &event.claims().sub;
            let needed = standing.needed(&event);
            standing.refresh(&needed).await.unwrap();
            let place = Place {
                seq: event.claims().seq,
                prev: event.claims().prev,
            };
            let found = standing.judge(&event, &world.state_of(&stream.to_string()), place);
            assert_eq!(
                found,
                world.judge(&event).map(drop),
                "{kind}: {:?}",
                event.claims().data
            );
        }
    }
}

#[tokio::test]
async fn what_was_learnt_stays_while_the_hub_is_away_and_over_a_restart() {
    let world = World::founded();
    let (_, client) = serve(&world).await;
    let folder = tempfile::tempdir().unwrap();
    let streams = [own(), approval(&world)];
    let mut first = standing(folder.path(), &client, &world);
    first.refresh(&streams).await.unwrap();
    let nobody = Client::new("http://127.0.0.1:9").unwrap();
    let mut second = standing(folder.path(), &nobody, &world);
    assert!(second.refresh(&streams).await.unwrap_err().is_passing());
    assert_eq!(second.state(&streams[1]), first.state(&streams[1]));
    assert_eq!(second.state(&streams[1]).unwrap()["state"], "granted");
}

#[tokio::test]
async fn an_approval_that_the_tre_did_not_sign_is_none_even_with_a_log_that_proves_it() {
    let world = World::founded();
    let stream = approval(&world);
    let at = index_of(&world, "approval-granted", &stream);
    // A hub with a log of its own making: it signs as it likes, and proves what it has.
    let mut claims = world.entries()[at].claims().clone();
    claims
        .data
        .insert("until".to_owned(), json!(world.now + 1_000_000));
    let forged = Event::sign(&claims, &daybook_core::key::SecretKey::from_seed(&[77; 32])).unwrap();
    let (hub, client) = serve(&world).await;
    hub.lock().unwrap().log[at] = forged;
    let folder = tempfile::tempdir().unwrap();
    let mut standing = standing(folder.path(), &client, &world);
    let refused = standing.refresh(&[own(), stream.clone()]).await.unwrap_err();
    assert!(matches!(refused, StandingError::DoesNotHold { .. }), "{refused}");
    assert_eq!(standing.state(&stream), None);
}

#[tokio::test]
async fn a_tre_with_another_root_is_another_tre() {
    let world = World::founded();
    let (_, client) = serve(&world).await;
    let folder = tempfile::tempdir().unwrap();
    let log = signer().verifier().clone();
    let other = Hash::of(b"another root");
    let tre = "wessex".parse().unwrap();
    let mut standing = Standing::open(folder.path().join("s"), client, log, tre, Some(other)).unwrap();
    let refused = standing.refresh(&[own()]).await.unwrap_err();
    assert!(matches!(refused, StandingError::DoesNotHold { .. }), "{refused}");
}

#[tokio::test]
async fn what_the_log_does_not_prove_or_what_does_not_follow_is_not_taken() {
    let world = World::founded();
    let stream = Stream::Project(world.cast.project);
    let first = index_of(&world, "project-registered", &stream);
    let last = world
        .entries()
        .iter()
        .rposition(|event| event.claims().sub == stream)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (hub, client) = serve(&world).await;
    // Another event in the place of one: nothing in the log has that leaf hash.
    let event = &world.entries()[first];
    let mut claims = event.claims().clone();
    claims
        .data
        .insert("until".to_owned(), json!(world.now + 9_000_000));
    let registrar = world.key(&claims.iss);
    let other = Event::sign(&claims, &registrar).unwrap();
    hub.lock()
        .unwrap()
        .instead
        .insert(first, other.as_str().to_owned());
    let mut standing = standing(folder.path(), &client, &world);
    let refused = standing.refresh(std::slice::from_ref(&stream)).await.unwrap_err();
    assert!(matches!(refused, StandingError::DoesNotHold { .. }), "{refused}");
    // The last of a stream in another form: its proof is of other bytes.
    hub.lock().unwrap().instead.clear();
    let mut claims = world.entries()[last].claims().clone();
    claims.iat += 1;
    let other = Event::sign(&claims, &registrar).unwrap();
    hub.lock()
        .unwrap()
        .instead
        .insert(last, other.as_str().to_owned());
    assert!(standing.refresh(std::slice::from_ref(&stream)).await.is_err());
    assert_eq!(standing.state(&stream), None);
    hub.lock().unwrap().instead.clear();
    standing.refresh(std::slice::from_ref(&stream)).await.unwrap();
    assert_eq!(
        standing.state(&stream),
        Some(&world.state_of(&stream.to_string()))
    );
}
