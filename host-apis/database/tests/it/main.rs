//! The database host API against a real Postgres.

mod cancel;
mod channels;
mod cluster;
mod faults;
mod flush;
mod leaks;
mod long;
mod pool;
mod sessions;
mod several;
mod streams;
mod support;
mod timeouts;
mod transactions;
mod values;
