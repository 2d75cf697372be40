//! Why a workflow or an image cannot be had.

use std::path::PathBuf;

use daybook_core::Hash;
use thiserror::Error;

use crate::packet::{BagError, RefusalCode, Refused};

/// Why a workflow or an image cannot be had. Some are reasons to refuse the job, [`RetrieveError::refusal`]; the others are
/// the TRE's to mend, or pass by themselves.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RetrieveError {
    /// The entry is not a registration, or its opening is not one of it.
    #[error("the entry {0} is no registration of a workflow that can be used")]
    NotRegistration(Hash),
    /// The approval is of another registration.
    #[error("the approval is of another registration of the workflow than the one in the log")]
    NotApproved,
    /// The packet names another workflow than the submission.
    #[error("the packet asks for another workflow than its submission names")]
    OtherWorkflow,
    /// The packet's own copy is not the registered one.
    #[error("the packet's copy of the workflow has the digest {found}, and registered is {registered}")]
    CopyDiffers {
        /// Digest of the copy.
        found: Hash,
        /// The registered one.
        registered: Hash,
    },
    /// What the registered place serves is not what was registered.
    #[error("what {place} serves is not the registered workflow {registered}")]
    PlaceDiffers {
        /// Where it was fetched.
        place: String,
        /// The registered digest.
        registered: Hash,
    },
    /// What the mirror holds under a digest has another.
    #[error("{place} does not have the digest that it is named by; put the right file there")]
    MirrorDiffers {
        /// Where it lies.
        place: String,
    },
    /// What was fetched is no readable zip.
    #[error("what {place} serves is no zip of a workflow's crate")]
    NotACrate {
        /// Where it was fetched.
        place: String,
        /// What is wrong with the zip.
        #[source]
        source: BagError,
    },
    /// Neither mirror nor registered place has it.
    #[error("{0} is in none of the places that may be asked; put it into the mirror")]
    Absent(String),
    /// An image that is named in a way that fixes no content.
    #[error("{file} names the container image {reference:?}, which fixes no content")]
    Image {
        /// The workflow's file.
        file: String,
        /// What stands there.
        reference: String,
    },
    /// More images than the event can name.
    #[error("the workflow names {0} container images, and at most {max} can be recorded", max = super::IMAGE_LIMIT)]
    TooManyImages(usize),
    /// An image's file is not what its digest says.
    #[error("{place} is not the image {digest}: {why}")]
    ImageDiffers {
        /// Where it lies.
        place: String,
        /// The digest that the workflow names.
        digest: Hash,
        /// What is wrong.
        why: String,
    },
    /// A place cannot be reached.
    #[error("{place} cannot be reached")]
    Unreachable {
        /// Where.
        place: String,
        /// What the network says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A place answers with something else than what was asked for.
    #[error("{place} answered {answer}")]
    Answer {
        /// Where.
        place: String,
        /// Its answer.
        answer: String,
    },
    /// More bytes than are allowed.
    #[error("{place} serves more than {limit} bytes; raise the limit if that is right")]
    Size {
        /// Where.
        place: String,
        /// The limit.
        limit: u64,
    },
    /// The TRE's configuration.
    #[error("the configuration of retrieval cannot be used: {0}")]
    Config(String),
    /// A file of the store.
    #[error("{} cannot be used", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The scanner could not do its work.
    #[error("the scanner did not run: {0}")]
    Scanner(String),
    /// The scanner objects.
    #[error("the scanner objected ({status}): {said}")]
    Scan {
        /// How it ended.
        status: String,
        /// What it said; for the TRE alone.
        said: String,
    },
}

impl RetrieveError {
    /// The refusal of the job, where that is what follows; nothing where the TRE has to mend something, or to try again.
    pub fn refusal(&self) -> Option<Refused> {
        let workflow = |text: &str| Some(Refused::new(RefusalCode::Workflow, text));
        match self {
            Self::NotApproved => Some(Refused::new(
                RefusalCode::Approval,
                "This TRE has not approved this version of the workflow. Ask for an approval of it, or use the version that is approved.",
            )),
            Self::OtherWorkflow => workflow(
                "The packet's mainEntity is another workflow than the one that the submission names. Name the registered permalink, or submit for the workflow that the packet names.",
            ),
            Self::CopyDiffers { .. } => workflow(
                "The packet's copy of the workflow is not the registered version. Put an unchanged copy into the packet, or none: the TRE fetches it itself.",
            ),
            Self::PlaceDiffers { .. } | Self::NotACrate { .. } => workflow(
                "What lies at the workflow's registered place is not the registered version any more. Ask the registrar to register the version that you want to run.",
            ),
            Self::Image { file, reference } => workflow(&format!(
                "The workflow's file {file:?} names a container image without fixing its content: {reference:?}. Name each image as NAME@sha256:DIGEST, and have that version of the workflow registered."
            )),
            Self::TooManyImages(count) => workflow(&format!(
                "The workflow names {count} container images, and at most {} can be recorded. Use fewer.",
                super::IMAGE_LIMIT
            )),
            Self::Scan { .. } => workflow(
                "This TRE's scanner objected to the workflow or to one of its images. Ask the TRE what it found.",
            ),
            _ => None,
        }
    }

    pub(super) fn store(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Store { path, source }
    }
}
