//! Where the processor's time goes inside an append: each step by itself, on one thread, without network and database.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::key::{PublicKey, SecretKey};
use daybook_core::sealed::Opening;
use daybook_core::tree::RightEdge;
use daybook_rules::{check_openings, judge, reads};
use daybook_world::{BEGINNING, ORIGIN, World};
use serde_json::Value;

use crate::lives::{Lives, Signed, federation};
use daybook_core::constitution::{Facts, State};
use daybook_core::id::{Actor, Stream};

/// What the rules ask for, as the append holds it.
#[derive(Default)]
struct Known {
    heads: BTreeMap<Stream, (u64, Hash)>,
    states: BTreeMap<Stream, State>,
}

impl Facts for Known {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.heads.get(stream).copied()
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        self.states.get(stream)
    }

    fn key_was_registered(&self, _: &Hash) -> bool {
        false
    }

    fn seen(&self, _: &Actor) -> u64 {
        0
    }
}

impl Known {
    fn of(world: &World) -> Self {
        let heads = world
            .entries()
            .iter()
            .map(|event| (event.claims().sub.clone(), (event.claims().seq, *event.leaf())));
        Self {
            heads: heads.collect(),
            states: world.states().clone(),
        }
    }
}

/// Steps and how long each took.
#[derive(Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let made = work()?;
        self.0.push((name, start.elapsed()));
        Ok(made)
    }
}

/// Times each step over some lives and prints microseconds for each event.
pub(crate) fn run(lives: usize) -> Result<()> {
    writeln!(std::io::stdout(), "{}", table(lives)?)?;
    Ok(())
}

/// The same, as a table.
pub(crate) fn table(lives: usize) -> Result<String> {
    let world = federation(BEGINNING);
    let mut made = Lives::new(&world, "inside");
    let mut signed: Vec<Signed> = Vec::new();
    for _ in 0..lives {
        signed.extend(made.sign()?);
    }
    let bodies: Vec<String> = signed.iter().map(Signed::body).collect();
    let bytes: usize = bodies.iter().map(String::len).sum();
    let mut steps = Steps::default();
    let parts = steps.time("read the request's JSON", || {
        bodies
            .iter()
            .map(|body| Ok(serde_json::from_str::<Value>(body)?))
            .collect::<Result<Vec<_>>>()
    })?;
    black_box(parts);
    let events = steps.time("parse the event: one spelling, claims, leaf hash", || {
        signed
            .iter()
            .map(|one| Ok(Event::parse(one.event.as_str())?))
            .collect::<Result<Vec<_>>>()
    })?;
    steps.time("parse the openings", || {
        for opening in signed.iter().flat_map(|one| &one.openings) {
            black_box(Opening::parse(opening.as_str())?);
        }
        Ok(())
    })?;
    let keys = keys(&world, &events);
    steps.time("verify the signature", || {
        for event in &events {
            event.verify(keys.get(event.kid()).context("a key")?)?;
        }
        Ok(())
    })?;
    judge_all(&world, &signed, &mut steps)?;
    steps.time("grow the tree", || {
        let mut edge = RightEdge::new();
        for event in &events {
            black_box(edge.append(*event.leaf()));
        }
        black_box(edge.root());
        Ok(())
    })?;
    let mut text = format!(
        "{} events of {} bytes on average, with openings; microseconds an event, one thread.\n\n\
         | step | µs |\n|---|---|\n",
        events.len(),
        bytes / events.len()
    );
    let mut all = Duration::ZERO;
    for (name, took) in steps.0 {
        all += took;
        writeln!(text, "| {name} | {:.1} |", micros(took, events.len()))?;
    }
    write!(text, "| together | {:.1} |", micros(all, events.len()))?;
    Ok(text)
}

#[expect(clippy::cast_precision_loss, reason = "a number of events")]
fn micros(took: Duration, events: usize) -> f64 {
    took.as_secs_f64() * 1e6 / events as f64
}

fn keys(world: &World, events: &[Event]) -> BTreeMap<Hash, PublicKey> {
    let mut keys = BTreeMap::new();
    for event in events {
        keys.entry(*event.kid()).or_insert_with(|| {
            let key: SecretKey = world.key(&event.claims().iss);
            key.public()
        });
    }
    keys
}

fn judge_all(world: &World, signed: &[Signed], steps: &mut Steps) -> Result<()> {
    let table = world.table();
    steps.time("name the streams that the rules look at", || {
        for one in signed {
            black_box(reads(table, &one.event));
        }
        Ok(())
    })?;
    let mut known = Known::of(world);
    steps.time("judge, and fold the states", || {
        for one in signed {
            let verdict = judge(table, ORIGIN, &known, &one.event)?;
            let claims = one.event.claims();
            known
                .heads
                .insert(claims.sub.clone(), (claims.seq, *one.event.leaf()));
            known.states.extend(verdict.states);
        }
        Ok(())
    })?;
    steps.time("check the openings", || {
        for one in signed {
            black_box(check_openings(table, &one.event, &one.openings)?);
        }
        Ok(())
    })?;
    let states: Vec<&State> = known.states.values().collect();
    let texts = steps.time("write the states as JSON", || {
        Ok(states
            .iter()
            .map(|state| daybook_core::canonical::text(&Value::Object((*state).clone())))
            .collect::<Vec<_>>())
    })?;
    steps.time("read the states from JSON", || {
        for text in &texts {
            black_box(serde_json::from_str::<State>(text)?);
        }
        Ok(())
    })?;
    Ok(())
}
