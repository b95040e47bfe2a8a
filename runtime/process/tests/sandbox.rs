//! The sandbox from the inside: a process of its own closes it and tries what an exploit would.
//!
//! The process is this test program again. What a process of a function has besides, an engine and the host's
//! answers to `connect`, the end-to-end tests show.

#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "what is tried has no safe name")]
#![allow(clippy::print_stderr, reason = "what the process says")]

use std::env;
use std::fs::File;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::Command;

use isobase_process::sandbox;

/// Says to the program which it is.
const INSIDE: &str = "ISOBASE_TEST_INSIDE_SANDBOX";

/// What is tried, and the error number of it; zero means that it worked.
fn attempts() -> Vec<(&'static str, i32)> {
    let host = libc::pid_t::try_from(std::os::unix::process::parent_id()).unwrap();
    let nothing = std::ptr::null_mut::<libc::c_void>();
    let call = |returned: libc::c_long| if returned < 0 { number(&io::Error::last_os_error()) } else { 0 };
    // SAFETY: each call takes numbers, null or this program's own text, and fails or is undone by the end.
    unsafe {
        let mut byte = 0_u8;
        let here = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        vec![
            ("read a file", failed(File::open("/etc/passwd"))),
            ("write a file", failed(File::create("/tmp/isobase-sandbox-test"))),
            ("look at a file", failed(std::fs::metadata("/etc/passwd"))),
            ("list a folder", failed(std::fs::read_dir("/"))),
            ("start a program", failed(Command::new("/bin/true").status())),
            ("execve", call(libc::execve(c"/bin/true".as_ptr(), nothing.cast(), nothing.cast()).into())),
            ("fork", call(libc::fork().into())),
            ("ptrace the host", call(libc::ptrace(libc::PTRACE_ATTACH, host, nothing, nothing))),
            (
                "read the host",
                call(libc::process_vm_readv(host, &raw const here, 1, &raw const here, 1, 0) as _),
            ),
            ("kill the host", call(libc::kill(host, 0).into())),
            ("signal the host's thread", call(libc::syscall(libc::SYS_tgkill, host, host, 0))),
            ("pidfd of the host", call(libc::syscall(libc::SYS_pidfd_open, host, 0))),
            ("io_uring", call(libc::syscall(libc::SYS_io_uring_setup, 1, nothing))),
            ("a namespace", call(libc::unshare(libc::CLONE_NEWUSER).into())),
            ("bpf", call(libc::syscall(libc::SYS_bpf, 0, nothing, 0))),
            ("a file in memory", call(libc::memfd_create(c"x".as_ptr(), 0).into())),
            ("another filter", call(libc::prctl(libc::PR_SET_SECCOMP, 2, nothing).into())),
            ("UDP", failed(UdpSocket::bind("127.0.0.1:0"))),
            ("listen", failed(TcpListener::bind("127.0.0.1:0"))),
            ("Unix socket", failed(UnixListener::bind("/tmp/isobase-sandbox-test.sock"))),
            ("raw socket", call(libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_TCP).into())),
            ("netlink", call(libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0).into())),
            ("connect by sending", connect_by_sending()),
            ("raise a limit", {
                let limit = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
                call(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit).into())
            }),
        ]
    }
}

/// TCP's fast open would connect without `connect`.
fn connect_by_sending() -> i32 {
    // SAFETY: the address is alive and as long as said; the socket is this function's own.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        if socket < 0 {
            return -1;
        }
        let socket = OwnedFd::from_raw_fd(socket);
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        let (pointer, length) = ((&raw const address).cast(), size_of_val(&address) as libc::socklen_t);
        let sent =
            libc::sendto(socket.as_raw_fd(), c"x".as_ptr().cast(), 1, libc::MSG_FASTOPEN, pointer, length);
        if sent < 0 { number(&io::Error::last_os_error()) } else { 0 }
    }
}

fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}

fn failed<T>(outcome: io::Result<T>) -> i32 {
    outcome.err().map_or(0, |error| number(&error))
}

/// What a function needs works in spite of all that.
fn works() -> Result<(), String> {
    let thread = std::thread::spawn(|| 6 * 7).join().map_err(|_| "no thread")?;
    let (near, far) = std::os::unix::net::UnixStream::pair().map_err(|error| error.to_string())?;
    drop((near, far));
    // SAFETY: maps new memory, and nothing is read from it.
    let code = unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    if thread != 42 || code == libc::MAP_FAILED {
        return Err("no memory for code".to_owned());
    }
    Ok(())
}

#[test]
fn inside_nothing_of_the_machine_is_reached() {
    if env::var_os(INSIDE).is_none() {
        let program = env::current_exe().unwrap();
        let mut inside = Command::new(program);
        inside.args(["--exact", "inside_nothing_of_the_machine_is_reached", "--nocapture"]).env(INSIDE, "1");
        let output = inside.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let tried: Vec<_> = text.lines().filter_map(|line| line.split_once("tried ")).collect();
        assert!(tried.len() > 20 && text.contains("the rest works"), "{text}");
        for (_, attempt) in tried {
            let (what, error) = attempt.rsplit_once(": ").unwrap();
            assert!(
                [libc::EPERM, libc::EACCES].map(|one| one.to_string()).contains(&error.to_owned()),
                "{what}: {error}"
            );
        }
        return;
    }
    // The harness has descriptors of its own, which a process of a function has not.
    sandbox::begin(64).unwrap();
    sandbox::close_disk(&[]).unwrap();
    // Landlock alone, before the filter of calls.
    assert_eq!(failed(File::open("/etc/passwd")), libc::EACCES);
    let listener = sandbox::close_kernel().unwrap();
    for (what, error) in attempts() {
        eprintln!("\ntried {what}: {error}");
    }
    works().unwrap();
    eprintln!("\nthe rest works");
    drop(listener);
}
