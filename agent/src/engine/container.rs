//! Steps that run in container images of their own, for engines that would otherwise ask a daemon.
//!
//! An image is unpacked once, by `umoci`, into a folder beside its archive. [`STEP`] then runs a step with that folder as its
//! root file system. It needs no daemon and no right that a run does not have.

use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use daybook_core::Hash;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::job::GivenImage;
use super::leftover::remove_tree;
use super::sandbox::{SandboxError, find};
use crate::packet::hex;
use crate::random;
use crate::retrieve::parse_hex;

/// The program that runs a step in its image; its first lines say how it is called.
pub(super) const STEP: &str = include_str!("step-container.sh");
/// How deep indexes may name one another.
const DEPTH: u8 = 4;
/// Where steps in CWL find their inputs; a folder must be there to put them.
const INPUTS: [&str; 3] = ["var", "lib", "cwl"];
/// What a step finds its programs by where its image does not say.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How the extension of a folder begins that is not whole yet.
const UNPACKING_OF: &str = "unpacking-";

/// One image is unpacked at a time: two jobs may want the same one.
static UNPACKING: Mutex<()> = Mutex::const_new(());

/// What unpacks images.
#[derive(Debug, Clone)]
pub struct Containers {
    umoci: PathBuf,
}

impl Containers {
    /// With the `umoci` that is on the `PATH`.
    ///
    /// # Errors
    /// [`SandboxError::NoProgram`], which says which package has it.
    pub fn find() -> Result<Self, SandboxError> {
        let umoci = find("umoci", "umoci")?;
        Ok(Self { umoci })
    }

    /// The folder of an image, with its file system in `root` and its variables in `env`.
    pub(super) async fn unpacked(&self, image: &GivenImage) -> Result<PathBuf, String> {
        if image.form != "oci-archive" {
            return Err("it is a SIF file; put an OCI archive of it into the mirror".to_owned());
        }
        let folder = image.path.with_extension("unpacked");
        let _one = UNPACKING.lock().await;
        if folder.is_dir() {
            return Ok(folder);
        }
        clear(&image.path).map_err(text)?;
        // A name of its own: a run that was stopped may still be writing to the one before.
        let id = random::id().map_err(text)?;
        let part = image.path.with_extension(format!("{UNPACKING_OF}{id}"));
        let (archive, digest, layout) = (image.path.clone(), image.digest, part.join("layout"));
        let written = tokio::task::spawn_blocking({
            let layout = layout.clone();
            move || write_layout(&archive, &digest, &layout)
        });
        let variables = written.await.map_err(text)??;
        let root = part.join("root");
        let mut reference = layout.clone().into_os_string();
        reference.push(":image");
        let mut command = tokio::process::Command::new(&self.umoci);
        command.args(["raw", "unpack", "--rootless", "--image"]);
        command.arg(reference).arg(&root);
        let said = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let said = said.await.map_err(text)?;
        if !said.status.success() {
            let log = String::from_utf8_lossy(&said.stderr);
            return Err(log
                .lines()
                .next_back()
                .unwrap_or("umoci did not say why")
                .to_owned());
        }
        remove_tree(&layout).map_err(text)?;
        make_room(&root).map_err(text)?;
        fs::write(part.join("env"), variables).map_err(text)?;
        for (path, mode) in [(part.join("env"), 0o644), (root, 0o755), (part.clone(), 0o755)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(text)?;
        }
        fs::rename(&part, &folder).map_err(text)?;
        Ok(folder)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Removes what was begun by a run that was stopped, or by a runner that was killed.
fn clear(archive: &Path) -> std::io::Result<()> {
    let begins = archive.with_extension(UNPACKING_OF);
    let begins = begins.file_name().unwrap_or_default().as_encoded_bytes();
    for entry in fs::read_dir(archive.parent().unwrap_or(archive))? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(begins) {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// A folder for the inputs, unless the image has something else in its place. No link of the image's is followed: it would
/// lead out of it.
fn make_room(root: &Path) -> std::io::Result<()> {
    let mut at = root.to_owned();
    for part in INPUTS {
        at.push(part);
        match at.symlink_metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Ok(()),
            Err(_) => {
                fs::create_dir(&at)?;
                fs::set_permissions(&at, fs::Permissions::from_mode(0o755))?;
            }
        }
    }
    Ok(())
}

/// Writes an image layout in which `image` is the image of that digest for this machine; answers with its variables, one a
/// line.
fn write_layout(archive: &Path, digest: &Hash, layout: &Path) -> Result<String, String> {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(text)?;
    let file = File::open(archive).map_err(text)?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
    for entry in archive.entries().map_err(text)? {
        let mut entry = entry.map_err(text)?;
        let path = entry.path_bytes().into_owned();
        let path = String::from_utf8_lossy(&path);
        let name = path.strip_prefix("./").unwrap_or(&path);
        // What has such a name was held against it before the archive had its own.
        if let Some(name) = name
            .strip_prefix("blobs/sha256/")
            .filter(|name| parse_hex(name).is_some())
        {
            let mut blob = File::create(blobs.join(name)).map_err(text)?;
            std::io::copy(&mut entry, &mut blob).map_err(text)?;
        }
    }
    let (descriptor, manifest) = manifest(&blobs, &format!("sha256:{}", hex(&digest.0)), DEPTH)
        .ok_or_else(|| format!("it has no manifest for linux on {}", architecture()))?;
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    fs::write(layout.join("index.json"), index.to_string()).map_err(text)?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).map_err(text)?;
    let config = manifest.pointer("/config/digest").and_then(Value::as_str);
    let config = config
        .and_then(|digest| document(&blobs, digest))
        .map(|(config, _)| config);
    Ok(variables(&config.ok_or("it has no configuration")?))
}

/// The manifest of an image for this machine, and how an index names it.
fn manifest(blobs: &Path, digest: &str, depth: u8) -> Option<(Value, Value)> {
    let (document, size) = document(blobs, digest)?;
    let Some(manifests) = document.get("manifests").and_then(Value::as_array) else {
        let descriptor = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": size,
            "annotations": { "org.opencontainers.image.ref.name": "image" },
        });
        return Some((descriptor, document));
    };
    let is_ours = |one: &&Value| {
        let platform = |key: &str| one.pointer(&format!("/platform/{key}")).and_then(Value::as_str);
        // An index of one image need not say for what it is.
        platform("os").is_none_or(|os| os == "linux")
            && platform("architecture").is_none_or(|name| name == architecture())
    };
    let named = |one: &Value| one.get("digest").and_then(Value::as_str).map(str::to_owned);
    let mut ours = manifests.iter().filter(is_ours).filter_map(named);
    ours.find_map(|digest| manifest(blobs, &digest, depth.checked_sub(1)?))
}

fn document(blobs: &Path, digest: &str) -> Option<(Value, usize)> {
    let name = digest
        .strip_prefix("sha256:")
        .filter(|name| parse_hex(name).is_some())?;
    let bytes = fs::read(blobs.join(name)).ok()?;
    Some((serde_json::from_slice(&bytes).ok()?, bytes.len()))
}

/// What Go, and so OCI, calls the machine.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn variables(config: &Value) -> String {
    let of_image = config.pointer("/config/Env").and_then(Value::as_array);
    let of_image = of_image.into_iter().flatten().filter_map(Value::as_str);
    let is_one = |line: &&str| line.find('=').is_some_and(|at| at > 0) && !line.contains(['\n', '\0']);
    let lines: Vec<&str> = std::iter::once(PATH).chain(of_image.filter(is_one)).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_puts_into_the_environment_is_one_variable_a_line() {
        let config = json!({ "config": { "Env": ["PATH=/opt/bin", "A=b c=d", "broken", "=x", "B=1\n2"] } });
        assert_eq!(variables(&config), format!("{PATH}\nPATH=/opt/bin\nA=b c=d\n"));
        assert_eq!(variables(&json!({})), format!("{PATH}\n"));
    }

    #[test]
    fn no_link_of_an_image_leads_to_a_folder_that_is_made_outside_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("var")).unwrap();
        make_room(&root).unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        fs::remove_file(root.join("var")).unwrap();
        make_room(&root).unwrap();
        assert!(root.join("var/lib/cwl").is_dir());
    }
}
