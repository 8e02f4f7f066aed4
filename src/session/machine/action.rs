//! What the machine wants done, by the owner and in order.
//!
//! Words only; nothing is done here, and nothing decided.

use std::time::{Duration, Instant};

use super::event::Trouble;
use crate::board::{Doing, Interruption};
use crate::chat::{Block, Hold, Outcome, Prompt, PromptId, Spent, Wanted};
use crate::session::outcome::Wait;

/// What the owner does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// End what was left, find out the version, make the folder, and what became of these prompts. Answered by
    /// `Prepared` or `NotPrepared`.
    Prepare(Vec<PromptId>),
    /// Look at the store again. Answered by `Work`.
    Look,
    /// The process is gone: note that none serves the session. `last_words` is what it wrote on stderr.
    NoteEnd {
        last_words: String,
    },
    /// The process has begun another conversation, with this id: what is resumed from now on.
    NoteConversation(String),
    /// The process has another permission mode than it was given: Claude itself left a plan behind, say.
    NoteMode {
        mode: String,
        /// What it was to have; something else may have been chosen meanwhile.
        before: String,
    },
    /// Which models there are to choose from, as the process says.
    NoteModels(Vec<String>),
    /// The process cannot be what was chosen: what that was, and why.
    Refused {
        choice: String,
        why: String,
    },
    /// Ask for a place among the processes that may live. Answered by `Room`; a second time it changes nothing.
    AskRoom,
    /// Say that it waits for a place, and who has them.
    TellWait,
    /// That was said, and is over.
    WaitOver {
        goes_on: bool,
    },
    /// Start the process. Answered by `Started` or `NotPrepared`.
    Start,
    /// Write a line to the process.
    Write(String),
    CloseInput,
    Terminate,
    Kill,
    /// End what the tools of the last turn have started; the process itself goes on.
    EndTools,
    /// Make a prompt of what waits, if nothing else was chosen since this revision. Answered by `Given`.
    GiveNext(i64),
    /// Make a prompt of what is for the turn of this one, if nothing else was chosen since this revision. Answered by
    /// `Steered`.
    Steer(PromptId, i64),
    /// Mark a prompt that was cut off as sent once more. Answered by `Given`.
    GiveAgain(PromptId),
    /// The prompt just given cannot be written, or was taken back unread: its messages wait again.
    TakeBack(PromptId),
    /// Close a prompt that was cut off and queue this text, which goes on with it.
    ContinueAs {
        prompt: PromptId,
        text: String,
        /// What was put into its turn, and is closed with it.
        steered: Vec<PromptId>,
    },
    /// chappe ends before the turn does; the prompt stays open.
    Leave(Prompt),
    /// Let the preparation wait for nothing that a former process is still at work on.
    HurryPreparation,
    /// chappe ends while turns wait to be taken up again; they stay open.
    Park,
    /// Claude has taken the prompt.
    Taken(PromptId),
    /// The same of a prompt that was put into the turn of `into`, with what was said there just before.
    TakenIn {
        prompt: PromptId,
        into: PromptId,
        before: Vec<Block>,
    },
    /// A tool that may change something starts.
    Acted {
        prompt: PromptId,
        tool: String,
        input: String,
    },
    /// Show a request, with what was said just before it.
    Ask {
        prompt: Option<PromptId>,
        wanted: Wanted,
        before: Vec<Block>,
    },
    /// A decision has been written to Claude.
    Told {
        request: String,
    },
    /// Requests that cannot be answered any more: the one named, or all.
    CloseRequests {
        request: Option<String>,
        why: Closed,
    },
    /// Close a turn and store its answer.
    Finish(Finished),
    /// A stop was carried out where no turn ran; whether it has ended anything.
    Stopped {
        anything: bool,
    },
    /// Store what came without having been asked for.
    Unasked {
        blocks: Vec<Block>,
        spent: Spent,
    },
    /// There can be no process: hold what waits, and tell why.
    HoldBack(Trouble),
    /// The host has no process to give: tell so, once; it is tried again.
    TellOfHost(Trouble),
    /// The time of a hold has come: what failed is tried again.
    GoOn,
    /// Move the session as a whole: what that needs on the disk. Answered by `Moved`.
    Move,
    /// Make it true in the store, or undo it.
    Settle,
    /// Put up what the turn does, or take it down.
    Show(Shown),
    Hide,
    /// What is up, if anything is, says this from now on.
    ShowDoing(Doing),
    /// The same of how many messages wait behind it.
    ShowWaiting(usize),
    /// Nothing is left to do: end the thread, unless something has come meanwhile.
    Retire,
    /// End the thread, because chappe ends.
    End,
}

/// A turn as it is shown while it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub prompt: Prompt,
    pub since: Instant,
    pub doing: Doing,
    pub doing_since: Instant,
    pub interruption: Option<Interruption>,
    pub waiting: usize,
}

/// Why a request was closed without a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Claude took it back.
    Withdrawn,
    /// A person has stopped the turn.
    Stopped,
    /// The process that asked is gone.
    Expired,
    /// chappe was restarted, or ends.
    Restarted,
}

/// A turn that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub prompt: Prompt,
    /// What was put into its turn, and is closed with it.
    pub steered: Vec<PromptId>,
    pub outcome: Outcome,
    /// Whether Claude itself has said that the turn is over: it has it in its conversation then, whatever the outcome.
    pub by_claude: bool,
    pub answer: Vec<Block>,
    /// What went wrong, in words; empty where nothing did.
    pub cause: String,
    /// What helps, where that is known.
    pub cure: Option<String>,
    pub spent: Spent,
    pub tools: u32,
    /// None for a turn of a former chappe.
    pub took: Option<Duration>,
    /// Whether what waits is held because of it.
    pub pause: Option<Pause>,
}

/// How a session is held after a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub reason: Hold,
    pub wait: Wait,
    /// The text that goes on with the turn.
    pub retry: String,
}
