//! How jobs end: refused, cancelled, withheld, expired.

use daybook_agent::link::wire::Cancellation;
use daybook_agent::random;
use daybook_core::Hash;
use daybook_core::id::{Stream, Subject};
use serde_json::{Value, json};

use super::federation::{Federation, WHOLE_LIFE, draft, until};
use super::{approve, gate, run, send_outputs};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_refused_with_a_code_and_a_text_that_say_why() {
    let mut federation = Federation::new().await;
    let _relay = federation.relay();
    let good = Federation::request();
    let mut other_workflow = good.clone();
    let script = other_workflow
        .payload
        .get_mut("workflow/scripts/count.py")
        .unwrap();
    script.extend(b"# and more\n");
    let jobs = [
        (
            "packet",
            "breaks",
            federation
                .submit_wrongly(b"PK no zip".to_vec(), random::id().unwrap())
                .await,
        ),
        // Whoever submits does not look, and names a bag that is another's.
        (
            "packet",
            "External-Identifier",
            federation
                .submit_wrongly(good.to_zip().unwrap(), random::id().unwrap())
                .await,
        ),
        ("workflow", "registered", {
            let id = other_workflow.external_identifier;
            federation
                .submit_wrongly(other_workflow.to_zip().unwrap(), id)
                .await
        }),
    ];
    for (code, says, job) in jobs {
        federation.until_state(job, "refused").await;
        assert_eq!(
            federation.opened(job, "job-refused", "reason").await,
            Some(code.into())
        );
        let text = federation.opened(job, "job-refused", "text").await.unwrap();
        assert!(text.as_str().unwrap().contains(says), "{text}");
    }
    // A packet that could be read goes back, and has no outputs.
    let job = federation
        .submit_wrongly(
            other_workflow.to_zip().unwrap(),
            other_workflow.external_identifier,
        )
        .await;
    let offered = async || {
        federation
            .kinds(job)
            .await
            .contains(&"packet-offered".to_owned())
            .then_some(())
    };
    until("a packet is offered", offered).await;
    let bag = federation.results(job).await;
    assert!(!bag.payload.keys().any(|path| path.starts_with("outputs/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_approvals_that_stand_nothing_is_signed_off() {
    let mut federation = Federation::new().await;
    let (project, workflow) = (federation.project, federation.workflow);
    federation.withdraw(Subject::Project, project).await;
    let _relay = federation.relay();
    let job = federation.submit().await;
    federation.until_state(job, "refused").await;
    assert_eq!(
        federation.opened(job, "job-refused", "reason").await,
        Some("approval".into())
    );
    let text = federation.opened(job, "job-refused", "text").await.unwrap();
    assert!(
        text.as_str().unwrap().contains("the project was withdrawn"),
        "{text}"
    );
    // One that expires at once, and a workflow that was amended never.
    let version = federation.version(&Stream::Project(project)).await;
    federation.approve(Subject::Project, project, &version).await;
    let expires_at = federation.approve_for_a_moment(workflow).await;
    until("it has expired", async || {
        (random::now() > expires_at).then_some(())
    })
    .await;
    let job = federation.submit().await;
    federation.until_state(job, "refused").await;
    let text = federation.opened(job, "job-refused", "text").await.unwrap();
    assert!(
        text.as_str().unwrap().contains("the workflow has expired"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_who_is_no_member_any_more_is_refused() {
    let mut federation = Federation::new().await;
    let job = federation.submit().await;
    let clear = json!({ "member": federation.member_id, "reason": "left" });
    let removed = draft(
        Stream::Project(federation.project),
        "member-removed",
        clear,
        vec![],
    );
    federation.registrar.say(&removed).await.unwrap();
    let _relay = federation.relay();
    federation.until_state(job, "refused").await;
    assert_eq!(
        federation.opened(job, "job-refused", "reason").await,
        Some("requester".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_never_comes_is_not_waited_for_for_ever() {
    let mut federation = Federation::new().await;
    let _relay = federation.relay();
    let job = federation.submit_nothing().await;
    federation.until_state(job, "refused").await;
    assert_eq!(federation.kinds(job).await, ["job-collected", "job-refused"]);
    assert_eq!(
        federation.opened(job, "job-refused", "reason").await,
        Some("packet".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_off_where_the_file_says_so_and_teams_and_staff_can_stop_a_job_before_it_runs() {
    let mut federation = Federation::new().await;
    federation.configure("standing = true", "standing = false");
    let _relay = federation.relay();
    let mut review = federation.service("review");
    let job = federation.submit().await;
    let waits = async || {
        let view = review.client.job(job).await.ok()?;
        view.waits_for.contains("person").then_some(view)
    };
    let view = until("a person is waited for", waits).await;
    let gates = review.client.gate(job).await.unwrap();
    let tag = Hash::of(b"somebody").to_base64url();
    let more = json!({ "approvals": gates.approvals, "how": "person", "tag": tag });
    review
        .say(job, "job-signed-off", gate(&view, &more), vec![])
        .await;
    federation.until_state(job, "signed-off").await;

    let asked = json!({ "job": job, "reason": "mistake" });
    let submission = Stream::Submission(view.facts["submission"].as_str().unwrap().parse().unwrap());
    let sealed = vec![("text", "the wrong years".into())];
    federation
        .member
        .say(&draft(submission, "cancellation-requested", asked, sealed))
        .await
        .unwrap();
    federation.until_state(job, "cancelled").await;
    let began = federation.last_of(job, "job-cancelled").await;
    assert_eq!(began.claims().data["began"], Value::Bool(false));

    let job = federation.submit().await;
    until("the relay has it", async || review.client.job(job).await.ok()).await;
    let wish = Cancellation {
        cause: None,
        text: None,
    };
    review.client.cancel(job, &wish).await.unwrap();
    federation.until_state(job, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_expire_and_are_gone_from_the_hub_and_withheld_ones_were_never_in_the_polling_zone() {
    let mut federation = Federation::new().await;
    federation.configure("watch =", "keep_results = \"1 second\"\nwatch =");
    let relay = federation.relay();
    let (mut runner, mut review) = (federation.service("runner"), federation.service("review"));
    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
    run(&mut runner, job).await;
    approve(&mut review, job).await;
    send_outputs(&runner, job).await;
    let expired = async || {
        federation
            .kinds(job)
            .await
            .contains(&"results-expired".to_owned())
            .then_some(())
    };
    until("the results expire", expired).await;
    let ended = federation.site.path("relay/live/ended").join(job.to_string());
    until("it is out of the way", async || ended.exists().then_some(())).await;
    assert!(!ended.join("packet.zip").exists() && ended.join("outbox/000001.tlog-proof").exists());
    assert_eq!(federation.kinds(job).await.len(), WHOLE_LIFE.len() + 1);

    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
    run(&mut runner, job).await;
    let tags: Vec<String> = [1, 2].map(|n: u8| Hash::of(&[n]).to_base64url()).to_vec();
    let sealed = vec![("reason", "disclosure-risk".into())];
    review
        .say(job, "disclosure-refused", json!({ "tags": tags }), sealed)
        .await;
    federation.until_state(job, "withheld").await;
    let refused = runner.client.output(job, 0, super::FILES[0].1.to_vec()).await;
    assert!(refused.is_err());
    let trace = federation.grep_relay("canary-of-the-outputs", job);
    assert!(
        trace.is_empty() && !relay.log().contains("canary-of-the-outputs"),
        "{trace:?}"
    );
}
