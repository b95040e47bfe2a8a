//! Functions that must hurt nobody but themselves.

use std::hint::black_box;
use std::io::Write;

use isobase_sdk::Response;

/// Uses the CPU for ever.
pub(crate) fn spin() -> Response {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Sends its head, then uses the CPU for ever.
pub(crate) fn spin_after_head() -> Response {
    Response::stream(|out| {
        out.write_all(b"begun\n")?;
        spin();
        Ok(())
    })
}

/// Takes all the memory it can get.
pub(crate) fn hoard() -> Response {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Takes all the memory it can get, and answers how much that was.
pub(crate) fn hoard_politely() -> Response {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(1 << 20).is_err() {
            let pieces = hoard.len();
            drop(hoard);
            return Response::text(pieces.to_string());
        }
        piece.resize(1 << 20, 1_u8);
        hoard.push(piece);
    }
}

pub(crate) fn panic() -> Response {
    panic!("the guest panics on purpose")
}

/// Sends its head and a piece, then panics.
pub(crate) fn panic_after_head() -> Response {
    Response::stream(|out| {
        out.write_all(b"begun\n")?;
        panic!("the guest panics in its body");
    })
}

/// A bare trap: no panic message, nothing on stderr.
pub(crate) fn trap() -> Response {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort()
}

/// Ends without an answer.
pub(crate) fn exit() -> Response {
    std::process::exit(3)
}

/// Calls itself until the stack is full.
pub(crate) fn overflow() -> Response {
    fn dig(depth: u64) -> u64 {
        if depth == u64::MAX { 0 } else { black_box(dig(depth + 1)) + 1 }
    }
    Response::text(dig(black_box(0)).to_string())
}

/// Waits for what never comes.
pub(crate) fn deadlock() -> Response {
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}
