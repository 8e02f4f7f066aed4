//! The stream-json protocol of the `claude` CLI: lines of its stdout become [`Message`]s, our requests and answers
//! become lines for its stdin.
//!
//! Pure: no clock, file, thread, process or socket, and no memory of earlier lines. What a message means for a turn
//! is decided by the session's machine, not here.
//!
//! # What a reader may rely on
//!
//! * [`parse`] never fails. A type that we do not know, a known one with a shape that makes it meaningless, and a line
//!   that is not JSON all become [`Message::Unknown`], whose words carry nothing of the line's content into a log.
//! * Unknown fields and the order of keys never matter (both differ between CLI versions), and a field that we can do
//!   without is read leniently: absent, `null` and a foreign type all give its default. So a new CLI may cost us a
//!   detail, never the end of a turn.
//! * A permission request always has an answer: one whose body we cannot read still has its id, as
//!   [`ControlRequest::Other`].
//! * [`user_line`], [`control_request`], [`allow`] and the other answers return one line of JSON without a line break,
//!   which the caller adds. The CLI exits on a line that it cannot parse and the running turn is lost, so lines are made
//!   nowhere else.
//!
//! Facts about the CLI in this module were measured with 2.1.197 and 2.1.330; the recorded streams are in
//! `tests/data/transcripts`.

/// The tool by which Claude asks a question with ready answers. It asks in every mode.
pub const QUESTION_TOOL: &str = "AskUserQuestion";
/// The tool by which Claude wants its plan approved.
pub const PLAN_TOOL: &str = "ExitPlanMode";

mod control;
mod conversation;
mod incoming;
mod initialized;
mod lenient;
mod message;
mod outgoing;
mod permits;
mod prompt;
mod questions;
mod raw_json;
mod stream;
mod surrogates;
mod task;
mod turn_result;

pub use control::{CanUseTool, ControlRequest};
pub use conversation::{Assistant, Block, ToolResult, User};
pub use incoming::parse;
pub use initialized::{Initialized, commands_of, session_cost_usd};
pub use message::{
    ApiRetry, CompactBoundary, Init, Lifecycle, McpServer, Message, PermissionDenied, RateLimit,
    SessionState, Status,
};
pub use outgoing::{
    ControlCommand, allow, allow_with_permissions, control_error, control_request, deny,
    deny_and_stop, mcp_response, user_line,
};
pub use permits::{asks_before_edits, permit, rule_argument, updates};
pub use prompt::{escape_prompt, is_command};
pub use questions::{answered, questions};
pub use raw_json::RawJson;
pub use stream::{BlockKind, Stream, StreamEvent};
pub use task::{Task, TaskEvent};
pub use turn_result::{TurnResult, Usage};
