//! `daybook demo`: everything on one machine, each event signed by its actor and sent as an outsider would.
//!
//! Until the TRE's own programs exist, this plays the TREs by their events; the packets, the workflow's run, the checks
//! of its outputs and every proof are real.

mod cast;
mod checks;
mod job;
mod prove;
mod stage;
mod timeline;
mod tre;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use self::cast::Cast;
use self::stage::Stage;
use self::timeline::Timeline;
use crate::args::DemoArgs;
use crate::commands::serve::Ends;
use daybook_agent::engine;

/// Runs the demo; then serves until told to end, or ends at once.
///
/// Who asks once for the end gets an orderly one, whatever the demo is doing; who asks twice gets it at once.
pub async fn run(args: DemoArgs) -> Result<ExitCode> {
    // Looked for first: nothing is begun that cannot be finished.
    let cwltool = engine::find_cwltool(args.cwltool.as_deref())?;
    let asked = CancellationToken::new();
    // Before the folder is made, so that no signal leaves it behind.
    let mut ends = Ends::listen()?;
    let asked_twice = async {
        ends.next().await;
        asked.cancel();
        ends.next().await;
    };
    tokio::select! {
        biased;
        () = asked_twice => Ok(ExitCode::FAILURE),
        done = perform(&args, &cwltool, &asked) => done,
    }
}

async fn perform(args: &DemoArgs, cwltool: &Path, asked: &CancellationToken) -> Result<ExitCode> {
    let stage = Stage::build(args).await?;
    let played = tokio::select! {
        played = play(&stage, cwltool) => played,
        () = asked.cancelled() => Ok(false),
    };
    let holds = match played {
        Ok(holds) => holds,
        Err(error) => {
            stage.clear().await?;
            return Err(error);
        }
    };
    if holds && !args.exit {
        stage.invite();
        asked.cancelled().await;
    }
    stage.clear().await?;
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn play(stage: &Stage, cwltool: &Path) -> Result<bool> {
    let timeline = Timeline::default();
    timeline.chapter("A federation is founded");
    let mut cast = Cast::assemble(stage, &timeline).await?;
    timeline.chapter("A researcher sends one analysis to two TREs");
    let submitted = job::submit(&mut cast, stage, &timeline).await?;
    for at in 0..cast.tres.len() {
        timeline.chapter(&format!("{} takes it up", cast.tres[at].name));
        tre::take_up(&mut cast, at, stage, cwltool, &timeline).await?;
    }
    timeline.chapter("The researcher collects");
    job::collect(&mut cast, &submitted, stage, &timeline).await?;
    timeline.chapter("What the public reads");
    job::show_public(&submitted, stage, &timeline).await?;
    timeline.chapter("Every entry is proved, offline");
    prove::prove_all(stage, &timeline).await
}
