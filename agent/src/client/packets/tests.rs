use std::sync::{Arc, Mutex};

use daybook_core::key::SecretKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const BYTES: &[u8] = b"the whole packet, from its first byte to its last";
const ID: &str = "5f0c5c1e-4f6c-4f43-8d67-0a5a3a1c9f11";
const ORIGIN: &str = "packets.example/log";

/// How the hub answers one request.
#[derive(Clone, Copy)]
enum Turn {
    /// As it must, and cuts the connection after so many bytes of the body.
    Cut(usize),
    /// As it must.
    Whole,
    /// Other bytes than those that it states.
    Other,
    /// Busy.
    Busy,
    /// It knows no such packet.
    Unknown,
}

/// A hub that takes its turns, and what it was asked.
async fn hub(turns: Vec<Turn>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = asked.clone();
    tokio::spawn(async move {
        for turn in turns {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut more = [0; 1024];
                let n = stream.read(&mut more).await.unwrap();
                request.extend_from_slice(&more[..n]);
            }
            let request = String::from_utf8(request).unwrap().to_lowercase();
            stream.write_all(&answer(turn, &request)).await.unwrap();
            stream.shutdown().await.unwrap();
            notes.lock().unwrap().push(request);
        }
    });
    (client, asked)
}

fn answer(turn: Turn, request: &str) -> Vec<u8> {
    let problem = |status: &str, slug: &str| {
        let body = format!("{{\"type\":\"/problems/{slug}\",\"title\":\"t\",\"detail\":\"d\"}}");
        format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let from = request.split_once("range: bytes=").map_or(0, |(_, range)| {
        range.split_once('-').unwrap().0.parse::<usize>().unwrap()
    });
    let (cut, sent) = match turn {
        Turn::Busy => return problem("503 Service Unavailable", "busy"),
        Turn::Unknown => return problem("404 Not Found", "not-found"),
        _ if from >= BYTES.len() => return problem("416 Range Not Satisfiable", "no-such-range"),
        Turn::Cut(cut) => (cut, BYTES.to_vec()),
        Turn::Whole => (BYTES.len(), BYTES.to_vec()),
        Turn::Other => (BYTES.len(), vec![b'x'; BYTES.len()]),
    };
    let part = &sent[from..];
    let (status, range) = match from {
        0 => ("200 OK", String::new()),
        from => {
            let last = BYTES.len() - 1;
            (
                "206 Partial Content",
                format!("Content-Range: bytes {from}-{last}/{}\r\n", BYTES.len()),
            )
        }
    };
    let etag = Hash::of(BYTES);
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nETag: \"{etag}\"\r\n{range}Content-Length: {}\r\n\r\n",
        part.len()
    )
    .into_bytes();
    answer.extend_from_slice(&part[..cut.min(part.len())]);
    answer
}

fn keys() -> Keys {
    Keys {
        actor: "tre/wessex/relay".parse().unwrap(),
        event: SecretKey::from_seed(&[1; 32]),
        access: Some(SecretKey::from_seed(&[2; 32])),
    }
}

async fn fetch(client: &Client, part: &Path) -> Result<Vec<u8>> {
    client.fetch_packet(&keys(), ORIGIN, ID, part).await
}

#[tokio::test]
async fn a_fetch_that_is_cut_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("part");
    let turns = vec![Turn::Cut(10), Turn::Busy, Turn::Cut(5), Turn::Cut(0), Turn::Whole];
    let (client, asked) = hub(turns).await;
    assert_eq!(fetch(&client, &part).await.unwrap(), BYTES);
    let asked = asked.lock().unwrap();
    assert!(!asked[0].contains("range:"));
    for (n, from) in [(1, 10), (2, 10), (3, 15), (4, 15)] {
        assert!(
            asked[n].contains(&format!("\r\nrange: bytes={from}-\r\n")),
            "{}",
            asked[n]
        );
        assert!(asked[n].contains("if-range: \""), "{}", asked[n]);
    }
}

#[tokio::test]
async fn a_later_call_goes_on_from_what_an_earlier_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("part");
    std::fs::write(&part, &BYTES[..20]).unwrap();
    let (client, asked) = hub(vec![Turn::Whole]).await;
    assert_eq!(fetch(&client, &part).await.unwrap(), BYTES);
    assert!(asked.lock().unwrap()[0].contains("\r\nrange: bytes=20-\r\n"));
}

#[tokio::test]
async fn what_an_earlier_call_left_of_other_bytes_is_fetched_anew() {
    for left in [
        vec![b'x'; 20],
        vec![b'x'; BYTES.len()],
        vec![b'x'; 2 * BYTES.len()],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part");
        std::fs::write(&part, &left).unwrap();
        let (client, _) = hub(vec![Turn::Whole, Turn::Whole]).await;
        assert_eq!(fetch(&client, &part).await.unwrap(), BYTES, "{}", left.len());
        assert_eq!(std::fs::read(&part).unwrap(), BYTES);
    }
}

#[tokio::test]
async fn bytes_that_are_not_those_that_were_stated_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _) = hub(vec![Turn::Other]).await;
    let error = fetch(&client, &folder.path().join("part")).await.unwrap_err();
    assert!(error.to_string().contains("digest"), "{error}");
}

#[tokio::test]
async fn what_does_not_pass_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (client, asked) = hub(vec![Turn::Unknown, Turn::Whole]).await;
    let error = fetch(&client, &folder.path().join("part")).await.unwrap_err();
    assert!(error.downcast_ref::<ClientError>().unwrap().is("not-found"));
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_hub_that_stays_busy_is_given_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let (client, asked) = hub(vec![Turn::Busy; 9]).await;
    let error = fetch(&client, &folder.path().join("part")).await.unwrap_err();
    assert!(error.downcast_ref::<ClientError>().unwrap().is("busy"));
    assert_eq!(asked.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn an_upload_is_sent_again_under_the_same_id() {
    let (client, asked) = hub(vec![Turn::Busy, Turn::Whole]).await;
    let id = ID.parse().unwrap();
    client.put_packet(&keys(), ORIGIN, id, Vec::new()).await.unwrap();
    let asked = asked.lock().unwrap();
    let line = |n: usize| asked[n].lines().next().unwrap().to_owned();
    assert!(line(0).starts_with(&format!("put /v1/packets/{ID}?sha256=")));
    assert_eq!(line(0), line(1));
}
