//! The folders of one run, and where the engine sees each of them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use super::RunError;
use super::job::{Given, Provided};
use super::sandbox::User;
use crate::packet::Bag;

/// What the engine may write.
pub(super) const WRITABLE: [&str; 4] = ["out", "tmp", "home", "shm"];
/// What the engine may only read.
const READABLE: [&str; 2] = ["packet", "inputs"];
/// Where sandbox and task service show the folders: nothing in it tells of the machine.
const SHOWN: &str = "/daybook";

/// How the engine comes to see the folders of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Under their own names.
    Same,
    /// Bound to other names.
    Bound,
    /// Fetched by a task service, datasets by their URLs.
    Fetched,
}

/// A dataset that appears in `inputs`.
pub(super) struct Mount {
    /// Of this machine; or the URL by which a task service finds it.
    pub(super) source: PathBuf,
    /// Where it appears.
    pub(super) at: PathBuf,
    /// Whether it is a folder.
    pub(super) is_folder: bool,
}

/// The folders of one run.
pub(super) struct Place {
    work: PathBuf,
    view: View,
    user: Option<User>,
    names: BTreeSet<String>,
    /// Datasets, where the sandbox has to bind them.
    pub(super) mounts: Vec<Mount>,
    /// Folders with sockets of databases.
    pub(super) sockets: Vec<PathBuf>,
    /// Copies that stand in the place of what they were made from.
    pub(super) overlays: Vec<(PathBuf, PathBuf)>,
}

impl Place {
    /// Makes the folders. Leftovers of another run are never mixed into this one.
    pub(super) fn make(work: &Path, view: View, user: Option<User>) -> Result<Self, RunError> {
        let work = std::path::absolute(work).map_err(RunError::work(work))?;
        fs::create_dir_all(&work).map_err(RunError::work(&work))?;
        let place = Self {
            work,
            view,
            user,
            names: BTreeSet::new(),
            mounts: Vec::new(),
            sockets: Vec::new(),
            overlays: Vec::new(),
        };
        for name in WRITABLE.iter().chain(&READABLE) {
            place.folder(&place.outside(name))?;
        }
        Ok(place)
    }

    /// The run's own folder on this machine.
    pub(super) fn work(&self) -> &Path {
        &self.work
    }

    /// A folder of the run on this machine.
    pub(super) fn outside(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// The same as the engine sees it.
    pub(super) fn inside(&self, name: &str) -> PathBuf {
        match self.view {
            View::Same => self.outside(name),
            View::Bound | View::Fetched => Path::new(SHOWN).join(name),
        }
    }

    /// Writes a file that the engine reads; answers where it sees it.
    pub(super) fn write(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<PathBuf, RunError> {
        let path = self.outside(folder).join(name);
        fs::write(&path, bytes).map_err(RunError::work(&path))?;
        // A task service is another user.
        let mode = if self.view == View::Fetched { 0o644 } else { 0o600 };
        self.give(&path, mode)?;
        Ok(self.inside(folder).join(name))
    }

    /// The same for a program that the run starts.
    pub(super) fn write_program(&self, name: &str, text: &str) -> Result<PathBuf, RunError> {
        let at = self.write("home", name, text.as_bytes())?;
        self.give(&self.outside("home").join(name), 0o500)?;
        Ok(at)
    }

    /// Makes a dataset appear under the parameter's name, so that the TRE's own file name stays its own; nothing where the
    /// TRE has none.
    pub(super) fn mount(&mut self, parameter: &str, known: &Provided) -> Result<Option<Given>, RunError> {
        let (source, is_folder) = if self.view == View::Fetched {
            let Some(url) = &known.url else { return Ok(None) };
            (PathBuf::from(url), url.ends_with('/'))
        } else {
            let Ok(source) = known.path.canonicalize() else {
                return Ok(None);
            };
            let is_folder = source.is_dir();
            (source, is_folder)
        };
        let name = self.free_name(parameter, &source);
        let outside = self.outside("inputs").join(&name);
        let at = self.inside("inputs").join(&name);
        if known.is_secret {
            let text = fs::read(&source).map_err(RunError::work(&source))?;
            self.write("inputs", &name, &text)?;
            self.sockets.extend(known.socket.clone());
            return Ok(Some(Given::Path { path: at, is_folder }));
        }
        match self.view {
            View::Same => symlink(&source, &outside).map_err(RunError::work(&outside))?,
            // Something must be there for the sandbox to bind it over.
            View::Bound if is_folder => fs::create_dir(&outside).map_err(RunError::work(&outside))?,
            View::Bound => fs::write(&outside, "").map_err(RunError::work(&outside))?,
            View::Fetched => {}
        }
        self.mounts.push(Mount {
            source,
            at: at.clone(),
            is_folder,
        });
        self.sockets.extend(known.socket.clone());
        Ok(Some(Given::Path { path: at, is_folder }))
    }

    /// Shows an image under its own name, which tells nothing but its digest; answers where.
    pub(super) fn show_image(&mut self, image: &Path) -> Result<PathBuf, RunError> {
        let source = image.canonicalize().map_err(RunError::work(image))?;
        if self.view == View::Same {
            return Ok(source);
        }
        let name = source.file_name().unwrap_or_default();
        let at = Path::new(SHOWN).join("images").join(name);
        self.mounts.push(Mount {
            source: source.clone(),
            at: at.clone(),
            is_folder: false,
        });
        Ok(at)
    }

    /// Shows the folder of an unpacked image under that name; answers where all of them lie.
    pub(super) fn show_unpacked(&mut self, folder: PathBuf, name: &str) -> PathBuf {
        let images = Path::new(SHOWN).join("images");
        self.mounts.push(Mount {
            source: folder,
            at: images.join(name),
            is_folder: true,
        });
        images
    }

    fn free_name(&mut self, parameter: &str, path: &Path) -> String {
        let is_plain = |text: &&str| {
            !text.is_empty()
                && text.len() <= 64
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let stem = Some(parameter).filter(is_plain).unwrap_or("input");
        let extension = path.extension().and_then(OsStr::to_str).filter(is_plain);
        let name = |number: usize| {
            let number = if number == 0 {
                String::new()
            } else {
                format!("-{number}")
            };
            match extension {
                Some(extension) => format!("{stem}{number}.{extension}"),
                None => format!("{stem}{number}"),
            }
        };
        let mut number = 0;
        while !self.names.insert(name(number)) {
            number += 1;
        }
        name(number)
    }

    /// Writes the packet's payload to `packet`.
    pub(super) fn unpack(&self, packet: &Bag) -> Result<(), RunError> {
        let folder = self.outside("packet");
        for (name, bytes) in &packet.payload {
            let path = folder.join(name);
            let plain = |part| matches!(part, Component::Normal(_));
            if !Path::new(name).components().all(plain) {
                return Err(RunError::work(&path)(std::io::ErrorKind::InvalidFilename.into()));
            }
            let parents = Path::new(name)
                .ancestors()
                .skip(1)
                .filter(|part| *part != Path::new(""));
            let mut parents: Vec<PathBuf> = parents.map(|part| folder.join(part)).collect();
            parents.reverse();
            for parent in parents.iter().filter(|parent| !parent.is_dir()) {
                self.folder(parent)?;
            }
            fs::write(&path, bytes).map_err(RunError::work(&path))?;
            self.give(&path, 0o644)?;
        }
        Ok(())
    }

    /// Makes a folder; fails where it is there already.
    pub(super) fn folder(&self, path: &Path) -> Result<(), RunError> {
        fs::create_dir(path).map_err(RunError::work(path))?;
        self.give(path, 0o755)
    }

    /// Hands all below a folder to the user who runs the engine.
    pub(super) fn give_all(&self, folder: &Path) -> Result<(), RunError> {
        let Some(user) = self.user else { return Ok(()) };
        let mut waiting = vec![folder.to_path_buf()];
        while let Some(path) = waiting.pop() {
            lchown(&path, Some(user.uid), Some(user.gid)).map_err(RunError::work(&path))?;
            if path.symlink_metadata().is_ok_and(|data| data.is_dir()) {
                let entries = fs::read_dir(&path).map_err(RunError::work(&path))?;
                waiting.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
            }
        }
        Ok(())
    }

    /// Hands a file or folder to the user who runs the engine.
    fn give(&self, path: &Path, mode: u32) -> Result<(), RunError> {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(RunError::work(path))?;
        match self.user {
            Some(user) => chown(path, Some(user.uid), Some(user.gid)).map_err(RunError::work(path)),
            None => Ok(()),
        }
    }
}
