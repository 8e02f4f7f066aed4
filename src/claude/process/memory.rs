//! Whether the kernel has killed somebody because memory had run out.
//!
//! Signal 9 does not say who sent it. The kernel counts whom it kills for want of memory; where the count has gone up in
//! the life of a process that died of signal 9, that is why, as far as anybody can tell.

use std::fs;

/// How often the kernel has killed for want of memory since the boot, in any control group; None where it does not say
/// (before Linux 4.13).
pub fn kills() -> Option<u64> {
    count(&fs::read_to_string("/proc/vmstat").ok()?)
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
    fn the_count_is_found_among_the_others() {
        assert_eq!(count("nr_free_pages 5\noom_kill 3\nnuma_hit 9\n"), Some(3));
        assert_eq!(count("nr_free_pages 5\n"), None);
        assert_eq!(count("oom_kill many\n"), None);
    }
}
