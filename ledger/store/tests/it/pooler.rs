//! A pooler in transaction mode, as far as the start asks it anything.

use std::sync::{Arc, Mutex};

use daybook_store::{Address, StoreError, migrate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Sessions that are free, and whether the one that was free longest goes first.
struct Pool {
    free: Mutex<Vec<u32>>,
    in_turn: bool,
}

impl Pool {
    fn take(&self) -> u32 {
        let mut free = self.free.lock().unwrap();
        if self.in_turn {
            free.remove(0)
        } else {
            free.pop().unwrap()
        }
    }

    fn put(&self, session: u32) {
        self.free.lock().unwrap().push(session);
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

/// One text column of one row.
fn row(value: &str) -> Vec<u8> {
    let description = [
        &1u16.to_be_bytes()[..],
        b"n\0",
        &[0; 6],
        &25u32.to_be_bytes(),
        &[0xff; 2],
        &[0xff; 4],
        &[0; 2],
    ];
    let length = u32::try_from(value.len()).unwrap().to_be_bytes();
    let data = [&1u16.to_be_bytes()[..], &length, value.as_bytes()].concat();
    [
        message(b'T', &description.concat()),
        message(b'D', &data),
        message(b'C', b"SELECT 1\0"),
    ]
    .concat()
}

/// Speaks the simple protocol and knows three statements.
async fn serve(mut client: TcpStream, pool: Arc<Pool>) -> std::io::Result<()> {
    let length = client.read_u32().await?;
    client.read_exact(&mut vec![0; length as usize - 4]).await?;
    client.write_all(&message(b'R', &[0; 4])).await?;
    client.write_all(&message(b'K', &[0; 8])).await?;
    client.write_all(&message(b'Z', b"I")).await?;
    let mut held: Option<u32> = None;
    loop {
        let (kind, length) = (client.read_u8().await?, client.read_u32().await?);
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        if kind != b'Q' {
            return Ok(());
        }
        let session = held.unwrap_or_else(|| pool.take());
        let answer = match body.as_slice() {
            b"BEGIN\0" => {
                held = Some(session);
                message(b'C', b"BEGIN\0")
            }
            b"COMMIT\0" => {
                held = None;
                message(b'C', b"COMMIT\0")
            }
            _ => row(&session.to_string()),
        };
        if held.is_none() {
            pool.put(session);
        }
        client.write_all(&answer).await?;
        client
            .write_all(&message(b'Z', if held.is_some() { b"T" } else { b"I" }))
            .await?;
    }
}

#[tokio::test]
async fn pooler_that_shares_sessions_between_transactions_is_refused() {
    for (sessions, in_turn) in [(1..=2, false), (1..=2, true), (1..=3, true), (1..=9, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let free = Mutex::new(sessions.clone().collect());
        let pool = Arc::new(Pool { free, in_turn });
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(client, pool.clone()));
            }
        });
        let address: Address = format!("host=127.0.0.1 port={port} user=me dbname=d")
            .parse()
            .unwrap();
        let refused = migrate(&address).await;
        assert!(
            matches!(refused, Err(StoreError::Pooled)),
            "{sessions:?} {in_turn} {refused:?}"
        );
    }
}
