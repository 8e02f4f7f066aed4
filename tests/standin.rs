//! The stand-in as a bridge sees it: the real executable over pipes.
//!
//! What is asserted was observed with Claude Code 2.1.330, except for what only a stand-in can do ([`faults`]).

// What a bridge needs to drive it.
#[path = "standin/driver.rs"]
mod driver;
// From a message to its result; several messages; what is remembered.
#[path = "standin/turns.rs"]
mod turns;
// Permission questions, tools, sub-agents, modes.
#[path = "standin/tools.rs"]
mod tools;
// Work that goes on after a result, and beside turns.
#[path = "standin/background.rs"]
mod background;
// What is in a session's file after each kind of end.
#[path = "standin/rows.rs"]
mod rows;
// Requests of the bridge.
#[path = "standin/control.rs"]
mod control;
// Interrupts, signals, the end of stdin, refused command lines and lines.
#[path = "standin/endings.rs"]
mod endings;
// What goes wrong because a text asks for it.
#[path = "standin/faults.rs"]
mod faults;
// The sequences of lines that the real CLI was recorded with.
#[path = "standin/recorded.rs"]
mod recorded;
