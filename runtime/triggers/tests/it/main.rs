//! Against a real server: each test has a cluster of its own in a temporary folder.

mod cron_runs;
mod cron_surface;
mod support;
