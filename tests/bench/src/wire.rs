//! HTTP/1.1 with keep-alive, as little of it as a loader needs: its own cost counts on the machine that is measured.

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bytes of an answer's header at most.
const MAX_HEADER: usize = 8 * 1024;

/// A request that appends.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A request that reads.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: hub\r\n\r\n").into_bytes()
}

/// A connection that asks one thing at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer; its body lies in the connection until the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// The status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (status, start, length) = loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the hub closed the connection");
            if let Some(header) = header(&self.buffer)? {
                break header;
            }
            ensure!(self.buffer.len() < MAX_HEADER, "the answer's header is too long");
        };
        while self.buffer.len() < start + length {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the hub closed the connection");
        }
        Ok(Answer {
            status,
            body: self.buffer.get(start..start + length).unwrap_or_default(),
        })
    }
}

/// Status, start of the body and its length, once the header is there whole.
fn header(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..end])?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.context("no status line")?.parse()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let Some((_, length)) = length else {
        bail!("the answer {status} has no content-length")
    };
    Ok(Some((status, end + 4, length.trim().parse()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_once_whole() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nx: y\r\n\r\nhello";
        assert_eq!(header(whole).unwrap(), Some((201, whole.len() - 5, 5)));
        assert_eq!(header(&whole[..30]).unwrap(), None);
        assert!(header(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
