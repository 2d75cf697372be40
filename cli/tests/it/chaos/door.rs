//! A way from a hub to its database that fails as asked: a socket of its own, which passes on what comes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// `COMMIT` as the simple query protocol says it: type, length, text.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\x00";

/// How a connection fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Nothing is passed on, and nobody is told.
    Silent,
    /// The hub is told that the server has gone; the server is told nothing.
    ServerGone,
    /// The server is told that the hub has gone.
    HubGone,
    /// Both are told.
    Cut,
}

/// Which part of a commit is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Request,
    Answer,
}

struct Shared {
    server: PathBuf,
    connections: Mutex<Vec<watch::Sender<Weather>>>,
    /// What a new connection meets; `Cut` turns it away.
    fresh: Mutex<Weather>,
    /// The next commit of a writer loses this.
    trap: Mutex<Option<Lost>>,
    sprung: AtomicUsize,
}

/// The way of one hub.
pub(crate) struct Door {
    folder: PathBuf,
    shared: Arc<Shared>,
}

impl Door {
    /// A socket in `folder` that leads to the server's.
    pub(crate) fn open(folder: &Path, server: &Path) -> Self {
        std::fs::create_dir(folder).unwrap();
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            connections: Mutex::default(),
            fresh: Mutex::new(Weather::Fair),
            trap: Mutex::default(),
            sprung: AtomicUsize::new(0),
        });
        let passes = shared.clone();
        tokio::spawn(async move {
            while let Ok((hub, _)) = listener.accept().await {
                tokio::spawn(passes.clone().pass(hub));
            }
        });
        Self {
            folder: folder.to_owned(),
            shared,
        }
    }

    /// The socket's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Nothing more is passed on, nobody hears of it, and who comes new waits as well.
    pub(crate) fn silence(&self) {
        self.set_fresh(Weather::Silent);
        self.tell(Weather::Silent);
    }

    /// Breaks every connection, and turns away who comes.
    pub(crate) fn shut(&self) {
        self.set_fresh(Weather::Cut);
        self.cut();
    }

    /// Lets everything through again, what was held back as well.
    pub(crate) fn mend(&self) {
        self.set_fresh(Weather::Fair);
        self.tell(Weather::Fair);
    }

    /// Breaks every connection for both ends.
    pub(crate) fn cut(&self) {
        self.tell(Weather::Cut);
    }

    /// Tells the hub alone that its connections have ended: the server keeps the sessions, and their locks.
    pub(crate) fn tell_the_hub_alone(&self) {
        self.tell(Weather::ServerGone);
    }

    /// Tells the server alone that the connections have ended.
    pub(crate) fn tell_the_server_alone(&self) {
        self.tell(Weather::HubGone);
    }

    /// Loses the request or the answer of the next commit of an append or a publication.
    pub(crate) fn lose(&self, what: Lost) {
        *self.shared.trap.lock().unwrap() = Some(what);
    }

    /// How many commits lost something.
    pub(crate) fn lost(&self) -> usize {
        self.shared.sprung.load(Ordering::Relaxed)
    }

    fn set_fresh(&self, weather: Weather) {
        *self.shared.fresh.lock().unwrap() = weather;
    }

    /// A connection that is cut or half gone comes back in no weather.
    fn tell(&self, weather: Weather) {
        let mut connections = self.shared.connections.lock().unwrap();
        connections.retain(|one| !one.is_closed());
        for one in connections.iter() {
            one.send_if_modified(|now| {
                let passes = matches!(now, Weather::Fair | Weather::Silent) || weather == Weather::Cut;
                if passes {
                    *now = weather;
                }
                passes
            });
        }
    }
}

/// One connection between its two directions.
#[derive(Default)]
struct Talk {
    is_writer: bool,
    /// The answer to come is swallowed, and the connection ends.
    mute: bool,
}

impl Shared {
    async fn pass(self: Arc<Self>, hub: UnixStream) {
        let fresh = *self.fresh.lock().unwrap();
        if fresh == Weather::Cut {
            return;
        }
        let Ok(server) = UnixStream::connect(&self.server).await else {
            return;
        };
        let (told, weather) = watch::channel(fresh);
        self.connections.lock().unwrap().push(told);
        let talk = Mutex::new(Talk::default());
        let ((from_hub, to_hub), (from_server, to_server)) = (hub.into_split(), server.into_split());
        let up = self.carry(from_hub, to_server, weather.clone(), Weather::HubGone, &talk);
        let down = self.carry(from_server, to_hub, weather, Weather::ServerGone, &talk);
        tokio::select! {
            () = up => {}
            () = down => {}
        }
    }

    /// Carries one direction; `gone` is the weather that ends this one alone.
    async fn carry(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mut weather: watch::Receiver<Weather>,
        gone: Weather,
        talk: &Mutex<Talk>,
    ) {
        let mut chunk = vec![0; 32 * 1024];
        loop {
            let read = tokio::select! {
                biased;
                now = changes(&mut weather, gone) => {
                    if now == gone {
                        drop(to.shutdown().await);
                        drop(weather.wait_for(|now| *now == Weather::Cut).await);
                    }
                    return;
                }
                read = from.read(&mut chunk) => read.unwrap_or(0),
            };
            if read == 0 {
                // A hub that was told that the server has gone leaves; the server is to hear nothing of it.
                if gone == Weather::HubGone && *weather.borrow() == Weather::ServerGone {
                    drop(weather.wait_for(|now| *now == Weather::Cut).await);
                }
                return;
            }
            let bytes = &chunk[..read];
            let keeps = match gone {
                Weather::HubGone => self.hear_hub(bytes, talk),
                _ => self.hear_server(bytes, talk),
            };
            if !keeps {
                return;
            }
            let goes_on = weather.wait_for(|now| *now != Weather::Silent).await;
            if goes_on.is_ok_and(|now| *now == Weather::Cut) || to.write_all(bytes).await.is_err() {
                return;
            }
        }
    }

    /// Whether these bytes of a hub go on.
    fn hear_hub(&self, bytes: &[u8], talk: &Mutex<Talk>) -> bool {
        let mut talk = talk.lock().unwrap();
        talk.is_writer |= holds(bytes, b"daybook writer\0");
        if !talk.is_writer || !holds(bytes, COMMIT) {
            return true;
        }
        match self.trap.lock().unwrap().take() {
            None => true,
            Some(Lost::Answer) => {
                talk.mute = true;
                true
            }
            Some(Lost::Request) => {
                self.sprung.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Whether these bytes of the server go on.
    fn hear_server(&self, bytes: &[u8], talk: &Mutex<Talk>) -> bool {
        let is_mute = talk.lock().unwrap().mute;
        if is_mute && holds(bytes, b"COMMIT\0") {
            self.sprung.fetch_add(1, Ordering::Relaxed);
        }
        !is_mute
    }
}

/// Ends with the weather that ends one direction, or both.
async fn changes(weather: &mut watch::Receiver<Weather>, gone: Weather) -> Weather {
    let now = weather.wait_for(|now| *now == gone || *now == Weather::Cut).await;
    now.map_or(Weather::Cut, |now| *now)
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|here| here == what)
}
