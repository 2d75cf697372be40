//! Waiting until a time, to a tenth of a millisecond: the runtime's own timers are a millisecond coarse, as long as an answer takes.

use std::collections::BTreeMap;
use std::sync::mpsc::{
    self, Receiver,
    RecvTimeoutError::{Disconnected, Timeout},
};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

type Call = (Instant, oneshot::Sender<()>);

/// A thread that waits, for as many as ask it to.
#[derive(Clone)]
pub(crate) struct Alarm(mpsc::Sender<Call>);

impl Alarm {
    /// Starts the thread, which ends with the last clone.
    pub(crate) fn start() -> Result<Self> {
        let (sender, calls) = mpsc::channel();
        thread::Builder::new()
            .name("alarm".to_owned())
            .spawn(move || ring(&calls))?;
        Ok(Self(sender))
    }

    /// Waits until a time; not at all where it is over.
    pub(crate) async fn at(&self, due: Instant) -> Result<()> {
        if due <= Instant::now() {
            return Ok(());
        }
        let (sender, rung) = oneshot::channel();
        self.0.send((due, sender)).ok().context("no alarm")?;
        rung.await.context("no alarm")
    }
}

/// Rings for each caller when it is due.
fn ring(calls: &Receiver<Call>) {
    let mut waiting: BTreeMap<Instant, Vec<oneshot::Sender<()>>> = BTreeMap::new();
    loop {
        let now = Instant::now();
        while let Some(first) = waiting.first_entry()
            && *first.key() <= now
        {
            for caller in first.remove() {
                // One that waits no longer need not be told.
                let _ = caller.send(());
            }
        }
        let next = waiting.keys().next();
        let call = match next {
            Some(due) => calls.recv_timeout(due.saturating_duration_since(now)),
            None => calls.recv().map_err(|_| Disconnected),
        };
        match call {
            Ok((due, caller)) => waiting.entry(due).or_default().push(caller),
            Err(Timeout) => {}
            Err(Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn each_is_called_when_it_is_due_and_at_once_when_that_is_over() {
        let alarm = Alarm::start().unwrap();
        let start = Instant::now();
        let mut callers = tokio::task::JoinSet::new();
        for turn in (1..=20).rev() {
            let (alarm, due) = (alarm.clone(), start + Duration::from_micros(1_500) * turn);
            callers.spawn(async move {
                alarm.at(due).await.unwrap();
                assert!(Instant::now() >= due);
            });
        }
        callers.join_all().await;
        alarm.at(start).await.unwrap();
    }
}
