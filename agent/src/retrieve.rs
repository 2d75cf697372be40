//! Fetching a workflow and the container images that it names, once, and only from where the log says.
//!
//! [`Retriever::retrieve`] compares the registration with the approval that the TRE itself signed, takes the packet's own
//! copy if its digest is the registered one, else asks the mirror and then the registered place, by way of the TRE's proxy.
//! What comes is believed only by its digest, scanned, and kept; nothing is fetched or scanned again under that approval.
//! An address that the packet gives is never asked.

mod config;
mod error;
mod fetch;
mod images;
mod oci;
mod registered;
mod scan;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daybook_core::Hash;
use reqwest::Url;

pub use self::config::{Config, Images, Rewrite};
pub use self::error::RetrieveError;
use self::fetch::{Answer, Fetcher};
pub(crate) use self::images::parse_hex;
pub use self::images::{Named, named_images};
pub use self::oci::check_archive;
pub use self::registered::Registered;
use self::store::{Receipt, Store, hex};
use crate::packet::{Checked, Limits, Payload, read_workflow, workflow_copy, workflow_digest, zip_files};

/// Images that `workflow-retrieved` can name.
pub const IMAGE_LIMIT: usize = 20;

/// The TRE's approval of a workflow, as its own signed event says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// Leaf hash of `approval-granted`.
    pub leaf: Hash,
    /// Its `cause`: the leaf hash of the registration that is approved.
    pub cause: Hash,
}

/// The form of an image's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageForm {
    /// A tar of an OCI image layout.
    OciArchive,
    /// A file for Apptainer or Singularity.
    Sif,
}

impl ImageForm {
    /// As the link and engines spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::OciArchive => "oci-archive",
            Self::Sif => "sif",
        }
    }

    /// The form of that spelling.
    pub(crate) fn from_str(text: &str) -> Option<Self> {
        [Self::OciArchive, Self::Sif]
            .into_iter()
            .find(|form| form.as_str() == text)
    }

    fn extension(self) -> &'static str {
        match self {
            Self::OciArchive => "tar",
            Self::Sif => "sif",
        }
    }
}

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// As the workflow names it.
    pub reference: String,
    /// The digest in that name.
    pub digest: Hash,
    /// The form of the file.
    pub form: ImageForm,
    /// The file.
    pub path: PathBuf,
}

/// A workflow that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieved {
    /// Its files, by their paths in its own crate.
    pub files: Payload,
    /// The images that it names.
    pub images: Vec<Image>,
    /// What the scanner said; nothing without one.
    pub scan: Option<String>,
    /// Whether anything was done for it now; not when all was there under this approval.
    pub fetched: bool,
}

/// Fetches, verifies and keeps.
#[derive(Debug, Clone)]
pub struct Retriever {
    config: Config,
    store: Store,
    fetcher: Fetcher,
    mirror: Option<Url>,
}

impl Retriever {
    /// Opens the store, and drops there what an end in the middle of a transfer left.
    ///
    /// # Errors
    /// A configuration or folder that cannot be used.
    pub fn new(config: &Config) -> Result<Self, RetrieveError> {
        let mirror = config.mirror.as_deref().map(|address| {
            let slash = if address.ends_with('/') { "" } else { "/" };
            Url::parse(&format!("{address}{slash}"))
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https" | "file"))
                .ok_or_else(|| {
                    RetrieveError::Config(format!("mirror: {address:?} is no http, https or file address"))
                })
        });
        let mirror = mirror.transpose()?;
        if config.only_mirror && mirror.is_none() {
            return Err(RetrieveError::Config("only_mirror needs a mirror".to_owned()));
        }
        check_sif(&config.sif)?;
        Ok(Self {
            store: Store::open(&config.store)?,
            fetcher: Fetcher::new(config)?,
            mirror,
            config: config.clone(),
        })
    }

    /// Brings a registered workflow and its images into the store, if they are not there.
    ///
    /// # Errors
    /// [`RetrieveError`]; [`RetrieveError::refusal`] says whether the job is to be refused.
    pub async fn retrieve(
        &self,
        registered: &Registered,
        approval: &Approval,
        packet: &Checked,
    ) -> Result<Retrieved, RetrieveError> {
        if registered.leaf != approval.cause {
            return Err(RetrieveError::NotApproved);
        }
        let asked = &packet.request.workflow.workflow.id;
        let is_address = Url::parse(asked).is_ok();
        if is_address
            && registered
                .permalink
                .as_ref()
                .is_some_and(|permalink| permalink != asked)
        {
            return Err(RetrieveError::OtherWorkflow);
        }
        if let Some(found) = packet.workflow_digest().map(Hash)
            && found != registered.digest
        {
            return Err(RetrieveError::CopyDiffers {
                found,
                registered: registered.digest,
            });
        }
        let receipt = self.store.receipt(&registered.digest, &approval.leaf)?;
        let (files, mut fetched) = self.workflow(registered, packet).await?;
        let mut images = Vec::new();
        if self.config.images == Images::Fetch {
            let named = named_images(&files)?;
            if named.len() > IMAGE_LIMIT {
                return Err(RetrieveError::TooManyImages(named.len()));
            }
            for named in named {
                let (image, is_new) = self.image(named).await?;
                fetched |= is_new;
                images.push(image);
            }
        }
        let scan = match receipt {
            Some(receipt) if !fetched => receipt.scan,
            _ => {
                fetched = true;
                let scan = self.scan(&registered.digest, &images).await?;
                let receipt = Receipt { scan: scan.clone() };
                self.store
                    .keep_receipt(&registered.digest, &approval.leaf, &receipt)?;
                scan
            }
        };
        Ok(Retrieved {
            files,
            images,
            scan,
            fetched,
        })
    }

    async fn scan(&self, workflow: &Hash, images: &[Image]) -> Result<Option<String>, RetrieveError> {
        let Some(command) = &self.config.scan else {
            return Ok(None);
        };
        let images = images.iter().map(|image| image.path.clone());
        let files: Vec<PathBuf> = std::iter::once(self.store.workflow(workflow))
            .chain(images)
            .collect();
        let limit = Duration::from_mins(self.config.scan_minutes);
        scan::scan(command, limit, &files).await.map(Some)
    }

    /// The workflow's files, and whether they were put into the store just now.
    async fn workflow(
        &self,
        registered: &Registered,
        packet: &Checked,
    ) -> Result<(Payload, bool), RetrieveError> {
        let path = self.store.workflow(&registered.digest);
        if let Ok(bytes) = std::fs::read(&path)
            && let Some(files) = self.registered_files(&bytes, registered)
        {
            return Ok((files, false));
        }
        if let Some(files) = workflow_copy(&packet.bag, &packet.request) {
            self.store.keep_bytes(&zip(&files)?, &path)?;
            return Ok((files, true));
        }
        if let Some(found) = self.ask_mirror(registered).await? {
            return Ok((found, true));
        }
        if let Some(permalink) = registered
            .permalink
            .as_deref()
            .filter(|_| !self.config.only_mirror)
        {
            let url = self.fetcher.rewritten(permalink)?;
            if let Some(found) = self.ask_place(registered, &url).await? {
                return Ok((found, true));
            }
        }
        Err(RetrieveError::Absent(format!(
            "the workflow {}",
            hex(&registered.digest)
        )))
    }

    fn registered_files(&self, bytes: &[u8], registered: &Registered) -> Option<Payload> {
        let files = read_workflow(bytes, &self.limits()).ok()?;
        (workflow_digest(&files) == registered.digest.0).then_some(files)
    }

    fn limits(&self) -> Limits {
        let packet_bytes = self.config.workflow_mib << 20;
        Limits {
            packet_bytes,
            file_bytes: packet_bytes.saturating_mul(4),
            total_bytes: packet_bytes.saturating_mul(4),
            ..Limits::default()
        }
    }

    async fn ask_mirror(&self, registered: &Registered) -> Result<Option<Payload>, RetrieveError> {
        let Some(url) = self.below_mirror(&format!("workflow/{}.zip", hex(&registered.digest)))? else {
            return Ok(None);
        };
        match self.ask_place(registered, &url).await {
            Err(RetrieveError::PlaceDiffers { place, .. } | RetrieveError::NotACrate { place, .. }) => {
                Err(RetrieveError::MirrorDiffers { place })
            }
            found => found,
        }
    }

    fn below_mirror(&self, path: &str) -> Result<Option<Url>, RetrieveError> {
        let joined = self.mirror.as_ref().map(|mirror| mirror.join(path));
        joined
            .transpose()
            .map_err(|error| RetrieveError::Config(format!("mirror: {error}")))
    }

    /// Fetches a workflow's zip from a place, or from the one zip that a page there points to.
    async fn ask_place(
        &self,
        registered: &Registered,
        place: &Url,
    ) -> Result<Option<Payload>, RetrieveError> {
        let limit = self.config.workflow_mib << 20;
        let mut url = place.clone();
        let mut part = self.store.part()?;
        let mut answer = self.fetcher.fetch(&url, limit, part.as_file_mut()).await?;
        if let Answer::Page(zips) = &answer {
            let Some(zip) = zips.first() else {
                return Err(RetrieveError::Answer {
                    place: url.to_string(),
                    answer: "a page that points to no zip".to_owned(),
                });
            };
            url = zip.clone();
            answer = self.fetcher.fetch(&url, limit, part.as_file_mut()).await?;
        }
        match answer {
            Answer::Absent => return Ok(None),
            Answer::Page(_) => {
                return Err(RetrieveError::Answer {
                    place: url.to_string(),
                    answer: "a page instead of a zip".to_owned(),
                });
            }
            Answer::Bytes => {}
        }
        let bytes = std::fs::read(part.path()).map_err(RetrieveError::store(part.path()))?;
        let files = read_workflow(&bytes, &self.limits()).map_err(|source| RetrieveError::NotACrate {
            place: url.to_string(),
            source,
        })?;
        if workflow_digest(&files) != registered.digest.0 {
            return Err(RetrieveError::PlaceDiffers {
                place: url.to_string(),
                registered: registered.digest,
            });
        }
        self.store.keep(part, &self.store.workflow(&registered.digest))?;
        Ok(Some(files))
    }

    /// An image, and whether it was put into the store just now.
    async fn image(&self, named: images::Named) -> Result<(Image, bool), RetrieveError> {
        let images::Named { reference, digest } = named;
        for form in [ImageForm::OciArchive, ImageForm::Sif] {
            let path = self.store.image(&digest, form);
            let is_there = path.is_file();
            if !is_there && !self.fetch_image(&digest, form, &path).await? {
                continue;
            }
            let image = Image {
                reference,
                digest,
                form,
                path,
            };
            return Ok((image, !is_there));
        }
        Err(RetrieveError::Absent(format!("the image {reference}")))
    }

    async fn fetch_image(&self, digest: &Hash, form: ImageForm, to: &Path) -> Result<bool, RetrieveError> {
        let name = format!("image/{}", image_file(digest, form));
        let Some(url) = self.below_mirror(&name)? else {
            return Ok(false);
        };
        let mut part = self.store.part()?;
        let limit = self.config.image_mib << 20;
        match self.fetcher.fetch(&url, limit, part.as_file_mut()).await? {
            Answer::Absent => return Ok(false),
            Answer::Page(_) => {
                return Err(RetrieveError::Answer {
                    place: url.to_string(),
                    answer: "a page instead of an image".to_owned(),
                });
            }
            Answer::Bytes => {}
        }
        self.verify_image(part.path(), digest, form)
            .await
            .map_err(|error| match error {
                RetrieveError::ImageDiffers { digest, why, .. } => RetrieveError::ImageDiffers {
                    place: url.to_string(),
                    digest,
                    why,
                },
                other => other,
            })?;
        self.store.keep(part, to)?;
        Ok(true)
    }

    /// Verifies that a file is the image of that digest; for whoever gets it from somebody else.
    ///
    /// A SIF file has the digest itself, or is the one that the configuration says stands for it.
    ///
    /// # Errors
    /// [`RetrieveError::ImageDiffers`].
    pub async fn verify_image(
        &self,
        path: &Path,
        digest: &Hash,
        form: ImageForm,
    ) -> Result<(), RetrieveError> {
        verify_image(path, digest, form, &self.config.sif).await
    }
}

/// Verifies that a file is the image of that digest. `sif` says which SIF file stands for which image.
pub(crate) async fn verify_image(
    path: &Path,
    digest: &Hash,
    form: ImageForm,
    sif: &BTreeMap<String, String>,
) -> Result<(), RetrieveError> {
    let stands_for = sif.get(&format!("sha256:{}", hex(digest)));
    let file = stands_for.and_then(|text| sha256(text)).unwrap_or(*digest);
    let (image, at) = (*digest, path.to_path_buf());
    let verdict = tokio::task::spawn_blocking(move || match form {
        ImageForm::OciArchive => oci::verify_archive(&at, &image),
        ImageForm::Sif => oci::verify_sif(&at, &file),
    });
    let verdict = verdict.await.unwrap_or_else(|error| Err(error.to_string()));
    verdict.map_err(|why| RetrieveError::ImageDiffers {
        place: path.display().to_string(),
        digest: *digest,
        why,
    })
}

/// Whether the SIF files that a TRE says stand for images are named by digests.
pub(crate) fn check_sif(sif: &BTreeMap<String, String>) -> Result<(), RetrieveError> {
    let wrong = sif
        .iter()
        .find(|(image, file)| sha256(image).and(sha256(file)).is_none());
    match wrong {
        None => Ok(()),
        Some((image, file)) => Err(RetrieveError::Config(format!(
            "sif: {image:?} = {file:?} must be sha256: and 64 lower-case hexadecimal digits"
        ))),
    }
}

/// The name of an image's file, which follows from its digest.
pub(crate) fn image_file(digest: &Hash, form: ImageForm) -> String {
    format!("sha256-{}.{}", hex(digest), form.extension())
}

/// `sha256:` and 64 hexadecimal digits.
fn sha256(text: &str) -> Option<Hash> {
    parse_hex(text.strip_prefix("sha256:")?)
}

/// A zip of a workflow's files, as a mirror would hold it.
fn zip(files: &Payload) -> Result<Vec<u8>, RetrieveError> {
    zip_files(files).map_err(|source| RetrieveError::NotACrate {
        place: "the packet".to_owned(),
        source,
    })
}
