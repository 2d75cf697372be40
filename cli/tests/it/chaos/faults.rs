//! What is done to hubs and database, in an order that a seed decides.

use std::fmt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::clients::Field;
use super::dice::Dice;
use super::door::Lost;
use super::ledger::sign;
use super::site::{Ground, until};

/// What happens, to which hub and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    kind: Kind,
    hub: usize,
    millis: u64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `kill -9`, and a start some time after that.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Freeze,
    /// One is frozen, the other killed and started meanwhile.
    FreezeAndKillTheOther,
    /// Every connection to the database breaks, once.
    Break,
    /// The database turns the hub away.
    ShutOut,
    /// Nothing comes through, then everything that was held back.
    Silence,
    /// Nothing comes through, then the connections are gone.
    SilenceAndBreak,
    /// The hub hears that its connections have ended, the server does not.
    TellTheHub,
    /// The server hears it, the hub only from the server.
    TellTheServer,
    /// `pg_terminate_backend` for all sessions of all hubs, again and again.
    Terminate,
    /// A commit is done and its answer is lost.
    LoseAnswer,
    /// A commit never comes to the server.
    LoseRequest,
    /// A backend is killed: the server ends all sessions and recovers.
    CrashServer,
}

const KINDS: [Kind; 13] = [
    Kind::Kill,
    Kind::Freeze,
    Kind::FreezeAndKillTheOther,
    Kind::Break,
    Kind::ShutOut,
    Kind::Silence,
    Kind::SilenceAndBreak,
    Kind::TellTheHub,
    Kind::TellTheServer,
    Kind::Terminate,
    Kind::LoseAnswer,
    Kind::LoseRequest,
    Kind::CrashServer,
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at hub {}, {} ms", self.kind, self.hub, self.millis)
    }
}

/// Every kind once, in an order of the seed's; each lasts `longest` milliseconds at most.
pub(crate) fn plan(seed: u64, longest: u64) -> Vec<Fault> {
    let mut dice = Dice::new(seed);
    let mut kinds = KINDS;
    dice.shuffle(&mut kinds);
    let mut draw = |kind| Fault {
        kind,
        hub: dice.below(2),
        millis: 50 + dice.next() % longest,
    };
    kinds.map(&mut draw).to_vec()
}

impl Fault {
    /// Does it, undoes it, and waits until both hubs append again.
    pub(crate) async fn strike(self, ground: &Ground, field: &Field, dice: &mut Dice) {
        let (hub, other) = (&field.hubs[self.hub], &field.hubs[1 - self.hub]);
        let passes = || tokio::time::sleep(Duration::from_millis(self.millis));
        match self.kind {
            Kind::Kill => {
                hub.kill();
                passes().await;
                hub.start(&[]).await;
            }
            Kind::Freeze => {
                hub.signal(Signal::STOP);
                passes().await;
                hub.signal(Signal::CONT);
            }
            Kind::FreezeAndKillTheOther => {
                hub.signal(Signal::STOP);
                other.kill();
                passes().await;
                other.start(&[]).await;
                self.appends(field, 1 - self.hub, dice).await;
                hub.signal(Signal::CONT);
            }
            Kind::Break => hub.door.cut(),
            Kind::ShutOut => {
                hub.door.shut();
                passes().await;
                hub.door.mend();
            }
            Kind::Silence => {
                hub.door.silence();
                passes().await;
                hub.door.mend();
            }
            Kind::SilenceAndBreak => {
                hub.door.silence();
                passes().await;
                hub.door.cut();
                hub.door.mend();
            }
            Kind::TellTheHub | Kind::TellTheServer => {
                match self.kind {
                    Kind::TellTheHub => hub.door.tell_the_hub_alone(),
                    _ => hub.door.tell_the_server_alone(),
                }
                passes().await;
            }
            Kind::Terminate => terminate(ground, Duration::from_millis(self.millis)).await,
            Kind::LoseAnswer => self.lose(field, Lost::Answer).await,
            Kind::LoseRequest => self.lose(field, Lost::Request).await,
            Kind::CrashServer => crash_server(ground).await,
        }
        for at in 0..2 {
            self.appends(field, at, dice).await;
        }
        // What was only half ended goes now.
        hub.door.cut();
    }

    /// Some times, since it may be an append's commit or a publication's.
    async fn lose(self, field: &Field, what: Lost) {
        let door = &field.hubs[self.hub].door;
        for _ in 0..4 {
            let before = door.lost();
            door.lose(what);
            until("a commit is lost", async || (door.lost() > before).then_some(())).await;
        }
    }

    /// Posts a new event to one hub until that one has it.
    async fn appends(self, field: &Field, at: usize, dice: &mut Dice) {
        let probe = sign(&field.registrar, dice, None);
        field.ledger.sends(&probe.event);
        let what = format!("hub {} appends after {self}", field.hubs[at].name);
        until(&what, async || field.post(at, &probe.body).await).await;
    }
}

async fn terminate(ground: &Ground, time: Duration) {
    let owner = ground.owner().await;
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name LIKE 'daybook %' AND pid <> pg_backend_pid()";
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        owner.execute(sql, &[]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

async fn crash_server(ground: &Ground) {
    let owner = ground.owner().await;
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'daybook writer' LIMIT 1";
    let writer = until("a hub is connected", async || {
        owner.query_opt(sql, &[]).await.unwrap()
    })
    .await;
    let pid = Pid::from_raw(writer.get(0)).unwrap();
    // It may have ended just now.
    _ = kill_process(pid, Signal::KILL);
}
