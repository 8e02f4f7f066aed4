//! What the CLI says, as types. Where names on the wire differ from ours, serde's attributes say so.
//!
//! No text is cut, cleaned or judged here: it is shown only after whoever shows it has done that.

use serde::Deserialize;
use serde_json::Value;

use super::control::ControlRequest;
use super::conversation::{Assistant, User};
use super::lenient::{or_default, whole};
use super::stream::Stream;
use super::task::Task;
use super::turn_result::TurnResult;

/// One line of the CLI's stdout.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Before every turn, and never before the first user message.
    Init(Box<Init>),
    /// The fate of a user line that had a uuid. The earliest acknowledgement; since 2.1.330 only.
    Lifecycle {
        /// The uuid of the user line.
        uuid: String,
        state: Lifecycle,
    },
    /// Only with `CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS=1`. A hint, not a condition.
    SessionState(SessionState),
    Status(Status),
    /// Complete blocks of the model's answer, mostly one to a line; several lines share a message id.
    Assistant(Assistant),
    /// A replay of a line of ours, the results of tools, or words that the CLI puts into the conversation.
    User(User),
    /// A piece of an answer that is being written; only with `--include-partial-messages`.
    Stream(Stream),
    /// A request to the model failed and will be tried again.
    ApiRetry(ApiRetry),
    /// A sub-agent or a command that runs for longer than a moment.
    Task(Task),
    /// The ids of all background tasks that run now. Since 2.1.330 only.
    BackgroundTasks(Vec<String>),
    /// The history was replaced by a summary; the session id stays.
    CompactBoundary(CompactBoundary),
    /// `/clear`: the session id changes, and the next [`Message::Init`] tells the new one. Since 2.1.330 only.
    ConversationReset,
    /// A tool was refused by a rule or the mode, without asking.
    PermissionDenied(PermissionDenied),
    /// The account's usage limit. Known from the schema only; never recorded.
    RateLimit(RateLimit),
    /// The model is thinking; comes without partial messages, too.
    ThinkingTokens,
    /// The end of a turn.
    Result(Box<TurnResult>),
    /// Waits until it is answered: the CLI has no timeout of its own.
    ControlRequest {
        request_id: String,
        request: ControlRequest,
    },
    /// The answer to a request of ours, or, with `--replay-user-messages`, the echo of an answer that we gave. Ids of ours
    /// and of the CLI tell the two apart.
    ControlResponse {
        request_id: String,
        /// `null` when a success says nothing more. The error is the CLI's sentence.
        outcome: Result<Value, String>,
    },
    /// Withdraws a [`Message::ControlRequest`]; an answer that comes later is ignored.
    ControlCancel {
        request_id: String,
    },
    /// A line that we do not use or do not understand; never a reason to stop.
    Unknown {
        /// `type` or `type/subtype`, of harmless characters, at most 64; empty when there was none.
        kind: String,
        /// Why a known type could not be read. `None` for a type that we do not know.
        reason: Option<String>,
    },
}

/// What became of a user line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    Queued,
    /// A turn has taken it up.
    Started,
    /// Its turn has ended. Not a proof of an answer: a repeat of a message whose turn had died gets it at once.
    Completed,
    /// Interrupted, or taken out of the queue.
    Cancelled,
    /// From the schema: `discarded` (the session ended first) and `refused` (never queued); both are ends. Or a new one.
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    Running,
    /// A request to us is open.
    RequiresAction,
    /// Follows the result; in 2.1.330 not before the last background sub-agent has ended.
    Idle,
    Other(String),
}

/// `system/init`: what the coming turn runs with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Init {
    /// Changes after `/clear`, else stays.
    #[serde(deserialize_with = "or_default")]
    pub session_id: String,
    #[serde(deserialize_with = "or_default")]
    pub cwd: String,
    /// Where the session was begun. 2.1.330 resumes a session in any directory.
    #[serde(deserialize_with = "or_default")]
    pub original_cwd: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub model: String,
    #[serde(rename = "permissionMode", deserialize_with = "or_default")]
    pub permission_mode: String,
    #[serde(rename = "claude_code_version", deserialize_with = "or_default")]
    pub version: String,
    /// Features by name, such as `interrupt_cancel_queued_v1`; empty in 2.1.197.
    #[serde(deserialize_with = "or_default")]
    pub capabilities: Vec<String>,
    /// Without their aliases, unlike [`super::Initialized::commands`].
    #[serde(deserialize_with = "or_default")]
    pub slash_commands: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub mcp_servers: Vec<McpServer>,
    /// Which messages the turn answers; empty in 2.1.197.
    #[serde(deserialize_with = "or_default")]
    pub user_message_uuids: Vec<String>,
}

/// `status` is `connected`, `failed` or `pending`; none of them stops a turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct McpServer {
    pub name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
}

/// `system/status`: what the CLI does, or a permission mode that has changed, or how a compaction ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// `requesting`, `compacting`, or nothing.
    #[serde(deserialize_with = "or_default")]
    pub status: Option<String>,
    #[serde(rename = "permissionMode", deserialize_with = "or_default")]
    pub permission_mode: Option<String>,
    /// `success` or `failed`.
    #[serde(deserialize_with = "or_default")]
    pub compact_result: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub compact_error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiRetry {
    /// Counts from 1.
    #[serde(deserialize_with = "or_default")]
    pub attempt: u32,
    #[serde(deserialize_with = "or_default")]
    pub max_retries: u32,
    #[serde(deserialize_with = "whole")]
    pub retry_delay_ms: u64,
    /// `None` when there was no HTTP answer.
    #[serde(deserialize_with = "or_default")]
    pub error_status: Option<u16>,
    /// As in [`Assistant::error`].
    #[serde(deserialize_with = "or_default")]
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CompactBoundary {
    /// `manual` or `auto`.
    #[serde(deserialize_with = "or_default")]
    pub trigger: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub pre_tokens: Option<u64>,
    #[serde(deserialize_with = "or_default")]
    pub post_tokens: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PermissionDenied {
    pub tool_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub tool_use_id: Option<String>,
    /// `mode`, `rule`, …
    #[serde(default, deserialize_with = "or_default")]
    pub decision_reason_type: Option<String>,
    /// Written for the model.
    #[serde(default, deserialize_with = "or_default")]
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RateLimit {
    /// `allowed`, `allowed_warning` or `rejected`.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// Unix time in seconds.
    #[serde(rename = "resetsAt", deserialize_with = "or_default")]
    pub resets_at: Option<i64>,
    /// `five_hour`, `seven_day`, …
    #[serde(rename = "rateLimitType", deserialize_with = "or_default")]
    pub limit_type: Option<String>,
    /// Part of the limit that is used up.
    #[serde(deserialize_with = "or_default")]
    pub utilization: Option<f64>,
}
