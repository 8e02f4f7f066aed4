//! Patience with disks: something is asked for that may never be answered, and waited for so long at most.
//!
//! A disk of the network that is gone holds whoever asks it, for hours. Here that is a thread which nobody waits for any
//! more; it ends when the disk answers. Only for what looks and changes nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;

use crate::failpoint;
use crate::thread;

/// How many threads may wait for disks that do not answer; whoever asks then gets no answer at once.
const WAITING_MAX: usize = 4;

/// Those who wait for disks, for one purpose.
pub struct Patience {
    waiting: AtomicUsize,
}

impl Patience {
    /// Nobody waits yet.
    pub const fn fresh() -> Patience {
        Patience {
            waiting: AtomicUsize::new(0),
        }
    }

    /// What `look` finds. None where it takes longer than `limit`, or where too many wait already.
    pub fn ask<T: Send + 'static>(
        &'static self,
        limit: Duration,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if failpoint::before("look").is_some() {
            return None;
        }
        let waits = Waits::one_of(&self.waiting)?;
        let (report, answer) = bounded(1);
        let started = thread::spawn("look", move || {
            let found = look();
            drop(waits);
            // Nobody may wait for it any more.
            let _ = report.send(found);
        });
        match started {
            Ok(_) => answer.recv_timeout(limit).ok(),
            Err(error) => {
                log::warn!("the host has no thread to give for a look at its disk: {error}");
                None
            }
        }
    }
}

/// One that waits, however that ends.
struct Waits(&'static AtomicUsize);

impl Waits {
    fn one_of(waiting: &'static AtomicUsize) -> Option<Waits> {
        let waits = Waits(waiting);
        (waiting.fetch_add(1, Ordering::SeqCst) < WAITING_MAX).then_some(waits)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_does_not_answer_holds_up_nobody_and_but_a_few_threads() {
        static DISKS: Patience = Patience::fresh();
        let (answer, disk) = bounded::<()>(0);
        for _ in 0..WAITING_MAX {
            let disk = disk.clone();
            let hangs = move || {
                let _ = disk.recv();
            };
            assert_eq!(DISKS.ask(Duration::from_millis(1), hangs), None);
        }
        let more = || panic!("there are enough that wait");
        assert_eq!(DISKS.ask(Duration::MAX, more), None);
        drop(answer);
        // The disk answers, and everything is seen again.
        while DISKS.ask(Duration::MAX, || 7) != Some(7) {
            std::thread::yield_now();
        }
        while DISKS.waiting.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
    }
}
