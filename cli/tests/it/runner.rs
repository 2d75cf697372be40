//! The runner as a process and the review service as commands, with a relay and a hub as processes: nothing is played.

mod zone;

use daybook_agent::packet::commitment;
use daybook_core::base64url;
use daybook_core::id::{Stream, Subject};
use serde_json::{Value, json};

use self::zone::Zone;
use crate::relay::federation::{draft, until};

/// Two outputs, one of which is to stay inside.
const TWO: &str = "echo band,n > counts.csv; echo 1,20 >> counts.csv; echo canary-that-stays > note.txt";

/// How many processes of this machine have `word` among their arguments.
fn running(word: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| {
            line.split(|byte| *byte == 0)
                .any(|argument| argument == word.as_bytes())
        })
        .count()
}

fn ada(job: &str) -> [&str; 3] {
    [job, "--reviewer", "Ada Checker"]
}

fn bo(job: &str) -> [&str; 3] {
    [job, "--reviewer", "Bo Checker"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_in_cwl_runs_and_two_people_let_its_outputs_out() {
    let mut zone = Zone::with_engine("kind = \"cwltool\"\n").await;
    zone.start();
    let (is_well, text) = zone.command(&["doctor"]);
    assert!(is_well && text.contains("cwltool 3."), "{text}");
    let job = zone.federation.submit().await;
    let id = job.to_string();
    zone.until(job, "assessed").await;
    let list = zone.decide(&["list"]);
    assert!(
        list.contains(&id) && list.contains("look at the outputs"),
        "{list}"
    );
    let shown = zone.decide(&["show", &id]);
    assert!(
        shown.contains("counts.csv") && shown.contains("text/csv"),
        "{shown}"
    );

    let first = zone.decide(&[&["approve"][..], &ada(&id)].concat());
    assert!(first.contains("1 of 2"), "{first}");
    let (again, text) = zone.review(&[&["approve"][..], &ada(&id)].concat());
    assert!(!again && text.contains("agreed to these files already"), "{text}");
    let second = zone.decide(&[&["approve"][..], &bo(&id)].concat());
    assert!(
        second.contains("2 of 2") && second.contains("cleared"),
        "{second}"
    );
    zone.federation.until_state(job, "released").await;

    let approved = zone.data(job, "disclosure-approved").await;
    assert_eq!(approved["extent"], "all");
    assert_eq!(approved["tags"].as_array().unwrap().len(), 2);
    let bag = zone.federation.results(job).await;
    assert!(bag.payload["outputs/counts.csv"].starts_with(b"age_band,year,"));
    let found = commitment::of_released(&bag).map(|found| base64url::encode(&found));
    assert_eq!(found.as_deref(), approved["outputs"].as_str());
    // No name of a person, a file or a place has left.
    let entries = zone
        .federation
        .client
        .entries(&format!("job/{job}"), None)
        .await
        .unwrap();
    for entry in entries {
        let event = daybook_core::event::Event::parse(&entry.event).unwrap();
        let text = Value::Object(event.claims().data.clone()).to_string();
        for word in ["counts", "data.csv", "Checker", "checker", "/"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
}

#[cfg(feature = "wfexs")]
#[tokio::test(flavor = "multi_thread")]
async fn wfexs_runs_a_job_and_its_execution_crate_is_released_with_the_outputs() {
    let given = |name| std::env::var(name).unwrap();
    let (command, cache) = (given("DAYBOOK_WFEXS"), given("DAYBOOK_WFEXS_CACHE"));
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut zone = Zone::with_engine(&format!(
        "kind = \"wfexs\"\ncommand = {words:?}\ncache = \"{cache}\"\n"
    ))
    .await;
    zone.start();
    let job = zone.federation.submit().await;
    let id = job.to_string();
    zone.until(job, "assessed").await;
    zone.decide(&[&["approve"][..], &ada(&id)].concat());
    zone.decide(&[&["approve"][..], &bo(&id)].concat());
    zone.federation.until_state(job, "released").await;
    assert_eq!(zone.data(job, "run-started").await["engine"], "wfexs");
    let bag = zone.federation.results(job).await;
    assert!(bag.payload["outputs/counts.csv"].starts_with(b"age_band,year,"));
    assert!(bag.payload["outputs/execution.ro-crate.zip"].starts_with(b"PK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_two_people_agree_on_leaves_alone() {
    let mut zone = Zone::new(TWO).await;
    zone.start();
    let job = zone.federation.submit().await;
    let id = job.to_string();
    zone.until(job, "assessed").await;
    zone.decide(&[&["approve"][..], &ada(&id)].concat());
    // Another opinion begins anew: nobody's agreement counts for files that they did not agree to.
    let other = zone.decide(&[&["approve"][..], &bo(&id), &["--only", "counts.csv"]].concat());
    assert!(other.contains("anew") && other.contains("1 of 2"), "{other}");
    let (is_well, text) = zone.review(&[&["approve"][..], &ada(&id), &["--only", "../counts.csv"]].concat());
    assert!(!is_well && text.contains("no file of this set"), "{text}");
    zone.decide(&[&["approve"][..], &ada(&id), &["--only", "counts.csv"]].concat());
    zone.federation.until_state(job, "released").await;
    let approved = zone.data(job, "disclosure-approved").await;
    assert_eq!(approved["extent"], "part");
    assert_ne!(
        approved["outputs"],
        zone.data(job, "outputs-assessed").await["outputs"]
    );
    let bag = zone.federation.results(job).await;
    let outputs: Vec<&String> = bag
        .payload
        .keys()
        .filter(|path| path.starts_with("outputs/"))
        .collect();
    assert_eq!(outputs, ["outputs/counts.csv"]);
    assert!(zone.federation.grep_relay("canary-that-stays", job).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_and_answered_and_the_next_set_is_refused() {
    let mut zone = Zone::new(TWO).await;
    zone.start();
    let job = zone.federation.submit().await;
    let id = job.to_string();
    zone.until(job, "assessed").await;
    zone.decide(&["hold", &id, "--reason", "query"]);
    zone.until(job, "on-hold").await;
    zone.decide(&["resume", &id]);
    zone.until(job, "assessed").await;
    let (is_well, text) =
        zone.review(&[&["ask"][..], &ada(&id), &["--kind", "rubbish", "--text", "Why?"]].concat());
    assert!(!is_well && text.contains("fewer-outputs"), "{text}");
    zone.decide(
        &[
            &["ask"][..],
            &ada(&id),
            &["--kind", "context", "--text", "What is a band?"],
        ]
        .concat(),
    );
    zone.federation.until_state(job, "changes-requested").await;
    let asked = zone.federation.last_of(job, "changes-requested").await;
    let view = zone.federation.link("review").job(job).await.unwrap();
    let submission = view.facts["submission"].as_str().unwrap().parse().unwrap();
    let clear = json!({ "cause": asked.leaf().to_base64url(), "job": job });
    let answer = draft(
        Stream::Submission(submission),
        "changes-answered",
        clear,
        vec![("text", "Ages in years.".into())],
    );
    zone.federation.member.say(&answer).await.unwrap();
    let second = async || (zone.data(job, "outputs-assessed").await["set"] == 2).then_some(());
    until("the second set is weighed", second).await;
    let shown = zone.decide(&["show", &id]);
    assert!(shown.contains("The team has answered: Ages in years."), "{shown}");
    let refusal = ["--reason", "disclosure-risk", "--text", "The note names people."];
    zone.decide(&[&["refuse"][..], &bo(&id), &refusal].concat());
    zone.federation.until_state(job, "withheld").await;
    assert!(zone.federation.grep_relay("canary-that-stays", job).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_is_dead_and_its_outputs_are_destroyed_when_that_is_said() {
    let mut zone = Zone::new("echo half > half.csv; setsid sleep 86551 & sleep 86551").await;
    zone.start();
    let job = zone.federation.submit().await;
    zone.until_there(job, "runs/1/work/out/half.csv").await;
    // The output is there before what the shell starts next.
    let both = async || (running("86551") == 2).then_some(());
    until("the run and what it has sent away sleep", both).await;
    zone.decide(&["cancel", &job.to_string(), "--text", "By mistake"]);
    zone.federation.until_state(job, "cancelled").await;
    assert_eq!(running("86551"), 0);
    assert!(!zone.file(job, "runs/1").exists());
    let data = zone.data(job, "job-cancelled").await;
    assert_eq!(
        (&data["began"], &data["stopped"], &data["destroyed"]),
        (&json!(true), &json!(true), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_in_the_middle_of_a_run_tries_again_and_says_each_step_once() {
    // It ends by itself only where the second attempt has been told so.
    let mut zone =
        Zone::new("touch begun; test -s \"$(dirname \"$1\")/../inputs/admissions.csv\"; sleep 86553").await;
    zone.start();
    let job = zone.federation.submit().await;
    zone.until_there(job, "runs/1/work/out/begun").await;
    zone.kill();
    let gone = async || (running("86553") == 0).then_some(());
    until("nothing of the run is left", gone).await;
    let engine = zone.federation.site.path("engine.sh");
    let text = std::fs::read_to_string(&engine).unwrap();
    std::fs::write(
        &engine,
        text.replace("sleep 86553", "echo 1 > counts.csv; rm begun"),
    )
    .unwrap();
    zone.start();
    zone.until(job, "assessed").await;
    let kinds = zone.federation.kinds(job).await;
    let runs: Vec<&str> = kinds
        .iter()
        .map(String::as_str)
        .filter(|kind| kind.starts_with("run-"))
        .collect();
    assert_eq!(
        runs,
        ["run-started", "run-failed", "run-started", "run-completed"]
    );
    assert_eq!(zone.data(job, "run-failed").await["code"], "host-lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_told_to_end_takes_its_run_along_and_begins_the_same_attempt_anew() {
    let mut zone = Zone::new("touch begun; sleep 86557").await;
    zone.start();
    let job = zone.federation.submit().await;
    zone.until_there(job, "runs/1/work/out/begun").await;
    assert!(zone.terminate(), "SIGTERM ends a runner well");
    assert_eq!(running("86557"), 0);
    assert!(!zone.file(job, "runs/1/work").exists());
    let engine = zone.federation.site.path("engine.sh");
    let text = std::fs::read_to_string(&engine).unwrap();
    std::fs::write(
        &engine,
        text.replace("touch begun; sleep 86557", "echo 1 > counts.csv"),
    )
    .unwrap();
    zone.start();
    zone.until(job, "assessed").await;
    let kinds = zone.federation.kinds(job).await;
    let runs = kinds.iter().filter(|kind| kind.starts_with("run-"));
    assert_eq!(runs.collect::<Vec<_>>(), ["run-started", "run-completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_fails_ends_its_job_with_a_code_and_no_more() {
    let mut zone = Zone::new("echo patient-7 >&2; exit 9").await;
    zone.start();
    let job = zone.federation.submit().await;
    zone.federation.until_state(job, "abandoned").await;
    let failed = zone.data(job, "run-failed").await;
    assert_eq!(
        (&failed["attempt"], &failed["code"]),
        (&json!(1), &json!("tool-error"))
    );
    let kept = |folder: &str| {
        zone.federation
            .site
            .path(&format!("runner/{folder}/{job}/runs/1/stderr.txt"))
    };
    let log = std::fs::read_to_string(kept("jobs")).or_else(|_| std::fs::read_to_string(kept("ended")));
    assert_eq!(log.unwrap(), "patient-7\n");
    assert!(zone.federation.grep_relay("patient-7", job).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_lapses_holds_the_job_until_it_is_given_again() {
    let mut zone = Zone::new(TWO).await;
    let job = zone.federation.submit().await;
    // At the hub too: a sign-off that it has not taken yet would be refused, and not held.
    zone.federation.until_state(job, "signed-off").await;
    let project = zone.federation.project;
    zone.federation.withdraw(Subject::Project, project).await;
    zone.start();
    zone.until(job, "on-hold").await;
    zone.federation.until_state(job, "on-hold").await;
    assert_eq!(zone.data(job, "job-held").await["code"], "approval-lapsed");
    let version = zone.federation.version(&Stream::Project(project)).await;
    zone.federation.approve(Subject::Project, project, &version).await;
    zone.until(job, "assessed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_the_tre_does_not_know_by_that_name_is_refused() {
    let mut zone = Zone::new(TWO).await;
    let config = zone.federation.site.path("runner.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("#emergency-admissions", "#another")).unwrap();
    zone.start();
    let job = zone.federation.submit().await;
    zone.federation.until_state(job, "refused").await;
    let reason = zone.federation.opened(job, "job-refused", "reason").await;
    assert_eq!(reason, Some(json!("dataset")));
}
