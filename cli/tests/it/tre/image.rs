//! A workflow that names a container image: the relay fetches it, the runner checks it again, and its engine gets it or says no.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use daybook_core::{Hash, base64url};
use serde_json::{Value, json};

use super::place::{Job, Place};
use super::study::Plot;
use crate::relay::federation::Federation;

/// An engine that takes a file out of the image's one layer.
const ENGINE: &str = r#"#!/usr/bin/env python3
import io, json, os, sys, tarfile
run = json.load(open(sys.argv[1]))
image, = run["images"]
assert image["form"] == "oci-archive", image
archive = tarfile.open(image["file"])
blob = lambda digest: archive.extractfile("blobs/" + digest.replace(":", "/")).read()
manifest = json.loads(blob(image["reference"].split("@")[1]))
layer = tarfile.open(fileobj=io.BytesIO(blob(manifest["layers"][0]["digest"])))
open(os.path.join(run["outputs"], "greeting.txt"), "wb").write(layer.extractfile("greeting").read())
"#;

fn hex(hash: &Hash) -> String {
    hash.0.map(|byte| format!("{byte:02x}")).concat()
}

/// An archive of an image whose one layer holds a file `greeting`, below `image/` in a folder; answers with its digest.
fn put_image(mirror: &Path, greeting: &str) -> Hash {
    let layout = tempfile::tempdir().unwrap();
    let blobs = layout.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let tar = |folder: &Path, what: &str, into: &Path| {
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(into).arg("-C").arg(folder).arg(what);
        assert!(tar.status().unwrap().success());
    };
    let put = |bytes: &[u8]| {
        let digest = Hash::of(bytes);
        fs::write(blobs.join(hex(&digest)), bytes).unwrap();
        json!({ "digest": format!("sha256:{}", hex(&digest)), "size": bytes.len() })
    };
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("greeting"), greeting).unwrap();
    let layer = root.path().join("layer.tar");
    tar(root.path(), "greeting", &layer);
    let layers = [put(&fs::read(&layer).unwrap())];
    let manifest = json!({ "schemaVersion": 2, "config": put(b"{}"), "layers": layers });
    let manifest = manifest.to_string().into_bytes();
    put(&manifest);
    let digest = Hash::of(&manifest);
    fs::create_dir_all(mirror.join("image")).unwrap();
    let file = mirror.join(format!("image/sha256-{}.tar", hex(&digest)));
    tar(layout.path(), "blobs", &file);
    digest
}

/// Gives the runner another engine, or other words besides.
fn configure(place: &Place, table: &str, words: &Value) {
    let path = place.path("runner.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    config.insert(table.to_owned(), toml::Value::try_from(words).unwrap());
    fs::write(path, config.to_string()).unwrap();
}

async fn failure(place: &Place, job: Job) -> Value {
    place.until_state(job, "abandoned").await;
    place.federation.last_of(job.id, "run-failed").await.claims().data["code"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_by_its_digest_from_the_mirror_to_the_engine_and_to_no_engine_that_would_not_use_it() {
    let mut place = Place::of(Federation::new().await).await;
    let mirror = place.path("mirror");
    let image = put_image(&mirror, "from the image\n");
    let other = put_image(&mirror, "from another image\n");
    place.federation.configure(
        "[retrieve]\n",
        &format!("[retrieve]\nmirror = \"file://{}\"\n", mirror.display()),
    );
    let program = place.path("engine.py");
    fs::write(&program, ENGINE).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let cwltool: toml::Table = fs::read_to_string(place.path("runner.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let cwltool = json!(cwltool["engine"]);
    configure(
        &place,
        "engine",
        &json!({ "kind": "command", "program": program, "name": "unpacks 1" }),
    );
    place.start();
    let plot = Plot::Contained(image);
    let workflow = place.adopt(plot).await;

    let job = place.submit(plot, workflow).await;
    place.until_state(job, "assessed").await;
    let retrieved = place.federation.last_of(job.id, "workflow-retrieved").await;
    assert_eq!(
        retrieved.claims().data["images"],
        json!([base64url::encode(&image.0)])
    );
    place.both("approve", job, &[]);
    place.until_state(job, "released").await;
    assert_eq!(
        place.results(job).await.payload["outputs/greeting.txt"],
        b"from the image\n"
    );

    // What the polling zone hands over is believed by its digest alone.
    let lent = place.path("relay/live/things");
    let archive = |digest: &Hash| mirror.join(format!("image/sha256-{}.tar", hex(digest)));
    let thing = lent.join(Hash::of(&fs::read(archive(&image)).unwrap()).to_base64url());
    assert!(thing.exists());
    // Not into the file itself, which is the store's too.
    fs::remove_file(&thing).unwrap();
    fs::copy(archive(&other), &thing).unwrap();
    fs::remove_dir_all(place.path("runner/images")).unwrap();
    let job = place.submit(plot, workflow).await;
    assert_eq!(failure(&place, job).await, "host-lost");
    let kept = fs::read_dir(place.path("runner/images")).unwrap();
    let mut kept = kept.map(|file| file.unwrap().path());
    assert!(
        kept.all(|path| path.extension().is_none_or(|end| end != "tar")),
        "it has no name"
    );

    // An engine that would run the step without its image is not asked to, unless the TRE says that it has the tools.
    place.kill_runner();
    configure(&place, "engine", &cwltool);
    place.start_runner();
    let job = place.submit(plot, workflow).await;
    place.until_state(job, "refused").await;
    let opened = async |name: &str| {
        place
            .federation
            .opened(job.id, "job-refused", name)
            .await
            .unwrap()
    };
    assert_eq!(opened("reason").await, "workflow");
    let text = opened("text").await;
    assert!(text.as_str().unwrap().contains("example/tool@sha256:"), "{text}");
    place.kill_runner();
    configure(&place, "images", &json!({ "own_tools": true }));
    place.start_runner();
    let job = place.submit(plot, workflow).await;
    place.until_state(job, "assessed").await;
}
