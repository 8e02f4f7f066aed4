//! Tests of the stand-in for the Anthropic Messages API: over plain HTTP, and with the real `claude` CLI.
//!
//! They are about the stand-in, not about chappe: what they show is that tests which use it test against a model
//! that behaves. Without a CLI on this machine the second half is skipped, and says so.

#[path = "model/answers.rs"]
mod answers;
#[path = "model/claude.rs"]
mod claude;
#[path = "support/cli.rs"]
mod cli;
#[path = "model/faults.rs"]
mod faults;
#[path = "model/http_client.rs"]
mod http_client;
#[path = "support/messages_api.rs"]
mod messages_api;
#[path = "model/with_claude.rs"]
mod with_claude;

use std::time::Duration;

/// For each wait. A CLI takes seconds to start on a busy machine; a wait that succeeds returns at once.
const LIMIT: Duration = Duration::from_secs(60);
