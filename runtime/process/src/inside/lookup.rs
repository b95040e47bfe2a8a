//! The C library's look-up of names, in a process that can open no file and no datagram socket.
//!
//! Deno resolves the names of raw connections (`Deno.connect`, Node's `net` and `dns`) by `getaddrinfo`, which
//! reads files and asks servers. The program has a function of that name, which is found before the library's: in
//! a process it asks the host; anywhere else it calls the library's.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::net::{IpAddr, SocketAddr};
use std::ptr;
use std::sync::{Arc, OnceLock};

use isobase_http::Resolve as _;
use libc::addrinfo;

use super::resolver::HostResolver;

static RESOLVER: OnceLock<Arc<HostResolver>> = OnceLock::new();

/// From now on names are looked up with `resolver`.
pub(super) fn answer_with(resolver: Arc<HostResolver>) {
    let _ = RESOLVER.set(resolver);
}

type GetAddressInfo =
    unsafe extern "C" fn(*const c_char, *const c_char, *const addrinfo, *mut *mut addrinfo) -> c_int;

/// # Safety
/// As of the C library's: the strings end with a zero byte, `hints` is null or valid, `found` can be written to.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    found: *mut *mut addrinfo,
) -> c_int {
    let Some(resolver) = RESOLVER.get() else {
        // SAFETY: the arguments are passed on as they came.
        return unsafe { of_library(node, service, hints, found) };
    };
    if node.is_null() {
        return libc::EAI_NONAME;
    }
    // SAFETY: the caller vouches for the strings, and for `hints`.
    let (name, port, kind) = unsafe {
        let port = if service.is_null() {
            Some(0)
        } else {
            CStr::from_ptr(service).to_str().ok().and_then(|text| text.parse().ok())
        };
        let kind = hints
            .as_ref()
            .map_or((libc::AF_UNSPEC, 0, 0), |hints| (hints.ai_family, hints.ai_socktype, hints.ai_protocol));
        (CStr::from_ptr(node).to_str(), port, kind)
    };
    let (Ok(name), Some(port)) = (name, port) else { return libc::EAI_NONAME };
    let addresses = match name.parse::<IpAddr>() {
        Ok(address) => Ok(vec![address]),
        // Called on threads for calls that block.
        Err(_) => futures::executor::block_on(resolver.resolve(name)),
    };
    let Ok(addresses) = addresses else { return libc::EAI_NONAME };
    let mut first = ptr::null_mut();
    for address in addresses.into_iter().rev().filter(|address| fits(*address, kind.0)) {
        // SAFETY: `first` is null, or the list made so far.
        match unsafe { prepend(first, SocketAddr::new(address, port), kind.1, kind.2) } {
            Some(list) => first = list,
            None => break,
        }
    }
    if first.is_null() {
        return libc::EAI_NONAME;
    }
    // SAFETY: the caller vouches for `found`.
    unsafe { found.write(first) };
    0
}

fn fits(address: IpAddr, family: c_int) -> bool {
    match family {
        libc::AF_INET => address.is_ipv4(),
        libc::AF_INET6 => address.is_ipv6(),
        _ => true,
    }
}

/// Room for an entry and its address: one piece, as the library frees it.
#[repr(C)]
struct Entry {
    info: addrinfo,
    address: libc::sockaddr_storage,
}

/// # Safety
/// `next` is null, or such a list. The result is the caller's, to be freed by `freeaddrinfo`.
unsafe fn prepend(
    next: *mut addrinfo,
    address: SocketAddr,
    kind: c_int,
    protocol: c_int,
) -> Option<*mut addrinfo> {
    // SAFETY: any size may be asked for. What comes is zero, which is valid for all that is in an entry.
    let entry = unsafe { libc::calloc(1, size_of::<Entry>()) }.cast::<Entry>();
    // SAFETY: null, or an entry that nobody else knows.
    let entry_mut = unsafe { entry.as_mut() }?;
    let place = &raw mut entry_mut.address;
    let (family, length) = match address {
        SocketAddr::V4(address) => {
            let there = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: the storage is large enough and aligned for every address.
            unsafe { place.cast::<libc::sockaddr_in>().write(there) };
            (libc::AF_INET, size_of::<libc::sockaddr_in>())
        }
        SocketAddr::V6(address) => {
            let there = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            // SAFETY: as above.
            unsafe { place.cast::<libc::sockaddr_in6>().write(there) };
            (libc::AF_INET6, size_of::<libc::sockaddr_in6>())
        }
    };
    entry_mut.info.ai_family = family;
    entry_mut.info.ai_socktype = if kind == 0 { libc::SOCK_STREAM } else { kind };
    entry_mut.info.ai_protocol = protocol;
    entry_mut.info.ai_addrlen = length as libc::socklen_t;
    entry_mut.info.ai_addr = place.cast();
    entry_mut.info.ai_next = next;
    Some(entry.cast())
}

/// # Safety
/// As of [`getaddrinfo`].
unsafe fn of_library(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    found: *mut *mut addrinfo,
) -> c_int {
    static LIBRARY: OnceLock<usize> = OnceLock::new();
    // SAFETY: the name ends with a zero byte. What comes after this program is the C library.
    let address =
        *LIBRARY.get_or_init(|| unsafe { libc::dlsym(libc::RTLD_NEXT, c"getaddrinfo".as_ptr()) } as usize);
    if address == 0 {
        return libc::EAI_FAIL;
    }
    // SAFETY: it is the library's function of this name, which has this type.
    let library = unsafe { transmute::<*mut c_void, GetAddressInfo>(address as *mut c_void) };
    // SAFETY: the caller vouches for the arguments.
    unsafe { library(node, service, hints, found) }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs as _;

    #[test]
    fn outside_of_a_process_the_library_answers() {
        let found: Vec<_> = ("localhost", 80).to_socket_addrs().unwrap().collect();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
        assert!(!found.is_empty());
    }
}
