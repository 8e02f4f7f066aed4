//! Fail points: named places at which a test lets chappe die, or a call fail. In release builds there are none.
//!
//! There is one on each side of everything that must not be done half: of each durable step ([`before`] its commit,
//! [`after`] it), and of each effect outside chappe ([`EFFECTS`], and the calls of the Bot API by the names of their
//! methods). So between two durable actions chappe can be stopped wherever it matters. What a test orders comes from its
//! environment (`chappe run` reads it); nothing here decides, and nothing is left of it where `debug_assertions` are off.
//!
//! Orders are written `SIDE:NAME=WHAT@FIRST`, several parted by commas: `before:accept=kill@2` dies by SIGKILL when the
//! second answer of getUpdates is about to be committed, `before:finish=error@1-3` lets the first three attempts fail
//! with the error that the real call could return, `before:sendMessage=error@1-` all of them. `break`
//! instead of `error` is the error that does not pass; with `hang` whoever passes never comes back.

/// Effects outside chappe that have their own names; see also the durable steps, and the methods of the Bot API.
pub const EFFECTS: &[&str] = &[
    // Owners are woken for what was stored.
    "wake",
    // A thread is started.
    "thread",
    // What a start needs is looked at: leftovers are ended, the transcript is read.
    "prepare",
    // A disk is asked for something that it may never answer, and so long is waited for that.
    "look",
    // It is asked, by whomever: for the sessions' root, for a directory, for a persona.
    "disk",
    // A process of Claude is started.
    "spawn",
    // A line goes into its stdin.
    "pipe",
    // Its stdin is closed.
    "close-input",
    // It is signalled.
    "signal",
    // It is reaped, and what it left behind is ended.
    "reap",
];

/// With which of its errors a call is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The one that comes and goes: no space, no process, no network.
    Passing,
    /// The one that stays: for the store, a disk that can only be read.
    Lasting,
}

/// Passes the point before something. Some: it is to fail, as the real call could.
#[inline(always)]
pub fn before(name: &str) -> Option<Failure> {
    pass("before", name)
}

/// Passes the point after something. Some: it has taken effect, and chappe is not to hear of it.
#[inline(always)]
pub fn after(name: &str) -> Option<Failure> {
    pass("after", name)
}

#[cfg(not(debug_assertions))]
#[inline(always)]
fn pass(_side: &str, _name: &str) -> Option<Failure> {
    None
}

#[cfg(debug_assertions)]
fn pass(side: &str, name: &str) -> Option<Failure> {
    ordered::pass(side, name)
}

#[cfg(debug_assertions)]
pub use ordered::arm;

#[cfg(debug_assertions)]
mod ordered;
