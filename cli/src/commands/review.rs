//! `daybook review`.

use std::process::ExitCode;

use anyhow::Result;
use daybook_agent::review::{self, Ask, Config, Desk, Refusal, Waiting};
use serde_json::Value;

use super::output;
use crate::args::{ReviewArgs, ReviewCommand};

pub(super) async fn run(args: ReviewArgs) -> Result<ExitCode> {
    if let ReviewCommand::NewSecret { file } = &args.command {
        review::create_secret(file)?;
        output::line(&format!(
            "{} holds a new secret; back it up, and show it to nobody",
            file.display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let mut desk = Desk::open(&Config::read(&args.config)?)?;
    match args.command {
        ReviewCommand::List(args) => list(&review::waiting(&desk).await?, args.json)?,
        ReviewCommand::Show(args) => {
            let found = review::look(&desk, args.job).await?;
            if args.json {
                output::line(&serde_json::to_string(&found)?);
            } else {
                show(&found);
            }
        }
        command => decide(&mut desk, command).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes a decision at the end of the TRE's step, as everything that leaves the controlled zone.
async fn decide(desk: &mut Desk, command: ReviewCommand) -> Result<()> {
    let pause = desk.until_step();
    if !matches!(command, ReviewCommand::Cancel(_)) && pause.as_secs() > 1 {
        output::line(&format!(
            "This is sent at the end of the TRE's step, in {} s; ended before, nothing is decided.",
            pause.as_secs()
        ));
    }
    if !matches!(command, ReviewCommand::Cancel(_)) {
        tokio::time::sleep(pause).await;
    }
    let said = match command {
        ReviewCommand::SignOff(args) => {
            desk.sign_off(args.at.job, &args.at.reviewer, args.note.as_deref())
                .await?;
            "The job is signed off."
        }
        ReviewCommand::Approve(args) => {
            let at = &args.at;
            let approved = desk
                .approve(at.job, &at.reviewer, &args.only, args.exception.as_deref())
                .await?;
            if approved.began_anew {
                output::line("Others had agreed to other files: counting begins anew with this agreement.");
            }
            let (agreed, needed) = approved.people;
            output::line(&format!(
                "{agreed} of {needed} people have agreed to these files."
            ));
            if approved.said.is_some() {
                "The outputs are cleared."
            } else {
                "Nothing leaves until the others have agreed to the same ones."
            }
        }
        ReviewCommand::Refuse(args) => {
            let refusal = Refusal {
                reason: &args.reason,
                text: &args.text,
            };
            desk.refuse(args.at.job, &args.at.reviewer, &refusal).await?;
            "The outputs do not leave."
        }
        ReviewCommand::Ask(args) => {
            let ask = Ask {
                kind: &args.kind,
                text: &args.text,
            };
            desk.ask(args.at.job, &args.at.reviewer, &ask).await?;
            "The team is asked."
        }
        ReviewCommand::Recheck(args) => {
            desk.recheck(args.job, &args.reviewer).await?;
            "The outputs are checked once more."
        }
        ReviewCommand::Hold(args) => {
            desk.hold(args.job, &args.reason, args.text.as_deref()).await?;
            "The job is on hold."
        }
        ReviewCommand::Resume(args) => {
            desk.resume(args.job).await?;
            "The job goes on."
        }
        ReviewCommand::Cancel(args) => {
            desk.cancel(args.job, args.text.as_deref()).await?;
            "The job is being stopped; `daybook review show` tells when it has."
        }
        ReviewCommand::List(_) | ReviewCommand::Show(_) | ReviewCommand::NewSecret { .. } => return Ok(()),
    };
    output::line(said);
    Ok(())
}

fn list(found: &[Waiting], as_json: bool) -> Result<()> {
    if as_json {
        output::line(&serde_json::to_string(found)?);
    } else if found.is_empty() {
        output::line("Nothing waits for people.");
    } else {
        for one in found {
            output::line(&format!("{}  {:<18} {}", one.job, one.state, one.todo));
        }
    }
    Ok(())
}

fn show(one: &Waiting) {
    output::line(&format!("{}  {}", one.job, one.state));
    output::line(&format!("To do: {}", one.todo));
    if let Some(folder) = &one.folder {
        output::line(&format!("Files in {}:", folder.display()));
    }
    let outputs = one.outputs.as_ref();
    let list = |name: &str| {
        let list = outputs.and_then(|set| set.get(name)).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    for file in list("files") {
        let text = |name: &str| {
            file.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let size = file.get("size").and_then(Value::as_u64).unwrap_or_default();
        output::line(&format!(
            "  {}  {size} bytes  {}",
            text("path"),
            text("media_type")
        ));
    }
    for finding in list("findings") {
        let file = finding.get("file").and_then(Value::as_str).unwrap_or("the set");
        let says = finding.get("says").and_then(Value::as_str).unwrap_or_default();
        output::line(&format!("  found: {file}: {says}"));
    }
    if let Some(answer) = &one.answer {
        output::line(&format!("The team has answered: {answer}"));
    }
    if let Some((people, files)) = &one.agreed {
        output::line(&format!("{} agreed to {}", people.join(", "), files.join(", ")));
    }
}
