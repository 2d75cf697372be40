//! The relay as a process, before a hub as a process. What stands behind it, runner and review, is played over its link.

mod door;
mod ends;
pub(crate) mod federation;
mod operator;
pub(crate) mod process;
mod proxy;
mod schema;
mod trouble;
mod witness;

use daybook_agent::link::wire::{OutputFile, OutputsRequest};
use daybook_agent::packet::{Limits, commitment, sha512_hex};
use daybook_core::{Hash, base64url};
use serde_json::{Value, json};
use uuid::Uuid;

use self::federation::{Federation, Service, WHOLE_LIFE, until};
use self::process::RelayProcess;

const FILES: [(&str, &[u8]); 2] = [
    ("counts.csv", b"band,n\n1,20\n"),
    ("note.txt", b"canary-of-the-outputs\n"),
];
const SALT: [u8; 32] = [5; 32];

fn gate(view: &daybook_agent::link::wire::JobView, more: &Value) -> Value {
    let mut clear = json!({});
    for name in ["project", "workflow", "member", "datasets"] {
        clear[name] = view.facts[name].clone();
    }
    clear
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    clear
}

/// The runner's part until the workflow runs; answers whether the relay could ask the hub on the way.
async fn begin(runner: &mut Service, job: Uuid) -> bool {
    let view = runner.client.job(job).await.unwrap();
    let gates = runner.client.gate(job).await.unwrap();
    assert_eq!(gates.lapsed, None);
    runner
        .say(job, "job-admitted", gate(&view, &json!({})), vec![])
        .await;
    let more = json!({ "attempt": 1, "engine": "command", "versions": gates.versions });
    runner.say(job, "run-started", gate(&view, &more), vec![]).await;
    gates.is_fresh
}

/// The runner's part, from admission to the assessed set.
async fn run(runner: &mut Service, job: Uuid) {
    // As a runner does where the relay could not ask the hub a moment ago.
    until("the hub can be asked", async || {
        runner.client.gate(job).await.unwrap().is_fresh.then_some(())
    })
    .await;
    begin(runner, job).await;
    let view = runner.client.job(job).await.unwrap();
    runner
        .say(
            job,
            "run-completed",
            json!({ "attempt": 1, "engine": "command" }),
            vec![],
        )
        .await;
    let assessed = json!({
        "outputs": outputs_commitment(), "ruleset": Hash::of(b"rules").to_base64url(), "set": 1,
        "workflow": view.facts["workflow"],
    });
    runner
        .say(
            job,
            "outputs-assessed",
            assessed,
            vec![("verdict", "pass".into())],
        )
        .await;
}

fn outputs_commitment() -> String {
    base64url::encode(&commitment::commit_files(&SALT, FILES))
}

async fn approve(review: &mut Service, job: Uuid) {
    let tags: Vec<String> = [1, 2].map(|n: u8| Hash::of(&[n]).to_base64url()).to_vec();
    let clear = json!({ "extent": "all", "outputs": outputs_commitment(), "tags": tags });
    review.say(job, "disclosure-approved", clear, vec![]).await;
}

async fn send_outputs(runner: &Service, job: Uuid) {
    let time = "2026-11-22T10:00:00Z".to_owned();
    let files = FILES.map(|(path, bytes)| OutputFile {
        path: path.to_owned(),
        name: path.to_owned(),
        media_type: "text/csv".to_owned(),
        sha512: sha512_hex(bytes),
        size: bytes.len() as u64,
    });
    let request = OutputsRequest {
        salt: base64url::encode(&SALT),
        started: time.clone(),
        ended: time.clone(),
        decided: time,
        engine: "command 1".to_owned(),
        files: files.to_vec(),
    };
    for at in runner.client.announce(job, &request).await.unwrap().missing {
        runner.client.output(job, at, FILES[at].1.to_vec()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_from_the_queue_to_its_results_and_two_relays_do_not_share_a_spool() {
    let mut federation = Federation::new().await;
    let relay = federation.relay();
    let second = RelayProcess::start(&federation.site).err().unwrap();
    assert!(second.contains("another process works in"), "{second}");
    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
    let (mut runner, mut review) = (federation.service("runner"), federation.service("review"));
    let packet = federation.site.path("packet.zip");
    runner.client.packet(job, &packet).await.unwrap();
    assert!(daybook_agent::packet::check(&std::fs::read(&packet).unwrap(), &Limits::default()).is_ok());
    run(&mut runner, job).await;
    approve(&mut review, job).await;
    send_outputs(&runner, job).await;
    federation.until_state(job, "released").await;
    assert_eq!(federation.kinds(job).await, WHOLE_LIFE);

    let bag = federation.results(job).await;
    assert_eq!(bag.payload["outputs/counts.csv"], FILES[0].1);
    assert_eq!(
        commitment::of_released(&bag).map(|found| base64url::encode(&found)),
        Some(outputs_commitment())
    );
    // Every event is proved, and the outputs are no longer in the polling zone.
    let all_proved = async || {
        let view = runner.client.job(job).await.ok()?;
        view.events.iter().all(|event| event.is_proved).then_some(())
    };
    until("all is proved", all_proved).await;
    let (is_well, text) = federation.command(&["status"]);
    assert!(is_well && text.contains("runs"), "{text}");
    assert!(relay.terminate(), "SIGTERM ends a relay well");
}
