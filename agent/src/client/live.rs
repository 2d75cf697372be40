//! What a hub tells as it happens (server-sent events).

use std::time::Duration;

use reqwest::{Response, header};

use super::{Client, ClientError};

/// How long nothing may come: a hub says every 15 seconds that it lives.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long a stream is followed before it is begun anew.
const LONGEST: Duration = Duration::from_hours(24);
/// Bytes of one line at most: an entry is at most 48 KiB.
const MAX_LINE: usize = 256 * 1024;

/// A stream of entries.
pub struct Live {
    response: Response,
    rest: Vec<u8>,
    lines: Lines,
}

/// The part of the format that tells which entry a message is about.
#[derive(Default)]
struct Lines {
    /// The `id` of the message that is being read.
    id: Option<u64>,
}

impl Client {
    /// Follows what happens at an address, after the entry `after`; `None` where the hub does not tell it in that way.
    pub async fn live(&self, path: &str, after: Option<u64>) -> Result<Option<Live>, ClientError> {
        let request = self.http.get(format!("{}{path}", self.base)).timeout(LONGEST);
        let mut request = request.header(header::ACCEPT, "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        let response = self.send(request).await?;
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        Ok(is_stream.then(|| Live {
            response,
            rest: Vec::new(),
            lines: Lines::default(),
        }))
    }
}

impl Live {
    /// The index of the next entry; `None` once the stream has ended, broken off or fallen silent.
    pub async fn next(&mut self) -> Option<u64> {
        loop {
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                if let Some(index) = self.lines.take(line.trim_ascii_end()) {
                    return Some(index);
                }
            }
            if self.rest.len() > MAX_LINE {
                return None;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            self.rest.extend_from_slice(&chunk.ok()?.ok()??);
        }
    }
}

impl Lines {
    /// Takes a line; answers with the index of the message that it ends.
    fn take(&mut self, line: &[u8]) -> Option<u64> {
        if line.is_empty() {
            return self.id.take();
        }
        if let Some(id) = line.strip_prefix(b"id:") {
            self.id = std::str::from_utf8(id).ok()?.trim().parse().ok();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_with_an_empty_line_and_comments_are_none() {
        let text = "retry: 2000\n\n: alive\n\nid: 7\nevent: job-checked\ndata: {}\n\nevent: checkpoint\ndata: {}\n\nid:8\n";
        let mut lines = Lines::default();
        let told: Vec<u64> = text
            .lines()
            .filter_map(|line| lines.take(line.as_bytes()))
            .collect();
        assert_eq!(told, [7]);
        assert_eq!(lines.take(b""), Some(8));
        assert_eq!(lines.take(b"id: x"), None);
        assert_eq!(lines.take(b""), None);
    }
}
