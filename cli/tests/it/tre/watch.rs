//! Seeing each step of a program the moment it is a file, as the kernel tells it: one that soon goes is seen too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// Files that come and go, or are written again and again, and the folder in which an engine works.
const NOT_STEPS: [&str; 5] = ["lock", "review.lock", "status.json", "checkpoint", "work"];

/// A spool, and which of its files were seen.
pub(crate) struct Watch {
    spool: PathBuf,
    kernel: OwnedFd,
    folders: BTreeMap<i32, PathBuf>,
    seen: BTreeSet<String>,
    new: VecDeque<String>,
}

impl Watch {
    /// From now on.
    pub(crate) fn over(spool: PathBuf) -> Self {
        let mut watch = Self {
            spool,
            kernel: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap(),
            folders: BTreeMap::new(),
            seen: BTreeSet::new(),
            new: VecDeque::new(),
        };
        while watch.next().is_some() {}
        watch
    }

    /// A step that was not there before, by its path in the spool.
    pub(crate) fn next(&mut self) -> Option<String> {
        if self.folders.is_empty() {
            // The program has only begun to make it.
            self.look_into(&self.spool.clone());
        }
        let mut told = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 8 * 1024];
        let mut reader = inotify::Reader::new(&self.kernel, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => told.push((
                    event.wd(),
                    event.events(),
                    event.file_name().map(|name| name.to_bytes().to_vec()),
                )),
                Err(Errno::WOULDBLOCK) => break,
                Err(error) => panic!("{error}"),
            }
        }
        for (folder, events, name) in told {
            assert!(!events.contains(ReadFlags::QUEUE_OVERFLOW), "too much at once");
            let (Some(folder), Some(name)) = (self.folders.get(&folder), name) else {
                continue;
            };
            let path = folder.join(OsStr::from_bytes(&name));
            if is_no_step(&path) {
                continue;
            }
            if events.contains(ReadFlags::ISDIR) {
                self.look_into(&path);
            } else if !events.contains(ReadFlags::CREATE) {
                self.note(&path);
            }
        }
        self.new.pop_front()
    }

    /// Watches a folder and all below it, and takes down what is there already.
    fn look_into(&mut self, folder: &Path) {
        let flags = WatchFlags::CREATE | WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        // A folder may go while it is looked at.
        let Ok(watched) = inotify::add_watch(&self.kernel, folder, flags) else {
            return;
        };
        self.folders.insert(watched, folder.to_owned());
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| !is_no_step(path)) {
            if path.is_dir() {
                self.look_into(path);
            } else {
                self.note(path);
            }
        }
    }

    fn note(&mut self, path: &Path) {
        let step = path.strip_prefix(&self.spool).unwrap().display().to_string();
        if self.seen.insert(step.clone()) {
            self.new.push_back(step);
        }
    }
}

fn is_no_step(path: &Path) -> bool {
    let is_named = |name: &OsStr| NOT_STEPS.iter().any(|other| name == *other);
    path.file_name().is_some_and(is_named) || path.extension().is_some_and(|end| end == "half")
}
