//! What the machine hears: what was set once, and what has happened.
//!
//! Words only; what they mean to it is decided where they are dealt with.

use std::time::{Duration, Instant};

use crate::chat::{Decision, Prompt, PromptId};
use crate::claude::protocol::Message;
use crate::session::recovery::Facts;

/// What the machine is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Each step of an ending.
    pub stop_grace: Duration,
    /// How long a turn may go on when chappe is stopped.
    pub shutdown_grace: Duration,
    /// How often a turn whose process has died is taken up again.
    pub retries: u32,
    /// How long the first of these waits; each further one twice as long.
    pub retry_delay: Duration,
    /// Whether a person is asked before a turn goes on that a restart of chappe has cut off.
    pub ask_first: bool,
}

/// Why there is no process, or none that can work. In words for the person, with a cure where one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It could not be started or ended at once.
    NotStarted {
        cause: String,
        cure: Option<String>,
        /// Whether another conversation would start where this one does not.
        of_conversation: bool,
    },
    /// The host has no process, thread or memory to give just now.
    HostIsFull { cause: String },
    /// Claude has no such conversation.
    NothingToResume,
}

/// What the store holds for a session.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// How many messages and prompts wait to be given.
    pub waiting: usize,
    /// How many of the messages are for the turn that runs.
    pub to_steer: usize,
    /// Whether nothing of it may be given.
    pub held: bool,
    /// When that is over by itself.
    pub held_until: Option<Instant>,
    /// Whether a person has said stop.
    pub stop: bool,
    pub decisions: Vec<Decision>,
    /// Prompts that were given and not closed.
    pub open: Vec<Prompt>,
    /// What its process is to be like.
    pub manner: Manner,
    pub moves: Moves,
}

/// What is to become of the whole session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moves {
    /// It is where it is.
    #[default]
    No,
    /// It is to be moved, once nothing of it is at work.
    Away,
    /// It stays after all. No process is started before what was done for its going is undone; while one lives there is
    /// nothing to undo.
    Back,
}

/// What a session's process is like, or is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Counts what was chosen; prompts are given under the last one only.
    pub revision: i64,
    /// Counts what only a fresh process can be.
    pub generation: i64,
    /// None: Claude's own default.
    pub model: Option<String>,
    /// The permission mode.
    pub mode: String,
    /// How long it is kept when it is quiet; None: for ever.
    pub idle_timeout: Option<Duration>,
}

/// What came of the wish to give the next prompt.
#[derive(Clone, Debug)]
pub enum Given {
    Nothing,
    /// Something was chosen for the session that is not known here yet.
    Changed,
    /// Somebody else goes on with the conversation, or has done so while the process rested, which knows nothing of it.
    Elsewhere,
    /// Others wait for the place, and have not had a turn since.
    AfterOthers,
    /// More may belong to what waits.
    NotYet {
        wait: Duration,
        waiting: usize,
    },
    /// It is marked as sent; so much waits on.
    Prompt {
        prompt: Prompt,
        waiting: usize,
    },
    /// A prompt that was cut off is marked as sent once more.
    Again(Prompt),
}

/// What came of the wish for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is there.
    Granted,
    /// Somebody else has been asked to make room.
    Soon,
    /// Nobody can make room just now.
    Waits,
}

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Event {
    Work(Work),
    /// Everything that a start needs is there, and no process of before is left; what is known of the prompts that were
    /// cut off.
    Prepared(Vec<(PromptId, Facts)>),
    NotPrepared(Trouble),
    /// Moving the session has ended, well or badly; how is known to the owner.
    Moved,
    Room(Room),
    /// Another session needs the place: a process that is quiet is ended.
    MakeRoom,
    /// The process runs, and is like this; and for how long there was none, where it resumes a conversation.
    Started(Manner, Option<Duration>),
    /// A line of the process.
    Said(Message),
    /// The process has ended and was reaped: how, in words, and the last it wrote to stderr.
    Exited {
        how: String,
        last_words: String,
    },
    Given(Given),
    /// What came of the wish to put something into the turn at hand.
    Steered(Given),
    /// The process takes no more input.
    NotReading,
    /// A deadline has come.
    Tick,
    /// chappe is being stopped.
    Shutdown,
    /// It must be quick now.
    Hurry,
}
