//! Whom the server runs as, and whether that user can reach its files.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{ClusterError, Layout};

/// The users to run the server as when root starts us, in the order of preference.
const CANDIDATES: [&str; 2] = ["daybook", "postgres"];

/// The user whom the server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    /// Whether it is another than ours, so that the server's process must change to it.
    pub(super) switch: bool,
}

/// Finds the account, makes the data folder and answers where everything will be.
///
/// A blocking parent is found before anything is created.
pub(super) fn prepare_folder(data_dir: &Path) -> Result<(Layout, Account), ClusterError> {
    let absolute = std::path::absolute(data_dir).map_err(ClusterError::file("find", data_dir))?;
    let account = Account::choose()?;
    // An existing cluster may belong to another account than a new one would; that is checked when it is opened.
    let is_new = !absolute.join("pg").join("PG_VERSION").exists();
    if is_new {
        account.check_reach(&absolute)?;
    }
    make_dirs(&absolute, if account.switch { 0o711 } else { 0o700 })?;
    let data_dir = absolute
        .canonicalize()
        .map_err(ClusterError::file("open", &absolute))?;
    let layout = Layout {
        pg: data_dir.join("pg"),
        log: data_dir.join("pg.log"),
        data_dir,
    };
    Ok((layout, account))
}

impl Account {
    pub(super) fn choose() -> Result<Self, ClusterError> {
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        if uid != 0 {
            return Ok(Self {
                uid,
                gid,
                name: uid.to_string(),
                switch: false,
            });
        }
        let users = read_users()?;
        let found = CANDIDATES
            .iter()
            .find_map(|name| parse_user(&users, |user, _| user == *name));
        found.ok_or(ClusterError::NoAccount)
    }

    /// The account for an existing cluster: its owner, since PostgreSQL runs as nobody else.
    pub(super) fn for_cluster(self, pg: &Path) -> Result<Self, ClusterError> {
        let owner = fs::metadata(pg).map_err(ClusterError::file("look at", pg))?.uid();
        if owner == self.uid {
            return Ok(self);
        }
        let wrong = || ClusterError::WrongOwner {
            path: pg.to_path_buf(),
            owner,
        };
        if !self.switch || owner == 0 {
            return Err(wrong());
        }
        parse_user(&read_users()?, |_, uid| uid == owner).ok_or_else(wrong)
    }

    /// Refuses a folder that this account cannot enter, naming the first part of its path that stops it.
    ///
    /// Looks at the parts that exist already, by owner, group and mode; access control lists are not read.
    pub(super) fn check_reach(&self, folder: &Path) -> Result<(), ClusterError> {
        if !self.switch {
            return Ok(());
        }
        let Some(existing) = folder.ancestors().find_map(|part| part.canonicalize().ok()) else {
            return Ok(());
        };
        let mut parts: Vec<&Path> = existing.ancestors().collect();
        parts.reverse();
        for part in parts {
            let metadata = fs::metadata(part).map_err(ClusterError::file("look at", part))?;
            let needed = if metadata.uid() == self.uid {
                0o100
            } else if metadata.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            if metadata.mode() & needed == 0 {
                return Err(ClusterError::Unreachable {
                    user: self.name.clone(),
                    blocking: part.to_path_buf(),
                    mode: metadata.mode() & 0o7777,
                    owner: metadata.uid(),
                });
            }
        }
        Ok(())
    }

    /// Gives a file or folder of ours to the account.
    pub(super) fn give(&self, path: &Path) -> Result<(), ClusterError> {
        if !self.switch {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(ClusterError::file("change the owner of", path))
    }
}

/// Makes a folder and its missing parents with this mode, whatever the process's umask is.
fn make_dirs(folder: &Path, mode: u32) -> Result<(), ClusterError> {
    let missing: Vec<PathBuf> = folder
        .ancestors()
        .take_while(|part| !part.exists())
        .map(Path::to_path_buf)
        .collect();
    for part in missing.iter().rev() {
        match DirBuilder::new().mode(mode).create(part) {
            // Another Daybook that starts at the same time was quicker.
            Err(problem) if problem.kind() == ErrorKind::AlreadyExists => continue,
            outcome => outcome.map_err(ClusterError::file("make the folder", part))?,
        }
        fs::set_permissions(part, Permissions::from_mode(mode))
            .map_err(ClusterError::file("set the mode of", part))?;
    }
    Ok(())
}

fn read_users() -> Result<String, ClusterError> {
    fs::read_to_string("/etc/passwd").map_err(ClusterError::file("read", "/etc/passwd"))
}

/// The first user of passwd(5) that is wanted, by name and user id; never root.
fn parse_user(passwd: &str, wanted: impl Fn(&str, u32) -> bool) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0 && wanted(name, uid)).then(|| Account {
            uid,
            gid,
            name: name.to_owned(),
            switch: true,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_or_id_and_never_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\npostgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        let postgres = Account {
            uid: 101,
            gid: 104,
            name: "postgres".to_owned(),
            switch: true,
        };
        assert_eq!(
            parse_user(passwd, |name, _| name == "postgres"),
            Some(postgres.clone())
        );
        assert_eq!(parse_user(passwd, |_, uid| uid == 101), Some(postgres));
        assert_eq!(parse_user(passwd, |name, _| name == "root"), None);
        assert_eq!(parse_user(passwd, |name, _| name == "daybook"), None);
    }

    #[test]
    fn first_part_of_the_path_that_blocks_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let home = folder.path().canonicalize().unwrap().join("home");
        make_dirs(&home.join("deeper"), 0o700).unwrap();
        let owner = fs::metadata(&home).unwrap();
        let stranger = Account {
            uid: owner.uid() + 1,
            gid: owner.gid() + 1,
            name: "else".to_owned(),
            switch: true,
        };
        match stranger.check_reach(&home.join("deeper/not/there/yet")) {
            Err(ClusterError::Unreachable {
                blocking,
                mode: 0o700,
                ..
            }) => assert_eq!(blocking, home),
            other => panic!("{other:?}"),
        }

        fs::set_permissions(&home, Permissions::from_mode(0o710)).unwrap();
        let colleague = Account {
            gid: owner.gid(),
            ..stranger.clone()
        };
        match colleague.check_reach(&home.join("deeper")) {
            Err(ClusterError::Unreachable { blocking, .. }) => assert_eq!(blocking, home.join("deeper")),
            other => panic!("{other:?}"),
        }

        fs::set_permissions(&home, Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(home.join("deeper"), Permissions::from_mode(0o701)).unwrap();
        stranger.check_reach(&home.join("deeper")).unwrap();
        // A member of the group is judged by the group's bits alone, as the kernel does.
        colleague.check_reach(&home.join("deeper")).unwrap_err();
    }
}
