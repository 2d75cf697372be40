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

use std::process::ExitCode;

use anyhow::Result;

use self::cast::Cast;
use self::stage::Stage;
use self::timeline::Timeline;
use crate::args::DemoArgs;
use crate::commands::serve::wait_for_end;
use crate::study;

/// Runs the demo; then serves until told to end, or ends at once.
pub async fn run(args: DemoArgs) -> Result<ExitCode> {
    // Looked for first: nothing is begun that cannot be finished.
    let cwltool = study::find_cwltool(args.cwltool.as_deref())?;
    let stage = Stage::build(&args).await?;
    let played = tokio::select! {
        played = play(&stage, &cwltool) => played,
        ended = wait_for_end() => ended.map(|()| false),
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
        wait_for_end().await?;
    }
    stage.clear().await?;
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn play(stage: &Stage, cwltool: &std::path::Path) -> Result<bool> {
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
