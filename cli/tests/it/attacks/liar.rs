//! A proxy in front of the hub that changes what it answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

use super::forger::Forged;
use super::scene::Scene;

/// What somebody asked.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) body: Bytes,
}

/// An answer of the liar's own; nothing where the hub is to answer.
type Lie = Arc<dyn Fn(&Asked) -> Option<(StatusCode, Vec<u8>)> + Send + Sync>;
/// A change of what the hub answers.
type Twist = Arc<dyn Fn(&Asked, String) -> String + Send + Sync>;

#[derive(Clone, Default)]
struct Lies {
    lie: Option<Lie>,
    twist: Option<Twist>,
}

#[derive(Clone)]
struct Place {
    hub: String,
    http: reqwest::Client,
    lies: Arc<Mutex<Lies>>,
}

/// The proxy. It lives as long as the scene's runtime.
pub(crate) struct Liar {
    pub(crate) url: String,
    lies: Arc<Mutex<Lies>>,
}

impl Liar {
    /// One that tells the truth so far.
    pub(crate) fn before(scene: &Scene) -> Self {
        let lies: Arc<Mutex<Lies>> = Arc::default();
        let place = Place {
            hub: scene.url.clone(),
            http: reqwest::Client::new(),
            lies: lies.clone(),
        };
        let url = scene.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let app = Router::new().fallback(answer).with_state(place);
            tokio::spawn(async move { axum::serve(listener, app).await });
            url
        });
        Self { url, lies }
    }

    /// From now on this answers first.
    pub(crate) fn lie(&self, lie: impl Fn(&Asked) -> Option<(StatusCode, Vec<u8>)> + Send + Sync + 'static) {
        self.lies.lock().unwrap().lie = Some(Arc::new(lie));
    }

    /// From now on what the hub answers is changed.
    pub(crate) fn twist(&self, twist: impl Fn(&Asked, String) -> String + Send + Sync + 'static) {
        self.lies.lock().unwrap().twist = Some(Arc::new(twist));
    }

    /// From now on another log is served.
    pub(crate) fn serve(&self, log: Forged) {
        self.lie(move |asked| log.answer(&asked.path));
    }

    /// The truth again.
    pub(crate) fn repent(&self) {
        *self.lies.lock().unwrap() = Lies::default();
    }
}

async fn answer(State(place): State<Place>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let asked = Asked {
        method: parts.method.clone(),
        path: path.to_owned(),
        body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
    };
    let lies = place.lies.lock().unwrap().clone();
    if let Some((status, body)) = lies.lie.and_then(|lie| lie(&asked)) {
        return (status, body).into_response();
    }
    let mut headers = parts.headers;
    headers.remove("host");
    let url = format!("{}{}", place.hub, asked.path);
    let sent = place.http.request(parts.method, url).headers(headers);
    let Ok(response) = sent.body(asked.body.clone()).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, mut headers) = (response.status(), response.headers().clone());
    let Ok(bytes) = response.bytes().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let bytes = match (lies.twist, String::from_utf8(bytes.to_vec())) {
        (Some(twist), Ok(text)) => twist(&asked, text).into_bytes().into(),
        _ => bytes,
    };
    for name in ["content-length", "transfer-encoding", "connection"] {
        headers.remove(name);
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
