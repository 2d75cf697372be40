//! Container images that workflows name: fetched from the relay once, and believed by their digests alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use daybook_core::Hash;
use serde::Deserialize;
use tracing::info;
use uuid::Uuid;

use super::RunnerError;
use crate::engine::{Engine, GivenImage};
use crate::link::LinkClient;
use crate::link::wire::Image;
use crate::packet::{Checked, RefusalCode, Refused, workflow_copy};
use crate::retrieve::{ImageForm, Named, RetrieveError, image_file, named_images, verify_image};
use crate::spool::{SpoolError, make_folder};

/// The table `[images]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesConfig {
    /// Whether workflows that name images run all the same on tools of the TRE's own. Otherwise they are refused where the
    /// engine uses none.
    pub own_tools: bool,
    /// Which SIF file stands for which image, as in the relay's `[retrieve]`: what the relay says of it is not believed.
    pub sif: BTreeMap<String, String>,
}

/// The images of one TRE, each under its digest; all jobs share them.
#[derive(Clone, Debug)]
pub(super) struct Images {
    pub(super) folder: PathBuf,
    pub(super) config: ImagesConfig,
}

impl Images {
    /// The images that a workflow names and its engine is to be given; a refusal where the engine uses none.
    pub(super) fn wanted(&self, engine: &Engine, checked: &Checked) -> Result<Vec<Named>, Refused> {
        if self.config.own_tools {
            return Ok(Vec::new());
        }
        let files = workflow_copy(&checked.bag, &checked.request).unwrap_or_default();
        let refused = |text: &str| Refused::new(RefusalCode::Workflow, text);
        let named = named_images(&files).map_err(|error| refused(&error.to_string()))?;
        match named.first() {
            Some(first) if !engine.uses_images() => Err(refused(&format!(
                "The workflow names the container image {}, and the engine of this TRE uses none. Ask the TRE which \
                 workflows it can run.",
                first.reference
            ))),
            _ => Ok(named),
        }
    }

    /// The images that are wanted, fetched where they are not there yet. Each is checked before it has its name.
    pub(super) async fn bring(
        &self,
        client: &LinkClient,
        job: Uuid,
        (wanted, offered): (&[Named], &[Image]),
    ) -> Result<Vec<GivenImage>, RunnerError> {
        let mut given = Vec::new();
        for named in wanted {
            let is_it = |image: &&Image| Hash::from_base64url(&image.digest) == Some(named.digest);
            let found = offered.iter().find(is_it);
            let found = found.and_then(|image| Some((image, ImageForm::from_str(&image.form)?)));
            let (image, form) = found.ok_or_else(|| RunnerError::NoImage(named.reference.clone()))?;
            let path = self.folder.join(image_file(&named.digest, form));
            if !path.is_file() {
                make_folder(&self.folder)?;
                // Two jobs may want the same one at once.
                let part = self.folder.join(format!("{job}.part"));
                client.thing(&image.file, &part).await?;
                verify_image(&part, &named.digest, form, &self.config.sif).await?;
                std::fs::rename(&part, &path).map_err(SpoolError::at(&path))?;
                info!(%job, "The image {} is here", named.reference);
            }
            given.push(GivenImage {
                reference: named.reference.clone(),
                digest: named.digest,
                form: form.as_str(),
                path,
            });
        }
        Ok(given)
    }
}

impl ImagesConfig {
    /// Whether it says what it may.
    pub(super) fn check(&self) -> Result<(), RetrieveError> {
        crate::retrieve::check_sif(&self.sif)
    }
}
