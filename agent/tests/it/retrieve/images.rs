//! Container images by their digests, and the TRE's scanner.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use daybook_agent::packet::Payload;
use daybook_agent::retrieve::{Approval, Config, ImageForm, Images, RetrieveError, Retriever};
use daybook_core::Hash;
use serde_json::{Value, json};

use super::{air_gapped, files, hex, mirrored, permalink, refusal, registered, retrieve, without_copy};

/// An OCI image of one layer: its blobs by digest, and the digest of its manifest.
fn image() -> (BTreeMap<Hash, Vec<u8>>, Hash) {
    let mut blobs = BTreeMap::new();
    let mut put = |bytes: Vec<u8>| {
        let digest = Hash::of(&bytes);
        blobs.insert(digest, bytes);
        digest
    };
    let named = |digest: &Hash| json!({ "digest": format!("sha256:{}", hex(digest)) });
    let layer = put(vec![7; 70_000]);
    let settings = put(b"{\"os\":\"linux\"}".to_vec());
    let manifest = json!({"schemaVersion": 2, "config": named(&settings), "layers": [named(&layer)]});
    let manifest = put(manifest.to_string().into_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [{"digest": format!("sha256:{}", "0".repeat(64))}, named(&manifest)]});
    let index = put(index.to_string().into_bytes());
    (blobs, index)
}

/// A tar of an image layout.
fn archive(blobs: &BTreeMap<Hash, Vec<u8>>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    add("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}");
    for (digest, bytes) in blobs {
        add(&format!("blobs/sha256/{}", hex(digest)), bytes);
    }
    tar.into_inner().unwrap()
}

/// The study's workflow, whose tool runs in an image.
fn in_an_image(reference: &str) -> Payload {
    let mut files = files();
    let tool = files.get_mut("tools/count.cwl").unwrap();
    tool.extend_from_slice(
        format!("\nhints:\n  DockerRequirement:\n    dockerPull: {reference}\n").as_bytes(),
    );
    files
}

/// A TRE without a network whose mirror holds that workflow.
fn place(folder: &Path, workflow: &Payload) -> Config {
    let config = air_gapped(folder);
    let (registered, _) = registered(workflow, "");
    mirrored(folder, workflow, &registered.digest);
    config
}

fn put_image(folder: &Path, digest: &Hash, extension: &str, bytes: &[u8]) {
    let path = folder.join(format!("mirror/image/sha256-{}.{extension}", hex(digest)));
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn an_image_comes_from_the_mirror_with_every_blob_verified_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let (blobs, digest) = image();
    let workflow = in_an_image(&format!("debian@sha256:{}", hex(&digest)));
    let config = place(folder.path(), &workflow);
    let absent = retrieve(&config, &workflow, &without_copy()).await.unwrap_err();
    assert!(
        matches!(absent, RetrieveError::Absent(_)) && refusal(&absent) == "none",
        "{absent}"
    );
    put_image(folder.path(), &digest, "tar", &archive(&blobs));
    let found = retrieve(&config, &workflow, &without_copy()).await.unwrap();
    let [image] = &*found.images else { panic!() };
    assert_eq!((image.digest, image.form), (digest, ImageForm::OciArchive));
    assert_eq!(std::fs::read(&image.path).unwrap(), archive(&blobs));
    std::fs::remove_dir_all(folder.path().join("mirror")).unwrap();
    assert!(
        !retrieve(&config, &workflow, &without_copy())
            .await
            .unwrap()
            .fetched
    );
}

#[tokio::test]
async fn an_archive_that_is_not_the_whole_image_is_not_taken() {
    let (blobs, digest) = image();
    let largest = blobs.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap().0;
    let mut without_layer = blobs.clone();
    without_layer.remove(largest);
    let mut changed = blobs.clone();
    changed.get_mut(largest).unwrap()[69_999] = 8;
    let mut without_index = blobs.clone();
    without_index.remove(&digest);
    let broken = [
        archive(&without_layer),
        archive(&changed),
        archive(&without_index),
        b"no tar".to_vec(),
    ];
    for bytes in broken {
        let folder = tempfile::tempdir().unwrap();
        let workflow = in_an_image(&format!("debian@sha256:{}", hex(&digest)));
        let config = place(folder.path(), &workflow);
        put_image(folder.path(), &digest, "tar", &bytes);
        let error = retrieve(&config, &workflow, &without_copy()).await.unwrap_err();
        assert!(
            matches!(error, RetrieveError::ImageDiffers { .. }) && refusal(&error) == "none",
            "{error}"
        );
        assert_eq!(
            std::fs::read_dir(folder.path().join("store/image"))
                .unwrap()
                .count(),
            0
        );
    }
}

#[tokio::test]
async fn a_sif_file_stands_for_an_image_only_where_the_tre_says_so() {
    let mut sif = b"#!/usr/bin/env run-singularity\n".to_vec();
    sif.resize(32, 0);
    sif.extend_from_slice(b"SIF_MAGIC and the rest");
    let (image, file) = (Hash::of(b"the image"), Hash::of(&sif));
    for (named, says_so, is_taken) in [(image, true, true), (image, false, false), (file, false, true)] {
        let folder = tempfile::tempdir().unwrap();
        let workflow = in_an_image(&format!("debian@sha256:{}", hex(&named)));
        let mut config = place(folder.path(), &workflow);
        put_image(folder.path(), &named, "sif", &sif);
        if says_so {
            let names = (
                format!("sha256:{}", hex(&image)),
                format!("sha256:{}", hex(&file)),
            );
            config.sif = [names].into();
        }
        let found = retrieve(&config, &workflow, &without_copy()).await;
        assert_eq!(found.is_ok(), is_taken, "{found:?}");
    }
}

#[tokio::test]
async fn an_image_that_is_named_by_a_tag_is_refused_unless_the_tre_runs_none() {
    let folder = tempfile::tempdir().unwrap();
    let workflow = in_an_image("debian:12");
    let config = place(folder.path(), &workflow);
    let error = retrieve(&config, &workflow, &without_copy()).await.unwrap_err();
    let refused = error.refusal().unwrap();
    assert_eq!(refused.code.as_str(), "workflow");
    assert!(
        refused.text.contains("debian:12") && refused.text.contains("tools/count.cwl"),
        "{refused}"
    );
    let config = Config {
        images: Images::None,
        ..config
    };
    assert_eq!(
        retrieve(&config, &workflow, &without_copy())
            .await
            .unwrap()
            .images,
        []
    );
}

/// A scanner that notes each call, and objects if a file says so.
fn scanner(folder: &Path) -> String {
    let script = folder.join("scan.sh");
    let text = "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/calls\"\necho looked at $#\ntest ! -e \"$(dirname \"$0\")/objects\"\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{} --quick", script.display())
}

fn calls(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("calls"))
        .unwrap_or_default()
        .lines()
        .count()
}

#[tokio::test]
async fn the_scanner_looks_once_for_each_approval_and_its_word_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (blobs, digest) = image();
    let workflow = in_an_image(&format!("debian@sha256:{}", hex(&digest)));
    let config = place(folder.path(), &workflow);
    put_image(folder.path(), &digest, "tar", &archive(&blobs));
    let config = Config {
        scan: Some(scanner(folder.path())),
        ..config
    };
    std::fs::write(folder.path().join("objects"), "").unwrap();
    let error = retrieve(&config, &workflow, &without_copy()).await.unwrap_err();
    assert!(
        matches!(error, RetrieveError::Scan { .. }) && refusal(&error) == "workflow",
        "{error}"
    );
    assert!(
        !error.refusal().unwrap().text.contains("looked at"),
        "what it said is the TRE's"
    );

    std::fs::remove_file(folder.path().join("objects")).unwrap();
    let found = retrieve(&config, &workflow, &without_copy()).await.unwrap();
    assert_eq!(
        found.scan.as_deref(),
        Some("looked at 3"),
        "an option, a zip and an image"
    );
    let again = retrieve(&config, &workflow, &without_copy()).await.unwrap();
    assert_eq!(
        (again.scan, again.fetched, calls(folder.path())),
        (found.scan, false, 2)
    );

    let (registered, approval) = registered(&workflow, &permalink());
    let newer = Approval {
        leaf: Hash::of(b"a newer approval"),
        ..approval
    };
    let retriever = Retriever::new(&config).unwrap();
    retriever
        .retrieve(&registered, &newer, &without_copy())
        .await
        .unwrap();
    assert_eq!(calls(folder.path()), 3);
}

#[tokio::test]
async fn a_scanner_that_cannot_run_is_the_tre_s_to_mend() {
    let folder = tempfile::tempdir().unwrap();
    let config = place(folder.path(), &files());
    let config = Config {
        scan: Some("/nowhere/scanner".to_owned()),
        ..config
    };
    let error = retrieve(&config, &files(), &without_copy()).await.unwrap_err();
    assert!(
        matches!(error, RetrieveError::Scanner(_)) && refusal(&error) == "none",
        "{error}"
    );
}

#[tokio::test]
async fn more_images_than_an_event_can_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut workflow = files();
    let names = (0..21_u8).map(|n| format!("  dockerPull: a@sha256:{}\n", hex(&Hash::of(&[n]))));
    workflow.insert("many.cwl".to_owned(), names.collect::<String>().into_bytes());
    let config = place(folder.path(), &workflow);
    let error = retrieve(&config, &workflow, &without_copy()).await.unwrap_err();
    assert!(
        matches!(error, RetrieveError::TooManyImages(21)) && refusal(&error) == "workflow",
        "{error}"
    );
}

#[test]
fn a_sample_of_the_configuration_is_read() {
    let text = json!({
        "store": "/var/lib/daybook/relay/store", "mirror": "file:///srv/mirror", "only_mirror": true,
        "rewrite": [{"from": "https://workflowhub.eu/", "to": "https://proxy.example/workflowhub/"}],
        "images": "none", "scan": "clamscan --no-summary",
    });
    let config: Config = serde_json::from_value(text).unwrap();
    assert_eq!((config.images, config.workflow_mib), (Images::None, 64));
    assert!(serde_json::from_value::<Config>(json!({"store": "/x", "stor": Value::Null})).is_err());
}
