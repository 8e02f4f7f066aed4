//! Stories from end to end: the real executable, the loopback Bot API, and Claude or its stand-in.

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/host.rs"]
mod host;

/// Conversations that go well.
mod conversation;
/// Claude asks a person.
mod permission;
