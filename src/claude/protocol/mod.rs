//! The stream-json protocol of the `claude` CLI: lines ↔ messages. Pure.
//!
//! Measured with 2.1.197 and 2.1.330; the CLI changes weekly. So a line is parsed, never matched by its beginning;
//! every field is optional unless the message means nothing without it; and what is not known, or has another shape
//! than expected, is kept as [`Message::Unknown`]. No line ever ends anything.

/// The tool by which Claude asks a question with ready answers. It asks in every mode.
pub const QUESTION_TOOL: &str = "AskUserQuestion";
/// The tool by which Claude wants its plan approved.
pub const PLAN_TOOL: &str = "ExitPlanMode";

mod incoming;
mod outgoing;

pub use incoming::{
    ApiRetry, Assistant, CanUseTool, ContentBlock, ControlRequest, Init, Initialized, Lifecycle,
    Message, Status, StreamEvent, Task, ToolResult, TurnResult, User, parse,
};
pub use outgoing::{
    ControlCommand, allow, control_error, control_request, deny, escape_prompt, is_command,
    user_line,
};
