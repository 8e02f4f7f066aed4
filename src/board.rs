//! The board: what each session is doing now, for whoever shows it.
//!
//! Latest wins: a step that was over before anybody looked is not shown, so the board cannot fill up. It is memory
//! only; what must survive goes through the store. The bell says "look again" and carries nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use crate::chat::{Behind, Formatted, Place, PromptId, SessionId};

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
    /// What the turn was interrupted by before, and goes on after.
    pub interruption: Option<Interruption>,
    /// How many messages wait for the next turn.
    pub waiting: usize,
    /// Those of them that people have written; what comes later is not shown by this.
    pub behind: Behind,
    /// Whether Claude does everything without asking anybody.
    pub asks_nobody: bool,
}

/// Why a turn had to be taken up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// None: the conversation was resumed after so long without a process.
    Slept(Duration),
    /// chappe itself was restarted.
    Restart,
    /// Claude's process died: how, in words, and which attempt this is.
    Crash { how: String, attempt: u32, of: u32 },
}

/// What is going on in a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Claude is started once more.
    Starting,
    /// It is to be, and there is no place for its process yet.
    Queued,
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
    /// A person has said stop.
    Stopping,
}

/// Something that a person must know of, and that cannot be written down: the store itself is what fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub place: Place,
    pub body: Formatted,
}

/// What a press is answered of which nothing is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    pub place: Place,
    /// The press, by Telegram's name for it.
    pub callback: String,
    pub text: &'static str,
}

/// So many of these wait at most to be sent; beyond, the oldest press is left unanswered.
const TOASTS_MAX: usize = 16;

/// The board and its bell.
pub struct Board {
    shown: Mutex<BTreeMap<SessionId, Progress>>,
    /// By who warns: a session, or the poller.
    warnings: Mutex<BTreeMap<Option<SessionId>, Vec<Warning>>>,
    toasts: Mutex<VecDeque<Toast>>,
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
                warnings: Mutex::default(),
                toasts: Mutex::default(),
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

    /// Changes what stands there of a session, if anything does.
    pub fn doing(&self, session: SessionId, doing: &Doing, now: Instant) {
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(progress) = all.get_mut(&session) else {
            return;
        };
        progress.doing = doing.clone();
        progress.doing_since = now;
        drop(all);
        self.ring();
    }

    /// Changes what waits behind what stands there, if anything does.
    pub fn behind(&self, session: SessionId, behind: Behind) {
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(progress) = all.get_mut(&session) else {
            return;
        };
        (progress.waiting, progress.behind) = (behind.many, behind);
        drop(all);
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

    /// Puts up what a session, or the poller (`None`), warns of, in place of what it had warned of before; nothing where
    /// it is well again.
    pub fn warn(&self, who: Option<SessionId>, warnings: Vec<Warning>) {
        let mut all = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match warnings.is_empty() {
            true => all.remove(&who),
            false => all.insert(who, warnings.clone()),
        };
        drop(all);
        if before.unwrap_or_default() != warnings {
            self.ring();
        }
    }

    /// What is warned of, each once.
    pub fn warnings(&self) -> Vec<Warning> {
        let all = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut each: Vec<Warning> = Vec::new();
        for warning in all.values().flatten() {
            if !each.contains(warning) {
                each.push(warning.clone());
            }
        }
        each
    }

    /// Puts up what a press is answered without the store: since it is by somebody who may not speak, or since nothing can
    /// be stored.
    pub fn toast(&self, toast: Toast) {
        let mut toasts = self.toasts.lock().unwrap_or_else(PoisonError::into_inner);
        if toasts.len() == TOASTS_MAX {
            toasts.pop_front();
        }
        toasts.push_back(toast);
        drop(toasts);
        self.ring();
    }

    /// Takes down the one of these that has waited for longest.
    pub fn next_toast(&self) -> Option<Toast> {
        let mut toasts = self.toasts.lock().unwrap_or_else(PoisonError::into_inner);
        toasts.pop_front()
    }

    /// Where a session shows what it does; None where it shows nothing.
    pub fn place_of(&self, session: SessionId) -> Option<Place> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get(&session).map(|progress| progress.place)
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::chat::ChatId;

    fn progress(prompt: i64, doing: Doing) -> Progress {
        let now = Instant::now();
        Progress {
            place: Place {
                chat: ChatId(42),
                topic: None,
            },
            prompt: PromptId(prompt),
            since: now,
            doing,
            doing_since: now,
            interruption: None,
            waiting: 0,
            behind: Behind::default(),
            asks_nobody: false,
        }
    }

    #[test]
    fn the_latest_of_each_session_is_what_stands_there() {
        let (board, _bell) = Board::new();
        assert_eq!(board.look(), []);
        let last = progress(1, Doing::Writing);
        let other = progress(2, Doing::Waiting);
        board.show(SessionId(5), other.clone());
        for step in 0..10_000 {
            let name = step.to_string();
            let target = String::new();
            board.show(SessionId(3), progress(1, Doing::Tool { name, target }));
        }
        board.show(SessionId(3), last.clone());
        assert_eq!(board.look(), [last, other.clone()]);
        board.hide(SessionId(3));
        board.hide(SessionId(4));
        assert_eq!(board.look(), [other]);
    }

    #[test]
    fn the_bell_rings_once_for_all_that_is_new_and_never_waits() {
        let (board, bell) = Board::new();
        assert!(bell.try_recv().is_err());
        for _ in 0..3 {
            board.show(SessionId(1), progress(1, Doing::Thinking));
            board.ring();
            board.hide(SessionId(1));
        }
        assert!(bell.try_recv().is_ok());
        assert!(bell.try_recv().is_err(), "one ring is enough");
        board.hide(SessionId(1));
        assert!(bell.try_recv().is_ok(), "what is gone is news as well");
        drop(bell);
        board.ring();
    }

    #[test]
    fn a_warning_stands_until_who_gave_it_is_well_and_rings_when_it_is_new() {
        let (board, bell) = Board::new();
        let warning = |chat| Warning {
            place: Place {
                chat: ChatId(chat),
                topic: None,
            },
            body: Formatted::plain("full"),
        };
        board.warn(None, vec![warning(1), warning(2)]);
        assert!(bell.try_recv().is_ok());
        board.warn(Some(SessionId(1)), vec![warning(2)]);
        board.warn(Some(SessionId(1)), vec![warning(2)]);
        assert_eq!(board.warnings(), [warning(1), warning(2)]);
        let _ = bell.try_recv();
        board.warn(None, vec![warning(1), warning(2)]);
        assert!(bell.try_recv().is_err(), "nothing is new");
        board.warn(None, Vec::new());
        assert_eq!(board.warnings(), [warning(2)]);
        board.warn(Some(SessionId(1)), Vec::new());
        assert_eq!(board.warnings(), []);
    }

    #[test]
    fn so_many_presses_are_answered_without_the_store_and_of_more_the_latest() {
        let (board, bell) = Board::new();
        assert_eq!(board.next_toast(), None);
        let most = TOASTS_MAX + 2;
        let toast = |press: usize| Toast {
            place: Place {
                chat: ChatId(-5),
                topic: None,
            },
            callback: press.to_string(),
            text: "no",
        };
        (0..most).for_each(|press| board.toast(toast(press)));
        assert!(bell.try_recv().is_ok());
        let taken: Vec<_> = std::iter::from_fn(|| board.next_toast()).collect();
        assert_eq!(taken, (2..most).map(toast).collect::<Vec<_>>());
    }

    #[test]
    fn the_bell_rings_after_the_news_is_there() {
        let (board, bell) = Board::new();
        std::thread::scope(|scope| {
            scope.spawn(|| board.show(SessionId(1), progress(1, Doing::Thinking)));
            bell.recv().expect("the board is there");
            assert_eq!(board.look().len(), 1);
        });
    }

    #[test]
    fn a_panic_under_the_lock_does_not_take_the_board_along() {
        let (board, _bell) = Board::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _shown = board.shown.lock();
            panic!("a bug");
        }));
        assert!(panicked.is_err() && board.shown.is_poisoned());
        board.show(SessionId(1), progress(1, Doing::Thinking));
        assert_eq!(board.look().len(), 1);
        board.hide(SessionId(1));
        assert_eq!(board.look(), []);
    }
}
