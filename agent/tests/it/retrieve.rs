//! Workflows and images: from where they come, what is believed, and that they come once.

mod images;
mod places;

use std::path::{Path, PathBuf};

use daybook_agent::packet::{Checked, Limits, Payload, check, workflow_copy, workflow_digest};
use daybook_agent::retrieve::{Approval, Config, Images, Registered, RetrieveError, Retrieved, Retriever};
use daybook_core::Hash;
use uuid::Uuid;

use crate::support::{bag, params};

/// The study's request, with its copy of the workflow.
fn with_copy() -> Checked {
    check(&bag(10).to_zip().unwrap(), &Limits::default()).unwrap()
}

/// The study's request without a copy.
fn without_copy() -> Checked {
    let mut checked = with_copy();
    checked
        .bag
        .payload
        .retain(|path, _| !path.starts_with("workflow/"));
    checked.request.workflow.folder = None;
    checked
}

/// The workflow's own files.
fn files() -> Payload {
    let whole = with_copy();
    workflow_copy(&whole.bag, &whole.request).unwrap()
}

/// A zip of some files, made here rather than by the code under test.
fn zip(files: &Payload) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(path.as_str(), zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The registration of some files at some place, and the TRE's approval of it.
fn registered(files: &Payload, permalink: &str) -> (Registered, Approval) {
    let leaf = Hash::of(b"the registration");
    let registered = Registered {
        leaf,
        workflow: Uuid::from_u128(7),
        digest: Hash(workflow_digest(files)),
        permalink: Some(permalink.to_owned()),
    };
    let approval = Approval {
        leaf: Hash::of(b"the approval"),
        cause: leaf,
    };
    (registered, approval)
}

/// A configuration that asks nowhere but at a registered place.
fn config(folder: &Path) -> Config {
    Config {
        store: folder.join("store"),
        mirror: None,
        only_mirror: false,
        rewrite: Vec::new(),
        proxy: None,
        images: Images::Fetch,
        workflow_mib: 1,
        image_mib: 1,
        sif: std::collections::BTreeMap::new(),
        scan: None,
        scan_minutes: 1,
    }
}

/// A configuration with a mirror in a folder of this machine, which is all that may be asked.
fn air_gapped(folder: &Path) -> Config {
    let mirror = folder.join("mirror");
    std::fs::create_dir_all(mirror.join("workflow")).unwrap();
    std::fs::create_dir_all(mirror.join("image")).unwrap();
    Config {
        mirror: Some(format!("file://{}", mirror.display())),
        only_mirror: true,
        ..config(folder)
    }
}

fn hex(digest: &Hash) -> String {
    digest.0.map(|byte| format!("{byte:02x}")).concat()
}

/// Puts a workflow's zip into the mirror's folder, under the digest of other files if those are given.
fn mirrored(folder: &Path, files: &Payload, digest: &Hash) -> PathBuf {
    let path = folder.join(format!("mirror/workflow/{}.zip", hex(digest)));
    std::fs::write(&path, zip(files)).unwrap();
    path
}

/// The permalink that the study's request names.
fn permalink() -> String {
    params(10).workflow.id
}

async fn retrieve(config: &Config, files: &Payload, packet: &Checked) -> Result<Retrieved, RetrieveError> {
    let (registered, approval) = registered(files, &packet.request.workflow.workflow.id);
    Retriever::new(config)?
        .retrieve(&registered, &approval, packet)
        .await
}

/// The code of the refusal that an error leads to.
fn refusal(error: &RetrieveError) -> &'static str {
    error.refusal().map_or("none", |refused| refused.code.as_str())
}

/// How many files the store holds that are not whole or not asked for.
fn leftovers(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("store/part")).unwrap().count()
}
