//! A throw-away Postgres for one test binary.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server on a free port of the loopback interface, without passwords and without durability.
/// Stopped and deleted when dropped.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    server: Child,
}

impl Cluster {
    /// Starts one. Postgres refuses to run as root, so root hands it to the user `postgres`.
    pub(crate) fn start(name: &str) -> Self {
        let binaries = binaries();
        let folder = std::env::temp_dir().join(format!("isobase-rest-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a writable temporary folder");
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&folder).status();
            assert!(
                owned.is_ok_and(|status| status.success()),
                "cannot give {} to postgres",
                folder.display()
            );
        }
        let data = folder.join("data");
        let made = unprivileged(&binaries.join("initdb"))
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "initdb failed");
        let port = free_port();
        let server = unprivileged(&binaries.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args([
                "-p",
                &port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
                "-c",
                "jit=off",
            ])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", folder.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        Self { folder, port, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }

    /// A folder that the server can read and write.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a script by `psql`, with its variables.
    pub(crate) fn psql(&self, script: &str, variables: &[(&str, &str)]) {
        let file = self.folder.join("script.sql");
        std::fs::write(&file, script).expect("a writable temporary folder");
        let mut command = Command::new(binaries().join("psql"));
        command.args(["-q", "-X", "-d", &self.url(), "-f"]).arg(&file).stdout(Stdio::null());
        for (name, value) in variables {
            command.args(["-v", &format!("{name}={value}")]);
        }
        let output = command.output().expect("psql runs");
        assert!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until `attempt` succeeds.
    pub(crate) fn when_ready<T>(&mut self, mut attempt: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(ready) = attempt() {
                return ready;
            }
            let ended = self.server.try_wait().expect("a child that can be waited for");
            assert!(ended.is_none(), "postgres ended: {ended:?}");
            assert!(Instant::now() < deadline, "postgres is not ready");
            std::thread::yield_now();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn binaries() -> PathBuf {
    let installed =
        (13..=20).rev().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    installed
        .chain(std::env::split_paths(&on_path))
        .find(|folder| folder.join("initdb").exists())
        .expect("a Postgres installation: initdb is neither in PATH nor in /usr/lib/postgresql")
}

fn unprivileged(binary: &Path) -> Command {
    if !is_root() {
        return Command::new(binary);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]).arg(binary);
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout == b"0\n")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket").port()
}
