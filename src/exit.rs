//! How chappe ends: the exit codes, and the error that carries one.
//!
//! systemd acts on these numbers (`RestartPreventExitStatus`), so they never change.

use std::fmt;

/// Why chappe ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// As asked.
    Stopped = 0,
    /// Something failed that fits nothing below.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Telegram refuses: the token, or a webhook that is in the way.
    Refused = 69,
    /// A thread that the daemon cannot do without has ended.
    ThreadDied = 70,
    /// The state directory cannot be used.
    State = 73,
    /// Another chappe has this state directory or this bot.
    AnotherRuns = 75,
    /// The configuration is wrong.
    Config = 78,
}

/// An end with its reason, in words for stderr that say what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    pub exit: Exit,
    pub message: String,
}

impl Fatal {
    pub fn new(exit: Exit, message: impl Into<String>) -> Fatal {
        Fatal {
            exit,
            message: message.into(),
        }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fatal {}
