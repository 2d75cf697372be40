//! A hub as an operator meets it: signals, lines, metrics.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::bin::{Serving, Site, daybook};

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_mins(1);

fn signal(hub: &Serving) {
    kill_process(Pid::from_child(&hub.child), Signal::TERM).unwrap();
}

/// Asks again and again until the answer is there.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begin.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends half a body, once the hub has said that it wants it.
fn half_a_request(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head = "POST /v1/events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n\
                Expect: 100-continue\r\nContent-Length: 20\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{").unwrap();
    stream
}

#[test]
fn a_hub_waits_for_half_a_request_and_a_second_signal_ends_it_at_once() {
    let site = Site::new();
    site.init();
    let mut hub = site.serve();
    let address = hub.url.strip_prefix("http://").unwrap().to_owned();
    let mut patient = half_a_request(&address);
    signal(&hub);
    until("nobody listens", || TcpStream::connect(&address).err());
    patient.write_all(b"\"event\":\"a.b.c\"   }").unwrap();
    let mut told = String::new();
    drop(patient.read_to_string(&mut told));
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    assert!(hub.child.wait().unwrap().success(), "an orderly end");

    let mut hub = site.serve();
    let address = hub.url.strip_prefix("http://").unwrap().to_owned();
    let _open = half_a_request(&address);
    signal(&hub);
    until("nobody listens", || TcpStream::connect(&address).err());
    assert!(
        hub.child.try_wait().unwrap().is_none(),
        "it waits for the request"
    );
    signal(&hub);
    assert_eq!(hub.child.wait().unwrap().code(), Some(1));
    // Nothing that was acknowledged is lost, and the next start finds the data free.
    let hub = site.serve();
    assert!(hub.text("/readyz").contains("\"ready\":true"));
    assert!(hub.terminate());
}

#[test]
fn metrics_are_served_on_a_port_of_their_own_and_lines_may_be_json() {
    let site = Site::new();
    site.init();
    let config = site.path("daybook.toml");
    let text = fs::read_to_string(&config).unwrap();
    let more = "metrics_listen = \"127.0.0.1:0\"\n[limits]\nevents_per_second = 9\n";
    fs::write(&config, format!("{text}{more}")).unwrap();
    let log = site.path("hub.log");
    let child = daybook()
        .args(["serve", "--log-format", "json", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let lines = || -> Vec<Value> {
        let text = fs::read_to_string(&log).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let mut hub = Serving {
        child,
        url: String::new(),
    };
    let address = |begins: &str| {
        let line = |line: &Value| {
            line["message"]
                .as_str()
                .unwrap()
                .starts_with(begins)
                .then(|| line["address"].clone())
        };
        lines()
            .iter()
            .find_map(line)
            .map(|address| address.as_str().unwrap().to_owned())
    };
    hub.url = format!("http://{}", until("it listens", || address("Listening on ")));
    let metrics = Serving::text_at(&format!("http://{}/metrics", address("Metrics are at ").unwrap()));
    assert!(metrics.contains("\ndaybook_head_size "), "{metrics}");
    assert!(!hub.text("/metrics").contains("daybook_head_size"));
    assert!(hub.terminate());
    assert!(
        lines()
            .iter()
            .all(|line| line["timestamp"].is_string() && line["level"].is_string())
    );
}
