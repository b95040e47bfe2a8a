//! Against real servers: each test has a cluster of its own in a temporary folder.

mod cluster;
mod project;
mod queue;
mod queue_order;
mod schema;
mod support;
