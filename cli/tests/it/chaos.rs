//! Two hubs on one database under load, to which everything happens that can: again and again, in an order that a seed
//! decides. `DAYBOOK_CHAOS_SEED` repeats a run, `DAYBOOK_CHAOS_MINUTES` makes it long (`make chaos`).

mod clients;
mod dice;
mod door;
mod faults;
mod ledger;
mod overload;
mod site;
mod truth;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::clients::Field;
use self::dice::Dice;
use self::site::{Ground, Hub};

/// The plan that every run begins with.
const SEED: u64 = 1;
/// How long a fault of the short form lasts at most, in milliseconds; in the long form longer than every time-out of five
/// seconds.
const SHORT: u64 = 700;
const LONG: u64 = 9_000;

/// How long to go on, where somebody says so.
pub(crate) fn minutes() -> Option<Duration> {
    let text = std::env::var("DAYBOOK_CHAOS_MINUTES").ok()?;
    Some(Duration::from_secs_f64(text.parse::<f64>().unwrap() * 60.0))
}

fn seed() -> u64 {
    let given = std::env::var("DAYBOOK_CHAOS_SEED");
    given.map_or_else(
        |_| u64::from_le_bytes(daybook_agent::random::bytes().unwrap()) >> 16,
        |text| text.parse().unwrap(),
    )
}

/// A plan, or so many faults of it, and then the truth.
async fn run(ground: &Ground, field: &Field, seed: u64, longest: u64, faults: usize) {
    let mut dice = Dice::new(!seed);
    let crowd = field.crowd(seed);
    for fault in faults::plan(seed, longest).into_iter().take(faults) {
        eprintln!("seed {seed}: {fault}");
        fault.strike(ground, field, &mut dice).await;
    }
    crowd.end().await;
    truth::ask_again(field, 40).await;
    let entries = truth::check(&field.ledger, &*field.hubs, &mut ground.owner().await).await;
    eprintln!(
        "seed {seed}: {entries} entries, {} acknowledged, {} checkpoints served, {} commits with a part lost",
        field.ledger.acknowledgements(),
        field.ledger.checkpoints().len(),
        field.hubs.iter().map(|hub| hub.door.lost()).sum::<usize>(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_never_disagree_whatever_happens_to_them_and_their_database() {
    let ground = Ground::found().await;
    let hubs = Arc::new([Hub::new(&ground, "one"), Hub::new(&ground, "two")]);
    for hub in hubs.iter() {
        hub.start(&["--trust-database"]).await;
    }
    ground.appoint(&hubs[0].url()).await;
    let field = Field::new(hubs, ground.registrar.clone(), ground.log_key.clone());
    let random = seed();
    eprintln!("DAYBOOK_CHAOS_SEED={random} repeats this run");
    let begin = Instant::now();
    match minutes() {
        None => {
            run(&ground, &field, SEED, SHORT, usize::MAX).await;
            run(&ground, &field, random, SHORT, 5).await;
        }
        Some(time) => {
            let mut next = random;
            while begin.elapsed() < time {
                run(&ground, &field, next, LONG, usize::MAX).await;
                next += 1;
            }
        }
    }
    for hub in field.hubs.iter() {
        hub.audit();
        hub.finish();
    }
    truth::check(&field.ledger, &*field.hubs, &mut ground.owner().await).await;
}
