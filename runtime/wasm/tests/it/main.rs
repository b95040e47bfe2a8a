//! Real guests on the real engine: every limit, every fault, and what must not leak.

mod boot;
mod cache;
mod egress;
mod faults;
mod harness;
mod leaks;
mod logs;
mod outbound;
mod reuse;
mod streaming;
mod surface;
