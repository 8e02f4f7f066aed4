//! Stories from end to end: the real executable, the loopback Bot API, and Claude or its stand-in.

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/host.rs"]
mod host;
#[path = "../support/messages_api.rs"]
mod messages_api;

/// Conversations that go well.
mod conversation;
/// Stories with the actual CLI of Claude.
mod real;
