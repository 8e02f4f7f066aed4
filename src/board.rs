//! The board: what each session is doing now, for whoever shows it.
//!
//! Latest wins: a step that was over before anybody looked is not shown, so the board cannot fill up. It is memory
//! only; what must survive goes through the store. The bell says "look again" and carries nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use crate::chat::{Place, PromptId, SessionId};

/// A running turn, as a person may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub place: Place,
    pub prompt: PromptId,
    /// When the turn began.
    pub since: Instant,
    pub doing: Doing,
    /// When that began.
    pub doing_since: Instant,
    /// How many messages wait for the next turn.
    pub waiting: usize,
}

/// What is going on in a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Claude has the prompt, and nothing has been seen of it yet.
    Waiting,
    Thinking,
    Writing,
    /// A tool runs: its name, and what it works on.
    Tool {
        name: String,
        target: String,
    },
    /// A person must decide.
    Asking,
    /// The API did not answer; the CLI tries again by itself.
    Retrying {
        attempt: u32,
        of: u32,
        status: Option<u16>,
    },
    /// The conversation is being shortened.
    Compacting,
}

/// The board and its bell.
pub struct Board {
    shown: Mutex<BTreeMap<SessionId, Progress>>,
    bell: Sender<()>,
}

impl Board {
    /// Makes a board, and the bell's other end for the one who shows it.
    pub fn new() -> (Board, Receiver<()>) {
        // One is enough: whoever looks sees everything that was put up before.
        let (bell, heard) = crossbeam_channel::bounded(1);
        (
            Board {
                shown: Mutex::new(BTreeMap::new()),
                bell,
            },
            heard,
        )
    }

    /// Puts up what a session is doing, in place of what stood there.
    pub fn show(&self, session: SessionId, progress: Progress) {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session, progress);
        self.ring();
    }

    /// Takes down what a session was doing.
    pub fn hide(&self, session: SessionId) {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&session);
        self.ring();
    }

    /// Says that there is something new, here or in the outbox.
    pub fn ring(&self) {
        // Full means that it rings already.
        let _ = self.bell.try_send(());
    }

    /// What stands on the board, by session.
    pub fn look(&self) -> Vec<Progress> {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}
