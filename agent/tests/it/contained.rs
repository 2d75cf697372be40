//! Steps in images of their own, by cwltool, umoci and the sandbox for real.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use daybook_agent::engine::{
    Containers, Cwltool, Engine, FailureCode, GivenImage, Job, RunError, RunLimits, RunReport, Sandbox,
};
use daybook_agent::packet::Bag;
use daybook_core::Hash;
use daybook_testkit::oci::{Named, hex, image, put_programs};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cwltool::cwltool;
use crate::support::{DATASET, bag};

/// A folder with images, with data, and with what they are run by.
struct Place {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Place {
    /// Nothing where this machine lets nobody isolate a run: then images are refused, which is looked at instead.
    async fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("data.csv"), "some data\n").unwrap();
        let sandbox = Sandbox::strongest().await.unwrap();
        let is_isolated = sandbox.is_isolated();
        let engine = Engine::Cwltool(Cwltool {
            program: cwltool(),
            sandbox,
            containers: Some(Containers::find().expect("`make setup` installs it")),
        });
        assert_eq!(engine.uses_images(), is_isolated);
        let place = Self { folder, engine };
        if is_isolated {
            return Some(place);
        }
        eprintln!("no namespaces can be made here: a step in an image of its own is not tried");
        let digest = Hash::of(b"an image");
        let refused = place.run(&command(&digest, "true"), &[place.given(digest)]).await;
        assert!(matches!(refused, Err(RunError::HostLost(_))), "{refused:?}");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn layer(&self, name: &str, fill: impl FnOnce(&Path)) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        fill(&folder);
        folder
    }

    fn given(&self, digest: Hash) -> GivenImage {
        GivenImage {
            reference: format!("example/tool@sha256:{}", hex(&digest)),
            digest,
            form: "oci-archive",
            path: self.path(&format!("images/sha256-{}.tar", hex(&digest))),
        }
    }

    async fn run(&self, packet: &Bag, images: &[GivenImage]) -> Result<RunReport, RunError> {
        let work = tempfile::tempdir().unwrap();
        self.engine
            .run(&Job {
                work: &work.path().join("work"),
                packet,
                datasets: &BTreeMap::from([(DATASET.to_owned(), self.path("data.csv").into())]),
                images,
                limits: &RunLimits::default(),
                stop: &CancellationToken::new(),
            })
            .await
    }
}

/// A packet whose workflow is one shell command in that image.
fn command(image: &Hash, script: &str) -> Bag {
    let mut bag = bag(10);
    let tool = json!({
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "baseCommand": ["sh", "-c", script, "sh"],
        "requirements": { "DockerRequirement": { "dockerPull": format!("example/tool@sha256:{}", hex(image)) } },
        "inputs": { "admissions": { "type": "File", "inputBinding": { "position": 1 } }, "threshold": "int" },
        "stdout": "out.txt",
        "outputs": { "out": "stdout" },
    });
    bag.payload.insert(
        "workflow/asthma-admissions.cwl".to_owned(),
        tool.to_string().into_bytes(),
    );
    bag
}

/// What a step sees and may not do, one line each.
const LOOK: &str = r#"cat /word
echo "$WORD"
cat "$1"
[ -e /gone ] || echo "a later layer took it away"
[ -e /daybook ] || [ -e /etc/passwd ] || echo "nothing of the run or of the machine but its input"
touch /bin/new 2>/dev/null || echo "the image stays as it is"
touch "$1" 2>/dev/null || echo "the input stays as it is"
touch /tmp/new && echo "there is room for what is temporary"
while IFS=: read -r name rest; do [ -n "$rest" ] && [ "${name##* }" != lo ] && echo "a network: $name"; done < /proc/net/dev
true
"#;

#[tokio::test]
async fn a_step_has_its_image_as_root_file_system_and_sees_nothing_else_but_its_input() {
    let Some(place) = Place::new().await else { return };
    let base = place.layer("base", |root| {
        put_programs(root, &["sh", "cat", "touch"]);
        fs::write(root.join("word"), "of the first layer\n").unwrap();
        fs::write(root.join("gone"), "").unwrap();
    });
    let top = place.layer("top", |root| {
        fs::write(root.join("word"), "of the second layer\n").unwrap();
        fs::write(root.join(".wh.gone"), "").unwrap();
    });
    for named in [Named::Plainly, Named::ByIndex] {
        let digest = image(&[&base, &top], &["WORD=two words"], named, &place.path("images"));
        let report = place
            .run(&command(&digest, LOOK), &[place.given(digest)])
            .await
            .unwrap();
        let said = String::from_utf8(report.outputs[0].bytes.clone()).unwrap();
        let expected = [
            "of the second layer",
            "two words",
            "some data",
            "a later layer took it away",
            "nothing of the run or of the machine but its input",
            "the image stays as it is",
            "the input stays as it is",
            "there is room for what is temporary",
        ];
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_step_whose_image_was_not_given_fails_and_does_not_run_on_the_machine() {
    let Some(place) = Place::new().await else { return };
    let root = place.layer("root", |root| put_programs(root, &["sh"]));
    let digest = image(&[&root], &[], Named::Plainly, &place.path("images"));
    let other = command(&Hash::of(b"another"), "echo it ran");
    let error = place.run(&other, &[place.given(digest)]).await.unwrap_err();
    match &error {
        RunError::Tool { log, .. } => assert!(
            log.contains("the run was not given the image example/tool@"),
            "{log}"
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_left_of_a_broken_unpacking_is_cleared_away_and_what_cannot_be_unpacked_is_no_fault_of_the_workflow()
 {
    let Some(place) = Place::new().await else { return };
    let root = place.layer("root", |root| put_programs(root, &["sh", "cat"]));
    let digest = image(&[&root], &[], Named::Plainly, &place.path("images"));
    let given = place.given(digest);
    let left = given.path.with_extension("unpacking-of-another-run");
    fs::create_dir_all(left.join("root/half")).unwrap();
    // Two jobs want it at once.
    let packet = command(&digest, "cat \"$1\"");
    let images = [given.clone()];
    let (one, two) = tokio::join!(place.run(&packet, &images), place.run(&packet, &images));
    assert_eq!(one.unwrap().outputs, two.unwrap().outputs);
    assert!(!left.exists() && !given.path.with_extension("unpacked").join("root/half").exists());

    for (form, path) in [
        ("sif", given.path.clone()),
        ("oci-archive", place.path("data.csv")),
    ] {
        let broken = GivenImage {
            form,
            path,
            ..given.clone()
        };
        let error = place.run(&packet, &[broken]).await.unwrap_err();
        assert_eq!(error.code(), FailureCode::HostLost, "{error}");
        assert!(error.to_string().contains(&given.reference), "{error}");
    }
}
