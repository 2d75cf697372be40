//! A hub, as anybody outside it sees it.

mod follow;
mod live;
mod packets;

use std::time::Duration;

use anyhow::{Context as _, Result};
use daybook_core::Hash;
use daybook_core::access::AccessToken;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::note::{Note, VerifierKey};
use daybook_core::sealed::Opening;
use reqwest::{Method, Proxy, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

pub use self::follow::Follower;
pub use self::live::Live;
pub use self::packets::PacketTooLarge;
use crate::author::Place;
use crate::keyfile::Keys;
use crate::random;

/// The hub did not do what was asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// It cannot be reached, or broke off.
    #[error("the hub at {0} cannot be reached")]
    Transport(String, #[source] reqwest::Error),
    /// It answered with a problem document.
    #[error("{title}: {detail}")]
    Problem {
        /// The HTTP status.
        status: StatusCode,
        /// The last part of the problem's type.
        slug: String,
        /// What kind of problem.
        title: String,
        /// What is particular.
        detail: String,
        /// The whole document.
        document: Value,
    },
}

impl ClientError {
    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Transport(..) => true,
            Self::Problem { status, slug, .. } => {
                (*status == StatusCode::SERVICE_UNAVAILABLE && slug != "stopped")
                    || slug == "not-published"
                    || slug == "rate-limited"
            }
        }
    }

    /// Whether it is a problem of that type.
    pub fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Problem { slug, .. } if slug == kind)
    }
}

/// Where an event stands, as the hub says.
#[derive(Clone, Debug, Deserialize)]
pub struct Receipt {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: String,
    /// Its stream.
    pub stream: String,
    /// Its position there.
    pub seq: u64,
    /// A `.tlog-proof`, where it was waited for and came in time.
    pub proof: Option<String>,
}

/// The last event of a stream.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamHead {
    /// Its position; 0 before the first.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf_hash: Option<String>,
}

/// An entry.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: String,
    /// The event.
    pub event: String,
}

/// Some entries.
#[derive(Debug, Deserialize)]
struct Page {
    entries: Vec<Entry>,
    next: Option<String>,
}

/// One hub.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    max_packet: u64,
}

impl Client {
    /// Speaks to the hub at an address such as `http://127.0.0.1:8787`.
    pub fn new(base: &str) -> Result<Self> {
        Self::through(base, None)
    }

    /// The same through a proxy, such as `http://proxy.tre.example:3128`.
    pub fn through(base: &str, proxy: Option<&str>) -> Result<Self> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_mins(1));
        if let Some(proxy) = proxy {
            http = http.proxy(Proxy::all(proxy).with_context(|| format!("{proxy:?} is no proxy's address"))?);
        }
        let http = http.build().context("no HTTP client can be made")?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            http,
            max_packet: u64::MAX,
        })
    }

    /// Takes no packet of more bytes: see [`PacketTooLarge`].
    #[must_use]
    pub fn with_max_packet(self, bytes: u64) -> Self {
        Self {
            max_packet: bytes,
            ..self
        }
    }

    /// The hub's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Posts an event with its openings, once.
    pub async fn append(
        &self,
        event: &Event,
        openings: &[Opening],
        wait: bool,
    ) -> Result<Receipt, ClientError> {
        let openings: Vec<&str> = openings.iter().map(Opening::as_str).collect();
        let body = json!({ "event": event.as_str(), "openings": openings });
        let path = if wait {
            "/v1/events?wait=published"
        } else {
            "/v1/events"
        };
        let request = self.http.post(format!("{}{path}", self.base)).json(&body);
        self.json(self.send(request).await?).await
    }

    /// The hub's clock, in seconds since 1970, where it says.
    pub async fn clock(&self) -> Result<Option<i64>, ClientError> {
        let response = self.send(self.http.get(format!("{}/healthz", self.base))).await?;
        let date = response
            .headers()
            .get(header::DATE)
            .and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        Ok(time.map(|time| time.timestamp().as_second()))
    }

    /// The head of a stream.
    pub async fn stream_head(&self, stream: &str) -> Result<StreamHead, ClientError> {
        self.get(&format!("/v1/streams/{stream}/head")).await
    }

    /// Where the next event of a stream stands, as the hub says.
    pub async fn place(&self, stream: &Stream) -> Result<Place, ClientError> {
        let stream = stream.to_string();
        let head = self.stream_head(&stream).await?;
        Ok(Place {
            stream,
            seq: head.seq + 1,
            prev: head.leaf_hash,
        })
    }

    /// One entry.
    pub async fn entry(&self, index: u64) -> Result<Entry, ClientError> {
        self.get(&format!("/v1/events/{index}")).await
    }

    /// The entries of a stream after an index, in order, however many there are.
    pub async fn entries(&self, stream: &str, after: Option<u64>) -> Result<Vec<Entry>, ClientError> {
        let (mut entries, mut after) = (Vec::new(), after);
        loop {
            let since = after.map_or_else(String::new, |after| format!("&after={after}"));
            let page: Page = self
                .get(&format!("/v1/events?stream={stream}&limit=500{since}"))
                .await?;
            let Some(last) = page.entries.last() else {
                return Ok(entries);
            };
            after = Some(last.index);
            entries.extend(page.entries);
            if page.next.is_none() {
                return Ok(entries);
            }
        }
    }

    /// The entry with that leaf hash.
    pub async fn entry_of(&self, leaf: &Hash) -> Result<Option<Entry>, ClientError> {
        let page: Page = self.get(&format!("/v1/events?leaf_hash={leaf}")).await?;
        Ok(page.entries.into_iter().next())
    }

    /// The proof of an entry, as the text of a `.tlog-proof`.
    pub async fn proof(&self, index: u64) -> Result<String, ClientError> {
        self.text(&format!("/v1/events/{index}/proof")).await
    }

    /// The newest checkpoint as a note and read, with the log's signature verified.
    pub async fn checkpoint(&self, key: &VerifierKey, origin: &str) -> Result<(Note, Checkpoint)> {
        let text = self.text("/log/checkpoint").await?;
        let note = Note::parse(text.as_bytes()).context("the checkpoint is not a signed note")?;
        let checkpoint = Checkpoint::open(&note, key, origin).context("the checkpoint does not hold")?;
        Ok((note, checkpoint))
    }

    /// Anything that is JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.send(self.http.get(format!("{}{path}", self.base))).await?;
        self.json(response).await
    }

    async fn text(&self, path: &str) -> Result<String, ClientError> {
        let response = self.send(self.http.get(format!("{}{path}", self.base))).await?;
        response.text().await.map_err(|error| self.broken(error))
    }

    async fn bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let response = self.send(self.http.get(format!("{}{path}", self.base))).await?;
        Ok(response
            .bytes()
            .await
            .map_err(|error| self.broken(error))?
            .to_vec())
    }

    /// The openings of an entry that these keys may read.
    pub async fn openings(&self, keys: Option<(&Keys, &str)>, index: u64) -> Result<Value> {
        let path = format!("/v1/events/{index}/openings");
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some((keys, origin)) = keys {
            request = request.bearer_auth(token(keys, origin, &Method::GET, &path)?);
        }
        Ok(self.json(self.send(request).await?).await?)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let document: Value = response.json().await.unwrap_or_default();
        let text = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let slug = text("type").rsplit('/').next().unwrap_or_default().to_owned();
        let (mut title, detail) = (text("title"), text("detail"));
        if title.is_empty() {
            title = format!("the hub answered {status}");
        }
        Err(ClientError::Problem {
            status,
            slug,
            title,
            detail,
            document,
        })
    }

    async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, ClientError> {
        response.json().await.map_err(|error| self.broken(error))
    }

    fn broken(&self, error: reqwest::Error) -> ClientError {
        ClientError::Transport(self.base.clone(), error)
    }
}

fn token(keys: &Keys, origin: &str, method: &Method, path: &str) -> Result<String> {
    let key = keys.access.as_ref().context("the key file holds no access key")?;
    let iat = random::now();
    let token = AccessToken {
        aud: origin.to_owned(),
        iat,
        exp: iat + 60,
        iss: keys.actor.clone(),
        method: method.to_string(),
        path: path.to_owned(),
    };
    Ok(token.sign(key))
}
