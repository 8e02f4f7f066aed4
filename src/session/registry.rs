//! The registry: which sessions have an owner thread, and how to wake it.
//!
//! One lock holds it all together: an owner is started under it, and ends only under it and only after a last look at
//! its rows, so no wake can fall between the two. Nothing is queued here: a wake says "look", and the store says what.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::chat::SessionId;

/// What reaches an owner besides the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// chappe is being stopped.
    Shutdown,
    /// It must be quick now.
    Hurry,
}

/// An owner's ends of its channels.
pub struct Ears {
    /// Rings when there may be something new in the store.
    pub bell: Receiver<()>,
    pub control: Receiver<Control>,
}

struct Entry {
    bell: Sender<()>,
    control: Sender<Control>,
}

struct Owners {
    live: HashMap<SessionId, Entry>,
    /// Sessions whose thread could not be started.
    unstarted: BTreeSet<SessionId>,
    closing: bool,
}

/// Starts the thread of a session's owner.
pub type Start = Box<dyn Fn(SessionId, Ears) -> io::Result<()> + Send + Sync>;

/// The list of owners.
pub struct Registry {
    owners: Mutex<Owners>,
    /// Notified when an owner has ended.
    ended: Condvar,
    start: Start,
    /// Rung when a thread could not be started, so that somebody tries again.
    trouble: Sender<()>,
}

impl Registry {
    pub fn new(start: Start, trouble: Sender<()>) -> Registry {
        let owners = Owners {
            live: HashMap::new(),
            unstarted: BTreeSet::new(),
            closing: false,
        };
        Registry {
            owners: Mutex::new(owners),
            ended: Condvar::new(),
            start,
            trouble,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the session's owner look at its rows; starts one where there is none.
    pub fn wake(&self, session: SessionId) {
        let mut owners = self.lock();
        if owners.closing {
            // The rows stay, and the next start wakes it.
            return;
        }
        if let Some(entry) = owners.live.get(&session) {
            // Full means that it will look anyway.
            match entry.bell.try_send(()) {
                Ok(()) | Err(crossbeam_channel::TrySendError::Full(())) => return,
                // Its thread has panicked; another one takes over.
                Err(crossbeam_channel::TrySendError::Disconnected(())) => {}
            }
        }
        self.start_owner(&mut owners, session);
    }

    fn start_owner(&self, owners: &mut Owners, session: SessionId) {
        let (bell, heard) = bounded(1);
        let (control, controls) = bounded(2);
        let _ = bell.try_send(());
        match (self.start)(
            session,
            Ears {
                bell: heard,
                control: controls,
            },
        ) {
            Ok(()) => {
                owners.unstarted.remove(&session);
                owners.live.insert(session, Entry { bell, control });
            }
            Err(error) => {
                log::error!("no thread for session {session}, trying again: {error}");
                owners.unstarted.insert(session);
                let _ = self.trouble.try_send(());
            }
        }
    }

    /// Tries again to start what could not be started; returns whether anything is still without its thread.
    pub fn start_again(&self) -> bool {
        let mut owners = self.lock();
        for session in owners.unstarted.clone() {
            self.start_owner(&mut owners, session);
        }
        !owners.unstarted.is_empty()
    }

    /// Lets an owner end if nothing waits for it: `something_waits` looks under the lock. Returns whether it may end.
    pub fn retire<E>(
        &self,
        session: SessionId,
        something_waits: impl FnOnce() -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut owners = self.lock();
        if something_waits()? {
            return Ok(false);
        }
        owners.live.remove(&session);
        self.ended.notify_all();
        Ok(true)
    }

    /// An owner has ended, whatever waits.
    pub fn gone(&self, session: SessionId) {
        self.lock().live.remove(&session);
        self.ended.notify_all();
    }

    /// Tells all owners; from the first time on no new one is started.
    pub fn tell_all(&self, control: Control) {
        let mut owners = self.lock();
        owners.closing = true;
        for entry in owners.live.values() {
            let _ = entry.control.try_send(control);
        }
    }

    /// Waits until no owner is left, or the time is over; returns how many are.
    pub fn wait_for_all(&self, limit: Duration) -> usize {
        let deadline = Instant::now() + limit;
        let mut owners = self.lock();
        while !owners.live.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            owners = self
                .ended
                .wait_timeout(owners, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        owners.live.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SESSION: SessionId = SessionId(1);

    /// A registry whose owners' ears come out of the receiver; `failures` starts fail first.
    fn registry(failures: usize) -> (Registry, Receiver<Ears>, Receiver<()>) {
        let (ears, started) = bounded(10);
        let (trouble, troubled) = bounded(1);
        let failures = Arc::new(AtomicUsize::new(failures));
        let start: Start = Box::new(move |_, new| {
            if failures
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
            {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            ears.send(new).unwrap();
            Ok(())
        });
        (Registry::new(start, trouble), started, troubled)
    }

    #[test]
    fn many_wakes_are_one_owner_and_one_look() {
        let (registry, started, _) = registry(0);
        for _ in 0..5 {
            registry.wake(SESSION);
        }
        let ears = started.try_recv().unwrap();
        assert!(started.try_recv().is_err());
        assert_eq!(ears.bell.try_iter().count(), 1);
    }

    #[test]
    fn an_owner_ends_only_when_nothing_waits() {
        let (registry, started, _) = registry(0);
        registry.wake(SESSION);
        let _ears = started.try_recv().unwrap();
        assert_eq!(registry.retire(SESSION, || Ok::<_, ()>(true)), Ok(false));
        assert_eq!(registry.retire(SESSION, || Ok::<_, ()>(false)), Ok(true));
        registry.wake(SESSION);
        assert!(started.try_recv().is_ok(), "the next wake starts another");
    }

    #[test]
    fn a_thread_that_cannot_be_started_is_tried_again() {
        let (registry, started, troubled) = registry(2);
        registry.wake(SESSION);
        assert!(troubled.try_recv().is_ok());
        assert!(registry.start_again());
        assert!(!registry.start_again());
        assert!(started.try_recv().is_ok());
    }

    #[test]
    fn a_dead_owner_is_replaced() {
        let (registry, started, _) = registry(0);
        registry.wake(SESSION);
        drop(started.try_recv().unwrap());
        registry.wake(SESSION);
        assert!(started.try_recv().is_ok());
    }

    #[test]
    fn after_the_end_nothing_starts() {
        let (registry, started, _) = registry(0);
        registry.wake(SESSION);
        let ears = started.try_recv().unwrap();
        registry.tell_all(Control::Shutdown);
        assert_eq!(ears.control.try_recv(), Ok(Control::Shutdown));
        registry.wake(SessionId(2));
        assert!(started.try_recv().is_err());
        assert_eq!(registry.wait_for_all(Duration::ZERO), 1);
        registry.gone(SESSION);
        assert_eq!(registry.wait_for_all(Duration::ZERO), 0);
    }
}
