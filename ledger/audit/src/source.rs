//! Where a log is read from: a hub over HTTP, or a folder with a static copy.

use std::path::PathBuf;
use std::time::Duration;

use daybook_core::Hash;
use daybook_core::sealed::Opening;
use daybook_core::tree::{Resource, TileId, TilePath, bundle_prefix, decode_tile};
use reqwest::StatusCode;
use serde_json::Value;
use thiserror::Error;

/// Bytes that one answer may have: a bundle of 256 entries of the largest size, and room.
const MAX_ANSWER: usize = 20 * 1024 * 1024;
/// How often a request that failed on the way is made again.
const ATTEMPTS: u32 = 5;
/// How long to wait before the second attempt; each further one waits twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Where a copy holds the openings of an entry that were published: a JSON list of their texts.
pub fn openings_path(index: u64) -> String {
    format!("openings/{index}.json")
}

/// The openings in a hub's answer.
pub fn openings_in(answer: &Value) -> Vec<Opening> {
    let list = answer.get("openings").and_then(Value::as_array);
    let texts = list
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("opening")?.as_str());
    texts.filter_map(|text| Opening::parse(text).ok()).collect()
}

/// A log could not be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// Not reached, or broken off, several times.
    #[error("{0} cannot be read")]
    Http(String, #[source] reqwest::Error),
    /// Answered with another status.
    #[error("{path} is answered with {status}")]
    Status {
        /// What was asked for.
        path: String,
        /// The answer.
        status: StatusCode,
    },
    /// Longer than anything that a log serves.
    #[error("{0} is longer than anything that a log serves")]
    TooLong(String),
    /// Of another form.
    #[error("{0} is not what its name says")]
    Form(String),
    /// An entry of a bundle.
    #[error("the entry {0} is no event; `daybook audit` says more")]
    NoEvent(u64),
    /// The folder.
    #[error("the file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A folder has no lists.
    #[error("a folder holds the log, and nothing that a hub publishes beside it")]
    NoLists,
}

impl SourceError {
    /// Whether the log has said that there is no such thing, as opposed to not having been reached.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                status.is_client_error() && *status != StatusCode::TOO_MANY_REQUESTS
            }
            Self::File { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            Self::Form(_) | Self::TooLong(_) | Self::NoEvent(_) => true,
            Self::Http(..) | Self::NoLists => false,
        }
    }
}

/// A log to be read.
#[derive(Clone, Debug)]
pub enum Source {
    /// A hub at an address, or any place that serves `/log` under it.
    Hub(Hub),
    /// A folder as `daybook export` writes it.
    Folder(PathBuf),
}

/// A hub as an auditor sees it.
#[derive(Clone, Debug)]
pub struct Hub {
    http: reqwest::Client,
    base: String,
}

impl Source {
    /// A hub's address such as `https://hub.example.org`, or a folder.
    pub fn new(place: &str) -> Result<Self, SourceError> {
        if !place.contains("://") {
            return Ok(Self::Folder(place.into()));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(2))
            .build()
            .map_err(|error| SourceError::Http(place.to_owned(), error))?;
        Ok(Self::Hub(Hub {
            http,
            base: place.trim_end_matches('/').to_owned(),
        }))
    }

    /// The newest checkpoint, as a note.
    pub async fn checkpoint(&self) -> Result<Vec<u8>, SourceError> {
        self.log("checkpoint").await
    }

    /// The hub's copy of the policy by which it wants to be verified.
    pub async fn policy(&self) -> Result<Vec<u8>, SourceError> {
        self.log("policy").await
    }

    /// A checkpoint of a size, with every cosignature that the hub keeps of it.
    pub async fn kept_checkpoint(&self, size: u64) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Hub(hub) => hub.get(&format!("/v1/checkpoints/{size}")).await,
            Self::Folder(_) => Err(SourceError::NoLists),
        }
    }

    /// The first `width` entries of a bundle, as bytes.
    pub async fn bundle(&self, n: u64, width: u16) -> Result<Vec<u8>, SourceError> {
        let tile = |width| {
            TilePath::new(Resource::Entries(n), width).map_err(|error| SourceError::Form(error.to_string()))
        };
        let path = tile(width)?.to_string();
        match self.log(&path).await {
            // Where the full one is there a partial one may be gone.
            Err(error) if error.is_missing() && width < 256 => {
                let whole = self.log(&tile(256)?.to_string()).await?;
                let part = bundle_prefix(&whole, width).map_err(|_| SourceError::Form(path))?;
                Ok(part.to_vec())
            }
            found => found,
        }
    }

    /// The first `width` hashes of a tile, as bytes.
    pub async fn tile(&self, id: TileId, width: u16) -> Result<Vec<u8>, SourceError> {
        let path = TilePath::new(Resource::Hashes(id), width)
            .map_err(|error| SourceError::Form(error.to_string()))?;
        self.log(&path.to_string()).await
    }

    /// A tile of 256 hashes.
    pub async fn full_tile(&self, id: TileId) -> Result<Vec<Hash>, SourceError> {
        let path =
            TilePath::new(Resource::Hashes(id), 256).map_err(|error| SourceError::Form(error.to_string()))?;
        let path = path.to_string();
        let bytes = self.log(&path).await?;
        decode_tile(&bytes)
            .filter(|nodes| nodes.len() == 256)
            .ok_or(SourceError::Form(path))
    }

    /// The openings that a copy in a folder holds of an entry; none of a hub's, which says who may read which.
    pub async fn openings(&self, index: u64) -> Result<Vec<Opening>, SourceError> {
        let Self::Folder(folder) = self else {
            return Ok(Vec::new());
        };
        let path = folder.join(openings_path(index));
        let bytes = match tokio::fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(SourceError::File { path, source }),
        };
        let texts: Option<Vec<String>> = serde_json::from_slice(&bytes).ok();
        let openings = texts.and_then(|texts| texts.iter().map(|text| Opening::parse(text).ok()).collect());
        openings.ok_or_else(|| SourceError::Form(path.display().to_string()))
    }

    /// The openings of an entry that are for everybody: those of a copy, or what a hub gives to whoever asks.
    pub async fn published_openings(&self, index: u64) -> Result<Vec<Opening>, SourceError> {
        if let Self::Folder(_) = self {
            return self.openings(index).await;
        }
        let answer = self.json(&format!("/v1/events/{index}/openings")).await?;
        Ok(openings_in(&answer))
    }

    /// What a hub publishes as JSON under a path such as `/v1/jobs`.
    pub async fn json(&self, path: &str) -> Result<Value, SourceError> {
        let Self::Hub(hub) = self else {
            return Err(SourceError::NoLists);
        };
        let bytes = hub.get(path).await?;
        serde_json::from_slice(&bytes).map_err(|_| SourceError::Form(path.to_owned()))
    }

    async fn log(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Hub(hub) => hub.get(&format!("/log/{path}")).await,
            Self::Folder(folder) => {
                let path = folder.join(path);
                tokio::fs::read(&path)
                    .await
                    .map_err(|source| SourceError::File { path, source })
            }
        }
    }
}

impl Hub {
    async fn get(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let mut attempt = 0;
        loop {
            match self.try_get(path).await {
                Err(error) if !error.is_missing() && attempt + 1 < ATTEMPTS => {
                    tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_get(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let url = format!("{}{path}", self.base);
        let failed = |error| SourceError::Http(url.clone(), error);
        let mut answer = self.http.get(&url).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(SourceError::Status {
                path: path.to_owned(),
                status: answer.status(),
            });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(SourceError::TooLong(path.to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
