//! What can happen in a walk.

use std::time::Duration;

use super::claude::{How, Wish};
use super::rivals::Does;
use super::store::Press;
use crate::chat::Verdict;

/// What a person can choose for the process.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    Model(Option<&'static str>),
    Mode(&'static str),
    Persona,
}

/// What can happen next. What cannot happen now is left out.
#[derive(Clone, Debug)]
pub enum Step {
    /// What comes next when all goes well.
    Onward,
    /// A person writes.
    Message,
    /// A person wants what waits to go into the turn that runs.
    SendNow,
    /// A person chooses something for the process.
    Choose(Choice),
    /// More may belong to what is given next.
    Gather,
    /// What is given next is one of Claude's own commands.
    Command,
    /// The owner looks at the store.
    Look,
    /// A person decides the n-th open request.
    Decide(usize, Verdict),
    /// A person says stop.
    Stop,
    /// A person ends a hold.
    Press(Press),
    /// Another session asks for a place, or does something with its own.
    Rival(i64, Does),
    /// The preparation ends.
    Prepared(Result<Seen, Failure>),
    /// The next process cannot be started.
    SpawnWillFail(Failure),
    /// The process answers that it is ready, or that it is not.
    Initialized(Result<(), ()>),
    /// Claude takes the next prompt, or begins a turn that nobody asked for.
    Begin {
        unasked: bool,
    },
    Say,
    Tool,
    ToolResult,
    Ask(Wish),
    /// Claude takes the n-th request back.
    Withdraw(usize),
    Result {
        how: How,
        cents: u32,
    },
    /// Something runs on behind the turns.
    Task,
    TaskEnds,
    /// The process ends; what it was about may be lost with it, and each way has its words.
    Exit {
        loses: bool,
        words: u8,
    },
    /// The process takes no more input.
    StopReading,
    /// Time goes by, and the owner ticks when a deadline comes.
    Wait(Duration),
    /// Time goes by, and something else comes before the tick.
    Oversleep(Duration),
    Shutdown,
    /// The store fails while a prompt is given, and the signal comes meanwhile.
    ShutdownWhileGiving,
    Hurry,
    /// chappe dies when it has done so many more things, and is started again.
    Die {
        after: usize,
        with: Death,
    },
    /// A line that fits nowhere.
    Stray(Stray),
}

/// What a preparation finds out about prompts that were cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    TheTruth,
    /// The transcript cannot be read.
    Nothing,
    /// What Claude knows is not in the transcript.
    TooLittle,
}

#[derive(Clone, Copy, Debug)]
pub enum Failure {
    ForGood,
    HostIsFull,
}

/// What becomes of the process when chappe dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It dies as well.
    Both,
    /// It ends its turn, or breaks it off.
    LeavesIt { finishes: bool },
}

#[derive(Clone, Debug)]
pub enum Stray {
    Lifecycle(i64),
    Completed(i64),
    Replay(i64),
    Init(i64),
    Initialized(Result<(), ()>),
    Echo,
    TakenBack(i64),
    Cancel,
    /// A request that was made before.
    AskAgain,
    Text,
    ToolResult,
    Result {
        of: Option<i64>,
        is_error: bool,
        origin: bool,
    },
}
