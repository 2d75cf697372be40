//! `daybook demo`: everything on one machine, each event signed by its actor and sent as an outsider would.
//!
//! The hub runs in this process; each TRE's relay and runner are processes of their own, as a TRE would run them.
//! People and patients are invented; everything else is real.

mod cast;
mod checks;
mod job;
mod program;
mod prove;
mod quorum;
mod stage;
mod timeline;
mod tre;
mod zone;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use self::cast::Cast;
use self::stage::Stage;
use self::timeline::Timeline;
use self::zone::Zone;
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
    let mut zones = Vec::new();
    let played = tokio::select! {
        played = play(&stage, &mut zones, cwltool) => played,
        () = asked.cancelled() => Ok(false),
    };
    if let Ok(true) = played
        && !args.exit
    {
        stage.invite();
        asked.cancelled().await;
    }
    // All of it ends, whatever else has failed; the first failure is told.
    let mut outcome = played;
    for zone in zones {
        outcome = zone.end().await.and(outcome);
    }
    let cleared = stage.clear().await;
    let holds = outcome?;
    cleared?;
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn play(stage: &Stage, zones: &mut Vec<Zone>, cwltool: &Path) -> Result<bool> {
    let timeline = Timeline::default();
    timeline.chapter(if stage.roots.is_empty() {
        "A federation is founded"
    } else {
        "Two more TREs join the federation"
    });
    let mut cast = Cast::assemble(stage, &timeline).await?;
    timeline.chapter("A researcher sends one analysis to two TREs");
    let submitted = job::submit(&mut cast, stage, &timeline).await?;
    for (tre, (_, job)) in cast.tres.iter().zip(&submitted.jobs) {
        timeline.chapter(&format!("{} takes it up", tre.name));
        zones.push(Zone::open(stage, tre, cwltool, &timeline).await?);
        if let Some(zone) = zones.last_mut() {
            tre::follow(zone, tre, *job, stage, &timeline).await?;
        }
    }
    timeline.chapter("The researcher collects");
    job::collect(&mut cast, &submitted, stage, &timeline).await?;
    timeline.chapter("What the public reads");
    job::show_public(&submitted, stage, &timeline).await?;
    timeline.chapter("Every entry is proved, offline");
    let is_proved = prove::prove_all(stage, &timeline).await?;
    timeline.chapter("Two TREs and an outsider vouch for the log, and an auditor reads all of it");
    let is_sound = quorum::audit(stage, &cast, &timeline).await?;
    Ok(is_proved && is_sound)
}
