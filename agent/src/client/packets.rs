//! Packets' bytes, over connections that break.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use daybook_core::Hash;
use reqwest::{Method, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use uuid::Uuid;

use super::{Client, ClientError, token};
use crate::keyfile::Keys;

/// How long one transfer may take in all.
const TRANSFER: Duration = Duration::from_hours(6);
/// How long it may pause.
const PAUSE: Duration = Duration::from_mins(1);
/// How often in a row it is tried without getting further.
const ATTEMPTS: u32 = 5;
/// The wait before the second attempt; it doubles.
const WAIT: Duration = Duration::from_millis(250);

/// A packet has more bytes than are taken; none of them was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the packet has {size} bytes, and at most {limit} are taken here")]
pub struct PacketTooLarge {
    /// Its bytes, as the hub states.
    pub size: u64,
    /// Bytes that are taken.
    pub limit: u64,
}

impl Client {
    /// Sends a packet. The same bytes under the same id again are no second packet, so a break is answered by sending again.
    pub async fn put_packet(&self, keys: &Keys, origin: &str, id: Uuid, bytes: Vec<u8>) -> Result<()> {
        let path = format!("/v1/packets/{id}");
        let bytes = Bytes::from(bytes);
        let url = format!("{}{path}?sha256={}", self.base, Hash::of(&bytes));
        let mut failed = 0;
        loop {
            let token = token(keys, origin, &Method::PUT, &path)?;
            let request = self.http.put(&url).timeout(TRANSFER).bearer_auth(token);
            match self.send(request.body(bytes.clone())).await {
                Ok(_) => return Ok(()),
                Err(error) => wait_after(error, &mut failed).await?,
            }
        }
    }

    /// Fetches a packet into memory.
    pub async fn get_packet(&self, keys: &Keys, origin: &str, id: &str) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().context("no folder for the packet can be made")?;
        self.fetch_packet(keys, origin, id, &folder.path().join("packet"))
            .await
    }

    /// Fetches a packet by way of a file, which keeps what has come: a later call goes on from there. What is fetched has
    /// the digest that the hub states.
    pub async fn fetch_packet(&self, keys: &Keys, origin: &str, id: &str, part: &Path) -> Result<Vec<u8>> {
        self.fetch_packet_showing(keys, origin, id, part, &|_, _| {})
            .await
    }

    /// As [`Client::fetch_packet`]; `progress` hears how many bytes of how many there are.
    pub async fn fetch_packet_showing(
        &self,
        keys: &Keys,
        origin: &str,
        id: &str,
        part: &Path,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Vec<u8>> {
        let path = format!("/v1/packets/{id}");
        let open = OpenOptions::new().read(true).append(true).create(true).open(part);
        let mut file = open.with_context(|| format!("cannot write {}", part.display()))?;
        let (mut stated, mut failed) = (None, 0);
        let mut is_fresh = file.metadata()?.len() == 0;
        loop {
            let have = file.metadata()?.len();
            let token = token(keys, origin, &Method::GET, &path)?;
            let mut request = self.http.get(format!("{}{path}", self.base)).timeout(TRANSFER);
            request = request.bearer_auth(token);
            if have > 0 {
                request = request.header(header::RANGE, format!("bytes={have}-"));
            }
            if let (true, Some(Stated { etag, .. })) = (have > 0, &stated) {
                request = request.header(header::IF_RANGE, etag);
            }
            let result = match self.send(request).await {
                Ok(response) => {
                    self.receive(response, &mut file, have, &mut stated, progress)
                        .await
                }
                Err(error) if error.is("no-such-range") => file.set_len(0).map_err(Into::into),
                Err(error) => Err(error.into()),
            };
            let has = file.metadata()?.len();
            is_fresh |= has < have;
            if has > have {
                failed = 0;
            }
            if let Err(error) = result {
                wait_after(error.downcast::<ClientError>()?, &mut failed).await?;
                continue;
            }
            let Some(stated) = &stated else { continue };
            let bytes = read_whole(&mut file)?;
            if Hash(Sha256::digest(&bytes).into()) == stated.sha256 {
                return Ok(bytes);
            }
            file.set_len(0)?;
            // What an earlier call left was of other bytes; what came now alone was not.
            ensure!(
                !is_fresh,
                "the packet does not have the digest that the hub states; fetch it again"
            );
            is_fresh = true;
        }
    }

    /// Keeps what comes after the first `have` bytes, or all where the hub sends all.
    async fn receive(
        &self,
        mut response: Response,
        file: &mut File,
        have: u64,
        stated: &mut Option<Stated>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<()> {
        let now = Stated::read(&response).context("the hub does not say which bytes the packet has")?;
        if response.status() == StatusCode::PARTIAL_CONTENT {
            ensure!(
                now.from == have,
                "the hub sent another part of the packet than was asked for"
            );
        } else {
            file.set_len(0)?;
        }
        let size = now.size;
        if size > self.max_packet {
            let limit = self.max_packet;
            return Err(PacketTooLarge { size, limit }.into());
        }
        *stated = Some(now);
        loop {
            let chunk = tokio::time::timeout(PAUSE, response.chunk()).await;
            let seconds = PAUSE.as_secs();
            let chunk = chunk.with_context(|| {
                format!("the hub sent nothing of the packet for {seconds} seconds; fetch it again")
            })?;
            let Some(chunk) = chunk.map_err(|error| self.broken(error))? else {
                return Ok(());
            };
            file.write_all(&chunk).context("the packet cannot be kept")?;
            let have = file.metadata()?.len();
            progress(have, size);
            ensure!(have <= size, "the hub sent more than the packet's {size} bytes");
        }
    }
}

/// What the hub says of the bytes that it sends.
struct Stated {
    etag: String,
    sha256: Hash,
    from: u64,
    size: u64,
}

impl Stated {
    fn read(response: &Response) -> Option<Self> {
        let text = |name: header::HeaderName| response.headers().get(name)?.to_str().ok();
        let etag = text(header::ETAG)?.to_owned();
        let sha256 = Hash::from_base64url(etag.trim_matches('"'))?;
        let (from, size) = match text(header::CONTENT_RANGE) {
            Some(range) => {
                let (range, size) = range.strip_prefix("bytes ")?.split_once('/')?;
                (range.split_once('-')?.0.parse().ok()?, size.parse().ok()?)
            }
            None => (0, text(header::CONTENT_LENGTH)?.parse().ok()?),
        };
        Some(Self {
            etag,
            sha256,
            from,
            size,
        })
    }
}

/// Waits before the next attempt, unless there is none: the failure does not pass, or has come too often.
async fn wait_after(error: ClientError, failed: &mut u32) -> Result<()> {
    *failed += 1;
    if !error.is_passing() || *failed >= ATTEMPTS {
        return Err(error.into());
    }
    tokio::time::sleep(WAIT * 2_u32.pow(*failed - 1)).await;
    Ok(())
}

fn read_whole(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
