use axum::Router;
use axum::routing::get;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::server::serve_over;

/// A folder with `cert.pem` and `key.pem`.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.renew(None);
        files
    }

    /// Puts another certificate there, and answers with it.
    fn renew(&self, last_year: Option<i32>) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if let Some(year) = last_year {
            params.not_after = date_time_ymd(year, 1, 1);
        }
        let certificate = params.self_signed(&key).unwrap().pem();
        fs::write(self.path("cert.pem"), &certificate).unwrap();
        fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
        certificate
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<Tls, TlsError> {
        Tls::load(&self.path("cert.pem"), &self.path("key.pem"))
    }

    fn certificate(&self) -> String {
        fs::read_to_string(self.path("cert.pem")).unwrap()
    }
}

/// A server with one route, and what ends it.
struct Site {
    port: u16,
    tls: Arc<Tls>,
    _ends: tokio_util::sync::DropGuard,
}

impl Site {
    async fn start(files: &Files, patience: Patience) -> Self {
        let tls = Arc::new(files.load().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "hello"));
        tokio::spawn(serve_over(
            listener,
            router,
            stop.clone(),
            patience,
            Some(tls.clone()),
        ));
        Self {
            port,
            tls,
            _ends: stop.drop_guard(),
        }
    }

    async fn get(&self, client: &reqwest::Client) -> reqwest::Result<String> {
        let url = format!("https://localhost:{}/", self.port);
        client.get(url).send().await?.text().await
    }
}

fn trusting(certificate: &str) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).build().unwrap()
}

#[tokio::test]
async fn client_that_trusts_the_certificate_is_served_and_another_is_not() {
    let files = Files::new();
    let site = Site::start(&files, Patience::default()).await;
    assert_eq!(site.get(&trusting(&files.certificate())).await.unwrap(), "hello");
    let other = Files::new().certificate();
    site.get(&trusting(&other)).await.unwrap_err();
}

#[tokio::test]
async fn new_certificate_is_served_while_an_open_connection_goes_on() {
    let files = Files::new();
    let site = Site::start(&files, Patience::default()).await;
    let old = trusting(&files.certificate());
    assert_eq!(site.get(&old).await.unwrap(), "hello");
    assert!(!site.tls.reload_if_changed().unwrap());

    let renewed = files.renew(None);
    assert!(site.tls.reload_if_changed().unwrap());
    // The same connection: a new handshake would meet a certificate that this client does not trust.
    assert_eq!(site.get(&old).await.unwrap(), "hello");
    assert_eq!(site.get(&trusting(&renewed)).await.unwrap(), "hello");
    assert!(!site.tls.reload_if_changed().unwrap());
}

#[tokio::test]
async fn certificate_without_its_key_changes_nothing_until_the_key_is_there() {
    let files = Files::new();
    let site = Site::start(&files, Patience::default()).await;
    let old = files.certificate();
    let key = fs::read(files.path("key.pem")).unwrap();
    let renewed = files.renew(None);
    let new_key = fs::read(files.path("key.pem")).unwrap();
    fs::write(files.path("key.pem"), key).unwrap();
    assert!(matches!(
        site.tls.reload_if_changed(),
        Err(TlsError::Mismatch { .. })
    ));
    assert!(!site.tls.reload_if_changed().unwrap(), "said once");
    assert_eq!(site.get(&trusting(&old)).await.unwrap(), "hello");
    fs::write(files.path("key.pem"), new_key).unwrap();
    assert!(site.tls.reload_if_changed().unwrap());
    assert_eq!(site.get(&trusting(&renewed)).await.unwrap(), "hello");
}

#[tokio::test]
async fn plain_request_is_told_to_use_https() {
    let site = Site::start(&Files::new(), Patience::default()).await;
    let answer = reqwest::get(format!("http://127.0.0.1:{}/", site.port))
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("https://"));
}

#[tokio::test]
async fn client_that_shakes_no_hand_is_let_go() {
    let patience = Patience {
        header: std::time::Duration::from_millis(50),
        ..Patience::default()
    };
    let site = Site::start(&Files::new(), patience).await;
    for beginning in [&b""[..], &[HANDSHAKE, 3, 1], b"GET"] {
        let mut silent = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
        silent.write_all(beginning).await.unwrap();
        let mut rest = Vec::new();
        // Ends, with or without an error: the server has gone.
        drop(silent.read_to_end(&mut rest).await);
    }
}

#[tokio::test]
async fn old_protocols_are_refused() {
    let files = Files::new();
    let site = Site::start(&files, Patience::default()).await;
    let root = reqwest::Certificate::from_pem(files.certificate().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]);
    let twelve = client
        .tls_version_max(reqwest::tls::Version::TLS_1_2)
        .build()
        .unwrap();
    assert_eq!(site.get(&twelve).await.unwrap(), "hello");
    // A client's hello of TLS 1.0, which offers nothing newer.
    let mut hello = vec![HANDSHAKE, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "an alert and no hello: {alert:?}");
}

#[test]
fn files_that_cannot_be_served_are_named_with_what_is_wrong() {
    let files = Files::new();
    let said = |result: Result<Tls, TlsError>| result.err().unwrap().to_string();
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    let away = files.path("away.pem");
    assert!(said(Tls::load(&away, &key)).contains("`tls_cert`"));
    assert!(said(Tls::load(&away, &key)).contains("No such file"));
    assert!(said(Tls::load(&cert, &away)).contains("`tls_key`"));
    assert!(said(Tls::load(&key, &key)).contains("no certificate"));
    assert!(said(Tls::load(&cert, &cert)).contains("nothing of that kind"));
    let other = Files::new();
    assert!(matches!(
        Tls::load(&cert, &other.path("key.pem")),
        Err(TlsError::Mismatch { .. })
    ));
    fs::write(
        &away,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    assert!(matches!(Tls::load(&away, &key), Err(TlsError::Refused { .. })));
    files.renew(Some(2020));
    assert!(matches!(files.load(), Err(TlsError::Expired { .. })));
}

#[test]
fn end_of_the_certificate_is_told() {
    let files = Files::new();
    files.renew(Some(2051));
    let expected: Timestamp = "2051-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(files.load().unwrap().ends(), Some(expected));
}
