//! A hub as a service: a socket that is passed to it, what systemd is told, and its certificate.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Pid, Signal, kill_process};

use crate::bin::{Serving, Site, daybook, run, stderr};

const LIMIT: Duration = Duration::from_mins(1);

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A hub that gets its socket as systemd would give it, as the third file of the process.
struct Activated(Child);

impl Activated {
    fn start(site: &Site, socket: &TcpListener) -> Self {
        let socket: OwnedFd = socket.try_clone().unwrap().into();
        let program = daybook();
        let mut shell = Command::new("bash");
        shell
            .args([
                "-c",
                r#"exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@""#,
                "bash",
            ])
            .arg(program.get_program())
            .args(["serve", "--config", &site.text("daybook.toml")])
            .env("NOTIFY_SOCKET", site.path("notify"))
            .env("WATCHDOG_USEC", "100000")
            .env_remove("DATABASE_URL")
            .stdin(Stdio::from(socket))
            .stderr(Stdio::null());
        Self(shell.spawn().unwrap())
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Waits until systemd is told this.
fn hears(notify: &UnixDatagram, wanted: &str) {
    let begin = Instant::now();
    let mut said = [0; 64];
    while begin.elapsed() < LIMIT {
        let length = notify.recv(&mut said).unwrap();
        if &said[..length] == wanted.as_bytes() {
            return;
        }
    }
    panic!("systemd was never told {wanted}");
}

fn ask(socket: &TcpListener) -> TcpStream {
    let mut client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n")
        .unwrap();
    client
}

fn answer(mut client: TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn connection_made_between_two_programs_is_answered_by_the_second() {
    let site = Site::new();
    site.init();
    let notify = UnixDatagram::bind(site.path("notify")).unwrap();
    notify.set_read_timeout(Some(LIMIT)).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();

    let mut old = Activated::start(&site, &socket);
    hears(&notify, "READY=1");
    hears(&notify, "WATCHDOG=1");
    assert!(answer(ask(&socket)).ends_with("alive\n"));
    signal(&old.0, Signal::TERM);
    hears(&notify, "STOPPING=1");
    assert!(old.0.wait().unwrap().success());

    let waits = ask(&socket);
    let _new = Activated::start(&site, &socket);
    hears(&notify, "READY=1");
    assert!(answer(waits).ends_with("alive\n"));
}

/// Puts a new certificate into a site, and gives a client that trusts it alone.
fn certificate(site: &Site) -> reqwest::Client {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(site.path("key.pem"), key.serialize_pem()).unwrap();
    fs::write(site.path("cert.pem"), certificate.pem()).unwrap();
    let root = reqwest::Certificate::from_pem(certificate.pem().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).build().unwrap()
}

fn with_tls(site: &Site) {
    let path = site.path("daybook.toml");
    let text = fs::read_to_string(&path).unwrap();
    let (cert, key) = (site.text("cert.pem"), site.text("key.pem"));
    fs::write(
        path,
        format!("tls_cert = \"{cert}\"\ntls_key = \"{key}\"\n{text}"),
    )
    .unwrap();
}

#[tokio::test]
async fn hub_speaks_https_and_takes_a_new_certificate_at_sighup() {
    let site = Site::new();
    site.init();
    with_tls(&site);
    let old = certificate(&site);
    let hub = site.serve();
    let url = format!(
        "https://localhost:{}/healthz",
        hub.url.rsplit(':').next().unwrap()
    );
    let get = async |client: &reqwest::Client| client.get(&url).send().await?.text().await;
    assert_eq!(get(&old).await.unwrap(), "alive\n");
    let plain = reqwest::get(format!("{}/healthz", hub.url)).await.unwrap();
    assert_eq!(plain.status(), 400);

    let new = certificate(&site);
    get(&new).await.unwrap_err();
    signal(&hub.child, Signal::HUP);
    let begin = Instant::now();
    while get(&new).await.is_err() {
        assert!(begin.elapsed() < LIMIT, "the new certificate is not served");
    }
    // Its connection is still open, and goes on under the old certificate.
    assert_eq!(get(&old).await.unwrap(), "alive\n");
    assert!(hub.terminate());
}

#[test]
fn sighup_does_not_end_a_hub_without_a_certificate() {
    let site = Site::new();
    site.init();
    let hub = site.serve();
    signal(&hub.child, Signal::HUP);
    assert_eq!(hub.text("/healthz"), "alive\n");
    assert!(hub.terminate());
}

#[test]
fn certificate_that_cannot_be_served_is_refused_at_the_start() {
    let site = Site::new();
    site.init();
    with_tls(&site);
    let said = Serving::start(&site.path("daybook.toml"), &[]).err().unwrap();
    assert!(
        said.contains("tls_cert") && said.contains("No such file"),
        "{said}"
    );
    let path = site.path("daybook.toml");
    let half = fs::read_to_string(&path).unwrap().replace("tls_key", "# tls_key");
    fs::write(&path, half).unwrap();
    let output = run(&["serve", "--config", path.to_str().unwrap()]);
    assert!(stderr(&output).contains("go together"), "{}", stderr(&output));
}
