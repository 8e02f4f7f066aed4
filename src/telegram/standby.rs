//! Answers presses that the store takes too long to take in: a disk may hang for longer than anybody waits for a button.
//!
//! It has a thread of its own and asks the store for nothing. Nothing is decided here: what the press is for follows once it
//! is stored, and is shown in its message.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::api::Api;
use super::outgoing;
use super::senders::answer_press;
use crate::exit::Fatal;
use crate::render::texts;
use crate::thread;

/// How long a press may wait until it is stored. What is left of a second is for the call that answers it.
const STORED_WITHIN: Duration = Duration::from_millis(600);

/// Presses that are about to be stored.
struct Watched {
    callbacks: Vec<String>,
    until: Instant,
    /// Its other end is dropped once they are.
    stored: Receiver<()>,
}

/// The thread, as the poller sees it. It ends when this is dropped.
pub struct Late {
    to_watch: Sender<Watched>,
}

/// Held for as long as presses are not stored.
pub struct Storing {
    _is_over: Sender<()>,
}

impl Late {
    /// Starts the thread.
    pub fn start(api: Api, fatal: Sender<Fatal>) -> std::io::Result<Late> {
        let (to_watch, watched) = bounded::<Watched>(1);
        thread::spawn_vital("late", fatal, move || {
            for presses in watched {
                watch(&api, &presses);
            }
        })?;
        Ok(Late { to_watch })
    }

    /// Has presses answered, by their callback ids, if what is returned is held for too long. Never waits.
    pub fn watch(&self, callbacks: Vec<String>) -> Storing {
        let (is_over, stored) = bounded(0);
        if !callbacks.is_empty() {
            // Where the last ones are still being answered, the disk has not got well since.
            let _ = self.to_watch.try_send(Watched {
                callbacks,
                until: Instant::now() + STORED_WITHIN,
                stored,
            });
        }
        Storing { _is_over: is_over }
    }
}

fn watch(api: &Api, presses: &Watched) {
    if presses.stored.recv_deadline(presses.until) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    log::warn!("the disk of the state directory is slow");
    for callback in &presses.callbacks {
        let toast = outgoing::toast(callback, texts::TOAST_STORE_IS_SLOW);
        if let Err(failure) = answer_press(api, &toast) {
            log::debug!("a press was not answered: {failure}");
        }
    }
}
