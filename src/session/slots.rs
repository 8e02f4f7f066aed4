//! The places of live processes, which all owners share: one lock around the deciding core, and the wakes that follow.
//!
//! Who gets a place is decided in `admission`. Here the host's memory is read for it, and whoever has something to hear
//! is woken after the lock was let go: a wake carries nothing, and whoever hears it asks here what it means.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::admission::{Admission, Answer, Limits, Standing};
use super::registry::Registry;
use crate::chat::SessionId;
use crate::claude::process;

/// The places.
pub struct Slots {
    admission: Mutex<Admission>,
}

impl Slots {
    pub fn new(limits: Limits) -> Slots {
        Slots {
            admission: Mutex::new(Admission::new(limits)),
        }
    }

    /// Names those who have something to do when chappe starts, in the order in which they get their places.
    pub fn expect(&self, sessions: &[SessionId]) {
        self.lock().expect(sessions, Instant::now());
    }

    /// A session wants a place. It is woken when it gets one later.
    pub fn ask(&self, registry: &Registry, session: SessionId) -> Answer {
        let (answer, wake) = {
            let mut admission = self.lock();
            let memory = read(admission.looks_at_memory(true));
            admission.ask(session, Instant::now(), memory)
        };
        wake_all(registry, wake);
        answer
    }

    /// A session says how it stands.
    pub fn note(&self, registry: &Registry, session: SessionId, standing: Standing) {
        let wake = {
            let mut admission = self.lock();
            let memory = read(admission.looks_at_memory(false));
            admission.note(session, standing, memory)
        };
        wake_all(registry, wake);
    }

    /// Whether a session is to make room for another one.
    pub fn is_asked(&self, session: SessionId) -> bool {
        self.lock().is_asked(session)
    }

    /// Whether a session that has ended a turn is to give up its place before the next one.
    pub fn gives_way(&self, registry: &Registry, session: SessionId) -> bool {
        let (gives_way, wake) = {
            let mut admission = self.lock();
            let memory = read(admission.looks_at_memory(false));
            admission.gives_way(session, memory)
        };
        wake_all(registry, wake);
        gives_way
    }

    fn lock(&self) -> MutexGuard<'_, Admission> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(is_needed: bool) -> Option<super::admission::Memory> {
    let memory = is_needed.then(process::memory).flatten()?;
    Some(super::admission::Memory {
        total: memory.total,
        available: memory.available,
    })
}

fn wake_all(registry: &Registry, sessions: Vec<SessionId>) {
    for session in sessions {
        registry.wake(session);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crossbeam_channel::{Receiver, bounded};

    use super::super::admission::{Lack, Wait};
    use super::super::registry::Ears;
    use super::*;
    use crate::chat::FreeMemory;

    const FIRST: SessionId = SessionId(1);
    const SECOND: SessionId = SessionId(2);

    /// A registry, and the ears of each owner that it starts.
    fn registry() -> (Registry, Receiver<Ears>) {
        let (ears, started) = bounded(10);
        let (trouble, _) = bounded(1);
        let start = move |_, new| {
            ears.send(new).expect("somebody waits for it");
            Ok(())
        };
        (Registry::new(Box::new(start), trouble), started)
    }

    fn rings(ears: &Ears) -> bool {
        ears.bell.try_recv().is_ok()
    }

    #[test]
    fn who_is_to_make_room_and_who_gets_it_are_woken() {
        let (registry, started) = registry();
        registry.wake(FIRST);
        registry.wake(SECOND);
        let (first, second) = (started.recv().unwrap(), started.recv().unwrap());
        assert!(rings(&first) && rings(&second));
        let slots = Slots::new(Limits {
            max_live: 1,
            min_free: FreeMemory::Bytes(0),
        });
        let granted = Answer::Granted { short: None };
        assert_eq!(slots.ask(&registry, FIRST), granted);
        let waits = Answer::Waits(Wait {
            lack: Lack::Places,
            holders: vec![FIRST],
        });
        assert_eq!(slots.ask(&registry, SECOND), waits);
        assert!(!rings(&first) && !rings(&second));
        let quiet = Standing::Quiet {
            since: Instant::now(),
            has_answered: true,
        };
        slots.note(&registry, FIRST, quiet);
        assert!(rings(&first) && slots.is_asked(FIRST));
        slots.note(&registry, FIRST, Standing::Away);
        assert!(rings(&second) && !slots.is_asked(FIRST));
        assert_eq!(slots.ask(&registry, SECOND), granted);
    }
}
