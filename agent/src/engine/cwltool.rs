//! The engine `cwltool`.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::RunError;
use super::find::program_folders;
use super::job::{Filled, Given, Job, RunReport, fill};
use super::local::{self, Line, Program};
use super::outputs::{collect, named_files};
use super::sandbox::Sandbox;
use crate::packet::{path_id, read_request, workflow_file};

/// `cwltool`, which runs workflows in the Common Workflow Language, without containers.
#[derive(Debug)]
pub struct Cwltool {
    /// Its absolute path, as [`super::find_cwltool`] gives it.
    pub program: PathBuf,
    /// The wall around it.
    pub sandbox: Sandbox,
}

impl Cwltool {
    pub(super) async fn run(&self, job: &Job<'_>) -> Result<RunReport, RunError> {
        let request = read_request(job.packet)?.request;
        let workflow = workflow_file(job.packet, &request).ok_or(RunError::NoWorkflow)?;
        let mut place = local::place(&self.sandbox, job)?;
        let filled = fill(&request, job, &mut place)?;
        let order = place.write("home", "job.json", job_order(&filled)?.to_string().as_bytes())?;
        let program = self.program();
        let asked = Line::default().word("--version");
        let said = local::said_in(&self.sandbox, &program, asked, &place, job.stop).await?;

        let line = Line::default()
            .words([
                "--no-container",
                "--disable-color",
                "--on-error",
                "stop",
                "--outdir",
            ])
            .word(place.inside("out"))
            .word("--tmpdir-prefix")
            .word(place.inside("tmp").join("step-"))
            .word(place.inside("packet").join(workflow))
            .word(order);
        let bounds = (job.limits, job.limits.time(), job.stop);
        let finished = local::run(&self.sandbox, &program, line, &place, bounds).await?;
        local::check(&finished)?;
        Ok(RunReport {
            outputs: collect(named_files(&finished.stdout)?, &place.outside("out"))?,
            engine: label(&said),
        })
    }

    pub(super) async fn version(&self) -> Result<String, RunError> {
        let asked = Line::default().word("--version");
        Ok(label(&local::said(&self.sandbox, &self.program(), asked).await?))
    }

    fn program(&self) -> Program<'_> {
        Program {
            path: &self.program,
            readable: program_folders(&self.program),
            variables: Vec::new(),
        }
    }
}

fn label(said: &str) -> String {
    format!(
        "cwltool {}",
        said.split_whitespace().next_back().unwrap_or("unknown")
    )
}

/// The CWL job order: one member for each input that fills a parameter.
pub(super) fn job_order(filled: &[Filled]) -> Result<Value, RunError> {
    let mut order = Map::new();
    for one in filled {
        let value = match &one.given {
            Given::Value(value) => value.clone(),
            Given::Path { path, is_folder } => {
                let text = path
                    .to_str()
                    .ok_or_else(|| RunError::work(path)(std::io::ErrorKind::InvalidFilename.into()))?;
                let class = if *is_folder { "Directory" } else { "File" };
                json!({"class": class, "location": format!("file://{}", path_id(text))})
            }
        };
        order.insert(one.parameter.clone(), value);
    }
    Ok(Value::Object(order))
}
