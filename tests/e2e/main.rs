//! Stories from end to end: the real executable, the loopback Bot API, and Claude or its stand-in.

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/host.rs"]
mod host;
#[path = "../support/messages_api.rs"]
mod messages_api;

/// What came while chappe was away; clocks, bots and numbers that change.
mod catch_up;
/// chappe's own commands, and messages that belong together.
mod commands;
/// Conversations that go well.
mod conversation;
/// chappe or Claude is killed.
mod crash;
/// `chappe demo`.
mod demo;
/// The disk is full, read-only, gone or damaged.
mod disk;
/// What is allowed beyond one call.
mod grants;
/// Several people in one chat, of whom some may speak.
mod groups;
/// What comes in, from whom, and of what kind.
mod incoming;
/// Sessions that go and come back as a whole.
mod moving;
/// Telegram fails with everything in flight.
mod outages;
/// Turns that do not end well.
mod outcomes;
/// Claude asks a person.
mod permission;
/// Several sessions, people and topics in the same chats.
mod places;
/// Presses while something else is wrong.
mod presses;
/// Claude asks questions with ready answers.
mod questions;
/// What waits behind a turn, and what is put into it.
mod queue;
/// Stories with the actual CLI of Claude.
mod real;
/// What the next start makes of what was left.
mod restart;
/// The host gives less than it should.
mod scarce;
/// What must not get out.
mod secrets;
/// What is chosen for a session.
mod sessions;
/// chappe is stopped in order.
mod shutdown;
/// More sessions than places.
mod slots;
/// The command line, and what may go wrong at the start.
mod startup;
/// A person says stop.
mod stop;
/// What systemd is told, and the units.
mod systemd;
/// Telegram's side fails.
mod telegram;
