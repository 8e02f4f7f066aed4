//! The places of live processes, which all owners share: one lock around the deciding core, and the wakes that follow.
//!
//! Who gets a place is decided in `admission`. Here the host's memory is read for it, and whoever has something to hear
//! is woken after the lock was let go: a wake carries nothing, and whoever hears it asks here what it means.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::admission::{Admission, Answer, Limits, Standing, Wait};
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

    /// A session wants a place. It is woken when it gets one later.
    pub fn ask(&self, registry: &Registry, session: SessionId) -> Answer {
        let (answer, wake) = {
            let mut admission = self.lock();
            let memory = read(admission.looks_at_memory(true));
            admission.ask(session, memory)
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

    /// Why a session waits; None where it does not.
    pub fn wait(&self, session: SessionId) -> Option<Wait> {
        self.lock().wait(session)
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
