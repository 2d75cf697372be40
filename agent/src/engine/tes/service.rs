//! The service's HTTP interface.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::keyfile::read_secret;

/// Pages of a list that are read.
const PAGE_LIMIT: usize = 100;

/// The task service did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TesError {
    /// It does not answer.
    #[error("the task service does not answer; check `url` in [engine], and that it runs")]
    Unreachable(#[source] reqwest::Error),
    /// It says no.
    #[error("the task service refuses to {what} (HTTP {status})")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// Its answer is not of the specification.
    #[error("the task service's answer to {0:?} is not one of GA4GH TES 1.1")]
    Answer(&'static str),
    /// The token cannot be read.
    #[error("`token_file` in [engine]: {0}")]
    Token(String),
    /// No HTTP client.
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
}

/// A task as the service shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Task {
    #[serde(default)]
    id: Option<String>,
    /// Where it stands; the specification's default is `UNKNOWN`.
    #[serde(default = "unknown")]
    pub(super) state: String,
    #[serde(default)]
    logs: Option<Vec<TaskLog>>,
}

fn unknown() -> String {
    "UNKNOWN".to_owned()
}

#[derive(Debug, Deserialize)]
struct TaskLog {
    #[serde(default)]
    logs: Option<Vec<ExecutorLog>>,
}

#[derive(Debug, Deserialize)]
struct ExecutorLog {
    exit_code: i64,
    #[serde(default)]
    stderr: Option<String>,
}

impl Task {
    /// Whether it will not change any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.state.as_str(),
            "COMPLETE" | "EXECUTOR_ERROR" | "SYSTEM_ERROR" | "CANCELED" | "PREEMPTED"
        )
    }

    fn last(&self) -> Option<&ExecutorLog> {
        self.logs.as_ref()?.last()?.logs.as_ref()?.last()
    }

    /// How the executor ended.
    pub(super) fn exit_code(&self) -> Option<i64> {
        self.last().map(|log| log.exit_code)
    }

    pub(super) fn exit(&self) -> String {
        match self.exit_code() {
            Some(code) => format!("the executor ended with {code}"),
            None => "the executor failed".to_owned(),
        }
    }

    /// The end of its log, as far as the service shows it.
    pub(super) fn log(&self) -> String {
        self.last().and_then(|log| log.stderr.clone()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    tasks: Vec<Task>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// What the service says of itself.
#[derive(Deserialize)]
pub(super) struct Info {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

impl Info {
    /// Name and version in a few plain characters.
    pub(super) fn label(&self) -> String {
        let text = format!("{} {}", self.name, self.version);
        let plain = text
            .chars()
            .filter(|c| !c.is_control())
            .take(60)
            .collect::<String>();
        plain.trim().to_owned()
    }
}

/// The service.
#[derive(Debug)]
pub(super) struct Service {
    base: String,
    token: Option<String>,
    http: Client,
}

impl Service {
    pub(super) fn new(base: &str, token_file: Option<&Path>) -> Result<Self, TesError> {
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(TesError::Client)?;
        let token = token_file.map(|file| {
            let text = read_secret(file).map_err(|error| TesError::Token(format!("{error:#}")))?;
            Ok::<_, TesError>(text.trim().to_owned())
        });
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            token: token.transpose()?,
            http,
        })
    }

    pub(super) async fn info(&self) -> Result<Info, TesError> {
        let request = self.http.get(format!("{}/service-info", self.base));
        self.json("tell about itself", request).await
    }

    pub(super) async fn create(&self, task: &Value) -> Result<String, TesError> {
        let request = self.http.post(format!("{}/tasks", self.base)).json(task);
        let created: Created = self.json("create a task", request).await?;
        Ok(created.id)
    }

    pub(super) async fn task(&self, id: &str) -> Result<Task, TesError> {
        let request = self.http.get(self.address(id, "")?).query(&[("view", "FULL")]);
        self.json("show a task", request).await
    }

    pub(super) async fn cancel(&self, id: &str) -> Result<(), TesError> {
        let request = self.http.post(self.address(id, ":cancel")?);
        self.send("cancel a task", request).await.map(drop)
    }

    /// The ids of the tasks with a tag that are not over.
    pub(super) async fn tagged(&self, key: &str, value: &str) -> Result<Vec<String>, TesError> {
        let mut found = Vec::new();
        let mut token = String::new();
        for _ in 0..PAGE_LIMIT {
            let mut query = vec![("tag_key", key), ("tag_value", value), ("view", "MINIMAL")];
            if !token.is_empty() {
                query.push(("page_token", &token));
            }
            let request = self.http.get(format!("{}/tasks", self.base)).query(&query);
            let page: Listed = self.json("list tasks", request).await?;
            let open = page.tasks.into_iter().filter(|task| !task.is_over());
            found.extend(open.filter_map(|task| task.id));
            match page.next_page_token.filter(|next| !next.is_empty()) {
                Some(next) => token = next,
                None => return Ok(found),
            }
        }
        Err(TesError::Answer("list tasks"))
    }

    /// The address of a task. An id that would lead elsewhere is none of the specification's.
    fn address(&self, id: &str, verb: &str) -> Result<String, TesError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if id.is_empty() || id.starts_with('.') || !id.bytes().all(is_plain) {
            return Err(TesError::Answer("create a task"));
        }
        Ok(format!("{}/tasks/{id}{verb}", self.base))
    }

    async fn json<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: RequestBuilder,
    ) -> Result<T, TesError> {
        let response = self.send(what, request).await?;
        response.json().await.map_err(|error| {
            if error.is_decode() {
                TesError::Answer(what)
            } else {
                TesError::Unreachable(error.without_url())
            }
        })
    }

    async fn send(&self, what: &'static str, mut request: RequestBuilder) -> Result<Response, TesError> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request
            .send()
            .await
            .map_err(|error| TesError::Unreachable(error.without_url()))?;
        let status = response.status();
        if status.is_success() {
            Ok(response)
        } else {
            Err(TesError::Refused {
                what,
                status: status.as_u16(),
            })
        }
    }
}
