//! A workflow that names a container image: the relay fetches it, the runner checks it again, and its engine gets it or says no.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use daybook_core::{Hash, base64url};
use daybook_testkit::oci::{Named, hex, image, put_programs};
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
blob = lambda digest: archive.extractfile("./blobs/" + digest.replace(":", "/")).read()
manifest = json.loads(blob(image["reference"].split("@")[1]))
layer = tarfile.open(fileobj=io.BytesIO(blob(manifest["layers"][0]["digest"])))
open(os.path.join(run["outputs"], "greeting.txt"), "wb").write(layer.extractfile("./greeting").read())
"#;

/// An archive of an image whose one layer holds a file `greeting`, below `image/` in a folder; answers with its digest.
fn put_image(mirror: &Path, greeting: &str) -> Hash {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("greeting"), greeting).unwrap();
    image(&[root.path()], &[], Named::Plainly, &mirror.join("image"))
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

async fn place_with_mirror() -> (Place, PathBuf) {
    let place = Place::of(Federation::new().await).await;
    let mirror = place.path("mirror");
    let line = format!("[retrieve]\nmirror = \"file://{}\"\n", mirror.display());
    place.federation.configure("[retrieve]\n", &line);
    (place, mirror)
}

#[tokio::test(flavor = "multi_thread")]
async fn cwltool_runs_a_step_in_the_image_that_it_names() {
    let (mut place, mirror) = place_with_mirror().await;
    let root = tempfile::tempdir().unwrap();
    put_programs(root.path(), &["cat"]);
    fs::write(
        root.path().join("cells.csv"),
        "age_band,year,admissions\n18-39,2024,40\n",
    )
    .unwrap();
    let image = image(&[root.path()], &[], Named::Plainly, &mirror.join("image"));
    place.start();
    let plot = Plot::FromImage(image);
    let workflow = place.adopt(plot).await;
    for _ in 0..2 {
        let job = place.submit(plot, workflow).await;
        place.until_state(job, "assessed").await;
        place.both("approve", job, &[]);
        place.until_state(job, "released").await;
        let counts =
            String::from_utf8(place.results(job).await.payload["outputs/counts.csv"].clone()).unwrap();
        assert!(counts.contains("18-39,2024,40"), "{counts}");
    }
    let unpacked = place.path(&format!("runner/images/sha256-{}.unpacked", hex(&image)));
    assert!(unpacked.join("root/cells.csv").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_by_its_digest_from_the_mirror_to_the_engine_and_to_no_engine_that_would_not_use_it() {
    let (mut place, mirror) = place_with_mirror().await;
    let image = put_image(&mirror, "from the image\n");
    let other = put_image(&mirror, "from another image\n");
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
    // Without a sandbox there is nothing to keep a step in its image.
    let open = json!({ "isolation": "none", "network": "open" });
    configure(&place, "engine", &cwltool);
    configure(&place, "sandbox", &open);
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
