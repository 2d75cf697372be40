//! The task document.

use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use super::TesConfig;
use crate::engine::job::RunLimits;
use crate::engine::place::Place;
use crate::packet::path_id;

/// The tag by which a task is found again.
pub(super) const TAG: &str = "daybook-run";
/// The output object of the workflow.
pub(super) const STDOUT: &str = "stdout.txt";
/// Its log.
pub(super) const STDERR: &str = "stderr.txt";

/// One task with one executor. It names no project, no packet, and of the TRE only what the service has to find.
pub(super) fn document(
    config: &TesConfig,
    run: Uuid,
    place: &Place,
    workflow: &str,
    order: &Path,
    limits: &RunLimits,
) -> Value {
    let home = place.inside("home");
    let stored = |name: &str| {
        format!(
            "{}/{run}/{}",
            config.storage_url.trim_end_matches('/'),
            path_id(name)
        )
    };
    let file_type = |is_folder| if is_folder { "DIRECTORY" } else { "FILE" };
    let mut inputs = vec![
        json!({"url": stored("packet"), "path": place.inside("packet"), "type": "DIRECTORY"}),
        json!({"url": stored("home/job.json"), "path": order, "type": "FILE"}),
    ];
    inputs.extend(
        place
            .mounts
            .iter()
            .map(|mount| json!({"url": mount.source, "path": mount.at, "type": file_type(mount.is_folder)})),
    );
    let stream =
        |name: &str| json!({"url": stored(&format!("home/{name}")), "path": home.join(name), "type": "FILE"});
    let mut command = config.command.clone();
    let path = |path: &Path| path.to_string_lossy().into_owned();
    command.extend([
        "--outdir".to_owned(),
        path(&place.inside("out")),
        path(&place.inside("packet").join(workflow)),
        path(order),
    ]);
    json!({
        "name": "daybook",
        "tags": { TAG: run.to_string() },
        "inputs": inputs,
        "outputs": [
            {"url": stored("out"), "path": place.inside("out"), "type": "DIRECTORY"},
            stream(STDOUT),
            stream(STDERR),
        ],
        "resources": {
            "cpu_cores": config.cpu_cores,
            "ram_gb": gigabytes(limits.memory),
            "disk_gb": gigabytes(limits.disk),
            "preemptible": false,
        },
        "executors": [{
            "image": config.image,
            "command": command,
            "stdout": home.join(STDOUT),
            "stderr": home.join(STDERR),
        }],
    })
}

/// Decimal gigabytes, rounded up to whole ones: more precise is not needed, and floats stay exact.
fn gigabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000_000)
}
