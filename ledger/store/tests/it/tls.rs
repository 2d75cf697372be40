//! TLS to PostgreSQL, against a server with a certificate made here.

use std::fs;

use daybook_store::{Address, Options, Store, initialise, migrate};
use daybook_testkit::{identity, options};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::postgres::Postgres;

/// The name in the server's certificate: not the one under which the machine is reached.
const NAME: &str = "db.example";

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// A server that takes passwords over TLS only, with a certificate of this authority.
    async fn server(&self, last_year: i32) -> Postgres {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2010, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        let files = [
            ("server.crt", certificate.as_str()),
            ("server.key", &key.serialize_pem()),
            ("pg_hba.conf", rules),
        ];
        let server = Postgres::start(&files, &["ssl=on", "password_encryption=scram-sha-256"]).await;
        server
            .client()
            .await
            .batch_execute("ALTER ROLE daybook PASSWORD 'secret'")
            .await
            .unwrap();
        server
    }

    fn file(&self, folder: &TempDir) -> String {
        let path = folder
            .path()
            .join(format!("{}.crt", self.certificate.der().len()));
        fs::write(&path, self.certificate.pem()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn address(server: &Postgres, host: &str, words: &str) -> Address {
    let port = server.port;
    format!("host={host} hostaddr=127.0.0.1 port={port} user=daybook password=secret dbname=postgres {words}")
        .parse()
        .unwrap()
}

async fn is_encrypted(client: &Client) -> bool {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// What the refusal says, with its causes.
async fn refusal(address: &Address) -> String {
    let error = daybook_store::open(address, "daybook test").await.err().unwrap();
    let mut said = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        said = format!("{said}{error}; ");
        cause = error.source();
    }
    said
}

#[tokio::test]
async fn certificate_is_checked_as_far_as_the_address_asks() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let server = authority.server(2100).await;
    let root = format!("sslrootcert={}", authority.file(&folder));
    for good in [
        address(&server, NAME, &root),
        address(
            &server,
            NAME,
            &format!("sslmode=verify-full channel_binding=require {root}"),
        ),
        address(&server, "other.example", &format!("sslmode=verify-ca {root}")),
        address(&server, "other.example", "sslmode=require"),
    ] {
        let client = daybook_store::open(&good, "daybook test").await.unwrap();
        assert!(is_encrypted(&client).await);
    }
    let other_name = refusal(&address(&server, "other.example", &root)).await;
    assert!(other_name.contains("not valid for name"), "{other_name}");

    let stranger = folder.path().join("stranger");
    fs::write(&stranger, Authority::new("a stranger").certificate.pem()).unwrap();
    let stranger = format!("sslrootcert={}", stranger.display());
    for mode in ["verify-full", "verify-ca", "require"] {
        let said = refusal(&address(&server, NAME, &format!("sslmode={mode} {stranger}"))).await;
        assert!(said.contains("UnknownIssuer"), "{mode}: {said}");
    }
    // The system's own roots do not know it either.
    let said = refusal(&address(&server, NAME, "sslmode=verify-full")).await;
    assert!(said.contains("UnknownIssuer"), "{said}");
    let plain = refusal(&address(&server, NAME, "sslmode=disable")).await;
    assert!(plain.contains("no encryption"), "{plain}");
}

#[tokio::test]
async fn certificate_that_has_ended_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let server = authority.server(2020).await;
    let root = format!("sslrootcert={}", authority.file(&folder));
    for mode in ["verify-full", "verify-ca"] {
        let said = refusal(&address(&server, NAME, &format!("sslmode={mode} {root}"))).await;
        assert!(said.contains("expired"), "{mode}: {said}");
    }
}

#[tokio::test]
async fn server_without_tls_is_refused_by_who_asks_for_it() {
    let server = Postgres::start(&[], &[]).await;
    let said = refusal(&address(&server, NAME, "sslmode=require")).await;
    assert!(said.contains("does not support TLS"), "{said}");
}

#[tokio::test]
async fn log_is_kept_over_an_encrypted_connection() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let server = authority.server(2100).await;
    let root = format!("sslmode=verify-full sslrootcert={}", authority.file(&folder));
    let address = address(&server, NAME, &root);
    migrate(&address).await.unwrap();
    let client = daybook_store::open(&address, "daybook test").await.unwrap();
    initialise(&client, &identity()).await.unwrap();
    let store = Store::open(Options {
        config: address.clone(),
        ..options(tokio_postgres::Config::new(), &folder.path().join("guard"))
    })
    .await
    .unwrap();
    let sql = "SELECT count(*) FILTER (WHERE ssl), count(*)
        FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name LIKE 'daybook%'";
    let row = client.query_one(sql, &[]).await.unwrap();
    let (encrypted, all): (i64, i64) = (row.get(0), row.get(1));
    assert!(encrypted == all && all > 1, "{encrypted} of {all}");
    store.close().await;
}
