//! The storage host API against a real Postgres and a real disk.

mod blobs;
mod changes;
mod lists;
mod objects;
mod stage;
mod sweeping;
