//! A TRE that reaches the hub by its own HTTP proxy alone.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::federation::Federation;

/// A name that nobody but the proxy knows.
const HUB: &str = "hub.invalid";

/// A proxy that knows one host, and where it is. It passes one request on for each connection.
async fn proxy(target: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass(stream, target.clone()));
        }
    });
    address
}

async fn pass(stream: TcpStream, target: String) -> std::io::Result<()> {
    let mut inside = BufReader::new(stream);
    let mut line = String::new();
    inside.read_line(&mut line).await?;
    let known = format!(" http://{HUB}/");
    if !line.contains(&known) {
        return inside
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            .await;
    }
    let mut head = line.replace(&known, " /") + "connection: close\r\n";
    loop {
        line.clear();
        inside.read_line(&mut line).await?;
        if !line.to_ascii_lowercase().starts_with("connection:") {
            head.push_str(&line);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut outside = TcpStream::connect(target).await?;
    outside.write_all(head.as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut inside, &mut outside).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_behind_a_proxy_takes_a_job_from_the_queue_and_sends_what_it_says() {
    let mut federation = Federation::new().await;
    let address = proxy(federation.client.base().trim_start_matches("http://").to_owned()).await;
    let door = federation.door.url();
    federation.door.shut();
    federation.configure(
        &format!("hub = \"{door}\"\n"),
        &format!("hub = \"http://{HUB}\"\n"),
    );
    let (is_well, text) = federation.command(&["doctor"]);
    assert!(!is_well && text.contains("fail  hub"), "{text}");
    federation.configure("mode =", &format!("proxy = \"http://{address}\"\nmode ="));
    let (is_well, text) = federation.command(&["doctor"]);
    assert!(is_well, "{text}");
    let _relay = federation.relay();
    let job = federation.submit().await;
    federation.until_state(job, "signed-off").await;
}
