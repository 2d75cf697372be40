//! The engine `wfexs`: `WfExS-backend`, which stages a workflow, runs it, and describes the run in a crate.
//!
//! It fetches nothing here: the workflow comes from the packet by way of a git repository made for the run, and its own
//! workflow engine must lie in its cache already. Its exit status says nothing of the workflow; its record of the run does.

mod record;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

pub use self::record::{check_crate, last_execution};
use super::RunError;
use super::find::program_folders;
use super::job::{Filled, Given, Job, OutputFile, RunReport, fill};
use super::local::{self, Line, Program};
use super::outputs::{collect, plain_files};
use super::place::Place;
use super::sandbox::Sandbox;
use crate::packet::{path_id, read_request, workflow_file};

/// The name of the execution crate among the outputs.
const CRATE: &str = "execution.ro-crate.zip";
/// Makes the repository that the stage file names, and goes on as the program.
const PREPARE: &str = "set -e; cp -R \"$1\" \"$2\"; cd \"$2\"; shift 2; git init -q -b main .; git add -A -f; \
    git -c user.name=daybook -c user.email=daybook@localhost commit -q --allow-empty -m workflow; cd \"$HOME\"; \"$@\"";

/// `WfExS-backend`.
#[derive(Debug)]
pub struct Wfexs {
    /// How it is called: an absolute path, then arguments; such as its Python and its script.
    pub command: Vec<String>,
    /// Its cache, filled by a run with a network: it must hold the workflow engine. Each run gets a copy.
    pub cache: PathBuf,
    /// The wall around it.
    pub sandbox: Sandbox,
}

impl Wfexs {
    pub(super) async fn run(&self, job: &Job<'_>) -> Result<RunReport, RunError> {
        let request = read_request(job.packet)?.request;
        let workflow = workflow_file(job.packet, &request).ok_or(RunError::NoWorkflow)?;
        let folder = request.workflow.folder.as_deref().unwrap_or_default();
        let file = workflow.strip_prefix(folder).unwrap_or(&workflow);
        if Path::new(file)
            .extension()
            .is_none_or(|extension| extension != "cwl")
        {
            return Err(RunError::Language("wfexs"));
        }
        let mut place = local::place(&self.sandbox, job)?;
        let filled = fill(&request, job, &mut place)?;
        self.copy_cache(&mut place)?;
        let local = place.write("home", "local.json", self.local(&place).to_string().as_bytes())?;
        let stage = stage(&filled, &place, file)?;
        let stage = place.write("home", "stage.json", stage.to_string().as_bytes())?;

        let program = self.program();
        let said = local::said_in(&self.sandbox, &program, self.ask(), &place, job.stop).await?;
        let bounds = (job.limits, job.limits.time(), job.stop);
        let line = Line::default()
            .words(["-c", PREPARE, "sh"])
            .word(place.inside("packet").join(folder))
            .word(place.inside("home").join("workflow"));
        let line = self.command.iter().fold(line, Line::word);
        let line = line.word("-L").word(local).words(["execute", "-W"]).word(stage);
        let finished = local::run(&self.sandbox, &program, line, &place, bounds).await?;
        local::check(&finished)?;
        let mut outputs = take(&place)?;
        outputs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(RunReport {
            outputs,
            engine: label(&said),
        })
    }

    pub(super) async fn version(&self) -> Result<String, RunError> {
        Ok(label(
            &local::said(&self.sandbox, &self.program(), self.ask()).await?,
        ))
    }

    fn ask(&self) -> Line {
        let line = Line::default().words(["-c", "\"$@\"", "sh"]);
        self.command.iter().fold(line, Line::word).word("--version")
    }

    fn program(&self) -> Program<'_> {
        let mut readable = Vec::new();
        for (number, word) in self.command.iter().enumerate() {
            let path = Path::new(word);
            match path.parent().filter(|folder| folder.parent().is_some()) {
                _ if number == 0 => readable.extend(program_folders(path)),
                // Its script lies beside its modules.
                Some(folder) if path.is_absolute() => readable.push(folder.to_path_buf()),
                _ => {}
            }
        }
        Program {
            path: Path::new("/bin/sh"),
            readable,
            variables: Vec::new(),
            nests: false,
        }
    }

    /// A run can change what the next one would find there, so each has its own copy, under the same name: the programs in
    /// the cache know where they lie.
    fn copy_cache(&self, place: &mut Place) -> Result<(), RunError> {
        if !self.sandbox.is_isolated() {
            return Ok(());
        }
        let copy = place.outside("cache");
        let done = Command::new("cp")
            .args(["-R", "-p", "--reflink=auto", "--"])
            .args([&self.cache, &copy])
            .status()
            .map_err(RunError::work(&copy))?;
        if !done.success() {
            return Err(RunError::work(&self.cache)(std::io::ErrorKind::NotFound.into()));
        }
        place.give_all(&copy)?;
        place.overlays.push((copy, self.cache.clone()));
        Ok(())
    }

    /// Its configuration, in the part of YAML that is JSON.
    fn local(&self, place: &Place) -> Value {
        let home = place.inside("home");
        json!({
            "cacheDir": self.cache,
            "workDir": home.join("work"),
            // Nothing is encrypted with these: `secure` is false. Without them it would look for words on the web.
            "crypt4gh": {"key": home.join("key"), "pub": home.join("key.pub"), "passphrase": "not used in this run"},
            "tools": {
                "engineMode": "local", "containerType": "none", "gitCommand": "git", "javaCommand": "java",
                "dockerCommand": "docker",
            },
        })
    }
}

fn label(said: &str) -> String {
    let mut words = said
        .split_whitespace()
        .skip_while(|word| *word != "version")
        .skip(1);
    format!("WfExS-backend {}", words.next().unwrap_or("unknown"))
}

/// The stage file, in the part of YAML that is JSON.
fn stage(filled: &[Filled], place: &Place, file: &str) -> Result<Value, RunError> {
    let mut params = Map::new();
    for one in filled {
        let value = match &one.given {
            Given::Value(value) => value.clone(),
            Given::Path { path, is_folder } => {
                let text = path.to_str().ok_or(RunError::Language("wfexs"))?;
                let class = if *is_folder { "Directory" } else { "File" };
                json!({"c-l-a-s-s": class, "url": format!("file://{}", path_id(text))})
            }
        };
        params.insert(one.parameter.clone(), value);
    }
    let repository = place.inside("home").join("workflow/.git");
    Ok(json!({
        "workflow_id": format!("git+file://{}@main#subdirectory={}", repository.display(), path_id(file)),
        "workflow_type": "cwl",
        "workflow_config": {"secure": false, "engineMode": "local", "containerType": "none"},
        "params": params,
    }))
}

/// The output files of the one instance, and the crate that describes the run.
fn take(place: &Place) -> Result<Vec<OutputFile>, RunError> {
    let work = place.outside("home").join("work");
    let mut instances = plain_files(&work).unwrap_or_default();
    let Some(instance) = instances.pop().filter(|_| instances.is_empty()) else {
        return Err(RunError::Outputs("WfExS left no record of exactly one run"));
    };
    let instance = work.join(instance);
    let run = record::read(&instance)?;
    let folder = instance.join("outputs").join(&run);
    if !folder.is_dir() || folder.is_symlink() {
        return Err(RunError::Outputs("WfExS left no folder of outputs"));
    }
    let mut outputs = collect(plain_files(&folder)?, &folder)?;
    let execution = collect(vec![CRATE.to_owned()], &instance.join("outputs")).map_err(|_| {
        RunError::Outputs("WfExS made no execution crate; it needs Graphviz (`dot`) for that")
    })?;
    for file in &execution {
        record::check_crate(&file.bytes)?;
    }
    outputs.extend(execution);
    Ok(outputs)
}
