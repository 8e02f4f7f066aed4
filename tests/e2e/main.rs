//! Stories from end to end: the real executable, the loopback Bot API, and Claude or its stand-in.

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/host.rs"]
mod host;

/// Conversations that go well.
mod conversation;
/// chappe or Claude is killed.
mod crash;
/// Claude asks a person.
mod permission;
/// What the next start makes of what was left.
mod restart;
/// chappe is stopped in order.
mod shutdown;
