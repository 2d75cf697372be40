//! The server over a real socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{self, Next};
use daybook_api::{Patience, Service, serve_as};
use daybook_world::id;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::hub::{Hub, access_key, insider, sha256, token};

/// Nothing here takes longer unless it hangs, and no patience below is as long.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
/// Longer than any test waits.
const LONG: Duration = Duration::from_mins(10);

pub(crate) struct Served {
    pub(crate) hub: Hub,
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    server: JoinHandle<()>,
    /// Requests that have begun.
    begun: Arc<AtomicUsize>,
}

impl Served {
    async fn new(patience: Patience) -> Self {
        let service = Service {
            patience,
            ..Service::default()
        };
        Self::serving(Hub::new().await, service).await
    }

    /// Serves a hub's router over a real socket.
    pub(crate) async fn serving(hub: Hub, service: Service) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let counter = begun.clone();
        let count = move |request: Request, next: Next| {
            counter.fetch_add(1, Ordering::SeqCst);
            next.run(request)
        };
        let router = hub.router.clone().layer(middleware::from_fn(count));
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve_as(listener, router, stop.clone(), service));
        Self {
            hub,
            address,
            stop,
            server,
            begun,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn until_begun(&self, count: usize) {
        let wait = async {
            while self.begun.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        };
        timeout(LIMIT, wait).await.unwrap();
    }

    /// Tells the server to stop; it must, and then nobody listens any more.
    pub(crate) async fn ends(self) {
        self.stop.cancel();
        timeout(LIMIT, self.server)
            .await
            .expect("the server ends")
            .unwrap();
        let refused = TcpStream::connect(self.address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}

/// Reads one answer with a `Content-Length`, and leaves the connection open.
pub(crate) async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let read = timeout(LIMIT, stream.read_buf(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        assert!(read > 0, "cut off after {text:?}");
    }
}

/// What comes until the other side closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is as good an end as any.
    drop(
        timeout(LIMIT, stream.read_to_end(&mut bytes))
            .await
            .expect("the connection ends"),
    );
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn patient() -> Patience {
    Patience {
        header: LONG,
        answer: LONG,
        grace: LONG,
    }
}

#[test]
fn usual_patience_is_that_of_the_design() {
    let Patience {
        header,
        answer,
        grace,
    } = Patience::default();
    let seconds = [header, answer, grace].map(|patience| patience.as_secs());
    assert_eq!(seconds, [10, 30, 20]);
}

#[tokio::test]
async fn a_slow_header_is_cut_and_nobody_else_is() {
    let served = Served::new(Patience {
        header: Duration::from_millis(300),
        ..patient()
    })
    .await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /healthz HT").await.unwrap();
    let mut quick = served.connect().await;
    quick
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
        .await
        .unwrap();
    assert!(answer(&mut quick).await.ends_with("alive\n"));
    let told = rest(&mut slow).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    served.ends().await;
}

#[tokio::test]
async fn an_open_request_is_finished_before_the_end() {
    let served = Served::new(patient()).await;
    let member = insider(&served.hub.world);
    let path = format!("/v1/packets/{}", id("packet"));
    let token = token(&member, &Method::PUT, &path).sign(&access_key(&member));
    let mut stream = served.connect().await;
    let head = format!(
        "PUT {path}?sha256={} HTTP/1.1\r\nHost: hub\r\nContent-Length: 10\r\nAuthorization: Bearer {token}\r\n\r\nfirst",
        sha256(b"first half")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    served.until_begun(1).await;
    served.stop.cancel();
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.server.is_finished());
    stream.write_all(b" half").await.unwrap();
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 201"), "{text}");
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(served.hub.stored().len(), 1);
    served.ends().await;
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let served = Served::new(patient()).await;
    let mut used = Vec::new();
    for _ in 0..100 {
        let mut stream = served.connect().await;
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
            .await
            .unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        used.push(stream);
    }
    let mut unused = Vec::new();
    for _ in 0..100 {
        unused.push(served.connect().await);
    }
    served.ends().await;
    for mut stream in used.into_iter().chain(unused) {
        assert_eq!(rest(&mut stream).await, "");
    }
}

#[tokio::test]
async fn a_long_poll_is_answered_at_the_end() {
    let served = Served::new(patient()).await;
    let mut stream = served.connect().await;
    let request = "GET /v1/tres/wessex/queue?after=100000&wait=30 HTTP/1.1\r\nHost: hub\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    served.until_begun(1).await;
    served.ends().await;
    let text = answer(&mut stream).await;
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains("\"jobs\":[]"),
        "{text}"
    );
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_is_cut_off() {
    let served = Served::new(Patience {
        grace: Duration::from_millis(200),
        ..patient()
    })
    .await;
    let member = insider(&served.hub.world);
    let path = format!("/v1/packets/{}", id("packet"));
    let token = token(&member, &Method::PUT, &path).sign(&access_key(&member));
    let mut stream = served.connect().await;
    let head = format!(
        "PUT {path}?sha256={} HTTP/1.1\r\nHost: hub\r\nContent-Length: 10\r\nAuthorization: Bearer {token}\r\n\r\nfirst",
        sha256(b"first half")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    served.until_begun(1).await;
    served.ends().await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn who_asks_and_never_reads_is_cut_off() {
    let served = Served::new(Patience {
        answer: Duration::from_millis(300),
        ..patient()
    })
    .await;
    let mut deaf = served.connect().await;
    let asks = "GET /v1/events?limit=500 HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(200);
    // Requests are taken in only as long as answers go out, so that this ends when the hub gives up, and not before.
    let refused = async { while deaf.write_all(asks.as_bytes()).await.is_ok() {} };
    timeout(LIMIT, refused)
        .await
        .expect("nobody waits for ever for a client that takes nothing");
    let mut quick = served.connect().await;
    quick
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
        .await
        .unwrap();
    assert!(answer(&mut quick).await.ends_with("alive\n"));
    served.ends().await;
}
