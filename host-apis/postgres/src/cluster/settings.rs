//! The server's settings: sized for the machine, written anew at each start.
//!
//! `isobase.conf` includes what `initdb` wrote, then sets ours, then the operator's. `ALTER SYSTEM`
//! still wins over all of them; port, socket and addresses win over that, on the command line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use isobase_base::limits::{POSTGRES_CONNECTIONS_MAX, POSTGRES_SLOT_WAL_MEGABYTES_MAX};

use super::ClusterError;
use super::place::Place;
use crate::Binaries;

pub(super) const FILE: &str = "isobase.conf";

const MEGABYTE: u64 = 1024 * 1024;
/// Assumed where the system does not say.
const MEMORY_UNKNOWN_BYTES: u64 = 4 * 1024 * MEGABYTE;

pub(super) fn write(
    binaries: &Binaries,
    place: &Place,
    operators: &BTreeMap<String, String>,
) -> Result<(), ClusterError> {
    check_version(binaries, place)?;
    let text = render(memory_bytes(), binaries.has_library("pg_stat_statements"), operators);
    place.write(FILE, &text)?;
    Ok(())
}

/// The major version that made the data of the cluster in this state folder, if there is one.
pub(super) fn data_version(state: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(state.join("postgres/data/PG_VERSION")).ok()?;
    text.trim().parse().ok()
}

/// Refuses data of another major version before the server does so in its log.
fn check_version(binaries: &Binaries, place: &Place) -> Result<(), ClusterError> {
    let path = place.data.join("PG_VERSION");
    let text = std::fs::read_to_string(&path).map_err(|source| ClusterError::file(&path, source))?;
    let data = text.trim();
    if data == binaries.major().to_string() {
        return Ok(());
    }
    Err(ClusterError::Version { folder: place.data.clone(), data: data.to_owned(), server: binaries.major() })
}

fn render(memory_bytes: u64, statement_statistics: bool, operators: &BTreeMap<String, String>) -> String {
    let megabytes = |bytes: u64| format!("{}MB", bytes / MEGABYTE);
    let shared = (memory_bytes / 8).clamp(128 * MEGABYTE, 4096 * MEGABYTE);
    let work = (memory_bytes / (u64::from(POSTGRES_CONNECTIONS_MAX) * 8)).clamp(4 * MEGABYTE, 32 * MEGABYTE);
    let maintenance = (memory_bytes / 32).clamp(64 * MEGABYTE, 512 * MEGABYTE);
    let mut settings: BTreeMap<&str, String> = BTreeMap::from([
        ("shared_buffers", megabytes(shared)),
        ("work_mem", megabytes(work)),
        ("maintenance_work_mem", megabytes(maintenance)),
        ("effective_cache_size", megabytes((memory_bytes / 2).max(256 * MEGABYTE))),
        ("max_connections", POSTGRES_CONNECTIONS_MAX.to_string()),
        // Realtime reads the write-ahead log.
        ("wal_level", "logical".into()),
        ("max_replication_slots", "10".into()),
        ("max_wal_senders", "10".into()),
        ("max_slot_wal_keep_size", format!("{POSTGRES_SLOT_WAL_MEGABYTES_MAX}MB")),
        ("max_wal_size", "1GB".into()),
        ("password_encryption", "scram-sha-256".into()),
        // As on Supabase, wherever the machine stands.
        ("timezone", "UTC".into()),
        // Compiling plans costs more than it gains on short statements.
        ("jit", "off".into()),
        ("cluster_name", "isobase".into()),
        ("log_destination", "stderr".into()),
        ("logging_collector", "off".into()),
        ("log_line_prefix", "%m [%p] %q%u@%d ".into()),
        ("log_timezone", "UTC".into()),
        ("log_checkpoints", "off".into()),
        ("log_min_messages", "warning".into()),
        // The text of a failed statement may hold a user's data; the client is told anyway.
        ("log_min_error_statement", "panic".into()),
    ]);
    if statement_statistics {
        settings.insert("shared_preload_libraries", "pg_stat_statements".into());
    }
    settings.extend(operators.iter().map(|(name, value)| (name.as_str(), value.clone())));

    let mut text = String::from(
        "# Written by isobase at each start. Your own settings: [db.settings] in supabase/config.toml.\n",
    );
    text.push_str("include 'data/postgresql.conf'\n");
    for (name, value) in settings {
        let _ = writeln!(
            text,
            "{} = '{}'",
            clean(name),
            value.replace('\\', "\\\\").replace('\'', "''").replace(['\n', '\r'], " ")
        );
    }
    text
}

/// A setting's name as Postgres' grammar allows it; anything else would start another line.
fn clean(name: &str) -> String {
    name.chars().filter(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.')).collect()
}

/// What this process may use: the machine's memory, or the container's where that is less.
fn memory_bytes() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    });
    let container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    match (machine, container) {
        (Some(machine), Some(container)) => machine.min(container),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => MEMORY_UNKNOWN_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{MEGABYTE, render};

    #[test]
    fn sized_for_the_machine_and_open_to_the_operator() {
        let operators = BTreeMap::from([
            ("work_mem".to_owned(), "7MB".to_owned()),
            ("app.greeting".to_owned(), "it's\nport = 1".to_owned()),
        ]);
        let text = render(2048 * MEGABYTE, true, &operators);
        for line in [
            "include 'data/postgresql.conf'",
            "shared_buffers = '256MB'",
            "effective_cache_size = '1024MB'",
            "work_mem = '7MB'",
            "wal_level = 'logical'",
            "shared_preload_libraries = 'pg_stat_statements'",
            "app.greeting = 'it''s port = 1'",
        ] {
            assert!(text.lines().any(|present| present == line), "{line} is not in\n{text}");
        }
        assert!(render(MEGABYTE, false, &BTreeMap::new()).contains("shared_buffers = '128MB'"));
    }
}
