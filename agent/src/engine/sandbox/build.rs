//! The command line that puts a program behind the wall.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Network, Sandbox, SandboxError, Wall};
use crate::engine::RunError;
use crate::engine::job::RunLimits;
use crate::engine::place::{Place, WRITABLE};

/// The system's programs and libraries.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// The little of `/etc` that programs need and that tells nothing of the TRE.
const SETTINGS: [&str; 8] = [
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/java-17-openjdk",
    "/etc/java-21-openjdk",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/mime.types",
];
/// What programs need besides where the network is open.
const NETWORK_SETTINGS: [&str; 5] = [
    "/etc/ca-certificates",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
];
/// Where programs are looked for, besides the engine's own folder.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The first process of the namespace: it stays, and takes up whom others leave behind.
const FIRST_PROCESS: &str = "\"$@\"; exit $?";

/// A program that is to run behind the wall.
pub(in crate::engine) struct Order<'a> {
    /// Absolute path.
    pub(in crate::engine) program: &'a Path,
    /// Its arguments.
    pub(in crate::engine) arguments: Vec<OsString>,
    /// Variables besides `PATH`, `HOME` and `TMPDIR`.
    pub(in crate::engine) variables: Vec<(&'static str, OsString)>,
    /// What the program itself needs to read.
    pub(in crate::engine) readable: Vec<PathBuf>,
    /// Where it runs.
    pub(in crate::engine) place: &'a Place,
    /// How much of everything.
    pub(in crate::engine) limits: &'a RunLimits,
    /// Whether it makes namespaces of its own.
    pub(in crate::engine) nests: bool,
}

impl Sandbox {
    /// The command that does the order behind the wall.
    pub(in crate::engine) fn command(&self, order: &Order<'_>) -> Result<Command, RunError> {
        let mut command = match &self.wall {
            None => self.plain(order),
            Some(wall) => self.walled(wall, order)?,
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Ok(command)
    }

    fn plain(&self, order: &Order<'_>) -> Command {
        let mut command = Command::new(&self.setpriv);
        command.args(["--pdeathsig=KILL", "--no-new-privs", "--"]);
        command.args(self.limited(order));
        command.env_clear().envs(variables(order));
        command.current_dir(order.place.outside("tmp"));
        command
    }

    fn walled(&self, wall: &Wall, order: &Order<'_>) -> Result<Command, RunError> {
        let mut line = Line::default();
        for flag in [
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--as-pid-1",
            "--die-with-parent",
            "--new-session",
            "--clearenv",
        ] {
            line.push([flag]);
        }
        line.push(["--hostname", "daybook"]);
        if wall.network == Network::Namespace {
            line.push(["--unshare-net"]);
        }
        line.push(["--cap-drop", "ALL"]);
        if wall.user.is_some() {
            // For the step to the other user alone, which drops these too.
            for capability in ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"] {
                line.push(["--cap-add", capability]);
            }
        } else {
            line.push(["--unshare-user"]);
            if !order.nests {
                line.push(["--disable-userns"]);
            }
        }
        let mut made = BTreeSet::new();
        show_system(wall, order, &mut line, &mut made)?;
        show_place(order, &mut line, &mut made)?;
        // After the run's own folders: one of them is `/tmp`, which a path may lie in.
        self.show_readable(order, &mut line, &mut made)?;
        line.push(["--proc", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]);
        line.push([OsStr::new("--chdir"), order.place.inside("tmp").as_os_str()]);
        for (name, value) in variables(order) {
            line.push([OsStr::new("--setenv"), OsStr::new(name), &value]);
        }
        line.push(["--", "/bin/sh", "-c", FIRST_PROCESS, "sh"]);
        if let Some(user) = wall.user {
            line.push([self.setpriv.as_os_str()]);
            line.push([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]);
            line.push([
                "--clear-groups",
                "--bounding-set=-all",
                "--inh-caps=-all",
                "--no-new-privs",
                "--",
            ]);
        }
        line.0.extend(self.limited(order));
        let mut command = Command::new(&wall.bubblewrap);
        command.args(line.0).env_clear();
        Ok(command)
    }

    fn show_readable(
        &self,
        order: &Order<'_>,
        line: &mut Line,
        made: &mut BTreeSet<PathBuf>,
    ) -> Result<(), RunError> {
        for path in order.readable.iter().chain(&self.readable) {
            let real = path
                .canonicalize()
                .map_err(|_| SandboxError::NotReadable(path.clone()))?;
            let is_system = |path: &Path| SYSTEM.iter().any(|folder| path.starts_with(folder));
            for at in [&real, path].into_iter().filter(|at| !is_system(at)) {
                if made.insert(at.clone()) {
                    line.bind("--ro-bind", &real, at, made);
                }
            }
        }
        Ok(())
    }

    /// The program under the limits that the kernel keeps for each process.
    fn limited(&self, order: &Order<'_>) -> Vec<OsString> {
        let limits = order.limits;
        let mut line = Line::default();
        line.push([self.prlimit.as_os_str()]);
        line.push([
            "--core=0".to_owned(),
            format!("--as={}", limits.address_space.unwrap_or(limits.memory)),
            format!("--fsize={}", limits.disk),
            format!("--nproc={}", limits.processes),
        ]);
        line.push([OsStr::new("--"), order.program.as_os_str()]);
        line.0.extend(order.arguments.iter().cloned());
        line.0
    }
}

fn show_system(
    wall: &Wall,
    order: &Order<'_>,
    line: &mut Line,
    made: &mut BTreeSet<PathBuf>,
) -> Result<(), RunError> {
    line.push(["--dev", "/dev"]);
    for folder in SYSTEM {
        line.system(Path::new(folder));
    }
    let network: &[&str] = match wall.network {
        Network::Namespace => &[],
        Network::Open => &NETWORK_SETTINGS,
    };
    for setting in SETTINGS.iter().chain(network) {
        let setting = Path::new(setting);
        // Links of `/etc` may lead outside of what is shown, as that of resolv.conf does.
        if let Ok(real) = setting.canonicalize() {
            line.bind("--ro-bind", &real, setting, made);
        }
    }
    let users = order.place.work().join("etc");
    fs::create_dir_all(&users).map_err(RunError::work(&users))?;
    let (uid, gid) = match wall.user {
        Some(user) => (user.uid, user.gid),
        None => (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        ),
    };
    let home = order.place.inside("home");
    let texts = [
        (
            "passwd",
            format!("run:x:{uid}:{gid}::{}:/bin/sh\n", home.display()),
        ),
        ("group", format!("run:x:{gid}:\n")),
    ];
    for (name, text) in texts {
        let file = users.join(name);
        fs::write(&file, text).map_err(RunError::work(&file))?;
        line.bind("--ro-bind", &file, &Path::new("/etc").join(name), made);
    }
    Ok(())
}

fn show_place(order: &Order<'_>, line: &mut Line, made: &mut BTreeSet<PathBuf>) -> Result<(), RunError> {
    let place = order.place;
    for name in ["packet", "inputs"] {
        line.bind("--ro-bind", &place.outside(name), &place.inside(name), made);
    }
    for name in WRITABLE {
        line.bind("--bind", &place.outside(name), &place.inside(name), made);
    }
    // Both would lie in memory that no limit counts.
    line.bind("--bind", &place.outside("tmp"), Path::new("/tmp"), made);
    line.bind("--bind", &place.outside("shm"), Path::new("/dev/shm"), made);
    for mount in &place.mounts {
        line.bind("--ro-bind", &mount.source, &mount.at, made);
    }
    for (copy, at) in &place.overlays {
        line.bind("--bind", copy, at, made);
    }
    for socket in &place.sockets {
        let real = socket.canonicalize().map_err(RunError::work(socket))?;
        line.bind("--ro-bind", &real, socket, made);
    }
    Ok(())
}

/// What the program finds in its environment: nothing of ours.
fn variables(order: &Order<'_>) -> Vec<(&'static str, OsString)> {
    let place = order.place;
    let mut path = OsString::new();
    if let Some(folder) = order.program.parent() {
        path.push(folder);
        path.push(":");
    }
    path.push(PATH);
    let mut variables = vec![
        ("PATH", path),
        ("HOME", place.inside("home").into_os_string()),
        ("TMPDIR", place.inside("tmp").into_os_string()),
        ("LANG", OsString::from("C.UTF-8")),
    ];
    variables.extend(order.variables.iter().cloned());
    variables
}

/// Arguments of bubblewrap.
#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn push<T: Into<OsString> + Clone, const N: usize>(&mut self, words: [T; N])
    where
        OsString: From<T>,
    {
        self.0.extend(words.into_iter().map(OsString::from));
    }

    /// Shows a folder of the system, or the link that stands in its place.
    fn system(&mut self, folder: &Path) {
        if let Ok(target) = folder.read_link() {
            self.push([OsStr::new("--symlink"), target.as_os_str(), folder.as_os_str()]);
        } else if folder.is_dir() {
            self.push([OsStr::new("--ro-bind"), folder.as_os_str(), folder.as_os_str()]);
        }
    }

    /// Binds a path of this machine; folders above it are made so that everybody may pass, which bubblewrap's own are not.
    fn bind(&mut self, how: &str, source: &Path, at: &Path, made: &mut BTreeSet<PathBuf>) {
        let mut above: Vec<&Path> = at
            .ancestors()
            .skip(1)
            .filter(|path| path.parent().is_some())
            .collect();
        above.reverse();
        for folder in above {
            let is_bound = self.0.iter().any(|word| word == folder.as_os_str());
            if !is_bound && made.insert(folder.to_path_buf()) {
                self.push([OsStr::new("--dir"), folder.as_os_str()]);
            }
        }
        self.push([OsStr::new(how), source.as_os_str(), at.as_os_str()]);
    }
}
