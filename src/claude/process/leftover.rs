//! A `claude` of a former chappe that still serves its session: nobody's child here, and nobody hears what it says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::sweep::{Kin, sweep_after};
use super::{KILL_AFTER_MIN, LOOK_EVERY, MARK, boot_id, pause};
use crate::claude::process_table::{Identity, Table};

/// Ends a process of a former chappe that still serves the session: it gets `by_itself` to end by itself (without its
/// stdin it will, at the end of its turn), then SIGTERM, then SIGKILL, with `step` after each, but at least 200 ms, in
/// which it writes its transcript. Blocks until it is gone; returns false if not even SIGKILL has helped. What it leaves
/// behind is ended as well. Once `hurry` is set it gets no more time to end by itself.
pub fn end_leftover(
    pid: i32,
    start: u64,
    boot: &str,
    by_itself: Duration,
    step: Duration,
    hurry: &AtomicBool,
) -> bool {
    let claude = Identity { pid, start };
    if boot != boot_id() || !claude.lives() {
        return true;
    }
    // Read while it lives: afterwards it has no environment any more.
    let mark = claude.environment().get(MARK).map(str::to_owned);
    let kin = Kin::default();
    kin.note(&Table::read(), claude);
    let is_gone = end_by_signals(claude, &kin, by_itself, step.max(KILL_AFTER_MIN), hurry);
    if is_gone {
        sweep_after(mark.as_deref(), claude, &kin);
    }
    is_gone
}

fn end_by_signals(
    claude: Identity,
    kin: &Kin,
    by_itself: Duration,
    step: Duration,
    hurry: &AtomicBool,
) -> bool {
    if is_gone_within(claude, by_itself, || hurry.load(Ordering::SeqCst)) {
        return true;
    }
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let pid = claude.pid;
        log::info!("a claude of a former chappe still runs as {pid}; sending {signal}");
        kin.note(&Table::read(), claude);
        if claude.lives() {
            let _ = killpg(Pid::from_raw(pid), signal);
        }
        if is_gone_within(claude, step, || false) {
            return true;
        }
    }
    false
}

fn is_gone_within(claude: Identity, wait: Duration, hurry: impl Fn() -> bool) -> bool {
    // There is nothing to wait on but its entry in /proc.
    for _ in 0..=wait.as_millis() / LOOK_EVERY.as_millis() {
        if !claude.lives() {
            return true;
        }
        if hurry() {
            return false;
        }
        pause(LOOK_EVERY);
    }
    false
}
