//! One witness over HTTP (C2SP tlog-witness).

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::WitnessKey;
use daybook_core::note::{Note, NoteSignature, VerifierKey};
use daybook_core::witness::AddCheckpoint;
use daybook_store::log::TreeHead;
use daybook_store::publish::Released;
use reqwest::{Response, StatusCode};

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read at most.
const MAX_ANSWER: usize = 64 * 1024;

/// What a witness answered.
#[derive(Debug)]
pub(super) enum Asked {
    /// Its line, verified.
    Cosigned(NoteSignature),
    /// It has cosigned another size last.
    Conflict(u64),
    /// It says that the tree is no continuation; its words.
    Inconsistent(String),
}

/// Where a witness is asked.
#[derive(Clone, Debug)]
pub(super) struct Door {
    http: reqwest::Client,
    url: String,
    witness: WitnessKey,
    log: VerifierKey,
}

impl Door {
    pub(super) fn new(url: &str, witness: WitnessKey, log: VerifierKey) -> Result<Self> {
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        anyhow::ensure!(is_web, "{url:?} is no address of the web");
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no HTTP client can be made")?;
        Ok(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
            witness,
            log,
        })
    }

    pub(super) fn witness(&self) -> &WitnessKey {
        &self.witness
    }

    /// Asks for a cosignature of a checkpoint, with the proof from `old`.
    pub(super) async fn ask(&self, old: u64, proof: Vec<Hash>, released: &Released) -> Result<Asked> {
        let checkpoint = Note::parse(released.note.as_bytes())?;
        let text = checkpoint.text().to_owned();
        let request = AddCheckpoint {
            old,
            proof,
            checkpoint,
        };
        let answer = self
            .http
            .post(format!("{}/add-checkpoint", self.url))
            .body(request.to_string())
            .send()
            .await
            .context("it cannot be reached")?;
        let status = answer.status();
        let body = read(answer).await?;
        match status {
            StatusCode::OK => {
                let lines = body.lines().filter_map(NoteSignature::parse);
                let mut own = lines.filter(|line| self.witness.time_of(&text, line).is_some());
                let line = own
                    .next()
                    .context("its answer holds no cosignature of its key over the checkpoint")?;
                Ok(Asked::Cosigned(line))
            }
            StatusCode::CONFLICT => {
                let size = body.strip_suffix('\n').and_then(|size| size.parse().ok());
                Ok(Asked::Conflict(size.context("it answered 409 without a size")?))
            }
            StatusCode::UNPROCESSABLE_ENTITY => Ok(Asked::Inconsistent(words(&body))),
            StatusCode::NOT_FOUND => bail!("it does not know this log"),
            StatusCode::FORBIDDEN => bail!("it does not take this log's key: {}", words(&body)),
            status => bail!("it answered {status}: {}", words(&body)),
        }
    }

    /// The newest checkpoint that it holds of this log, if that is under the log's own key; `None` before the first.
    pub(super) async fn held(&self) -> Result<Option<TreeHead>> {
        let mut hash = String::new();
        for byte in Hash::of(self.log.name().as_str().as_bytes()).0 {
            write!(hash, "{byte:02x}")?;
        }
        let answer = self
            .http
            .get(format!("{}/{hash}/checkpoint", self.url))
            .send()
            .await
            .context("it cannot be reached")?;
        match answer.status() {
            StatusCode::OK => {}
            // The same address need not serve both; what is not served is not held against anybody.
            StatusCode::NOT_FOUND => return Ok(None),
            status => bail!("it answered {status} to the question what it holds"),
        }
        let note = Note::parse(read(answer).await?.as_bytes()).context("what it holds is no note")?;
        let checkpoint = Checkpoint::open(&note, &self.log, self.log.name().as_str())
            .context("what it holds is not under this log's key")?;
        Ok(Some(TreeHead {
            size: checkpoint.size(),
            root: *checkpoint.root(),
        }))
    }
}

async fn read(mut answer: Response) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.context("it broke off")? {
        anyhow::ensure!(
            bytes.len() + chunk.len() <= MAX_ANSWER,
            "its answer is longer than any"
        );
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).context("its answer is no text")
}

/// The beginning of what it says, for people.
fn words(body: &str) -> String {
    let line = body.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}
