//! How far a check is, for whoever waits.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use daybook_store::audit::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

/// Between two lines where no bar can be drawn.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows a bar on a terminal, else a line every ten seconds, on standard error, until the sender goes.
pub(super) async fn show(mut heard: watch::Receiver<Progress>, is_quiet: bool) {
    if is_quiet {
        return;
    }
    if io::stderr().is_terminal() {
        bar(&mut heard).await;
    } else {
        lines(&mut heard).await;
    }
}

async fn bar(heard: &mut watch::Receiver<Progress>) {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} entries, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    while heard.changed().await.is_ok() {
        let now = *heard.borrow_and_update();
        bar.set_length(now.of);
        bar.set_position(now.done);
    }
    bar.finish_and_clear();
}

async fn lines(heard: &mut watch::Receiver<Progress>) {
    let mut last = Instant::now();
    while heard.changed().await.is_ok() {
        let now = *heard.borrow_and_update();
        if last.elapsed() >= PAUSE {
            last = Instant::now();
            // A reader who has gone away ends nothing.
            drop(writeln!(io::stderr(), "{} of {} entries", now.done, now.of));
        }
    }
}
