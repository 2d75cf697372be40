//! Ten times the load that a hub can serve, as an open loop: requests come when they are due, whatever became of those before
//! them. `DAYBOOK_CHAOS_MINUTES` says for how long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::dice::Dice;
use super::ledger::{Ledger, sign};
use super::site::{Ground, Hub, until};
use super::{minutes, truth};

/// How long the short form lasts.
const SHORT: Duration = Duration::from_secs(12);
/// How long the rate is measured that the hub can sustain.
const MEASURE: Duration = Duration::from_secs(2);
/// Connections with which it is.
const WIDTH: usize = 32;
/// By how much more than that comes.
const TIMES: f64 = 10.0;
/// Requests that may be open at once, more than a hub takes connections; fewer in the short form.
const CLIENTS: usize = 4_000;
const FEW_CLIENTS: usize = 1_200;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Events that are signed beforehand; after those the same come again, as from authors who do not know.
const EVENTS: usize = 1_500;
/// Bytes of a single post and of a batch at most.
const MAX_SINGLE: usize = 512 * 1024;
const MAX_BATCH: usize = 4 * 1024 * 1024;
/// KiB that a hub may hold.
const MEMORY: u64 = 256 * 1024;

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// One event.
    Single,
    /// One event in the longest body that is read.
    Long,
    /// Many events in the longest body of a batch.
    Batch,
    /// The longest body that is no event.
    Junk,
}

/// A request, and what it carries.
#[derive(Clone)]
struct Request {
    kind: Kind,
    bytes: Arc<[u8]>,
    body: Arc<str>,
}

impl Request {
    fn new(kind: Kind, mut body: String) -> Self {
        let (path, size) = match kind {
            Kind::Single => ("/v1/events", 0),
            Kind::Long | Kind::Junk => ("/v1/events", MAX_SINGLE),
            Kind::Batch => ("/v1/event-batches", MAX_BATCH),
        };
        let head = |length: usize| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {length}\r\n\r\n"
            )
        };
        // Blanks after the value are JSON still.
        let sent: Arc<str> = body.as_str().into();
        body.extend(std::iter::repeat_n(' ', size.saturating_sub(body.len())));
        Self {
            kind,
            bytes: (head(body.len()) + &body).into_bytes().into(),
            body: sent,
        }
    }
}

/// What became of the requests.
#[derive(Default)]
struct Tally {
    /// Answers by kind and status; 0 where the connection broke or the client gave up.
    answers: Mutex<BTreeMap<(Kind, u16), usize>>,
    /// Requests for which no client was free.
    unsent: AtomicUsize,
    /// Events that were new.
    created: AtomicUsize,
}

impl Tally {
    fn count(&self, kind: Kind, status: u16) {
        *self.answers.lock().unwrap().entry((kind, status)).or_default() += 1;
    }

    fn of(&self, wanted: u16) -> usize {
        let answers = self.answers.lock().unwrap();
        answers
            .iter()
            .filter(|((_, status), _)| *status == wanted)
            .map(|(_, count)| count)
            .sum()
    }
}

/// A hub under load, and what it said.
#[derive(Clone)]
struct Target {
    address: String,
    ledger: Arc<Ledger>,
    tally: Arc<Tally>,
}

impl Target {
    /// Sends a request on a connection of its own and takes the answer down.
    async fn ask(self, request: Request) {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(&request.bytes)).await;
        let answer = answer.ok().flatten().unwrap_or_default();
        let whole = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            });
            (length == Some(body.len())).then_some((head, body))
        });
        let Some((head, body)) = whole else {
            self.tally.count(request.kind, 0);
            return;
        };
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        self.tally.count(request.kind, status);
        match (request.kind, status) {
            (_, 503 | 429) => {
                let says_when = head.to_ascii_lowercase().contains("\r\nretry-after:");
                assert!(says_when, "a refusal says when to come again: {head} {body}");
            }
            (Kind::Single | Kind::Long, 200 | 201) => {
                self.take(status, &serde_json::from_str(body).unwrap(), &request.body);
            }
            (Kind::Batch, 200) => {
                let answer: Value = serde_json::from_str(body).unwrap();
                for result in answer["results"].as_array().unwrap() {
                    match result["status"].as_u64().unwrap() {
                        200 => self.take(200, &result["receipt"], ""),
                        201 => self.take(201, &result["receipt"], ""),
                        503 => {}
                        other => panic!("an event of a batch: {other} {result}"),
                    }
                }
            }
            (Kind::Junk, 400 | 413) => {}
            (kind, status) => panic!("{kind:?} was answered with {status}: {head} {body}"),
        }
    }

    fn take(&self, status: u16, receipt: &Value, body: &str) {
        let created = usize::from(status == 201);
        self.tally.created.fetch_add(created, Ordering::Relaxed);
        self.ledger.acknowledged(status, receipt, body);
    }

    async fn exchange(&self, request: &[u8]) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        // Who is turned away may not get all of it out.
        drop(stream.write_all(request).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8(answer).ok()
    }

    /// Asks for much, again and again on one connection, and reads none of it.
    async fn never_read(self) -> Option<()> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        let ask = "GET /v1/events?limit=500 HTTP/1.1\r\nhost: hub\r\n\r\n".repeat(50);
        stream.write_all(ask.as_bytes()).await.ok()?;
        std::future::pending().await
    }

    /// Sends most of a long body and then nothing more.
    async fn never_end(self, request: Request) -> Option<()> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        let most = request.bytes.len() - 1_000;
        stream.write_all(&request.bytes[..most]).await.ok()?;
        std::future::pending().await
    }
}

/// All that will be posted, signed beforehand.
struct Stock {
    singles: Vec<Request>,
    odd: Vec<Request>,
}

impl Stock {
    fn sign(ground: &Ground, ledger: &Ledger) -> Self {
        let mut dice = Dice::new(7);
        let signed: Vec<_> = (0..EVENTS)
            .map(|_| sign(&ground.registrar, &mut dice, None))
            .collect();
        for one in &signed {
            ledger.sends(&one.event);
        }
        let bodies: Vec<&str> = signed.iter().map(|one| one.body.as_str()).collect();
        let batch =
            |events: &[&str]| Request::new(Kind::Batch, format!("{{\"events\":[{}]}}", events.join(",")));
        let junk = json!({ "event": "x".repeat(MAX_SINGLE - 100) }).to_string();
        let mut odd: Vec<_> = bodies.chunks(500).map(batch).collect();
        odd.extend(
            bodies
                .iter()
                .rev()
                .take(6)
                .map(|body| Request::new(Kind::Long, (*body).to_owned())),
        );
        odd.push(Request::new(Kind::Junk, junk));
        Self {
            singles: bodies
                .iter()
                .map(|body| Request::new(Kind::Single, (*body).to_owned()))
                .collect(),
            odd,
        }
    }

    /// The request that comes as the n-th: one in ten is as long as it may be.
    fn nth(&self, n: usize) -> Request {
        if n % 10 == 9 {
            self.odd[n / 10 % self.odd.len()].clone()
        } else {
            self.singles[(n - n / 10) % self.singles.len()].clone()
        }
    }
}

/// The requests a second that the hub answers to clients who wait for their answers.
async fn sustainable(target: &Target, stock: &Stock) -> f64 {
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..WIDTH {
        let (target, singles) = (target.clone(), stock.singles.clone());
        clients.spawn(async move {
            let own = singles.into_iter().skip(client).step_by(WIDTH).cycle();
            let mut answered = 0_u32;
            for request in own {
                target.clone().ask(request).await;
                answered += 1;
                if begin.elapsed() > MEASURE {
                    break;
                }
            }
            answered
        });
    }
    let answered: u32 = clients.join_all().await.into_iter().sum();
    f64::from(answered) / begin.elapsed().as_secs_f64()
}

/// Sends requests at a rate, each at its time, for so long.
async fn flood(target: &Target, stock: &Stock, rate: f64, time: Duration, clients: usize) -> usize {
    let free = Arc::new(Semaphore::new(clients));
    let mut open = JoinSet::new();
    let (begin, mut sent) = (Instant::now(), 0_u32);
    while begin.elapsed() < time {
        while f64::from(sent) < rate * begin.elapsed().as_secs_f64() {
            let request = stock.nth(sent as usize);
            sent += 1;
            let Ok(place) = free.clone().try_acquire_owned() else {
                target.tally.unsent.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let asked = target.clone().ask(request);
            open.spawn(async move {
                asked.await;
                drop(place);
            });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        while let Some(ended) = open.try_join_next() {
            ended.unwrap();
        }
    }
    while let Some(ended) = open.join_next().await {
        ended.unwrap();
    }
    sent as usize
}

/// As many files as this process may have.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_too_much_is_refused_honestly_in_bounded_memory_and_nothing_is_lost() {
    raise_file_limit();
    let ground = Ground::found().await;
    let hub = Hub::new(&ground, "one").straight(&ground);
    hub.start(&["--trust-database"]).await;
    ground.appoint(&hub.url()).await;
    let target = Target {
        address: hub.url().strip_prefix("http://").unwrap().to_owned(),
        ledger: Arc::default(),
        tally: Arc::default(),
    };
    let stock = Stock::sign(&ground, &target.ledger);
    let rate = sustainable(&target, &stock).await;

    let (time, clients) = minutes().map_or((SHORT, FEW_CLIENTS), |time| (time, CLIENTS));
    let mut rude = JoinSet::new();
    for n in 0..100 {
        rude.spawn(target.clone().never_read());
        rude.spawn(target.clone().never_end(stock.odd[n % stock.odd.len()].clone()));
    }
    let sent = flood(&target, &stock, rate * TIMES, time, clients).await;
    rude.abort_all();
    let memory = hub.peak_memory();
    eprintln!(
        "{rate:.0} requests a second can be served; {sent} came in {time:?}, {} of them found no client free; {:?}; \
         {} MiB at most",
        target.tally.unsent.load(Ordering::Relaxed),
        target.tally.answers.lock().unwrap(),
        memory / 1024,
    );
    assert!(memory <= MEMORY, "the hub held {memory} KiB");
    assert!(target.tally.of(503) > 0, "there was no overload");
    assert!(
        target.tally.created.load(Ordering::Relaxed) > 0,
        "nothing was appended"
    );

    until("the queue is empty", async || {
        (hub.metric("daybook_append_queue_events").await == 0.0).then_some(())
    })
    .await;
    let one = sign(&ground.registrar, &mut Dice::new(8), None);
    target.ledger.sends(&one.event);
    let request = Request::new(Kind::Single, one.body);
    // What a sender has left behind holds room for bodies until the hub notices that it has gone.
    until("it is served as ever once the load has ended", async || {
        let served = || target.tally.of(200) + target.tally.of(201);
        let before = served();
        target.clone().ask(request.clone()).await;
        (served() > before).then_some(())
    })
    .await;
    hub.finish();
    truth::check(
        &target.ledger,
        std::slice::from_ref(&hub),
        &mut ground.owner().await,
    )
    .await;
}
