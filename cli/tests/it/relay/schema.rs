//! Parameters within the schema that an approval names, and outside of it.

use daybook_core::Hash;
use daybook_core::id::Stream;
use daybook_core::id::Subject;
use daybook_study::{self as study};
use serde_json::{Value, json};
use uuid::Uuid;

use super::federation::{Federation, draft, params, until};
use daybook_agent::random;

/// Thresholds of ten and more, and nothing else.
fn schema() -> String {
    json!({
        "type": "object",
        "properties": { "threshold": { "type": "integer", "minimum": 10 }, "admissions": {} },
        "additionalProperties": false,
    })
    .to_string()
}

async fn submit(federation: &mut Federation, threshold: u32) -> Uuid {
    let mut params = params(random::id().unwrap());
    params.threshold = threshold;
    let bytes = study::request_bag(&params).to_zip().unwrap();
    federation.submit_bytes(bytes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_outside_of_the_approved_schema_are_refused_and_without_a_schema_a_person_is_asked() {
    let mut federation = Federation::new().await;
    let schemas = federation.site.path("schemas");
    std::fs::create_dir(&schemas).unwrap();
    std::fs::write(schemas.join("thresholds.json"), schema()).unwrap();
    federation.configure(
        "[sign_off]\n",
        &format!(
            "[sign_off]\nrequire_schema = true\nschemas = \"{}\"\n",
            schemas.display()
        ),
    );
    let _relay = federation.relay();

    // The approvals name no schema yet: whatever they say, a person signs off.
    let job = submit(&mut federation, 10).await;
    let review = federation.link("review");
    until("a person is waited for", async || {
        let view = review.job(job).await.ok()?;
        view.waits_for.contains("person").then_some(())
    })
    .await;

    let (workflow, stream) = (federation.workflow, "wessex".parse().unwrap());
    let version = federation.version(&Stream::Workflow(workflow)).await;
    let clear = json!({
        "body": "access-committee", "cause": version, "egress": "reviewed", "sign_off": "standing",
        "until": random::now() + 86_400,
    });
    let digest = Hash::of(schema().as_bytes()).to_base64url();
    let sealed = vec![
        ("decided_by", "A committee".into()),
        ("parameters", digest.into()),
    ];
    let approval = Stream::Approval(stream, Subject::Workflow, workflow);
    let granted = draft(approval, "approval-granted", clear, sealed);
    federation.review.say(&granted).await.unwrap();

    let within = submit(&mut federation, 10).await;
    federation.until_state(within, "signed-off").await;
    assert_eq!(
        federation.last_of(within, "job-signed-off").await.claims().data["how"],
        "standing"
    );
    let outside = submit(&mut federation, 3).await;
    federation.until_state(outside, "refused").await;
    let opened = async |name: &str| federation.opened(outside, "job-refused", name).await.unwrap();
    assert_eq!(opened("reason").await, Value::from("approval"));
    let text = opened("text").await;
    assert!(text.as_str().unwrap().contains("threshold: 3"), "{text}");
}
