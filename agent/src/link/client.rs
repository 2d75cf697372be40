//! The caller's side of the link.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daybook_core::Hash;
use daybook_core::id::Stream;
use daybook_core::key::PublicKey;
use reqwest::{Certificate, Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use super::LinkError;
use super::token::{Call, TokenError, verify_answer};
use super::wire::{
    ANSWER_HEADER, Cancellation, EventAnswer, EventRequest, Gate, JobList, JobView, Lease, LeaseRequest,
    OutputsAnswer, OutputsRequest, PlaceAnswer, Problem, ROOT, Thing,
};
use crate::keyfile::Keys;
use crate::random;
use crate::spool::{SignedFile, SpoolError};

/// How long an answer may take, besides what it is asked to wait.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the bytes of a packet or an image may take.
const TRANSFER: Duration = Duration::from_hours(6);
/// Bytes of an answer that is no file, at most.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The relay, as its callers know it.
#[derive(Clone, Debug)]
pub struct LinkServer {
    /// Its address, such as `http://10.0.0.5:8790`.
    pub url: String,
    /// Its name, which every token states: the same as in the relay's own configuration.
    pub name: String,
    /// The relay's public key for access, which signs its answers.
    pub key: PublicKey,
}

/// Calls the relay.
#[derive(Clone)]
pub struct LinkClient {
    server: LinkServer,
    keys: Arc<Keys>,
    http: reqwest::Client,
}

impl LinkClient {
    /// Calls that relay with these keys; `root` is the certificate in PEM form that its TLS rests on, if it has any.
    pub fn new(server: LinkServer, keys: Arc<Keys>, root: Option<&[u8]>) -> Result<Self, LinkError> {
        let own = |error: reqwest::Error| LinkError::Own(format!("no HTTP client can be made: {error}"));
        // The link goes through no proxy: it is inside.
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5));
        if let Some(root) = root {
            http = http.tls_certs_only([Certificate::from_pem(root).map_err(own)?]);
        }
        let url = server.url.trim_end_matches('/').to_owned();
        Ok(Self {
            server: LinkServer { url, ..server },
            keys,
            http: http.build().map_err(own)?,
        })
    }

    /// Who calls.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Every open job. With `after`, the version of an earlier list, it waits up to `wait` seconds for a change.
    pub async fn jobs(&self, after: Option<u64>, wait: u64) -> Result<JobList, LinkError> {
        let query = after.map_or_else(String::new, |after| format!("?after={after}&wait={wait}"));
        self.get(&format!("/jobs{query}"), PATIENCE + Duration::from_secs(wait))
            .await
    }

    /// One job.
    pub async fn job(&self, job: Uuid) -> Result<JobView, LinkError> {
        self.get(&format!("/jobs/{job}"), PATIENCE).await
    }

    /// Whether what a job rests on stands now.
    pub async fn gate(&self, job: Uuid) -> Result<Gate, LinkError> {
        self.get(&format!("/jobs/{job}/gate"), PATIENCE).await
    }

    /// Takes a job for a while, or for a while longer.
    pub async fn lease(&self, job: Uuid, holder: Uuid) -> Result<Lease, LinkError> {
        self.write(
            Method::POST,
            &format!("/jobs/{job}/lease"),
            &LeaseRequest { holder },
        )
        .await
    }

    /// Gives a job back.
    pub async fn give_back(&self, job: Uuid, holder: Uuid) -> Result<(), LinkError> {
        let target = format!("/jobs/{job}/lease?holder={holder}");
        self.bytes(Method::DELETE, &target, Vec::new(), PATIENCE).await?;
        Ok(())
    }

    /// Fetches the request's bytes into a file, which is there only if they are whole.
    pub async fn packet(&self, job: Uuid, into: &Path) -> Result<(), LinkError> {
        self.file(&format!("/jobs/{job}/packet"), into).await
    }

    /// Fetches a workflow or an image into a file, which is there only if it has the digest.
    pub async fn thing(&self, thing: &Thing, into: &Path) -> Result<(), LinkError> {
        self.file(&format!("/things/{}", thing.sha256), into).await?;
        Ok(())
    }

    /// Where the next event of a stream belongs, and what is newer of the log than its first `since` entries.
    pub async fn place(&self, stream: &Stream, since: u64) -> Result<PlaceAnswer, LinkError> {
        self.get(&format!("/place?stream={stream}&since={since}"), PATIENCE)
            .await
    }

    /// Hands an event over. The same one again is no second one.
    pub async fn hand_over(&self, signed: &SignedFile) -> Result<EventAnswer, LinkError> {
        let body = EventRequest {
            event: signed.event.clone(),
            openings: signed.openings.clone(),
        };
        self.write(Method::POST, "/events", &body).await
    }

    /// Says which outputs come; answers which of them are still to come.
    pub async fn announce(&self, job: Uuid, outputs: &OutputsRequest) -> Result<OutputsAnswer, LinkError> {
        self.write(Method::PUT, &format!("/jobs/{job}/outputs"), outputs)
            .await
    }

    /// Sends one of the outputs that were announced.
    pub async fn output(&self, job: Uuid, at: usize, bytes: Vec<u8>) -> Result<OutputsAnswer, LinkError> {
        let target = format!("/jobs/{job}/outputs/{at}");
        parse(&self.bytes(Method::PUT, &target, bytes, TRANSFER).await?)
    }

    /// Says that the TRE's own people want a job to stop.
    pub async fn cancel(&self, job: Uuid, cancellation: &Cancellation) -> Result<(), LinkError> {
        let target = format!("/jobs/{job}/cancellation");
        let _: serde_json::Value = self.write(Method::PUT, &target, cancellation).await?;
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, target: &str, patience: Duration) -> Result<T, LinkError> {
        parse(&self.bytes(Method::GET, target, Vec::new(), patience).await?)
    }

    async fn write<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: &B,
    ) -> Result<T, LinkError> {
        let body = serde_json::to_vec(body).map_err(LinkError::Answer)?;
        parse(&self.bytes(method, target, body, PATIENCE).await?)
    }

    /// One call, and the bytes of its verified answer.
    async fn bytes(
        &self,
        method: Method,
        target: &str,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<Vec<u8>, LinkError> {
        let (response, token) = self.send(method, target, body, patience).await?;
        self.body(response, &token).await
    }

    /// The verified bytes of an answer, unless it is a problem.
    async fn body(&self, mut response: Response, token: &str) -> Result<Vec<u8>, LinkError> {
        let signed = self.signed(&response, token)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER {
                return Err(LinkError::Own(format!(
                    "the relay's answer has more than {MAX_ANSWER} bytes"
                )));
            }
        }
        self.same(&signed, &Hash::of(&bytes))?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(LinkError::Problem(parse::<Problem>(&bytes)?))
    }

    async fn file(&self, target: &str, into: &Path) -> Result<(), LinkError> {
        let (mut response, token) = self.send(Method::GET, target, Vec::new(), TRANSFER).await?;
        if !response.status().is_success() {
            // A problem, which has no bytes worth a file.
            return self.body(response, &token).await.map(drop);
        }
        let signed = self.signed(&response, &token)?;
        let half = into.with_extension("half");
        let at = |error| LinkError::Spool(SpoolError::at(&half)(error));
        let mut file = tokio::fs::File::create(&half).await.map_err(at)?;
        let mut digest = Sha256::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            digest.update(&chunk);
            file.write_all(&chunk).await.map_err(at)?;
        }
        file.sync_all().await.map_err(at)?;
        let whole = self.same(&signed, &Hash(digest.finalize().into()));
        if let Err(error) = whole {
            drop(tokio::fs::remove_file(&half).await);
            return Err(error);
        }
        tokio::fs::rename(&half, into).await.map_err(at)
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<(Response, String), LinkError> {
        let target = format!("{ROOT}{target}");
        let call = Call {
            link: self.server.name.clone(),
            caller: self.keys.actor.clone(),
            method: method.to_string(),
            target: target.clone(),
            body: Hash::of(&body),
        };
        let own = |text: &str| LinkError::Own(text.to_owned());
        let key = self
            .keys
            .access
            .as_ref()
            .ok_or_else(|| own("the key file holds no access key"))?;
        let nonce = random::bytes().map_err(|error| own(&error.to_string()))?;
        let token = call.sign(key, random::now(), nonce);
        let url = format!("{}{target}", self.server.url);
        let request = self
            .http
            .request(method, url)
            .timeout(patience)
            .bearer_auth(&token)
            .body(body);
        let response = request.send().await.map_err(|error| self.broken(error))?;
        Ok((response, token))
    }

    /// The digest of the answer's body, as the relay has signed it.
    fn signed(&self, response: &Response, token: &str) -> Result<Hash, LinkError> {
        let header = response
            .headers()
            .get(ANSWER_HEADER)
            .and_then(|text| text.to_str().ok());
        let status = response.status().as_u16();
        header
            .ok_or(TokenError::Missing)
            .and_then(|text| verify_answer(text, &self.server.name, token, status, &self.server.key))
            .map_err(|error| self.forged(error))
    }

    fn same(&self, signed: &Hash, found: &Hash) -> Result<(), LinkError> {
        if signed == found {
            Ok(())
        } else {
            Err(self.forged(TokenError::Other("body")))
        }
    }

    fn forged(&self, error: TokenError) -> LinkError {
        LinkError::NotTheRelay(self.server.url.clone(), error)
    }

    fn broken(&self, error: reqwest::Error) -> LinkError {
        LinkError::Transport(self.server.url.clone(), error)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LinkError> {
    serde_json::from_slice(bytes).map_err(LinkError::Answer)
}
