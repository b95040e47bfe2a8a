//! What the machine has: memory, as the kernel tells it. It answers from memory, so nobody waits for a disk.

use std::fs;
use std::path::Path;

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// Memory that this process may use: the machine's, or what its control group leaves of it. `None` where the
/// kernel does not say.
pub(crate) fn memory_bytes() -> Option<u64> {
    let machine = kibibytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|groups| group_limit(&groups));
    Some(group.map_or(machine, |group| group.min(machine)))
}

/// Memory of this process that is in use now; zero where the kernel does not say.
pub(crate) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").ok();
    status.and_then(|status| kibibytes(&status, "VmRSS:")).unwrap_or(0)
}

/// The lowest limit on the way from the group up, since each binds all beneath it. Inside of a container the
/// path may not exist; then the root shows the container's own.
fn group_limit(groups: &str) -> Option<u64> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let own = Path::new(GROUPS).join(path.trim_start_matches('/'));
    let limits = own.ancestors().take_while(|folder| folder.starts_with(GROUPS)).filter_map(|folder| {
        // "max" is no limit.
        fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()
    });
    let first_version = fs::read_to_string(Path::new(GROUPS).join("memory/memory.limit_in_bytes"));
    let first_version = first_version.ok().and_then(|text| text.trim().parse().ok());
    limits.chain(first_version).min()
}

/// The value of a line such as `VmRSS:     1234 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::{kibibytes, memory_bytes, resident_bytes};

    #[test]
    fn lines_of_the_kernel_are_read() {
        let text = "Name:\tisobase\nVmRSS:\t   1234 kB\nThreads:\t7\n";
        assert_eq!(kibibytes(text, "VmRSS:"), Some(1234 << 10));
        assert_eq!(kibibytes(text, "VmHWM:"), None);
    }

    #[test]
    fn this_process_holds_less_than_there_is() {
        let (held, all) = (resident_bytes(), memory_bytes().unwrap());
        assert!(held > 0 && held < all, "{held} of {all}");
    }
}
