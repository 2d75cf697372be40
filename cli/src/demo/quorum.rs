//! Who stands behind the demo's log besides its hub: the relay of each TRE and a witness from outside, and an auditor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use daybook_agent::witness::{Beginning, Witness, create_key};
use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::{Note, VerifierKey};
use daybook_core::trust::TrustPolicy;
use serde_json::Value;

use super::cast::Cast;
use super::program::Program;
use super::stage::Stage;
use super::timeline::Timeline;
use crate::config::WitnessConfig;

/// The name in the policy of the witness that is nobody's in the federation.
const OUTSIDE: &str = "outside";
/// The TREs whose relays are witnesses.
const RELAYS: [&str; 2] = ["wessex", "mercia"];
/// How often it is looked whether a checkpoint has its cosignatures, and how many looks that may take: half a minute.
const LOOK: Duration = Duration::from_millis(150);
const LOOKS: u32 = 200;
/// How many looks more the last of them is waited for once the quorum stands.
const PATIENCE: u32 = 20;
/// How often the log is audited again because it had just grown.
const AUDITS: u32 = 5;

/// The witnesses, their policy, and the program of the one from outside.
pub(super) struct Witnesses {
    folder: PathBuf,
    outside: Program,
}

impl Witnesses {
    /// Makes a key for each, begins their records, starts the one from outside and writes the policy that names them all.
    pub(super) async fn open(folder: &Path, log_key: &VerifierKey) -> Result<Self> {
        let mut policy = vec![
            "# The log of the demo, and who has to agree: two of three.".to_owned(),
            format!("log {log_key}"),
        ];
        for tre in RELAYS {
            let home = folder.join(tre);
            fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
            let key = create_key(&home, &format!("{tre}.example/witness"))?;
            let begin = [(log_key.name().to_string(), Beginning::Never)].into();
            // The relay goes on from there; without that word it would not start.
            Witness::open(&home, std::slice::from_ref(log_key), &begin)?;
            policy.push(format!("witness {tre} {key}"));
        }
        let home = folder.join(OUTSIDE);
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let key = create_key(&home, "auditor.example/witness")?;
        let mut outside = serve(&home, log_key)?;
        let address = outside.listens().await?;
        policy.push(format!("witness {OUTSIDE} {key} http://{address}"));
        policy.push(format!("group two-of-three 2 {} {OUTSIDE}", RELAYS.join(" ")));
        policy.push("quorum two-of-three\n".to_owned());
        let witnesses = Self {
            folder: folder.to_owned(),
            outside,
        };
        fs::write(witnesses.policy(), policy.join("\n"))?;
        Ok(witnesses)
    }

    /// What an auditor was given by somebody else than the hub.
    pub(super) fn policy(&self) -> PathBuf {
        self.folder.join("log.policy")
    }

    /// The folder of a relay's witness.
    pub(super) fn of(&self, tre: &str) -> PathBuf {
        self.folder.join(tre)
    }

    /// What the hub is told of them.
    pub(super) fn config(&self) -> WitnessConfig {
        WitnessConfig {
            policy: Some(self.policy()),
            independent: vec![OUTSIDE.to_owned()],
            publish_waits: false,
        }
    }

    /// Ends the one from outside.
    pub(super) async fn end(self) -> Result<()> {
        self.outside.end().await
    }
}

fn serve(home: &Path, log_key: &VerifierKey) -> Result<Program> {
    let folder = home
        .to_str()
        .context("the demo's folder has a name that is no text")?;
    let key = log_key.to_string();
    let arguments = [
        "witness",
        "serve",
        "--dir",
        folder,
        "--log-key",
        &key,
        "--listen",
        "127.0.0.1:0",
        "--first-contact",
        "none",
    ];
    Program::start("the witness from outside", &arguments, &home.join("witness.log"))
}

/// Waits for the quorum on a checkpoint over all that was said so far, and audits the hub as somebody outside would.
pub(super) async fn audit(stage: &Stage, cast: &Cast, timeline: &Timeline) -> Result<bool> {
    let policy = fs::read_to_string(stage.witnesses.policy())?;
    let policy = TrustPolicy::parse(policy.as_bytes())?;
    let (_, now) = stage.client.checkpoint(stage.log_key(), stage.origin()).await?;
    let stands = stand(stage, &policy, &now).await?;
    timeline.check(
        stands.is_some(),
        &stands.unwrap_or_else(|| "no quorum of the witnesses has cosigned the newest checkpoint".to_owned()),
    );
    let roots = cast.tres.iter().map(|tre| (&tre.slug, &tre.root));
    let roots = roots.chain(stage.roots.iter().map(|(slug, root)| (slug, root)));
    let anchors: Vec<String> = roots.map(|(slug, root)| format!("tre {slug} {root}\n")).collect();
    fs::write(stage.folder.join("anchors.txt"), anchors.concat())?;
    for _ in 0..AUDITS {
        let output = run(stage, &["--json"]).await?;
        let report: Value = serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "`daybook audit` failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        if report["counts"].get("quorum-away").is_some() {
            // The log has just marked the time, and that checkpoint is being cosigned.
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let worst = report["findings"].as_array().into_iter().flatten();
        let is_clean = worst.clone().all(|finding| finding["severity"] == "notice");
        timeline.note(&command(stage).join(" "));
        let said = run(stage, &[]).await?;
        for line in String::from_utf8_lossy(&said.stdout)
            .lines()
            .filter(|line| !line.is_empty())
        {
            timeline.note(line);
        }
        timeline.check(
            is_clean && output.status.success(),
            &format!("the audit of {} entries found nothing wrong", report["entries"]),
        );
        return Ok(is_clean && output.status.success());
    }
    bail!("the log grew faster than its witnesses cosigned it")
}

/// Who has cosigned a checkpoint that covers one; nothing where no quorum does in time.
async fn stand(stage: &Stage, policy: &TrustPolicy, covers: &Checkpoint) -> Result<Option<String>> {
    let mut best = None;
    let mut left = LOOKS;
    while left > 0 {
        left -= 1;
        let note = stage.client.checkpoint_note().await?;
        let note = Note::parse(note.as_bytes())?;
        if let Ok(believed) = policy.open(&note)
            && believed.checkpoint.size() >= covers.size()
        {
            let names: Vec<String> = believed
                .witnesses
                .iter()
                .map(|(witness, _)| witness.name().into_owned())
                .collect();
            let words = format!(
                "{} entries are cosigned by {}; two of three had to",
                believed.checkpoint.size(),
                names.join(", ")
            );
            if best.is_none() {
                left = PATIENCE;
            }
            best = Some(words);
            if names.len() == policy.witnesses().len() {
                break;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(best)
}

/// The audit as a person gives it.
fn command(stage: &Stage) -> Vec<String> {
    let path = |path: PathBuf| path.display().to_string();
    let words = ["daybook", "audit", stage.client.base(), "--policy"].map(str::to_owned);
    let mut words = words.to_vec();
    words.push(path(stage.witnesses.policy()));
    words.extend(["--anchors".to_owned(), path(stage.folder.join("anchors.txt"))]);
    words.extend(["--state".to_owned(), path(stage.folder.join("audit"))]);
    words
}

async fn run(stage: &Stage, more: &[&str]) -> Result<Output> {
    let words = command(stage);
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .args(&words[1..])
        .args(more)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("`daybook audit` does not start")?;
    ensure!(
        output.status.code() != Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}
