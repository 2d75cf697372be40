//! What a hostile or broken workflow can do to the machine, and to what leaves it: tried by programs of the engine `command`.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daybook_agent::engine::{
    Engine, FailureCode, Isolation, Job, Network, OwnProgram, Provided, RunError, RunLimits, RunReport,
    Sandbox, SandboxConfig,
};
use tokio_util::sync::CancellationToken;

use crate::support::{DATASET, bag, is_running, until_gone, until_running, until_there};

/// A run of a shell script as the engine.
struct Place {
    folder: tempfile::TempDir,
    sandbox: Sandbox,
    datasets: BTreeMap<String, Provided>,
    limits: RunLimits,
    stop: CancellationToken,
}

/// A place with the sandbox that is wanted; none where this machine allows no namespaces.
async fn place(network: Network) -> Option<Place> {
    let config = SandboxConfig {
        network,
        ..SandboxConfig::default()
    };
    let sandbox = match Sandbox::new(&config) {
        Ok(sandbox) => sandbox.check().await.map(|()| sandbox),
        Err(error) => Err(error),
    };
    let sandbox = sandbox
        .inspect_err(|error| eprintln!("the sandbox is not tried in this run: {error}"))
        .ok()?;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("the TRE's own name.csv");
    fs::write(&data, "person,age\n1,42\n").unwrap();
    Some(Place {
        folder,
        sandbox,
        datasets: [(DATASET.to_owned(), data.into())].into(),
        limits: RunLimits {
            seconds: 120,
            ..RunLimits::default()
        },
        stop: CancellationToken::new(),
    })
}

impl Place {
    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn engine(&self, script: &str) -> Engine {
        let program = self.folder.path().join("engine.sh");
        fs::write(&program, format!("#!/bin/sh\ncd /daybook/out\n{script}")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Engine::Command(OwnProgram {
            program,
            name: "script 1".to_owned(),
            sandbox: self.sandbox.clone(),
        })
    }

    async fn run(&self, script: &str) -> Result<RunReport, RunError> {
        let (work, packet) = (self.work(), bag(10));
        let job = Job {
            work: &work,
            packet: &packet,
            datasets: &self.datasets,
            images: &[],
            limits: &self.limits,
            stop: &self.stop,
        };
        self.engine(script).run(&job).await
    }
}

fn text(report: &RunReport, name: &str) -> String {
    let file = report.outputs.iter().find(|file| file.name == name).unwrap();
    String::from_utf8(file.bytes.clone()).unwrap()
}

#[tokio::test]
async fn a_program_of_the_tre_s_own_gets_what_its_contract_says() {
    let Some(place) = place(Network::Namespace).await else {
        return;
    };
    let report = place
        .run("cp \"$1\" order.json; cat /daybook/inputs/admissions.csv > data.csv")
        .await
        .unwrap();
    assert_eq!(report.engine, "script 1");
    assert_eq!(text(&report, "data.csv"), "person,age\n1,42\n");
    let order: serde_json::Value = serde_json::from_str(&text(&report, "order.json")).unwrap();
    assert_eq!(order["version"], 1);
    assert_eq!(
        order["workflow"],
        "/daybook/packet/workflow/asthma-admissions.cwl"
    );
    assert_eq!(
        order["inputs"]["admissions"]["file"],
        "/daybook/inputs/admissions.csv"
    );
    assert_eq!(order["inputs"]["threshold"]["value"], 10);
    assert_eq!(order["outputs"], "/daybook/out");
    let machine = place.folder.path().to_str().unwrap();
    assert!(!text(&report, "order.json").contains(machine));
}

#[tokio::test]
async fn exit_statuses_of_the_contract_become_codes() {
    let wanted = [
        (3, FailureCode::InputMissing),
        (4, FailureCode::MemoryLimit),
        (5, FailureCode::TimeLimit),
        (1, FailureCode::ToolError),
        (99, FailureCode::ToolError),
    ];
    for (status, code) in wanted {
        let Some(place) = place(Network::Namespace).await else {
            return;
        };
        let error = place.run(&format!("exit {status}")).await.unwrap_err();
        assert_eq!(error.code(), code, "{status}");
    }
}

#[tokio::test]
async fn a_workflow_that_opens_a_socket_reaches_nobody() {
    // The control: the same program with an open network does reach the listener.
    for (network, reached) in [(Network::Open, "yes"), (Network::Namespace, "no")] {
        let Some(place) = place(network).await else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!(
            "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)' \
             && echo yes > reached || echo no > reached"
        );
        let report = place.run(&script).await.unwrap();
        assert_eq!(text(&report, "reached").trim(), reached);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().is_ok(), reached == "yes");
    }
}

#[tokio::test]
async fn a_workflow_can_write_nowhere_else_and_sees_no_other_file() {
    let Some(place) = place(Network::Namespace).await else {
        return;
    };
    let secret = place.folder.path().join("runner.key");
    fs::write(&secret, "secret").unwrap();
    let folder = place.folder.path().display();
    let script = format!(
        "(mkdir -p '{folder}' && echo x > '{folder}/x') 2>/dev/null; for at in /etc/x /usr/x /x /dev/x /daybook/packet/x /daybook/inputs/x /daybook/x; do \
           (echo x > $at) 2>/dev/null && echo \"$at\" >> written; done; \
         (echo x >> /daybook/inputs/admissions.csv) 2>/dev/null && echo inputs >> written; \
         cat '{}' /etc/shadow /proc/1/environ > read 2>/dev/null; \
         ls /daybook > seen; ls -A '{folder}' / /etc /home /root /run /var >> seen 2>/dev/null; cat /etc/passwd >> seen; \
         hostname >> seen; id -u > user; touch written read",
        secret.display()
    );
    let report = place.run(&script).await.unwrap();
    // Below `/tmp` it may have written, but into the run's own.
    assert!(!place.folder.path().join("x").exists());
    assert_eq!(text(&report, "written"), "");
    assert_eq!(text(&report, "read"), "");
    assert_ne!(text(&report, "user").trim(), "0");
    let seen = text(&report, "seen");
    assert!(!seen.contains("runner.key") && !seen.contains("root"), "{seen}");
    let data = fs::read_to_string(&place.datasets[DATASET].path).unwrap();
    assert_eq!(data, "person,age\n1,42\n");
}

#[tokio::test]
async fn what_daemonises_itself_is_dead_when_the_run_is_over() {
    let Some(place) = place(Network::Namespace).await else {
        return;
    };
    let script = "setsid sh -c 'trap \"\" TERM HUP; setsid sleep 86501 & setsid sleep 86501 &' \
                  </dev/null >/dev/null 2>&1 &\n echo done > out.txt";
    let report = place.run(script).await.unwrap();
    assert_eq!(text(&report, "out.txt"), "done\n");
    assert!(
        !is_running("86501"),
        "the run's end is the end of all that it started"
    );
}

#[tokio::test]
async fn a_fork_bomb_stays_small_and_ends_with_the_run() {
    let Some(mut place) = place(Network::Namespace).await else {
        return;
    };
    place.limits.seconds = 3;
    place.limits.processes = 64;
    let script = "exec sh -c 'b() { b & b & wait; }; while :; do b; done' sh 86503";
    let error = place.run(script).await.unwrap_err();
    assert!(
        matches!(error.code(), FailureCode::TimeLimit | FailureCode::ToolError),
        "{error}"
    );
    assert!(!is_running("86503"));
}

#[tokio::test]
async fn many_processes_cannot_take_more_memory_than_one_may() {
    let Some(mut place) = place(Network::Namespace).await else {
        return;
    };
    place.limits.memory = 400 << 20;
    // Each of the four holds far less than the limit; together they hold more.
    let hold = "python3 -c 'import time; held = b\"x\" * (150 << 20); time.sleep(86504)' 86504 &";
    let error = place
        .run(&format!("{hold} {hold} {hold} {hold} wait"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), FailureCode::MemoryLimit, "{error}");
    assert!(!is_running("86504"));
}

#[tokio::test]
async fn what_a_run_writes_is_bounded_in_one_file_and_in_many() {
    let Some(mut place) = place(Network::Namespace).await else {
        return;
    };
    place.limits.disk = 16 << 20;
    let error = place
        .run("head -c 40000000 /dev/zero > big; exit $?")
        .await
        .unwrap_err();
    assert_eq!(error.code(), FailureCode::ToolError, "{error}");
    let size = fs::metadata(place.work().join("out/big")).unwrap().len();
    assert!(size <= 16 << 20, "{size}");

    for folder in ["/daybook/out", "/tmp", "/dev/shm", "$HOME"] {
        let Some(mut place) = self::place(Network::Namespace).await else {
            return;
        };
        place.limits.disk = 16 << 20;
        let script =
            format!("for n in 1 2 3 4; do head -c 8000000 /dev/zero > {folder}/f$n; done; sleep 86505");
        let error = place.run(&script).await.unwrap_err();
        assert!(matches!(error, RunError::DiskLimit(_)), "{folder}: {error}");
    }
}

#[tokio::test]
async fn outputs_that_are_no_plain_files_with_plain_names_are_refused() {
    let scripts = [
        "ln -s /etc/passwd out.csv",
        "ln -s /daybook/inputs/admissions.csv out.csv",
        "mkfifo out.csv",
        "mkdir out.csv",
        "mkdir -p a/b; echo x > a/b/c; chmod 0 a",
        "echo x > \"$(printf 'a\\nb')\"",
        "echo x > \"$(printf 'a\\033[2Jb')\"",
        "echo x > \"$(printf 'gpj.\\342\\200\\256csv')\"",
        "echo x > \"$(printf '\\377')\"",
    ];
    for script in scripts {
        let Some(place) = place(Network::Namespace).await else {
            return;
        };
        let error = place.run(script).await.unwrap_err();
        assert!(matches!(error, RunError::Outputs(_)), "{script}: {error}");
    }
}

#[tokio::test]
async fn a_talkative_program_s_log_is_kept_bounded_and_inside() {
    let Some(place) = place(Network::Namespace).await else {
        return;
    };
    place
        .run("head -c 5000000 /dev/zero | tr '\\0' x >&2; echo end >&2; head -c 5000000 /dev/zero")
        .await
        .unwrap();
    let log = fs::read(place.work().join("stderr.txt")).unwrap();
    assert_eq!(log.len(), 1 << 20);
    assert!(log.ends_with(b"end\n"));
    assert_eq!(
        fs::metadata(place.work().join("stdout.txt")).unwrap().len(),
        1 << 20
    );
}

#[tokio::test]
async fn without_a_wall_the_run_still_ends_with_its_process_group() {
    let sandbox = Sandbox::new(&SandboxConfig {
        isolation: Isolation::None,
        network: Network::Open,
        ..SandboxConfig::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("engine.sh");
    fs::write(&program, "#!/bin/sh\nsleep 86506 & touch \"$HOME/begun\"; wait\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let engine = Engine::Command(OwnProgram {
        program,
        name: "script 1".to_owned(),
        sandbox: sandbox.unwrap(),
    });
    let data = folder.path().join("data.csv");
    fs::write(&data, "1\n").unwrap();
    let (work, packet, limits) = (folder.path().join("work"), bag(10), RunLimits::default());
    let (datasets, stop) = (
        [(DATASET.to_owned(), data.into())].into(),
        CancellationToken::new(),
    );
    let job = Job {
        work: &work,
        packet: &packet,
        datasets: &datasets,
        images: &[],
        limits: &limits,
        stop: &stop,
    };
    let begun = work.join("home/begun");
    let stopping = async {
        until_there(&begun).await;
        stop.cancel();
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = engine.run(&job) => ended,
        never = stopping => never,
    };
    assert_eq!(ended.unwrap_err().code(), FailureCode::Stopped);
    until_gone("86506").await;
}

/// The folder that the second process of the test below works in.
const CHILD: &str = "DAYBOOK_TEST_ENGINE_CHILD";
/// Runs until it is killed.
const ENDLESS: &str = "setsid sleep 86507 & touch $HOME/begun; sleep 86507";

/// Is run by the next test in a process of its own, which is killed; alone it has nothing to run.
#[tokio::test]
async fn child_that_runs_an_engine() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let place = place(Network::Namespace).await.unwrap();
    let engine = place.engine(ENDLESS);
    let packet = bag(10);
    let ended = engine
        .run(&Job {
            work: &Path::new(&folder).join("work"),
            packet: &packet,
            datasets: &place.datasets,
            images: &[],
            limits: &place.limits,
            stop: &place.stop,
        })
        .await;
    panic!("it should have been killed: {ended:?}");
}

#[tokio::test]
async fn a_killed_runner_leaves_nothing_running_and_the_next_one_cleans_up() {
    let Some(place) = place(Network::Namespace).await else {
        return;
    };
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine::child_that_runs_an_engine", "--nocapture"])
        .env(CHILD, place.folder.path())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let begun = place.work().join("home/begun");
    tokio::select! {
        () = until_there(&begun) => {}
        ended = child.wait() => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_mins(1)) => panic!("it does not begin"),
    }
    until_running("86507", true).await;
    child.kill().await.unwrap();
    until_gone("86507").await;
    place.engine(ENDLESS).end_leftovers(&place.work()).await.unwrap();
    daybook_agent::engine::remove_tree(&place.work()).unwrap();
    place.run("echo again > out.txt").await.unwrap();
}
