//! What the machine is in: its states, and the turn that runs.
//!
//! How one leads to another stands with what happens in them.

use std::time::Instant;

use crate::board::{Doing, Interruption};
use crate::chat::Prompt;

/// The states. What is meaningful only in one stands in it.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a session has one, and is busy for most of its life"
)]
pub(super) enum State {
    /// No process.
    Asleep,
    /// The process has died, and another one is started at this time.
    Backoff { until: Instant },
    /// No process: the session is being moved.
    Moving,
    /// No process yet: what it needs is being looked at.
    Preparing {
        /// Whether it has its place already.
        room: bool,
    },
    /// All is prepared, and there is no place for the process.
    Waiting {
        /// When it asks again, whoever may have woken it until then.
        until: Instant,
        /// Whether it was answered that it must wait.
        had_to: bool,
        /// Whether a person was told so.
        told: bool,
    },
    /// The process runs and has not answered yet.
    Starting {
        until: Instant,
        said: Option<String>,
    },
    /// The process waits for a prompt.
    Open { since: Instant },
    /// A prompt is given.
    Busy(Turn),
    /// The process is being ended.
    Ending {
        step: Step,
        until: Instant,
        /// Set where the process never came to answer: what it said of that, or nothing.
        failed: Option<String>,
        /// Whose what it still says is.
        says: Says,
    },
    /// chappe ends, and there is no process any more.
    Over,
}

/// Who waits for the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// Claude itself, in its turn.
    Claude,
    /// One that may work on behind the turn.
    SubAgent,
}

/// Whose it is what a process says while it is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Nobody's who has asked for it: nothing was given to it.
    Unasked,
    /// The same until a result comes; then it may be that of the turn that was cut off.
    UnaskedYet,
    /// That of a turn that was cut off, which is told with that.
    OfTurn,
}

/// How far an ending has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    InputClosed,
    Terminated,
    Killed,
}

#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) prompt: Prompt,
    pub(super) since: Instant,
    pub(super) taken: bool,
    pub(super) doing: Doing,
    pub(super) doing_since: Instant,
    /// What it did when a person was asked, and does again once that is decided.
    pub(super) meanwhile: Option<Doing>,
    /// What it was interrupted by before.
    pub(super) interruption: Option<Interruption>,
    /// Set when the turn is to end before it is done.
    pub(super) cut: Option<Cut>,
    /// Set for a prompt that is written once more: how far it is known that Claude takes it up.
    pub(super) again: Again,
    /// What was put into it, or may come to be.
    pub(super) steered: Vec<Steered>,
    /// Whether it was asked what more is to be put into it.
    pub(super) asks: bool,
    /// Until when more may belong to that.
    pub(super) steers_at: Option<Instant>,
}

impl Turn {
    /// Whether it is the one that speaks. Before that, what is said comes from a turn that nobody has asked for.
    pub(super) fn speaks(&self) -> bool {
        self.taken && !matches!(self.again, Again::Swallowed(_))
    }
}

/// A prompt that was written while a turn ran.
#[derive(Clone, Debug)]
pub(super) struct Steered {
    pub(super) prompt: Prompt,
    /// Whether Claude has taken it into the turn.
    pub(super) taken: bool,
}

/// Why a turn is to end before it is done, and until when it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) by: By,
    pub(super) until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A person has said stop.
    Person,
    /// chappe ends.
    Shutdown,
}

/// Whether Claude takes up a prompt that was written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It was not written before.
    No,
    /// Nothing is known yet.
    Written,
    /// It looks as if Claude knew it and did nothing; at this time that is certain.
    Swallowed(Instant),
    /// A turn has begun: this one's, unless it ends as one that nobody has asked for. Whether it looked so before.
    Begun { as_if_swallowed: bool },
}
