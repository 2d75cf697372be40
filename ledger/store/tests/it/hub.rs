//! A hub in a process of its own, which can be killed and frozen: this test binary starts a copy of itself that runs one
//! test, [`serves_what_it_is_told_until_its_input_ends`]. One line in asks for an event, one line out tells what became of it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::event::Event;
use daybook_core::note::Note;
use daybook_core::sealed::Opening;
use daybook_store::append::Candidate;
use daybook_store::log::TreeHead;
use daybook_store::{Options, Store};
use daybook_testkit::{TestLog, identity, options, workflow};
use daybook_world::{ORIGIN, World, id};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::Config;

/// How long one who was refused waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);
const TOLD: &str = "DAYBOOK_TEST_HUB";
const SERVED: &str = "hub::serves_what_it_is_told_until_its_input_ends";

/// Reads events from lines and answers each with a line; tells of every checkpoint.
async fn serve(
    store: Store,
    now: i64,
    input: impl BufRead + Send + 'static,
    say: impl Fn(String) + Clone + Send + Sync + 'static,
) {
    let mut published = store.published.clone();
    let tell = say.clone();
    let checkpoints = tokio::spawn(async move {
        let mut next = 1;
        while let Some(released) = published.covering(next).await {
            next = released.head.size + 1;
            tell(format!("checkpoint {}", released.note.replace('\n', "|")));
        }
    });
    say("ready".to_owned());
    let (lines, mut asked) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in input.lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(line) = asked.recv().await {
        let mut words = line.split(' ');
        let event = Event::parse(words.next().unwrap()).unwrap();
        let openings = words.map(|text| Opening::parse(text).unwrap()).collect();
        let (appender, say, leaf) = (store.appender.clone(), say.clone(), *event.leaf());
        tasks.spawn(async move {
            say(match appender.append(Candidate { event, openings }, now).await {
                Ok(receipt) => format!("at {} {}", receipt.index, receipt.leaf.to_base64url()),
                Err(error) => format!("not {} {error}", leaf.to_base64url()),
            });
        });
    }
    while tasks.join_next().await.is_some() {}
    store.close().await;
    checkpoints.await.unwrap();
}

fn line(candidate: &Candidate) -> String {
    let openings = candidate
        .openings
        .iter()
        .map(|opening| format!(" {}", opening.as_str()));
    candidate.event.as_str().to_owned() + &openings.collect::<String>()
}

/// By itself: one event goes in, and its receipt and its checkpoint come out. Started by another test: for as long as that
/// one wants.
#[tokio::test(flavor = "multi_thread")]
async fn serves_what_it_is_told_until_its_input_ends() {
    if let Ok(told) = std::env::var(TOLD) {
        let say = |line: String| writeln!(std::io::stdout(), "\n{line}").unwrap();
        let words: Vec<&str> = told.split('|').collect();
        let mut config: Config = words[0].parse().unwrap();
        config.connect_timeout(Duration::from_secs(5));
        let require_durability = words[2] == "durable";
        let options = Options {
            require_durability,
            ..options(config, Path::new(words[1]))
        };
        match Store::open(options).await {
            Ok(store) => {
                serve(
                    store,
                    daybook_testkit::founded_world().now,
                    BufReader::new(std::io::stdin()),
                    say,
                )
                .await;
            }
            Err(error) => say(format!("refused {error:?}")),
        }
        return;
    }
    let mut log = TestLog::founded().await;
    let one = log.workflows("one", 1).await.remove(0);
    let (said, heard) = channel();
    let input = std::io::Cursor::new(line(&one) + "\n");
    serve(log.store, log.world.now, input, move |line| {
        said.send(line).unwrap();
    })
    .await;
    let heard: Vec<String> = heard.iter().collect();
    let index = log.world.entries().len();
    assert!(
        heard.contains(&format!("at {index} {}", one.event.leaf().to_base64url())),
        "{heard:?}"
    );
    // Which of the two is heard first is nobody's promise.
    let size = (index + 1).to_string();
    let mut checkpoints = heard.iter().filter(|line| line.starts_with("checkpoint "));
    assert!(
        checkpoints.any(|line| line.split('|').nth(1) == Some(&size)),
        "{heard:?}"
    );
}

/// A hub in another process.
pub(crate) struct Hub {
    child: Child,
    input: ChildStdin,
    heard: Receiver<String>,
}

/// What is asked of hubs, and what they have said, whichever of them it was.
pub(crate) struct Ledger {
    world: World,
    name: String,
    made: usize,
    waiting: HashMap<Hash, Candidate>,
    /// Those of them that a hub could not take just now, and when such were last asked for again.
    refused: Vec<Hash>,
    asked: Instant,
    pub(crate) receipts: HashMap<Hash, u64>,
    /// In the order in which they were let out.
    pub(crate) checkpoints: Vec<TreeHead>,
}

impl Hub {
    pub(crate) fn start(database: &str, guard: &Path, is_durable: bool) -> Self {
        let durability = if is_durable { "durable" } else { "forgetful" };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", SERVED, "--nocapture"])
            .env(TOLD, format!("{database}|{}|{durability}", guard.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (said, heard) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, input, heard }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// `kill -9`; what it had said by then counts.
    pub(crate) fn kill(mut self, ledger: &mut Ledger) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Ok(line) = self.heard.recv() {
            ledger.hear(&line);
        }
    }

    /// Lets it end as it should.
    pub(crate) fn finish(self, ledger: &mut Ledger) {
        let Self {
            mut child,
            input,
            heard,
        } = self;
        drop(input);
        for line in heard {
            ledger.hear(&line);
        }
        assert!(child.wait().unwrap().success());
    }
}

impl Ledger {
    pub(crate) fn new(name: &str) -> Self {
        let world = daybook_testkit::founded_world();
        let (waiting, receipts) = (HashMap::new(), HashMap::new());
        Self {
            world,
            name: name.to_owned(),
            made: 0,
            waiting,
            refused: Vec::new(),
            asked: Instant::now(),
            receipts,
            checkpoints: Vec::new(),
        }
    }

    /// Asks for everything that was asked of a hub that is no more.
    pub(crate) fn ask_again(&mut self, hub: &mut Hub) {
        self.refused.clear();
        for candidate in self.waiting.values() {
            writeln!(hub.input, "{}", line(candidate)).unwrap();
        }
    }

    /// Keeps `width` events waiting at a hub for so long, and hears what it says. Answers with the number of receipts.
    pub(crate) fn load(&mut self, hub: &mut Hub, width: usize, time: Duration) -> usize {
        let (deadline, before) = (Instant::now() + time, self.receipts.len());
        loop {
            while self.waiting.len() < width {
                let name = format!("{} {}", self.name, self.made);
                self.made += 1;
                let draft = workflow(&self.world, &name);
                let (mut claims, openings) = self.world.claims(&draft);
                // Two ledgers' worlds would choose the same.
                claims.jti = id(&format!("jti of {name}"));
                let event = Event::sign(&claims, &self.world.key(&draft.actor)).unwrap();
                let candidate = Candidate { event, openings };
                // A pipe that is closed is a hub that has ended: the events wait for the next.
                _ = writeln!(hub.input, "{}", line(&candidate));
                self.waiting.insert(*candidate.event.leaf(), candidate);
            }
            if !self.listen(hub, deadline) {
                return self.receipts.len() - before;
            }
        }
    }

    /// Hears what a hub says until everything that was asked of it is answered.
    pub(crate) fn settle(&mut self, hub: &mut Hub, within: Duration) {
        let deadline = Instant::now() + within;
        while !self.waiting.is_empty() {
            assert!(self.listen(hub, deadline), "{} unanswered", self.waiting.len());
        }
    }

    /// Hears a line at most, and asks again now and then for what the hub could not take. Whether there may be more to hear.
    ///
    /// Who is refused and asks again at once keeps two processors busy with nothing else while a database is away.
    fn listen(&mut self, hub: &mut Hub, deadline: Instant) -> bool {
        if self.asked.elapsed() >= PAUSE {
            self.asked = Instant::now();
            for leaf in std::mem::take(&mut self.refused) {
                if let Some(candidate) = self.waiting.get(&leaf) {
                    _ = writeln!(hub.input, "{}", line(candidate));
                }
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match hub.heard.recv_timeout(left.min(PAUSE)) {
            Ok(said) => {
                self.hear(&said);
                true
            }
            Err(RecvTimeoutError::Timeout) => left > PAUSE,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    /// Takes up one line of a hub.
    fn hear(&mut self, said: &str) {
        let words: Vec<&str> = said.split(' ').collect();
        match words[..] {
            ["at", index, leaf] => {
                let (index, leaf) = (index.parse().unwrap(), Hash::from_base64url(leaf).unwrap());
                self.waiting.remove(&leaf);
                let told = *self.receipts.entry(leaf).or_insert(index);
                assert_eq!(told, index, "an event has one place");
            }
            ["not", leaf, ..] => {
                let unknown = [
                    "not known yet",
                    "the database",
                    "as much waiting",
                    "shutting down",
                ];
                assert!(unknown.iter().any(|text| said.contains(text)), "{said}");
                self.refused.push(Hash::from_base64url(leaf).unwrap());
            }
            ["checkpoint", ..] => {
                let note = said.split_once(' ').unwrap().1.replace('|', "\n");
                let note = Note::parse(note.as_bytes()).unwrap();
                let checkpoint = Checkpoint::open(&note, &identity().log_key, ORIGIN).unwrap();
                self.checkpoints.push(TreeHead {
                    size: checkpoint.size(),
                    root: *checkpoint.root(),
                });
            }
            ["refused", ..] => panic!("{said}"),
            _ => {}
        }
    }
}
