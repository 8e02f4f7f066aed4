//! How much memory there is, and whether the kernel has killed somebody because it had run out.
//!
//! Signal 9 does not say who sent it. The kernel counts whom it kills for want of memory; where the count has gone up in
//! the life of a process that died of signal 9, that is why, as far as anybody can tell.

use std::fs;

/// How often the kernel has killed for want of memory since the boot, in any control group; None where it does not say
/// (before Linux 4.13).
pub fn kills() -> Option<u64> {
    count(&fs::read_to_string("/proc/vmstat").ok()?)
}

/// The host's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    /// What a new process could have without swapping, as the kernel estimates it.
    pub available: u64,
}

/// How much memory there is now; None where the kernel does not say.
pub fn memory() -> Option<Memory> {
    sizes(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn sizes(meminfo: &str) -> Option<Memory> {
    let size = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    Some(Memory {
        total: size("MemTotal:")?,
        available: size("MemAvailable:")?,
    })
}

fn count(vmstat: &str) -> Option<u64> {
    let line = vmstat
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_bytes() {
        let told = "MemTotal:  2048 kB\nMemFree:  1 kB\nMemAvailable:     512 kB\n";
        let memory = Memory {
            total: 2 << 20,
            available: 512 << 10,
        };
        assert_eq!(sizes(told), Some(memory));
        assert_eq!(sizes("MemTotal: 2048 kB\nMemFree: 1 kB\n"), None);
        assert_eq!(sizes("MemTotal: much\nMemAvailable: 1 kB\n"), None);
    }

    #[test]
    fn the_count_is_found_among_the_others() {
        assert_eq!(count("nr_free_pages 5\noom_kill 3\nnuma_hit 9\n"), Some(3));
        assert_eq!(count("nr_free_pages 5\n"), None);
        assert_eq!(count("oom_kill many\n"), None);
    }
}
