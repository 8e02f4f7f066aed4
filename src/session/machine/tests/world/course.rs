//! What comes next when all goes well, and how a walk comes to its end.

use super::store::Request;
use super::*;

impl World {
    /// From here on the process obeys, and everybody does what is their part, until nothing is left to do.
    pub fn settle(&mut self) {
        const STEPS_MAX: usize = 500;
        self.spawn_will_fail = None;
        self.dies = None;
        self.store.gathers = false;
        for _ in 0..STEPS_MAX {
            let Some(step) = self.next_in_order() else {
                return;
            };
            self.step(&step);
        }
        self.fail("it does not settle");
    }

    pub(super) fn next_in_order(&self) -> Option<Step> {
        let Some(machine) = &self.machine else {
            let is_held = self.store.held.is_some() && self.shutdown.is_none();
            return is_held.then_some(Step::Press(Press::Retry));
        };
        if self.preparing.is_some() {
            return Some(Step::Prepared(Ok(Seen::TheTruth)));
        }
        if self.bell {
            return Some(Step::Look);
        }
        let due = machine.deadline();
        let wait = due.map(|due| Step::Wait(due.saturating_duration_since(self.now)));
        let exit = Some(Step::Exit {
            loses: false,
            words: 0,
        });
        if self.rivals.waits() {
            return Some(Step::Rival(self.rivals.first(), Does::GoesAway));
        }
        let Some(claude) = &self.process else {
            return wait;
        };
        if claude.ending || !claude.reads {
            return exit;
        }
        if self.store.is_asked() && self.shutdown.is_none() {
            let mut requests = self.store.requests.values();
            return Some(match requests.any(|state| *state == Request::Open) {
                true => Step::Decide(0, Verdict::Allow),
                false => Step::Look,
            });
        }
        if !claude.answered {
            return Some(Step::Initialized(Ok(())));
        }
        if claude.turn.is_some() {
            let cents = self.counter % 4;
            return match claude.asked.is_empty() {
                true => Some(Step::Result {
                    how: How::Well,
                    cents,
                }),
                // It waits for an answer that nobody will give.
                false => exit,
            };
        }
        if !claude.queue.is_empty() {
            return Some(Step::Begin { unasked: false });
        }
        if !claude.tasks.is_empty() {
            return Some(Step::TaskEnds);
        }
        if self.store.open().next().is_some() {
            // It was given a prompt and does nothing about it: it has swallowed it, or is led astray.
            return wait.or(exit);
        }
        if self.store.held.is_some() && self.shutdown.is_none() {
            return Some(Step::Press(Press::Retry));
        }
        if self.store.left() > 0 && due.is_none() {
            return Some(Step::Look);
        }
        wait
    }

    /// Stops chappe with a process that listens to nothing but SIGKILL.
    pub fn stop_the_hard_way(&mut self) {
        self.step(&Step::Shutdown);
        for _ in 0..CIRCLE_MAX {
            let Some(machine) = &self.machine else {
                return;
            };
            let killed = self.process.as_ref().is_some_and(|claude| claude.killed);
            let due = machine.deadline();
            self.step(&match due {
                _ if killed => Step::Exit {
                    loses: false,
                    words: 0,
                },
                Some(due) => Step::Wait(due.saturating_duration_since(self.now)),
                None => self.fail("nothing ends it"),
            });
        }
        self.fail("it does not end");
    }

    /// The next chappe takes up what this one has left.
    pub fn starts_again(&mut self) {
        (self.shutdown, self.hurry, self.stop) = (None, None, None);
        self.over = false;
        self.rivals = Rivals::new();
        self.shutdown_will_overtake = false;
        self.begins();
        self.settle();
    }
}
