//! Life and death of the managed cluster.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use isobase_base::observe::Observer;
use isobase_base::progress::Silent;
use isobase_postgres::{Binaries, Cluster, ClusterConfig, ClusterError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Recorder, ask, connect, is_alive, start, until, workdir};

fn kill_dead(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

/// Leaves a table that tells later whether the data is still there.
async fn leave_mark(cluster: &Cluster) {
    let client = connect(cluster.superuser_url()).await;
    assert_eq!(ask(&client, "create table mark as select 42 as answer").await, "");
}

async fn assert_mark(cluster: &Cluster) {
    let client = connect(cluster.superuser_url()).await;
    assert_eq!(ask(&client, "select answer from mark").await, "42");
}

#[tokio::test]
async fn a_fresh_cluster_and_a_warm_start() {
    let workdir = workdir();
    let first = start(workdir.path()).await.unwrap();
    leave_mark(&first).await;
    let pid = first.pid().unwrap();
    let client = connect(first.superuser_url()).await;
    let settings = "select current_setting('wal_level'), current_setting('listen_addresses'), \
                    current_setting('server_encoding'), current_setting('timezone'), current_user";
    assert_eq!(ask(&client, settings).await, "logical|127.0.0.1|UTF8|UTC|supabase_admin");
    first.stop().await;
    assert!(!is_alive(pid));
    assert!(!workdir.path().join(".isobase/postgres/data/postmaster.pid").exists());

    let recorder = Arc::new(Recorder::default());
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(workdir.path()) };
    let again = Cluster::start(config, recorder.clone(), Observer::default()).await.unwrap();
    assert_eq!(recorder.lines(), "step Starting Postgres");
    assert_mark(&again).await;
    again.stop().await;
}

#[tokio::test]
async fn the_server_never_runs_as_root() {
    let workdir = workdir();
    let cluster = start(workdir.path()).await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.pid().unwrap())).unwrap();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert!(field("Uid:").iter().all(|id| *id != "0"), "{status}");
    assert!(field("Gid:").iter().all(|id| *id != "0"), "{status}");
    if nix::unistd::geteuid().is_root() {
        assert!(field("Groups:").is_empty(), "{status}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_new_cluster_reaches_the_disk() {
    let workdir = workdir();
    let cluster = start(workdir.path()).await.unwrap();
    let marker = workdir.path().join(".isobase/postgres/unsynced");
    assert!(marker.exists());
    until("the files of initdb are on the disk", || !marker.exists()).await;
    leave_mark(&cluster).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_folder_closed_to_the_servers_user_is_left_for_one_that_is_open() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // As /root is.
    let closed = std::fs::Permissions::from_mode(0o700);
    let workdir = tempfile::Builder::new().permissions(closed).tempdir().unwrap();
    let recorder = Arc::new(Recorder::default());
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(workdir.path()) };
    let cluster = Cluster::start(config, recorder.clone(), Observer::default()).await.unwrap();
    let home = std::fs::read_link(workdir.path().join(".isobase/postgres")).unwrap();
    assert!(home.starts_with("/var/lib/isobase"), "{}", home.display());
    assert!(recorder.lines().contains("cannot enter this directory"), "{}", recorder.lines());
    leave_mark(&cluster).await;
    cluster.stop().await;
    let cluster = start(workdir.path()).await.unwrap();
    assert_mark(&cluster).await;
    cluster.stop().await;
    std::fs::remove_dir_all(home).unwrap();
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_its_data() {
    let workdir = workdir();
    let observer = Observer::default();
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(workdir.path()) };
    let cluster = Cluster::start(config, Arc::new(Silent), observer.clone()).await.unwrap();
    leave_mark(&cluster).await;
    for _ in 0..2 {
        let pid = cluster.pid().unwrap();
        kill_dead(pid);
        assert!(cluster.restarted_since(pid).await);
        assert_mark(&cluster).await;
    }
    let metrics = observer.openmetrics();
    assert!(metrics.contains(r#"postgres_events_total{event="restarting"} 2"#), "{metrics}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_second_host_on_the_same_folder_is_refused() {
    let workdir = workdir();
    let cluster = start(workdir.path()).await.unwrap();
    let error = start(workdir.path()).await.err().unwrap();
    assert!(matches!(error, ClusterError::AlreadyRunning { pid: Some(pid) } if pid == std::process::id()));
    assert!(error.to_string().starts_with("isobase already runs on this directory as process "));
    cluster.stop().await;
    start(workdir.path()).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_pid_file_of_another_program_is_removed() {
    let workdir = workdir();
    let cluster = start(workdir.path()).await.unwrap();
    leave_mark(&cluster).await;
    cluster.stop().await;
    // As after a crash of the machine, when the pid has meanwhile been given to someone else.
    let data = workdir.path().join(".isobase/postgres/data");
    let stale = format!("{}\n{}\n1700000000\n54322\n", std::process::id(), data.display());
    std::fs::write(data.join("postmaster.pid"), stale).unwrap();
    let cluster = start(workdir.path()).await.unwrap();
    assert_mark(&cluster).await;
    cluster.stop().await;
}

/// Starts a server on the data folder that no host looks after.
fn orphan(workdir: &Path) -> u32 {
    let data = workdir.join(".isobase/postgres/data");
    let owner = std::fs::metadata(&data).unwrap();
    let mut command = Command::new(Binaries::find(None, None).unwrap().postgres());
    command.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c"]);
    command.arg(format!("unix_socket_directories={}", data.parent().unwrap().join("run").display()));
    command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    if nix::unistd::geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    // Collected when it ends, so that it does not stay as a zombie.
    std::thread::spawn(move || child.wait());
    pid
}

#[tokio::test]
async fn an_orphan_is_stopped_first() {
    let workdir = workdir();
    let cluster = start(workdir.path()).await.unwrap();
    leave_mark(&cluster).await;
    cluster.stop().await;
    let pid = orphan(workdir.path());
    let pid_file = workdir.path().join(".isobase/postgres/data/postmaster.pid");
    until("the orphan wrote its pid file", || {
        std::fs::read_to_string(&pid_file).is_ok_and(|text| text.contains("ready"))
    })
    .await;

    let recorder = Arc::new(Recorder::default());
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(workdir.path()) };
    let cluster = Cluster::start(config, recorder.clone(), Observer::default()).await.unwrap();
    assert!(!is_alive(pid));
    assert_eq!(
        recorder.lines(),
        "step Stopping the Postgres that an earlier isobase left behind\nstep Starting Postgres"
    );
    assert_mark(&cluster).await;
    cluster.stop().await;
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
#[ignore = "started by the_server_does_not_outlive_a_killed_host"]
async fn a_host_to_kill() {
    let workdir = std::env::var("ISOBASE_TEST_WORKDIR").unwrap();
    let cluster = start(Path::new(&workdir)).await.unwrap();
    leave_mark(&cluster).await;
    std::fs::write(format!("{workdir}/pid"), cluster.pid().unwrap().to_string()).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_server_does_not_outlive_a_killed_host() {
    let workdir = workdir();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cluster::a_host_to_kill", "--ignored"])
        .env("ISOBASE_TEST_WORKDIR", workdir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid_file = workdir.path().join("pid");
    until("the host is up", || std::fs::read_to_string(&pid_file).is_ok_and(|text| !text.is_empty())).await;
    let pid: u32 = std::fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    assert!(is_alive(pid));

    kill_dead(host.id());
    host.wait().unwrap();
    // At once: the old server may still be shutting down, which the start waits for.
    let cluster = start(workdir.path()).await.unwrap();
    assert!(!is_alive(pid));
    assert_mark(&cluster).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_dropped_cluster_gives_way_to_the_next() {
    let workdir = workdir();
    let cluster = start(workdir.path()).await.unwrap();
    leave_mark(&cluster).await;
    let pid = cluster.pid().unwrap();
    drop(cluster);
    until("the server is gone", || !is_alive(pid)).await;
    let cluster = start(workdir.path()).await.unwrap();
    assert_mark(&cluster).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_setting() {
    let workdir = workdir();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = ClusterConfig { port, ..ClusterConfig::new(workdir.path()) };
    let error = Cluster::start(config, Arc::new(Silent), Observer::default()).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "port {port} on 127.0.0.1 is already in use; stop the program that listens there, \
             or choose another port with `[db] port` in supabase/config.toml"
        )
    );
}

#[tokio::test]
async fn a_setting_that_postgres_refuses_is_told_with_its_words() {
    let workdir = workdir();
    let mut config = ClusterConfig { port: 0, ..ClusterConfig::new(workdir.path()) };
    config.settings.insert("work_mem".into(), "plenty".into());
    let error = Cluster::start(config, Arc::new(Silent), Observer::default()).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, ClusterError::Exited { .. }), "{text}");
    assert!(text.contains("invalid value for parameter \"work_mem\": \"plenty\""), "{text}");
}

#[tokio::test]
async fn data_of_another_version_is_refused() {
    let workdir = workdir();
    start(workdir.path()).await.unwrap().stop().await;
    std::fs::write(workdir.path().join(".isobase/postgres/data/PG_VERSION"), "9\n").unwrap();
    let error = start(workdir.path()).await.err().unwrap();
    assert!(matches!(error, ClusterError::Version { .. }), "{error}");
    assert!(
        error.to_string().contains("was created by Postgres 9, but the Postgres found is version "),
        "{error}"
    );
}

#[tokio::test]
async fn a_cluster_without_its_passwords_says_so() {
    let workdir = workdir();
    start(workdir.path()).await.unwrap().stop().await;
    let passwords = workdir.path().join(".isobase/postgres-passwords");
    assert_eq!(std::fs::metadata(&passwords).unwrap().mode() & 0o777, 0o600);
    std::fs::remove_file(&passwords).unwrap();
    let error = start(workdir.path()).await.err().unwrap();
    assert!(error.to_string().contains("postgres-passwords cannot be used: it is missing"), "{error}");
    std::fs::write(&passwords, "supabase_admin=wrong\nauthenticator=wrong\n").unwrap();
    let error = start(workdir.path()).await.err().unwrap();
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    assert!(!workdir.path().join(".isobase/postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn a_long_path_puts_the_socket_elsewhere() {
    let workdir = workdir();
    let deep = workdir.path().join("a-folder-with-a-rather-long-name/".repeat(4));
    std::fs::create_dir_all(&deep).unwrap();
    let cluster = start(&deep).await.unwrap();
    assert!(cluster.socket_folder().starts_with("/tmp"), "{}", cluster.socket_folder().display());
    leave_mark(&cluster).await;
    assert_mark(&cluster).await;
    let socket_folder = cluster.socket_folder().to_owned();
    cluster.stop().await;
    std::fs::remove_dir(socket_folder).unwrap();
}
