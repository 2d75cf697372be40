//! Runs schemathesis (<https://schemathesis.io>) against a hub: what somebody else's program makes of the description.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use daybook_api::{Service, document};
use daybook_core::base64url;
use daybook_world::ORIGIN;
use serde_json::Value;
use tokio::process::Command;

use crate::hub::{access_seed, insider};
use crate::lists::Viewing;
use crate::server::Served;

/// The Python that has the libraries of `tests/python/requirements.txt`.
fn python() -> PathBuf {
    let python = std::env::var_os("DAYBOOK_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.exists(),
        "{} is missing: run `make setup`, or name a Python in DAYBOOK_PYTHON",
        python.display()
    );
    python
}

/// The description without what makes an answer wait: other tests wait.
fn description() -> Value {
    let mut document = document::openapi_document();
    for operations in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in operations.as_object_mut().unwrap().values_mut() {
            if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
                parameters.retain(|parameter| parameter["name"] != "wait");
            }
        }
    }
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing() {
    let Viewing { hub, projector, .. } = Viewing::new().await;
    let member = insider(&hub.world);
    let served = Served::serving(hub, Service::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, description().to_string()).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python");
    let run = Command::new(python())
        .arg(scripts.join("test_api.py"))
        .arg(&file)
        .arg(format!("http://{}", served.address))
        .args([
            ORIGIN,
            &member.to_string(),
            &base64url::encode(&access_seed(&member)),
        ])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output();
    let output = run.await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    served.ends().await;
    projector.stop().await;
}
