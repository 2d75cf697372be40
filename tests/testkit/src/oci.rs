//! Container images, made from folders and this machine's own programs.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "for tests: what fails here ends one of them"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use daybook_core::Hash;
use serde_json::{Value, json};

/// How an archive names its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its manifest.
    Plainly,
    /// By an index that names another machine's image first, which is not there.
    ByIndex,
}

/// Writes an OCI archive `sha256-DIGEST.tar` into a folder, one layer a folder; answers with the digest.
pub fn image(layers: &[&Path], variables: &[&str], named: Named, into: &Path) -> Hash {
    let layout = tempfile::tempdir().unwrap();
    let blobs = layout.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let digest = Hash::of(bytes);
        fs::write(blobs.join(hex(&digest)), bytes).unwrap();
        let media = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": media, "digest": format!("sha256:{}", hex(&digest)), "size": bytes.len() })
    };
    let layers: Vec<Value> = layers
        .iter()
        .map(|folder| {
            let file = tempfile::NamedTempFile::new().unwrap();
            tar(folder, file.path());
            put("layer.v1.tar", &fs::read(file.path()).unwrap())
        })
        .collect();
    let contents: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": { "Env": variables, "Entrypoint": ["/no/such/program"] },
        "rootfs": { "type": "layers", "diff_ids": contents },
    });
    let config = put("config.v1+json", config.to_string().as_bytes());
    let media = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({ "schemaVersion": 2, "mediaType": media, "config": config, "layers": layers });
    let mut bytes = manifest.to_string().into_bytes();
    let mut manifest = put("manifest.v1+json", &bytes);
    if named == Named::ByIndex {
        let mut other = manifest.clone();
        other["digest"] = json!(format!("sha256:{}", hex(&Hash::of(b"not there"))));
        other["platform"] = json!({ "os": "linux", "architecture": "s390x" });
        manifest["platform"] = json!({ "os": "linux", "architecture": architecture() });
        let index = json!({ "schemaVersion": 2, "manifests": [other, manifest] });
        bytes = index.to_string().into_bytes();
        put("index.v1+json", &bytes);
    }
    let digest = Hash::of(&bytes);
    fs::create_dir_all(into).unwrap();
    tar(layout.path(), &into.join(format!("sha256-{}.tar", hex(&digest))));
    digest
}

/// Puts programs of this machine into the root of an image, with the libraries that they need.
pub fn put_programs(root: &Path, programs: &[&str]) {
    for folder in ["usr/bin", "usr/lib", "usr/lib64"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for folder in ["bin", "lib", "lib64"] {
        symlink(Path::new("usr").join(folder), root.join(folder)).unwrap();
    }
    for program in programs {
        let path = Path::new("/usr/bin").join(program);
        fs::copy(&path, root.join("usr/bin").join(program)).unwrap();
        let listed = Command::new("ldd").arg(&path).output().unwrap().stdout;
        let listed = String::from_utf8(listed).unwrap();
        for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
            let to = root.join(library.trim_start_matches('/'));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(library, to).unwrap();
        }
    }
}

/// A digest as images write it.
pub fn hex(hash: &Hash) -> String {
    hash.0.map(|byte| format!("{byte:02x}")).concat()
}

fn tar(folder: &Path, into: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("-cf").arg(into).arg("-C").arg(folder).arg(".");
    assert!(tar.status().unwrap().success());
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else {
        "arm64"
    }
}
