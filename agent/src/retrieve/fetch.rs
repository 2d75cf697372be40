//! Bytes from a mirror's folder or over HTTP, up to a limit.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, LINK};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::config::Config;
use super::error::RetrieveError;

/// How long a place may take to answer, and to go on.
const PAUSE: Duration = Duration::from_mins(1);
/// How long one transfer may take in all.
const TRANSFER: Duration = Duration::from_hours(6);
/// Redirects followed, all of them within one origin.
const REDIRECTS: usize = 5;

/// What a place answered.
pub(super) enum Answer {
    /// The bytes are in the file.
    Bytes,
    /// It has nothing there.
    Absent,
    /// It has a page there, which points to these zips.
    Page(Vec<Url>),
}

/// Fetches from what the configuration allows.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    http: Client,
    rewrite: Vec<(String, String)>,
}

impl Fetcher {
    pub(super) fn new(config: &Config) -> Result<Self, RetrieveError> {
        let broken = |what: String| RetrieveError::Config(what);
        let within_origin = Policy::custom(|attempt| {
            let is_same = attempt
                .previous()
                .first()
                .is_some_and(|first| first.origin() == attempt.url().origin());
            if attempt.previous().len() > REDIRECTS {
                attempt.error("too many redirects")
            } else if is_same {
                attempt.follow()
            } else {
                attempt.error("it sends elsewhere, which is not followed")
            }
        });
        let mut builder = Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(PAUSE)
            .timeout(TRANSFER)
            .redirect(within_origin);
        if let Some(proxy) = &config.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|error| broken(format!("proxy: {error}")))?;
            builder = builder.proxy(proxy);
        }
        let http = builder.build().map_err(|error| broken(error.to_string()))?;
        let pairs = config.rewrite.iter().map(|pair| {
            let is_whole = pair.from.ends_with('/') && pair.to.ends_with('/') && Url::parse(&pair.to).is_ok();
            is_whole
                .then(|| (pair.from.clone(), pair.to.clone()))
                .ok_or_else(|| {
                    broken(format!(
                        "rewrite: {:?} and {:?} must be addresses that end with /",
                        pair.from, pair.to
                    ))
                })
        });
        Ok(Self {
            http,
            rewrite: pairs.collect::<Result<_, _>>()?,
        })
    }

    /// The address that is asked for a registered one: what the TRE's proxy has in its place.
    pub(super) fn rewritten(&self, address: &str) -> Result<Url, RetrieveError> {
        let unreadable = || RetrieveError::Config(format!("{address:?} is no address that can be asked"));
        let pair = self
            .rewrite
            .iter()
            .find(|(from, _)| address.starts_with(from.as_str()));
        let Some((from, to)) = pair else {
            let url = Url::parse(address).map_err(|_| unreadable())?;
            // A registered address is on the web; only the TRE's own file may name a folder.
            let is_web = matches!(url.scheme(), "http" | "https");
            return is_web.then_some(url).ok_or_else(unreadable);
        };
        let url = Url::parse(&format!("{to}{}", &address[from.len()..])).map_err(|_| unreadable())?;
        // The path is tidied by now: a `..` may not lead out of what the TRE named.
        let is_within = Url::parse(to).is_ok_and(|to| url.as_str().starts_with(to.as_str()));
        is_within.then_some(url).ok_or_else(unreadable)
    }

    /// Fetches into a file of at most so many bytes.
    pub(super) async fn fetch(&self, url: &Url, limit: u64, to: &mut File) -> Result<Answer, RetrieveError> {
        if url.scheme() != "file" {
            return self.fetch_http(url, limit, to).await;
        }
        let path = url.to_file_path();
        let path = path.map_err(|()| RetrieveError::Config(format!("{url} is no path of this machine")))?;
        // Images have gigabytes.
        let (place, part) = (url.clone(), to.try_clone().map_err(RetrieveError::store(&path))?);
        tokio::task::spawn_blocking(move || copy(&path, &place, limit, part))
            .await
            .unwrap_or_else(|error| {
                Err(RetrieveError::Unreachable {
                    place: url.to_string(),
                    source: error.into(),
                })
            })
    }

    async fn fetch_http(&self, url: &Url, limit: u64, to: &mut File) -> Result<Answer, RetrieveError> {
        let place = || url.to_string();
        let request = self
            .http
            .get(url.clone())
            .header(ACCEPT, "application/zip, */*;q=0.5");
        let unreachable = |source: reqwest::Error| RetrieveError::Unreachable {
            place: url.to_string(),
            source: source.into(),
        };
        let mut response = request.send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Answer::Absent),
            status => {
                return Err(RetrieveError::Answer {
                    place: place(),
                    answer: status.to_string(),
                });
            }
        }
        let kind = response.headers().get(CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
            return Ok(Answer::Page(zip_links(&response)));
        }
        let over = || RetrieveError::Size {
            place: place(),
            limit,
        };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(over());
        }
        let mut have = 0;
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            have += chunk.len() as u64;
            if have > limit {
                return Err(over());
            }
            to.write_all(&chunk)
                .map_err(RetrieveError::store("the store's part"))?;
        }
        Ok(Answer::Bytes)
    }
}

fn copy(path: &Path, url: &Url, limit: u64, mut to: File) -> Result<Answer, RetrieveError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Answer::Absent),
        Err(error) => return Err(RetrieveError::store(path)(error)),
    };
    let copied = std::io::copy(&mut file.take(limit.saturating_add(1)), &mut to);
    if copied.map_err(RetrieveError::store(path))? > limit {
        return Err(RetrieveError::Size {
            place: url.to_string(),
            limit,
        });
    }
    Ok(Answer::Bytes)
}

/// Zips that a page points to by `Link: <…>; rel="item"; type="application/zip"`, in the same origin.
///
/// Source: Five Safes RO-Crate 0.4, "Workflow", and FAIR Signposting.
fn zip_links(response: &Response) -> Vec<Url> {
    let values = response
        .headers()
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let links = values.flat_map(|value| value.split(',').map(str::trim).collect::<Vec<_>>());
    let mut found = Vec::new();
    for link in links {
        let Some((target, parameters)) = link.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
            continue;
        };
        let parameters: Vec<String> = parameters
            .split(';')
            .map(|part| part.trim().replace('"', ""))
            .collect();
        let says = |wanted: &str| parameters.iter().any(|part| part == wanted);
        let url = response.url().join(target).ok();
        let url = url.filter(|url| url.origin() == response.url().origin());
        if says("rel=item") && says("type=application/zip") {
            found.extend(url);
        }
    }
    found
}
