//! The engine `command`: a program of the TRE's own, called by a small contract.
//!
//! The program gets one argument, the path of a JSON file that says what to run (`docs/how-to/write-an-engine.md`). It
//! writes its outputs into the folder `outputs` that the file names, and its exit status says how it went.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::RunError;
use super::find::program_folders;
use super::job::{Given, Job, RunReport, fill};
use super::local::{self, Line, Program};
use super::outputs::{collect, plain_files};
use super::sandbox::Sandbox;
use crate::packet::{read_request, workflow_file};

/// The exit statuses that mean something; every other one but 0 is an error of the tool.
const INPUT_MISSING: i32 = 3;
const MEMORY_LIMIT: i32 = 4;
const TIME_LIMIT: i32 = 5;

/// A program of the TRE's own.
#[derive(Debug)]
pub struct OwnProgram {
    /// Its absolute path.
    pub program: PathBuf,
    /// What it is called in result packets, with its version.
    pub name: String,
    /// The wall around it.
    pub sandbox: Sandbox,
}

impl OwnProgram {
    pub(super) async fn run(&self, job: &Job<'_>) -> Result<RunReport, RunError> {
        let request = read_request(job.packet)?.request;
        let workflow = workflow_file(job.packet, &request).ok_or(RunError::NoWorkflow)?;
        let folder = request.workflow.folder.as_deref().unwrap_or_default();
        let mut place = local::place(&self.sandbox, job)?;
        let inputs: BTreeMap<String, Value> = fill(&request, job, &mut place)?
            .into_iter()
            .map(|one| (one.parameter, described(&one.given)))
            .collect();
        let mut images = Vec::new();
        for image in job.images {
            let file = place.show_image(&image.path)?;
            images.push(json!({ "reference": image.reference, "form": image.form, "file": file }));
        }
        let order = json!({
            "version": 1,
            "workflow": place.inside("packet").join(&workflow),
            "workflow_folder": place.inside("packet").join(folder),
            "inputs": inputs,
            "images": images,
            "outputs": place.inside("out"),
            "limits": {
                "seconds": job.limits.seconds,
                "memory": job.limits.memory,
                "disk": job.limits.disk,
                "processes": job.limits.processes,
            },
        });
        let order = place.write("home", "run.json", format!("{order:#}\n").as_bytes())?;
        let program = Program {
            path: &self.program,
            readable: program_folders(&self.program),
            variables: Vec::new(),
            nests: false,
        };
        let bounds = (job.limits, job.limits.time(), job.stop);
        let line = Line::default().word(order);
        let finished = local::run(&self.sandbox, &program, line, &place, bounds).await?;
        match finished.status.code() {
            Some(INPUT_MISSING) => {
                return Err(RunError::NoDataset(
                    "the engine found an input missing".to_owned(),
                ));
            }
            Some(MEMORY_LIMIT) => return Err(RunError::MemoryLimit),
            Some(TIME_LIMIT) => return Err(RunError::TimeLimit(job.limits.time())),
            _ => local::check(&finished)?,
        }
        let out = place.outside("out");
        Ok(RunReport {
            outputs: collect(plain_files(&out)?, &out)?,
            engine: self.label(),
        })
    }

    pub(super) fn label(&self) -> String {
        self.name.clone()
    }
}

fn described(given: &Given) -> Value {
    match given {
        Given::Value(value) => json!({ "value": value }),
        Given::Path {
            path,
            is_folder: true,
        } => json!({ "folder": path }),
        Given::Path {
            path,
            is_folder: false,
        } => json!({ "file": path }),
    }
}
