//! `initdb`: a complete cluster, or none.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::account::Account;
use super::endpoint::ROLE;
use super::programs::Programs;
use super::{ClusterError, Layout, server};

/// The version of the cluster in `pg`, from its `PG_VERSION`; `None` when there is none yet.
pub(super) fn version(pg: &Path) -> Result<Option<u32>, ClusterError> {
    match fs::read_to_string(pg.join("PG_VERSION")) {
        Ok(text) => {
            let version = text.trim().parse();
            version.map(Some).map_err(|_| ClusterError::NotACluster {
                path: pg.to_path_buf(),
            })
        }
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
            if fs::read_dir(pg).is_ok_and(|mut entries| entries.next().is_some()) {
                return Err(ClusterError::NotACluster {
                    path: pg.to_path_buf(),
                });
            }
            Ok(None)
        }
        Err(source) => Err(ClusterError::file("read", pg.join("PG_VERSION"))(source)),
    }
}

/// Makes the cluster unless it is there; what an `initdb` that was killed left in `pg.new` is removed.
///
/// Call it with the folder's lock held, on a thread that lives until it returns.
pub(super) fn make_if_missing(
    layout: &Layout,
    programs: &Programs,
    account: &Account,
    fsync: bool,
) -> Result<(), ClusterError> {
    let half_made = layout.data_dir.join("pg.new");
    match fs::remove_dir_all(&half_made) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => {
            return Err(ClusterError::file("remove the half-made", half_made)(problem));
        }
        _ => {}
    }
    if version(&layout.pg)?.is_some() {
        return Ok(());
    }
    DirBuilder::new()
        .mode(0o700)
        .create(&half_made)
        .map_err(ClusterError::file("make the folder", &half_made))?;
    account.give(&half_made)?;

    let initdb = programs.bin.join("initdb");
    let mut command = server::command_as(account, programs, &initdb, "KILL");
    // Locale C: text sorts by bytes, alike on every machine and after every upgrade of its C library.
    // `trust` on the socket: whoever can enter its folder (mode 0700) is the server's account or root, and both can
    // read every file of the cluster anyway; a password would have to be stored beside it and would protect nothing.
    // `peer` would refuse root. TCP is off, and refused here too in case somebody turns it on.
    command
        .args([
            "--locale=C",
            "--encoding=UTF8",
            "--data-checksums",
            "--auth-local=trust",
            "--auth-host=reject",
        ])
        .args(["--no-instructions", "--username", ROLE])
        .args((!fsync).then_some("--no-sync"))
        .arg("--pgdata")
        .arg(&half_made);
    let output = command.output().map_err(|source| ClusterError::Run {
        program: initdb,
        source,
    })?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        let output_tail = server::last_lines(&String::from_utf8_lossy(&text));
        return Err(ClusterError::Init {
            path: half_made,
            status: output.status,
            output: output_tail,
        });
    }
    fs::rename(&half_made, &layout.pg).map_err(ClusterError::file("rename to pg", &half_made))?;
    let folder = File::open(&layout.data_dir).and_then(|folder| folder.sync_all());
    folder.map_err(ClusterError::file("write", &layout.data_dir))
}
