//! From where workflows and images may be fetched, as a TRE's file says it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// The table `[retrieve]` of a relay's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder where everything is kept by its digest; nothing in it is ever fetched again.
    pub store: PathBuf,
    /// An `https:`, `http:` or `file:` address that is asked first: `workflow/<hex>.zip`, `image/sha256-<hex>.tar` (an OCI
    /// archive) and `image/sha256-<hex>.sif` below it.
    #[serde(default)]
    pub mirror: Option<String>,
    /// Whether the mirror is all that may be asked, as in a TRE that reaches nothing outside.
    #[serde(default)]
    pub only_mirror: bool,
    /// Beginnings of registered permalinks and what stands for them at the TRE's proxy.
    #[serde(default)]
    pub rewrite: Vec<Rewrite>,
    /// An HTTP proxy, such as `http://proxy.example:3128`; without one the environment's is used.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Whether container images that workflows name are fetched.
    #[serde(default)]
    pub images: Images,
    /// Mebibytes of a workflow's zip.
    #[serde(default = "workflow_mib")]
    pub workflow_mib: u64,
    /// Mebibytes of an image.
    #[serde(default = "image_mib")]
    pub image_mib: u64,
    /// Which SIF file stands for which image: `"sha256:…"` as workflows name it, `"sha256:…"` of the file. The TRE says
    /// so, since a SIF file says nothing that could be checked of the image it was made from.
    #[serde(default)]
    pub sif: BTreeMap<String, String>,
    /// A command that gets the paths of the workflow's zip and of the images as last arguments; it ends with 0 if they are
    /// clean. It is split at spaces, and no shell sees it.
    #[serde(default)]
    pub scan: Option<String>,
    /// Minutes that the scanner may take.
    #[serde(default = "scan_minutes")]
    pub scan_minutes: u64,
}

/// One beginning of permalinks and its replacement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewrite {
    /// The beginning, which ends with `/`.
    pub from: String,
    /// What is asked instead, which ends with `/` too.
    pub to: String,
}

/// What happens to the images that workflows name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Images {
    /// They are fetched, and a workflow that names one without its digest is refused.
    #[default]
    Fetch,
    /// Nothing is fetched: the TRE's engine runs workflows on its own tools.
    None,
}

fn workflow_mib() -> u64 {
    64
}

fn image_mib() -> u64 {
    8 << 10
}

fn scan_minutes() -> u64 {
    30
}
