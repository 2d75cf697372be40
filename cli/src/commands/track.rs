//! `daybook track`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use uuid::Uuid;

use super::output;
use super::submit::text;
use crate::args::TrackArgs;
use crate::client::{Client, ClientError};

/// How often `--follow` asks.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) async fn run(args: TrackArgs) -> Result<ExitCode> {
    let client = Client::new(&args.hub)?;
    let mut shown = Value::Null;
    loop {
        let jobs = jobs(&client, args.id).await?;
        if jobs != shown {
            if args.json {
                output::line(&jobs.to_string());
            } else {
                show(&jobs);
            }
        }
        let has_ended = jobs
            .as_array()
            .into_iter()
            .flatten()
            .all(|job| turn(job) == "nobody");
        if !args.follow || has_ended {
            return Ok(ExitCode::SUCCESS);
        }
        shown = jobs;
        tokio::time::sleep(PAUSE).await;
    }
}

/// The jobs of a submission, or the one job of that id.
async fn jobs(client: &Client, id: Uuid) -> Result<Value, ClientError> {
    match client.get::<Value>(&format!("/v1/submissions/{id}")).await {
        Ok(mut submission) => Ok(submission["jobs"].take()),
        Err(error) if error.is("not-found") => Ok(Value::from(vec![
            client.get::<Value>(&format!("/v1/jobs/{id}")).await?,
        ])),
        Err(error) => Err(error),
    }
}

fn turn(job: &Value) -> &str {
    text(&job["public"], "turn")
}

fn show(jobs: &Value) {
    for job in jobs.as_array().into_iter().flatten() {
        let public = &job["public"];
        output::line(&format!(
            "{:<12} {:<28} job {}",
            text(job, "tre"),
            text(public, "word"),
            text(job, "id")
        ));
        output::line(&format!("             {}", text(public, "sentence")));
    }
}
