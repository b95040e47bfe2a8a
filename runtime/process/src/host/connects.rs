//! A process's calls of `connect`, carried out by the host.
//!
//! The kernel holds the caller and tells the host. The host copies the address out of the process once, judges
//! that copy, takes the socket and connects it to the copy: whatever the process writes to its memory meanwhile,
//! and whatever it puts in the socket's place, no address is reached that was not judged.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use isobase_base::task::{self, TaskKind};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::names::Names;
use super::process::copy_of;
use crate::sandbox::succeeded;

/// Answers until the process has ended. `handle` is the process's.
pub(super) fn answer(listener: OwnedFd, handle: OwnedFd, names: Arc<Names>) -> io::Result<()> {
    // SAFETY: an owned descriptor stays open, and the same, for as long as it is registered.
    let listener = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) }?;
    task::spawn(TaskKind::Request, "connections of a process", async move {
        while let Ok(mut told) = listener.readable().await {
            if told.ready().is_read_closed() || told.ready().is_error() {
                return;
            }
            // An error means that the caller has gone, and with it the call.
            let _ = answer_one(listener.get_ref(), &handle, &names);
            // Another call may wait already, which the kernel would not tell of again.
            if !has_more(listener.get_ref()) {
                told.clear_ready();
            }
        }
    });
    Ok(())
}

fn has_more(listener: &OwnedFd) -> bool {
    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: `poll` is one structure, and alive.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    ready == 1
}

fn answer_one(listener: &OwnedFd, handle: &OwnedFd, names: &Names) -> io::Result<()> {
    if !has_more(listener) {
        return Ok(());
    }
    // SAFETY: a structure of numbers, for which zeros are valid, and which the kernel wants to be zero.
    let mut call: libc::seccomp_notif = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `call` has the layout of this request, and is alive.
    succeeded(
        // SAFETY: as said above.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) }.into(),
    )?;
    let outcome = address_of(&call).and_then(|address| {
        // What was read was the caller's memory only if the caller is still there.
        // SAFETY: `call.id` is alive, and the kernel only reads it.
        succeeded(
            // SAFETY: as said above.
            unsafe {
                libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const call.id)
            }
            .into(),
        )?;
        connect(handle, call.data.args[0], address, names)
    });
    let error = outcome.err().map_or(0, |error| -error.raw_os_error().unwrap_or(libc::EACCES));
    let answer = libc::seccomp_notif_resp { id: call.id, val: 0, error, flags: 0 };
    // SAFETY: `answer` has the layout of this request, and is alive.
    succeeded(
        // SAFETY: as said above.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) }
            .into(),
    )
}

fn refused() -> io::Error {
    io::Error::from_raw_os_error(libc::EACCES)
}

/// The address that the caller has passed, as it is now.
fn address_of(call: &libc::seccomp_notif) -> io::Result<SocketAddr> {
    let [_, pointer, length, ..] = call.data.args;
    // SAFETY: a structure of numbers, for which zeros are valid.
    let mut storage: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(size_of::<libc::sockaddr_in6>());
    let here = libc::iovec { iov_base: (&raw mut storage).cast(), iov_len: length };
    let there = libc::iovec { iov_base: pointer as *mut libc::c_void, iov_len: length };
    let caller = libc::pid_t::try_from(call.pid).map_err(io::Error::other)?;
    // SAFETY: `here` is alive and as long as it says; `there` is in the other process, where the kernel checks.
    let read = unsafe { libc::process_vm_readv(caller, &raw const here, 1, &raw const there, 1, 0) };
    if usize::try_from(read) != Ok(length) {
        return Err(io::Error::from_raw_os_error(libc::EFAULT));
    }
    let family = i32::from(storage.ss_family);
    if family == libc::AF_INET && length >= size_of::<libc::sockaddr_in>() {
        // SAFETY: the storage is large enough, aligned for every address, and of this family.
        let address = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in>() };
        let ip = u32::from_be(address.sin_addr.s_addr).into();
        return Ok(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into());
    }
    if family == libc::AF_INET6 && length >= size_of::<libc::sockaddr_in6>() {
        // SAFETY: as above.
        let address = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in6>() };
        let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
        return Ok(SocketAddrV6::new(ip, u16::from_be(address.sin6_port), 0, address.sin6_scope_id).into());
    }
    Err(refused())
}

/// Connects a copy of the process's socket: what it refers to is the same.
fn connect(handle: &OwnedFd, number: u64, address: SocketAddr, names: &Names) -> io::Result<()> {
    let address = names.judge(address).map_err(|refusal| {
        tracing::debug!(%refusal, "a connection of a process was refused");
        refused()
    })?;
    let socket =
        copy_of(handle, i32::try_from(number).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?)?;
    let is_tcp = option(&socket, libc::SO_TYPE)? == libc::SOCK_STREAM
        && option(&socket, libc::SO_PROTOCOL)? == libc::IPPROTO_TCP;
    // SAFETY: takes numbers.
    let flags = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) };
    // The host must not wait for a function. The process cannot take the flag away again.
    if !is_tcp || flags < 0 || flags & libc::O_NONBLOCK == 0 {
        return Err(refused());
    }
    let domain = option(&socket, libc::SO_DOMAIN)?;
    let connected = match (domain, address.ip()) {
        (libc::AF_INET, IpAddr::V4(ip)) => {
            let address = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(ip).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: `address` is alive and of this length.
            unsafe {
                libc::connect(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as u32)
            }
        }
        (libc::AF_INET6, ip) => {
            let (ip, scope) = match (ip, address) {
                (IpAddr::V4(ip), _) => (ip.to_ipv6_mapped(), 0),
                (IpAddr::V6(ip), SocketAddr::V6(address)) => (ip, address.scope_id()),
                (IpAddr::V6(ip), SocketAddr::V4(_)) => (ip, 0),
            };
            let address = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
                sin6_scope_id: scope,
            };
            // SAFETY: as above.
            unsafe {
                libc::connect(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as u32)
            }
        }
        _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    };
    succeeded(connected.into())
}

fn option(socket: &OwnedFd, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: `value` and `length` are alive, and `length` says how long `value` is.
    let found = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut length)
    };
    succeeded(found.into()).map(|()| value)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::io::{self, BufRead as _, BufReader, Write as _};
    use std::mem::MaybeUninit;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
    use std::process::{Command, Stdio};
    use std::sync::Arc;

    use isobase_base::Egress;
    use isobase_http::{EgressPolicy, Surroundings, SystemResolver};

    use super::super::names::Names;
    use super::super::process::copy_of;
    use crate::sandbox::{self, owned};

    /// Says to the program that it is the process, and which ports there are.
    const PORTS: &str = "ISOBASE_TEST_CONNECTS";
    const NAME: &str = "host::connects::tests::a_process_connects_where_its_host_lets_it";

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_process_connects_where_its_host_lets_it() {
        if let Ok(ports) = env::var(PORTS) {
            return inside(&ports);
        }
        let [open, closed] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [open_at, closed_at] = [&open, &closed].map(|one| one.local_addr().unwrap());
        let surroundings = Surroundings { gateway: Some(open_at), closed_ports: vec![closed_at.port()] };
        let policy =
            EgressPolicy::production(surroundings, &Egress::Listed(["127.0.0.1".parse().unwrap()].into()));
        let names = Arc::new(Names::new(policy, Arc::new(SystemResolver)));
        let mut program = Command::new(env::current_exe().unwrap());
        program
            .args(["--exact", NAME, "--nocapture"])
            .env(PORTS, format!("{} {}", open_at.port(), closed_at.port()));
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // SAFETY: takes numbers; the child was not waited for.
        let handle =
            owned(unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0 as libc::c_ulong) }).unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let number = says.find_map(|line| line.strip_prefix("listener ")?.parse().ok()).unwrap();
        let listener = copy_of(&handle, number).unwrap();
        super::answer(listener, handle, names).unwrap();
        child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
        let tried: Vec<_> = says.filter_map(|line| Some(line.strip_prefix("tried ")?.to_owned())).collect();
        assert!(child.wait().unwrap().success());
        let refused = libc::EACCES;
        assert_eq!(
            tried,
            [
                "open: 0".to_owned(),
                "open, as IPv6: 0".to_owned(),
                format!("closed: {refused}"),
                format!("private: {refused}"),
                format!("open, waiting: {refused}"),
                format!("no family: {refused}"),
            ]
        );
    }

    /// The process's side.
    #[allow(clippy::print_stdout, reason = "how the process speaks to the test")]
    fn inside(ports: &str) {
        let (open, closed) = ports.split_once(' ').unwrap();
        let [open, closed] = [open, closed].map(|port| port.parse::<u16>().unwrap());
        sandbox::begin(64).unwrap();
        let listener = sandbox::close_kernel().unwrap();
        println!("\nlistener {}", listener.as_raw_fd());
        io::stdin().lock().read_line(&mut String::new()).unwrap();
        drop(listener);
        let loopback = [127, 0, 0, 1];
        println!("\ntried open: {}", connect(libc::SOCK_NONBLOCK, libc::AF_INET, loopback, open));
        println!("tried open, as IPv6: {}", connect(libc::SOCK_NONBLOCK, libc::AF_INET6, loopback, open));
        println!("tried closed: {}", connect(libc::SOCK_NONBLOCK, libc::AF_INET, loopback, closed));
        println!("tried private: {}", connect(libc::SOCK_NONBLOCK, libc::AF_INET, [169, 254, 169, 254], 80));
        println!("tried open, waiting: {}", connect(0, libc::AF_INET, loopback, open));
        println!("tried no family: {}", connect(libc::SOCK_NONBLOCK, libc::AF_UNSPEC, loopback, open));
    }

    /// The error number of a connection, once it is there or not.
    fn connect(flags: libc::c_int, family: libc::c_int, ip: [u8; 4], port: u16) -> i32 {
        let domain = if family == libc::AF_INET6 { libc::AF_INET6 } else { libc::AF_INET };
        // SAFETY: takes numbers.
        let socket = unsafe { libc::socket(domain, libc::SOCK_STREAM | flags, 0) };
        assert!(socket >= 0);
        // SAFETY: it was opened above.
        let socket = TcpStream::from(unsafe { OwnedFd::from_raw_fd(socket) });
        // SAFETY: zeros are valid for both.
        let (mut four, mut six): (libc::sockaddr_in, libc::sockaddr_in6) =
            unsafe { (MaybeUninit::zeroed().assume_init(), MaybeUninit::zeroed().assume_init()) };
        (four.sin_family, four.sin_port) = (family as libc::sa_family_t, port.to_be());
        four.sin_addr.s_addr = u32::from_ne_bytes(ip);
        (six.sin6_family, six.sin6_port) = (family as libc::sa_family_t, port.to_be());
        six.sin6_addr.s6_addr = std::net::Ipv4Addr::from(ip).to_ipv6_mapped().octets();
        let (address, length) = match domain {
            libc::AF_INET6 => ((&raw const six).cast(), size_of_val(&six)),
            _ => ((&raw const four).cast(), size_of_val(&four)),
        };
        // SAFETY: the address is alive, and as long as said.
        let connected = unsafe { libc::connect(socket.as_raw_fd(), address, length as libc::socklen_t) };
        let error = io::Error::last_os_error().raw_os_error().unwrap();
        if connected == 0 {
            return 0;
        }
        if error != libc::EINPROGRESS {
            return error;
        }
        let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: `poll` is one structure, and alive.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 10_000) }, 1);
        socket.take_error().unwrap().map_or(0, |error| error.raw_os_error().unwrap())
    }
}
