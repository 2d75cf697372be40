//! The engine `cwltool`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::RunError;
use super::container::{Containers, STEP};
use super::find::program_folders;
use super::job::{Filled, Given, Job, RunReport, fill};
use super::local::{self, Line, Program};
use super::outputs::{collect, named_files};
use super::place::Place;
use super::sandbox::Sandbox;
use crate::packet::{hex, path_id, read_request, workflow_file};

/// `cwltool`, which runs workflows in the Common Workflow Language: each step in the image that it names, or as it is.
#[derive(Debug)]
pub struct Cwltool {
    /// Its absolute path, as [`super::find_cwltool`] gives it.
    pub program: PathBuf,
    /// The wall around it.
    pub sandbox: Sandbox,
    /// What unpacks images; without it no workflow with an image runs.
    pub containers: Option<Containers>,
}

impl Cwltool {
    pub(super) async fn run(&self, job: &Job<'_>) -> Result<RunReport, RunError> {
        let request = read_request(job.packet)?.request;
        let workflow = workflow_file(job.packet, &request).ok_or(RunError::NoWorkflow)?;
        let mut place = local::place(&self.sandbox, job)?;
        let filled = fill(&request, job, &mut place)?;
        let order = place.write("home", "job.json", job_order(&filled)?.to_string().as_bytes())?;
        let mut program = self.program();
        let asked = Line::default().word("--version");
        let said = local::said_in(&self.sandbox, &program, asked, &place, job.stop).await?;

        let line = match self.images(job, &mut place).await? {
            None => Line::default().word("--no-container"),
            Some(images) => {
                program.nests = true;
                program
                    .variables
                    .push(("DAYBOOK_IMAGES", images.into_os_string()));
                let step = place.write_program("step-container", STEP)?;
                Line::default()
                    .words(["--disable-pull", "--user-space-docker-cmd"])
                    .word(step)
            }
        };
        let line = line
            .words(["--disable-color", "--on-error", "stop", "--outdir"])
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

    /// Whether steps run in the images that they name.
    pub(super) fn uses_images(&self) -> bool {
        self.usable().is_some()
    }

    /// Without a sandbox there is nothing to keep a step in its image.
    fn usable(&self) -> Option<&Containers> {
        self.containers.as_ref().filter(|_| self.sandbox.is_isolated())
    }

    /// Tries whether a step could run in an image here.
    ///
    /// # Errors
    /// [`RunError`] where it could not.
    pub async fn check_images(&self) -> Result<(), RunError> {
        let program = Program {
            path: Path::new("/bin/sh"),
            readable: Vec::new(),
            variables: Vec::new(),
            nests: true,
        };
        let trial = "exec bwrap --ro-bind / / --tmpfs /tmp --dev-bind /dev /dev --ro-bind /proc /proc true";
        let line = Line::default().words(["-c", trial]);
        local::said(&self.sandbox, &program, line).await.map(drop)
    }

    /// Unpacks the images of a run and shows them to it; answers where they lie, nothing where there is none.
    async fn images(&self, job: &Job<'_>, place: &mut Place) -> Result<Option<PathBuf>, RunError> {
        let mut at = None;
        for image in job.images {
            let lost = |why: String| RunError::HostLost(format!("the image {}: {why}", image.reference));
            let usable = self.usable();
            let containers = usable.ok_or_else(|| lost("it needs umoci and the sandbox".to_owned()))?;
            let unpacked = job.stop.run_until_cancelled(containers.unpacked(image)).await;
            let folder = unpacked.ok_or(RunError::Stopped)?.map_err(lost)?;
            at = Some(place.show_unpacked(folder, &hex(&image.digest.0)));
        }
        Ok(at)
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
            nests: false,
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
