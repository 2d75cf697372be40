//! The link, over a real connection.

use std::sync::Arc;

use daybook_agent::author::Draft;
use daybook_agent::keyfile::Keys;
use daybook_agent::link::token::Call;
use daybook_agent::link::wire::{Cancellation, JobView, OutputFile, OutputsRequest};
use daybook_agent::link::{LinkClient, LinkError, LinkServer, Tls, TlsFiles};
use daybook_agent::packet::{commitment, sha512_hex};
use daybook_agent::random;
use daybook_agent::spool::{JobFolder, SignedFile, Spool};
use daybook_core::id::Stream;
use daybook_core::{Hash, base64url};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::zone::{LINK, Zone};

fn draft(job: Uuid, kind: &str, clear: Value) -> Draft<'_> {
    Draft {
        stream: Stream::Job(job),
        kind,
        clear,
        sealed: Vec::new(),
    }
}

fn code(error: &LinkError) -> &str {
    error.code()
}

/// The runner's own spool.
fn spool(zone: &Zone) -> Spool {
    Spool::open(&zone.path("runner")).unwrap()
}

fn kinds(view: &JobView) -> Vec<&str> {
    view.events.iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn the_runner_takes_a_job_and_says_each_step_once_however_often_it_is_asked() {
    let zone = Zone::new().await;
    let job = zone.signed_off().await;
    let list = zone.runner.jobs(None, 0).await.unwrap();
    assert_eq!((list.jobs.len(), list.jobs[0].state.as_str()), (1, "signed-off"));
    let spool = spool(&zone);
    let mut voice = zone.voice(&zone.runner);
    let admitted = draft(job, "job-admitted", zone.gate.clone());
    let said = voice.say(&spool.job(job), "admitted", &admitted).await.unwrap();
    // Killed after the relay had taken it and before that was written down.
    spool.job(job).remove("events/admitted.said.json").unwrap();
    let mut voice = zone.voice(&zone.runner);
    assert_eq!(
        voice.say(&spool.job(job), "admitted", &admitted).await.unwrap(),
        said
    );
    let view = zone.runner.job(job).await.unwrap();
    assert_eq!(view.state, "admitted");
    assert_eq!(
        kinds(&view)
            .iter()
            .filter(|kind| **kind == "job-admitted")
            .count(),
        1
    );
}

#[tokio::test]
async fn an_event_signed_for_a_place_that_went_is_signed_anew() {
    let zone = Zone::new().await;
    let job = zone.signed_off().await;
    let spool = spool(&zone);
    let folder: JobFolder = spool.job(job);
    let mut voice = zone.voice(&zone.runner);
    let mut first = zone.voice(&zone.runner);
    let other = Spool::open(&zone.path("other")).unwrap();
    first
        .say(
            &other.job(job),
            "held",
            &draft(job, "job-held", json!({ "code": "query" })),
        )
        .await
        .unwrap();
    let signed: SignedFile = other.job(job).read_json("events/held.json").unwrap().unwrap();
    // The same place is signed a second time; it is not free any more.
    folder
        .write_json("events/resumed.json", &signed_again(&zone, &signed))
        .unwrap();
    let resumed = draft(job, "job-resumed", json!({}));
    assert_eq!(voice.say(&folder, "resumed", &resumed).await.unwrap().seq, 6);
    assert_eq!(zone.runner.job(job).await.unwrap().state, "signed-off");
}

/// Another event at the place of that one.
fn signed_again(zone: &Zone, signed: &SignedFile) -> SignedFile {
    let event = daybook_core::event::Event::parse(&signed.event).unwrap();
    let mut claims = event.claims().clone();
    claims.jti = random::id().unwrap();
    let event = daybook_core::event::Event::sign(&claims, &zone.runner.keys().event).unwrap();
    SignedFile::new(&event, &[], &[])
}

#[tokio::test]
async fn strangers_and_services_in_anothers_name_get_nothing() {
    let zone = Zone::new().await;
    let job = zone.signed_off().await;
    let stranger = zone.client(Arc::new(
        Keys::fresh("tre/wessex/runner".parse().unwrap()).unwrap(),
    ));
    let foreign = zone.client(Arc::new(
        Keys::fresh("tre/mercia/runner".parse().unwrap()).unwrap(),
    ));
    for client in [&stranger, &foreign] {
        assert_eq!(
            code(&client.jobs(None, 0).await.unwrap_err()),
            "not-authenticated"
        );
    }
    // Review may not do what is the runner's, nor hand over what the runner signed.
    let holder = random::id().unwrap();
    assert_eq!(
        code(&zone.review.lease(job, holder).await.unwrap_err()),
        "not-allowed"
    );
    let spool = spool(&zone);
    let admitted = draft(job, "job-admitted", zone.gate.clone());
    let mut voice = zone.voice(&zone.runner);
    voice.say(&spool.job(job), "admitted", &admitted).await.unwrap();
    let signed: SignedFile = spool.job(job).read_json("events/admitted.json").unwrap().unwrap();
    assert_eq!(
        code(&zone.review.hand_over(&signed).await.unwrap_err()),
        "not-allowed"
    );
    // And nobody says what is another role's.
    let collected = draft(
        job,
        "outputs-moved",
        json!({ "outputs": Hash::of(b"x").to_base64url() }),
    );
    let refused = voice.say(&spool.job(job), "moved", &collected).await.unwrap_err();
    assert_eq!(code(&refused), "not-your-role");
}

#[tokio::test]
async fn an_event_in_the_runners_name_by_another_key_is_refused() {
    let zone = Zone::new().await;
    let job = zone.signed_off().await;
    let spool = spool(&zone);
    let mut voice = zone.voice(&zone.runner);
    voice
        .say(
            &spool.job(job),
            "held",
            &draft(job, "job-held", json!({ "code": "query" })),
        )
        .await
        .unwrap();
    let signed: SignedFile = spool.job(job).read_json("events/held.json").unwrap().unwrap();
    let event = daybook_core::event::Event::parse(&signed.event).unwrap();
    let place = zone.desk.place(&Stream::Job(job)).unwrap();
    let mut claims = event.claims().clone();
    (claims.seq, claims.prev, claims.kind) = (place.seq, place.prev, "job-resumed".to_owned());
    claims.jti = random::id().unwrap();
    let forged = daybook_core::event::Event::sign(&claims, &zone.review.keys().event).unwrap();
    let refused = zone
        .runner
        .hand_over(&SignedFile::new(&forged, &[], &[]))
        .await
        .unwrap_err();
    assert_eq!(code(&refused), "malformed");
    assert_eq!(zone.desk.view(job).unwrap().state, "on-hold");
}

#[tokio::test]
async fn a_call_fits_its_own_body_and_path_and_a_replay_does_nothing_more() {
    let zone = Zone::new().await;
    let job = zone.signed_off().await;
    let body = json!({ "holder": random::id().unwrap() }).to_string();
    let target = format!("/link/v1/jobs/{job}/lease");
    let call = Call {
        link: LINK.to_owned(),
        caller: zone.runner.keys().actor.clone(),
        method: "POST".to_owned(),
        target: target.clone(),
        body: Hash::of(body.as_bytes()),
    };
    let token = call.sign(
        zone.runner.keys().access.as_ref().unwrap(),
        random::now(),
        [7; 16],
    );
    let send = async |target: &str, body: &str| {
        let url = format!("{}{target}", zone.url);
        let request = reqwest::Client::new()
            .request(Method::POST, url)
            .bearer_auth(&token)
            .body(body.to_owned());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(&target, &body).await, 200);
    let version = *zone.desk.version().borrow();
    assert_eq!(send(&target, &body).await, 200, "the same call again");
    assert_eq!(*zone.desk.version().borrow(), version, "has changed nothing");
    let other = json!({ "holder": random::id().unwrap() }).to_string();
    assert_eq!(send(&target, &other).await, 401);
    assert_eq!(send(&format!("{target}?x=1"), &body).await, 401);
}

#[tokio::test]
async fn an_answer_by_another_key_is_not_believed() {
    let zone = Zone::new().await;
    let server = LinkServer {
        url: zone.url.clone(),
        name: LINK.to_owned(),
        key: Keys::fresh("tre/wessex/relay".parse().unwrap())
            .unwrap()
            .access
            .unwrap()
            .public(),
    };
    let client = LinkClient::new(server, zone.runner.keys().clone(), None).unwrap();
    let refused = client.jobs(None, 0).await.unwrap_err();
    assert!(matches!(refused, LinkError::NotTheRelay(..)), "{refused}");
}

#[tokio::test]
async fn a_lease_keeps_other_runners_out_and_is_given_back() {
    let zone = Zone::new().await;
    let job = zone.signed_off().await;
    let (one, two) = (random::id().unwrap(), random::id().unwrap());
    let lease = zone.runner.lease(job, one).await.unwrap();
    assert_eq!(code(&zone.runner.lease(job, two).await.unwrap_err()), "leased");
    zone.runner.give_back(job, two).await.unwrap();
    assert_eq!(
        code(&zone.runner.lease(job, two).await.unwrap_err()),
        "leased",
        "it was not theirs to give"
    );
    assert!(
        zone.desk.lease(job, two, lease.until).is_ok(),
        "the holder is gone"
    );
    zone.runner.give_back(job, two).await.unwrap();
    assert!(zone.runner.lease(job, one).await.is_ok());
}

#[tokio::test]
async fn a_call_for_jobs_waits_for_a_change_and_not_without_one_to_wait_for() {
    let zone = Zone::new().await;
    let before = zone.runner.jobs(None, 0).await.unwrap();
    let runner = zone.runner.clone();
    let waiting = tokio::spawn(async move { runner.jobs(Some(before.version), 30).await.unwrap() });
    let job = zone.begin();
    let list = waiting.await.unwrap();
    assert_eq!(list.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [job]);
}

/// A job up to `disclosure-approved`, with the salt and the files under its commitment.
async fn cleared(zone: &Zone, folder: &JobFolder, job: Uuid) -> OutputsRequest {
    let files = [("a.csv", b"1,2\n".as_slice()), ("b.csv", b"3,4\n".as_slice())];
    let salt = [5; 32];
    let outputs = base64url::encode(&commitment::commit_files(&salt, files));
    let versions = json!([Hash::of(b"version").to_base64url()]);
    let mut runner = zone.voice(&zone.runner);
    let mut review = zone.voice(&zone.review);
    let started = zone.at_gate(&json!({ "attempt": 1, "engine": "command", "versions": versions }));
    let assessed = json!({
        "outputs": outputs, "ruleset": Hash::of(b"rules").to_base64url(), "set": 1, "workflow": zone.gate["workflow"],
    });
    for (kind, clear) in [
        ("job-admitted", zone.gate.clone()),
        ("run-started", started),
        ("run-completed", json!({ "attempt": 1, "engine": "command" })),
    ] {
        runner.say(folder, kind, &draft(job, kind, clear)).await.unwrap();
    }
    let sealed = vec![("verdict", "pass".into())];
    let assessed = Draft {
        sealed,
        ..draft(job, "outputs-assessed", assessed)
    };
    runner.say(folder, "outputs-assessed", &assessed).await.unwrap();
    let tags: Vec<String> = [1, 2].map(|n: u8| Hash::of(&[n]).to_base64url()).to_vec();
    let approved = json!({ "extent": "all", "outputs": outputs, "tags": tags });
    review
        .say(folder, "approved", &draft(job, "disclosure-approved", approved))
        .await
        .unwrap();
    let list = files.map(|(path, bytes)| OutputFile {
        path: path.to_owned(),
        name: path.to_owned(),
        media_type: "text/csv".to_owned(),
        sha512: sha512_hex(bytes),
        size: bytes.len() as u64,
    });
    let time = "2026-11-22T10:00:00Z".to_owned();
    OutputsRequest {
        salt: base64url::encode(&salt),
        started: time.clone(),
        ended: time.clone(),
        decided: time,
        engine: "command 1".to_owned(),
        files: list.to_vec(),
    }
}

#[tokio::test]
async fn outputs_leave_only_once_cleared_and_only_as_they_were_cleared() {
    let zone = Zone::new().await;
    let job = zone.signed_off().await;
    let spool = spool(&zone);
    let early = OutputsRequest {
        salt: base64url::encode(&[5; 32]),
        started: String::new(),
        ended: String::new(),
        decided: String::new(),
        engine: String::new(),
        files: Vec::new(),
    };
    assert_eq!(
        code(&zone.runner.announce(job, &early).await.unwrap_err()),
        "not-cleared"
    );
    assert_eq!(
        code(&zone.runner.output(job, 0, b"1,2\n".to_vec()).await.unwrap_err()),
        "not-cleared"
    );
    let outputs = cleared(&zone, &spool.job(job), job).await;
    let mut less = outputs.clone();
    less.files.pop();
    let mut other = outputs.clone();
    other.salt = base64url::encode(&[6; 32]);
    for wrong in [&early, &less, &other] {
        assert_eq!(
            code(&zone.runner.announce(job, wrong).await.unwrap_err()),
            "not-as-approved"
        );
    }
    assert_eq!(zone.runner.announce(job, &outputs).await.unwrap().missing, [0, 1]);
    let wrong = zone.runner.output(job, 0, b"1,3\n".to_vec()).await.unwrap_err();
    assert_eq!(code(&wrong), "not-as-approved");
    assert!(
        !zone.path("relay").join(format!("jobs/{job}/outputs")).exists(),
        "nothing uncleared is on the disk"
    );
    assert_eq!(
        zone.runner
            .output(job, 0, b"1,2\n".to_vec())
            .await
            .unwrap()
            .missing,
        [1]
    );
    assert_eq!(
        zone.runner
            .output(job, 0, b"1,2\n".to_vec())
            .await
            .unwrap()
            .missing,
        [1],
        "again"
    );
    assert!(
        zone.runner
            .output(job, 1, b"3,4\n".to_vec())
            .await
            .unwrap()
            .missing
            .is_empty()
    );
}

#[tokio::test]
async fn staff_can_ask_that_a_job_stops_and_the_runner_sees_it() {
    let zone = Zone::new().await;
    let job = zone.signed_off().await;
    let wish = Cancellation {
        cause: None,
        text: Some("a fault in the data".to_owned()),
    };
    zone.review.cancel(job, &wish).await.unwrap();
    assert_eq!(zone.runner.job(job).await.unwrap().cancellation, Some(wish));
    assert_eq!(
        code(
            &zone
                .runner
                .cancel(
                    job,
                    &Cancellation {
                        cause: None,
                        text: None
                    }
                )
                .await
                .unwrap_err()
        ),
        "not-allowed"
    );
}

#[tokio::test]
async fn under_tls_the_link_shows_the_certificate_of_the_configuration_and_no_other_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let files = TlsFiles {
        cert: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let zone = Zone::with_tls(Some(Tls::read(&files).unwrap())).await;
    let client = |pem: &str| {
        let server = LinkServer {
            url: zone.url.clone(),
            name: LINK.to_owned(),
            key: zone.desk.identity().keys.access.as_ref().unwrap().public(),
        };
        LinkClient::new(server, zone.runner.keys().clone(), Some(pem.as_bytes())).unwrap()
    };
    assert!(client(&made.cert.pem()).jobs(None, 0).await.is_ok());
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let refused = client(&other.cert.pem()).jobs(None, 0).await.unwrap_err();
    assert!(matches!(refused, LinkError::Transport(..)), "{refused}");
}
