//! Whether the threads that must go on do go on: for the watchdog.
//!
//! Each such thread says when it rests in the one wait that it is allowed, and that it took a step. One that neither
//! rests nor has stepped since the last look hangs. No thread, timer or clock of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// One thread's pulse.
#[derive(Default)]
pub struct Pulse {
    steps: AtomicU64,
    resting: AtomicBool,
}

/// Held while a thread rests in its wait.
pub struct Resting<'a>(&'a Pulse);

impl Pulse {
    /// The thread goes into its wait; when the guard is dropped it has taken a step.
    pub fn rest(&self) -> Resting<'_> {
        self.resting.store(true, Ordering::SeqCst);
        Resting(self)
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.steps.fetch_add(1, Ordering::SeqCst);
        self.0.resting.store(false, Ordering::SeqCst);
    }
}

/// All pulses, with the steps that each had taken at the last look.
#[derive(Default)]
pub struct Pulses(Mutex<Vec<(Weak<Pulse>, u64)>>);

impl Pulses {
    /// A pulse for a thread that begins. It counts until its last owner drops it.
    pub fn begin(&self) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::default());
        // So that a look before its first wait finds a step.
        pulse.steps.store(1, Ordering::SeqCst);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((Arc::downgrade(&pulse), 0));
        pulse
    }

    /// Whether every thread rests or has taken a step since the last look.
    pub fn all_go_on(&self) -> bool {
        let mut pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = true;
        pulses.retain_mut(|(pulse, seen)| {
            let Some(pulse) = pulse.upgrade() else {
                return false;
            };
            let steps = pulse.steps.load(Ordering::SeqCst);
            all &= pulse.resting.load(Ordering::SeqCst) || steps != *seen;
            *seen = steps;
            true
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_neither_rests_nor_steps_hangs() {
        let pulses = Pulses::default();
        let (one, other) = (pulses.begin(), pulses.begin());
        assert!(pulses.all_go_on(), "both have just begun");
        let rests = one.rest();
        assert!(!pulses.all_go_on(), "the other has not stepped");
        drop(other.rest());
        assert!(pulses.all_go_on());
        drop(rests);
        assert!(
            !pulses.all_go_on(),
            "the first has stepped, the other not again"
        );
        drop((one, other));
        assert!(pulses.all_go_on(), "who has ended does not count");
    }
}
