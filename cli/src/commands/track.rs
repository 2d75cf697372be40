//! `daybook track`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use uuid::Uuid;

use super::output;
use super::submit::text;
use crate::args::TrackArgs;
use daybook_agent::client::{Client, ClientError, Live};

/// How often `--follow` asks where the hub does not tell by itself.
const PAUSE: Duration = Duration::from_secs(2);
/// How long to gather what comes close together before asking for the state.
const GATHER: Duration = Duration::from_millis(200);

pub(super) async fn run(args: TrackArgs) -> Result<ExitCode> {
    let client = Client::new(&args.hub)?;
    let mut shown = Value::Null;
    let mut news = News::default();
    loop {
        let (path, jobs) = jobs(&client, args.id).await?;
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
        news.wait(&client, &path).await;
    }
}

/// What is heard of a submission or a job.
#[derive(Default)]
struct News {
    live: Option<Live>,
    /// The last entry heard of.
    last: Option<u64>,
}

impl News {
    /// Waits until something has happened, or for a while where the hub does not tell.
    async fn wait(&mut self, client: &Client, path: &str) {
        if self.live.is_none() {
            // Whatever is wrong shows when the state is asked for.
            self.live = client.live(path, self.last).await.ok().flatten();
        }
        if let Some(live) = &mut self.live {
            match live.next().await {
                Some(index) => {
                    self.last = Some(index);
                    self.gather().await;
                    return;
                }
                None => self.live = None,
            }
        }
        tokio::time::sleep(PAUSE).await;
    }

    /// Takes what comes close behind: a stream begins with everything that has happened so far.
    async fn gather(&mut self) {
        while let Some(live) = &mut self.live {
            match tokio::time::timeout(GATHER, live.next()).await {
                Ok(Some(index)) => self.last = Some(index),
                Ok(None) => self.live = None,
                Err(_) => return,
            }
        }
    }
}

/// The jobs of a submission, or the one job of that id, and where they are found.
async fn jobs(client: &Client, id: Uuid) -> Result<(String, Value), ClientError> {
    let path = format!("/v1/submissions/{id}");
    match client.get::<Value>(&path).await {
        Ok(mut submission) => Ok((path, submission["jobs"].take())),
        Err(error) if error.is("not-found") => {
            let path = format!("/v1/jobs/{id}");
            let job = client.get::<Value>(&path).await?;
            Ok((path, Value::from(vec![job])))
        }
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
