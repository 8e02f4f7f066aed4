//! The stream-json protocol of the `claude` CLI: lines ↔ messages. Pure.
//!
//! Measured with 2.1.197 and 2.1.330; the CLI changes weekly. So a line is parsed, never matched by its beginning;
//! every field is optional unless the message means nothing without it; and what is not known, or has another shape
//! than expected, is kept as [`Message::Unknown`]. No line ever ends anything.

mod incoming;
mod outgoing;

pub use incoming::{
    ApiRetry, Assistant, CanUseTool, ContentBlock, ControlRequest, Init, Initialized, Lifecycle,
    Message, Status, StreamEvent, Task, ToolResult, TurnResult, User, parse,
};
pub use outgoing::{
    ControlCommand, allow, control_error, control_request, deny, escape_prompt, user_line,
};
