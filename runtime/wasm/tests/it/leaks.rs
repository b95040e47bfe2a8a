//! Thousands of requests leave nothing behind.

use isobase_engine::Reuse;

use crate::harness::{boot, get, invoke, limits, text};

/// Resident memory of this process, in bytes (`/proc/self/statm`, second field, in pages).
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

async fn rounds(count: usize) {
    for reuse in [Reuse::Fresh, Reuse::Sequential] {
        let worker = boot(reuse, limits()).await;
        for number in 0..count {
            match number % 20 {
                7 => drop(invoke(&*worker, get("/panic")).await.unwrap_err()),
                13 => drop(invoke(&*worker, get("/big?bytes=10000000")).await.unwrap()),
                _ => assert_eq!(text(&*worker, "/hello").await, "hello"),
            }
        }
    }
}

#[tokio::test]
async fn memory_stays_where_it_is_over_thousands_of_requests() {
    rounds(300).await;
    let before = resident_bytes();
    rounds(2_000).await;
    let grown = resident_bytes().saturating_sub(before);
    // Other tests of this binary run meanwhile, memory bombs among them; one leaked page of code or
    // heap (64 KiB) per request would be more than this.
    assert!(grown < 250 << 20, "{} KiB more after 4,000 requests", grown >> 10);
}
