//! Workflows that a test can make do what it needs: the shipped study with other scripts.

use daybook_agent::packet::{self, Bag, Payload};
use daybook_agent::random;
use daybook_core::Hash;
use daybook_study as study;

use crate::relay::federation::params;

/// A word that stands in the data of some tests, and must not be found anywhere outside.
pub(crate) const CANARY: &str = "canary-inside-the-mine";

/// What the second step of the workflow does, as a Python script with the arguments *cells* and *threshold*.
#[derive(Clone, Copy)]
pub(crate) enum Plot {
    /// As shipped: `counts.csv` and `summary.json`.
    Shipped,
    /// Copies the person column into `counts.csv`.
    Leaks,
    /// Breaks down.
    Fails,
    /// Does not end.
    Hangs,
    /// Has no outputs at all.
    Silent,
    /// As shipped, with the data from the database whose credentials it gets.
    Asks,
    /// As shipped, with an image named for its first step.
    Contained(Hash),
    /// As shipped, with the counted cells out of an image.
    FromImage(Hash),
}

const COPIES: &str = "\
import sys
open('cells.csv', 'w').write(open(sys.argv[1]).read())
";

const LEAKS: &str = "\
import json, sys
open('counts.csv', 'w').write(open(sys.argv[1]).read())
json.dump({'lines': len(open(sys.argv[1]).readlines())}, open('summary.json', 'w'))
";

const HANGS: &str = "\
import time
while True:
    time.sleep(1)
";

/// Before the shipped script: fetches the table. It looks around first: behind a wall it reaches the database and nothing else,
/// and there it may only read.
const ASKS: &str = r#"import glob, os, stat, subprocess, sys
login = open(sys.argv[1]).read().strip()
place = dict(part.split('=', 1) for part in login.split(' '))
database = f"{place['host']}/.s.PGSQL.{place['port']}"
if os.path.exists('/daybook'):
    sockets = []
    for folder, folders, names in os.walk('/'):
        if folder == '/':
            folders[:] = [name for name in folders if name not in ('proc', 'usr')]
        paths = [os.path.join(folder, name) for name in names]
        sockets += [path for path in paths if stat.S_ISSOCK(os.lstat(path).st_mode)]
    assert sockets == [database], sockets
psql = (glob.glob('/usr/lib/postgresql/*/bin/psql') or ['psql'])[-1]
def ask(sql):
    return subprocess.run([psql, '-X', '--csv', '-c', sql, login], capture_output=True, text=True)
denied = ask('DELETE FROM admissions').stderr
assert 'permission denied' in denied, denied
table = ask('TABLE admissions')
assert table.returncode == 0, table.stderr
open('admissions.csv', 'w').write(table.stdout)
sys.argv[1] = 'admissions.csv'
"#;

const NO_OUTPUTS: &str = "\
cwlVersion: v1.2
class: Workflow
inputs:
  admissions: File
  threshold: int
outputs: []
steps:
  count:
    run: tools/count.cwl
    in: {admissions: admissions}
    out: [cells]
";

impl Plot {
    /// The word that tells it from the others in names and addresses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shipped => "asthma-admissions",
            Self::Leaks => "leaks",
            Self::Fails => "fails",
            Self::Hangs => "hangs",
            Self::Silent => "silent",
            Self::Asks => "asks",
            Self::Contained(_) => "contained",
            Self::FromImage(_) => "from-image",
        }
    }

    fn change(self, files: &mut Payload) {
        let shipped = |path: &str| String::from_utf8(files[&format!("workflow/{path}")].clone()).unwrap();
        let asks = format!("{ASKS}{}", shipped("scripts/count.py"));
        let tool = shipped("tools/count.cwl");
        let contained = |image: &Hash| {
            let hex = image.0.map(|byte| format!("{byte:02x}")).concat();
            format!("{tool}hints:\n  DockerRequirement:\n    dockerPull: example/tool@sha256:{hex}\n")
        };
        let from_image = |image: &Hash| {
            contained(image)
                .replace(
                    "baseCommand: [python3]",
                    "baseCommand: [cat, /cells.csv]\nstdout: cells.csv",
                )
                .replace("    inputBinding: {position: 1}\n", "")
                .replace("    inputBinding: {position: 2}\n", "")
        };
        let mut put = |path: &str, text: &str| {
            let before = files.insert(format!("workflow/{path}"), text.as_bytes().to_vec());
            assert!(before.is_some(), "the study has no file {path}");
        };
        match self {
            Self::Shipped => {}
            Self::Leaks => {
                put("scripts/count.py", COPIES);
                put("scripts/suppress.py", LEAKS);
            }
            Self::Fails => put("scripts/suppress.py", "raise SystemExit(1)\n"),
            Self::Hangs => put("scripts/suppress.py", HANGS),
            Self::Silent => put("asthma-admissions.cwl", NO_OUTPUTS),
            Self::Asks => put("scripts/count.py", &asks),
            Self::Contained(image) => put("tools/count.cwl", &contained(&image)),
            Self::FromImage(image) => put("tools/count.cwl", &from_image(&image)),
        }
    }

    /// The versioned name under which it is registered.
    pub(crate) fn permalink(self) -> String {
        format!("https://workflows.example/{}?version=1", self.name())
    }

    /// A request for it.
    pub(crate) fn request(self) -> Bag {
        let mut params = params(random::id().unwrap());
        params.workflow.id = self.permalink();
        params.distribution = format!("https://workflows.example/{}.crate.zip?version=1", self.name());
        let shipped = study::request_bag(&params);
        let mut files: Payload = shipped
            .payload
            .into_iter()
            .filter(|(path, _)| path.starts_with("workflow/"))
            .collect();
        self.change(&mut files);
        packet::request_bag(&study::request(&params), params.submission, files)
    }

    pub(crate) fn digest(self) -> [u8; 32] {
        let bag = self.request();
        let request = packet::read_request(&bag).unwrap().request;
        study::workflow_digest(&bag, &request).unwrap()
    }
}
