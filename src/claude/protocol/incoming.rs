//! Lines of the CLI's stdout → messages.
//!
//! A line is read as a map of fields that are still text, and of those only the ones that are needed are read further:
//! a field of a new type counts as one that is not there, and the content that nobody needs is never copied.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// How much of an unknown kind's name is kept, in characters. It goes into logs, so it must not carry content.
const KIND_MAX: usize = 64;

/// One line of the CLI's stdout.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Before every turn.
    Init(Init),
    /// What becomes of a message of ours, since 2.1.330: the early acknowledgement.
    Lifecycle {
        uuid: String,
        state: Lifecycle,
    },
    /// `running`, `requires_action` or `idle`: a hint, never a condition.
    SessionState(String),
    Status(Status),
    /// A block of what the model says or does. One line for each block.
    Assistant(Assistant),
    /// An echo of a message of ours, the results of tools, or something the CLI says in the user's name.
    User(User),
    /// A piece of what is being written.
    Stream(StreamEvent),
    ApiRetry(ApiRetry),
    /// A sub-agent, or a command that takes long.
    Task(Task),
    /// The conversation was shortened.
    CompactBoundary,
    /// The conversation was cleared; the next `init` names its new id.
    ConversationReset,
    ThinkingTokens,
    /// A tool was denied by a rule or a mode, without asking.
    PermissionDenied {
        tool: String,
    },
    /// The end of a turn.
    Result(TurnResult),
    /// The CLI wants something, and waits for the answer.
    ControlRequest {
        request_id: String,
        request: ControlRequest,
    },
    /// The answer to a request of ours, or the echo of an answer of ours; told apart by the id.
    ControlResponse {
        request_id: String,
        outcome: Result<Value, String>,
    },
    /// The CLI takes a request back.
    ControlCancel {
        request_id: String,
    },
    /// Anything else. `reason` says why a line of a known kind was not understood.
    Unknown {
        kind: String,
        reason: Option<String>,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Init {
    pub session_id: String,
    pub cwd: String,
    pub model: String,
    pub permission_mode: String,
    pub version: String,
    pub capabilities: Vec<String>,
    pub slash_commands: Vec<String>,
    /// The messages that this turn answers, since 2.1.330.
    pub user_message_uuids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    Queued,
    Started,
    Completed,
    Cancelled,
    Other(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// `requesting`, `compacting`, or nothing.
    pub status: Option<String>,
    pub permission_mode: Option<String>,
    pub compact_result: Option<String>,
    pub compact_error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assistant {
    /// The API's id: several lines with one id are blocks of one message.
    pub message_id: String,
    /// Set for what a sub-agent says.
    pub parent_tool_use_id: Option<String>,
    pub blocks: Vec<ContentBlock>,
    /// Set for what the CLI writes in the model's place when the API fails (`overloaded`, `rate_limit` …).
    pub error: Option<String>,
    /// Whether the CLI itself wrote it.
    pub synthetic: bool,
    pub user_message_uuids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ContentBlock {
    Text(String),
    Thinking,
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    Other,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct User {
    pub uuid: Option<String>,
    /// Whether it repeats a message of ours.
    pub is_replay: bool,
    /// Whether the CLI wrote it in the user's name.
    pub is_synthetic: bool,
    pub parent_tool_use_id: Option<String>,
    /// Its text blocks, a line for each.
    pub text: String,
    pub tool_results: Vec<ToolResult>,
}

impl User {
    /// What a command of the CLI's own has printed, where the line tells that and nothing else (`Compacted`).
    pub fn command_output(&self) -> Option<&str> {
        let inner = self.text.strip_prefix("<local-command-stdout>")?;
        let inner = inner.strip_suffix("</local-command-stdout>")?.trim();
        (!inner.is_empty()).then_some(inner)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    pub tool_use_id: String,
    pub text: String,
    pub is_error: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    MessageStart,
    /// `text`, `thinking`, `tool_use` …
    BlockStart {
        kind: String,
    },
    TextDelta {
        text: String,
    },
    Other,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiRetry {
    pub attempt: u32,
    pub max_retries: u32,
    pub retry_delay_ms: f64,
    /// The HTTP status; None where the API did not answer at all.
    pub error_status: Option<u16>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// `task_started`, `task_progress`, `task_updated` or `task_notification`.
    pub subtype: String,
    pub task_id: String,
    pub tool_use_id: Option<String>,
    pub description: Option<String>,
    pub status: Option<String>,
}

/// The end of a turn. `is_error` is what counts, not the subtype.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnResult {
    pub uuid: Option<String>,
    pub subtype: String,
    pub is_error: bool,
    /// The last text block, or what went wrong.
    pub text: Option<String>,
    pub errors: Vec<String>,
    pub num_turns: u32,
    /// Dollars since the process began (since 2.1.330: since the session began).
    pub total_cost_usd: Option<f64>,
    /// Dollars of this turn, where the CLI says so.
    pub cost_since_last_result: Option<f64>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub stop_reason: Option<String>,
    pub terminal_reason: Option<String>,
    pub api_error_status: Option<u16>,
    /// Set where nobody asked for the turn (`task-notification`).
    pub origin_kind: Option<String>,
    pub user_message_uuids: Vec<String>,
    pub session_id: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ControlRequest {
    CanUseTool(CanUseTool),
    Other { subtype: String },
}

/// A tool wants to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CanUseTool {
    pub tool_name: String,
    /// Compact JSON, exactly as it came: what is shown, and what goes back when it is allowed.
    pub input: String,
    pub tool_use_id: Option<String>,
    /// Set where a sub-agent asks.
    pub agent_id: Option<String>,
    pub blocked_path: Option<String>,
    pub decision_reason: Option<String>,
}

/// What the CLI answers to `initialize`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Initialized {
    /// The names of the commands that the CLI itself takes, without the slash.
    pub commands: Vec<String>,
}

impl Initialized {
    /// Reads the answer; what is missing counts as empty.
    pub fn from(response: &Value) -> Initialized {
        let names = response
            .get("commands")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let commands = names.filter_map(|command| command.get("name")?.as_str());
        Initialized {
            commands: commands
                .map(|name| name.trim_start_matches('/').to_owned())
                .collect(),
        }
    }
}

/// An object's fields, each still as text.
struct Fields<'a>(HashMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Fields<'a> {
    fn of(json: &'a str) -> Result<Fields<'a>, String> {
        /// Borrows a name where it has no escapes.
        #[derive(Deserialize, PartialEq, Eq, Hash)]
        #[serde(transparent)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        let fields: HashMap<Name<'a>, &'a RawValue> = serde_json::from_str(json)
            .map_err(|error| format!("no object: {}", what_of(&error)))?;
        Ok(Fields(
            fields
                .into_iter()
                .map(|(name, value)| (name.0, value))
                .collect(),
        ))
    }

    /// The field as `T`; None where it is missing or of another type.
    fn get<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default()
    }

    /// The strings of a list; what is no string is left out.
    fn list(&self, name: &str) -> Vec<String> {
        let values: Vec<Value> = self.get(name).unwrap_or_default();
        values
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect()
    }

    /// An object within.
    fn within(&self, name: &str) -> Option<Fields<'a>> {
        Fields::of(self.0.get(name)?.get()).ok()
    }
}

/// Says what is wrong with JSON without any of its content.
fn what_of(error: &serde_json::Error) -> String {
    format!("{:?} error at byte {}", error.classify(), error.column())
}

/// Reads one line; None for a blank one.
pub fn parse(line: &[u8]) -> Option<Message> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let fields = match Fields::of(text) {
        Ok(fields) => fields,
        Err(reason) => {
            return Some(Message::Unknown {
                kind: "no message".to_owned(),
                reason: Some(reason),
            });
        }
    };
    let (kind, subtype) = (fields.text("type"), fields.text("subtype"));
    Some(read(&kind, &subtype, &fields).unwrap_or_else(|reason| {
        let name = if subtype.is_empty() {
            kind
        } else {
            format!("{kind}/{subtype}")
        };
        let kind = name.chars().take(KIND_MAX).collect();
        Message::Unknown {
            kind,
            reason: reason.map(str::to_owned),
        }
    }))
}

/// Reads a message of a known kind. The error says why a known kind was not understood; None: it is not known.
fn read(kind: &str, subtype: &str, fields: &Fields<'_>) -> Result<Message, Option<&'static str>> {
    Ok(match (kind, subtype) {
        ("system", "init") => Message::Init(Init {
            session_id: fields.text("session_id"),
            cwd: fields.text("cwd"),
            model: fields.text("model"),
            permission_mode: fields.text("permissionMode"),
            version: fields.text("claude_code_version"),
            capabilities: fields.list("capabilities"),
            slash_commands: fields.list("slash_commands"),
            user_message_uuids: fields.list("user_message_uuids"),
        }),
        ("command_lifecycle", _) => Message::Lifecycle {
            uuid: fields.get("command_uuid").ok_or(Some("no command_uuid"))?,
            state: match fields.text("state").as_str() {
                "queued" => Lifecycle::Queued,
                "started" => Lifecycle::Started,
                "completed" => Lifecycle::Completed,
                "cancelled" => Lifecycle::Cancelled,
                other => Lifecycle::Other(other.to_owned()),
            },
        },
        ("system", "session_state_changed") => Message::SessionState(fields.text("state")),
        ("system", "status") => Message::Status(Status {
            status: fields.get("status"),
            permission_mode: fields.get("permissionMode"),
            compact_result: fields.get("compact_result"),
            compact_error: fields.get("compact_error"),
        }),
        ("assistant", _) => Message::Assistant(assistant(fields)?),
        ("user", _) => Message::User(user(fields)?),
        ("stream_event", _) => Message::Stream(stream_event(fields)),
        ("system", "api_retry") => Message::ApiRetry(ApiRetry {
            attempt: fields.get("attempt").unwrap_or(0),
            max_retries: fields.get("max_retries").unwrap_or(0),
            retry_delay_ms: fields.get("retry_delay_ms").unwrap_or(0.0),
            error_status: fields.get("error_status"),
            error: fields.get("error"),
        }),
        ("system", "task_started" | "task_progress" | "task_updated" | "task_notification") => {
            Message::Task(Task {
                subtype: subtype.to_owned(),
                task_id: fields.text("task_id"),
                tool_use_id: fields.get("tool_use_id"),
                description: fields.get("description"),
                status: fields
                    .get("status")
                    .or_else(|| fields.within("patch")?.get("status")),
            })
        }
        ("system", "compact_boundary") => Message::CompactBoundary,
        ("conversation_reset", _) => Message::ConversationReset,
        ("system", "thinking_tokens") => Message::ThinkingTokens,
        ("system", "permission_denied") => Message::PermissionDenied {
            tool: fields.text("tool_name"),
        },
        ("result", _) => Message::Result(turn_result(subtype, fields)),
        ("control_request", _) => Message::ControlRequest {
            request_id: fields.get("request_id").ok_or(Some("no request_id"))?,
            request: control_request(fields)?,
        },
        ("control_response", _) => {
            let response = fields.within("response").ok_or(Some("no response"))?;
            let outcome = match response.text("subtype").as_str() {
                "success" => Ok(response.get("response").unwrap_or(Value::Null)),
                _ => Err(response
                    .get("error")
                    .unwrap_or_else(|| "no reason given".to_owned())),
            };
            let request_id = response.get("request_id").ok_or(Some("no request_id"))?;
            Message::ControlResponse {
                request_id,
                outcome,
            }
        }
        ("control_cancel_request", _) => Message::ControlCancel {
            request_id: fields.get("request_id").ok_or(Some("no request_id"))?,
        },
        _ => return Err(None),
    })
}

fn assistant(fields: &Fields<'_>) -> Result<Assistant, Option<&'static str>> {
    let message = fields.within("message").ok_or(Some("no message"))?;
    Ok(Assistant {
        message_id: message.text("id"),
        parent_tool_use_id: fields.get("parent_tool_use_id"),
        blocks: blocks(&message).iter().map(content_block).collect(),
        error: fields.get("error"),
        synthetic: message.text("model") == "<synthetic>",
        user_message_uuids: fields.list("user_message_uuids"),
    })
}

/// The blocks of a message. Its content may also be one plain text, which is then read as text by the caller.
fn blocks<'a>(message: &Fields<'a>) -> Vec<Fields<'a>> {
    let raw: Vec<&RawValue> = message.get("content").unwrap_or_default();
    raw.into_iter()
        .filter_map(|block| Fields::of(block.get()).ok())
        .collect()
}

fn content_block(block: &Fields<'_>) -> ContentBlock {
    match block.text("type").as_str() {
        "text" => ContentBlock::Text(block.text("text")),
        "thinking" | "redacted_thinking" => ContentBlock::Thinking,
        "tool_use" => ContentBlock::ToolUse {
            id: block.text("id"),
            name: block.text("name"),
            input: block.get("input").unwrap_or(Value::Null),
        },
        _ => ContentBlock::Other,
    }
}

fn user(fields: &Fields<'_>) -> Result<User, Option<&'static str>> {
    let message = fields.within("message").ok_or(Some("no message"))?;
    let blocks = blocks(&message);
    let texts: Vec<String> = match message.get::<String>("content") {
        Some(text) => vec![text],
        None => blocks
            .iter()
            .filter(|block| block.text("type") == "text")
            .map(|block| block.text("text"))
            .collect(),
    };
    let results = blocks
        .iter()
        .filter(|block| block.text("type") == "tool_result");
    Ok(User {
        uuid: fields.get("uuid"),
        is_replay: fields.get("isReplay").unwrap_or(false),
        is_synthetic: fields.get("isSynthetic").unwrap_or(false),
        parent_tool_use_id: fields.get("parent_tool_use_id"),
        text: texts.join("\n"),
        tool_results: results
            .map(|block| ToolResult {
                tool_use_id: block.text("tool_use_id"),
                text: block
                    .get("content")
                    .map(|content| plain(&content))
                    .unwrap_or_default(),
                is_error: block.get("is_error").unwrap_or(false),
            })
            .collect(),
    })
}

/// The text of a tool's result: a string, or a list of blocks.
fn plain(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks
                .iter()
                .filter_map(|block| block.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn stream_event(fields: &Fields<'_>) -> StreamEvent {
    let Some(event) = fields.within("event") else {
        return StreamEvent::Other;
    };
    match event.text("type").as_str() {
        "message_start" => StreamEvent::MessageStart,
        "content_block_start" => {
            let kind = event
                .within("content_block")
                .map(|block| block.text("type"))
                .unwrap_or_default();
            StreamEvent::BlockStart { kind }
        }
        "content_block_delta" => match event.within("delta") {
            Some(delta) if delta.text("type") == "text_delta" => StreamEvent::TextDelta {
                text: delta.text("text"),
            },
            _ => StreamEvent::Other,
        },
        _ => StreamEvent::Other,
    }
}

fn turn_result(subtype: &str, fields: &Fields<'_>) -> TurnResult {
    let usage = fields.within("usage");
    let tokens = |name: &str| {
        usage
            .as_ref()
            .and_then(|usage| usage.get(name))
            .unwrap_or(0)
    };
    let models: Option<HashMap<String, Value>> = fields.get("model_usage_since_last_result");
    TurnResult {
        uuid: fields.get("uuid"),
        subtype: subtype.to_owned(),
        is_error: fields
            .get("is_error")
            .unwrap_or_else(|| subtype != "success"),
        text: fields.get("result"),
        errors: fields.list("errors"),
        num_turns: fields.get("num_turns").unwrap_or(0),
        total_cost_usd: fields.get("total_cost_usd"),
        cost_since_last_result: models.map(|models| {
            models
                .values()
                .filter_map(|model| model.get("costUSD")?.as_f64())
                .sum()
        }),
        input_tokens: tokens("input_tokens")
            + tokens("cache_creation_input_tokens")
            + tokens("cache_read_input_tokens"),
        output_tokens: tokens("output_tokens"),
        stop_reason: fields.get("stop_reason"),
        terminal_reason: fields.get("terminal_reason"),
        api_error_status: fields.get("api_error_status"),
        origin_kind: fields.within("origin").map(|origin| origin.text("kind")),
        user_message_uuids: fields.list("user_message_uuids"),
        session_id: fields.text("session_id"),
    }
}

fn control_request(fields: &Fields<'_>) -> Result<ControlRequest, Option<&'static str>> {
    let request = fields.within("request").ok_or(Some("no request"))?;
    let subtype = request.text("subtype");
    if subtype != "can_use_tool" {
        return Ok(ControlRequest::Other {
            subtype: subtype.chars().take(KIND_MAX).collect(),
        });
    }
    Ok(ControlRequest::CanUseTool(CanUseTool {
        tool_name: request.text("tool_name"),
        input: request
            .0
            .get("input")
            .map_or("{}", |input| input.get())
            .to_owned(),
        tool_use_id: request.get("tool_use_id"),
        agent_id: request.get("agent_id"),
        blocked_path: request.get("blocked_path"),
        decision_reason: request.get("decision_reason"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Message {
        parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn blank_lines_are_nothing() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b" \r"), None);
    }

    #[test]
    fn what_is_not_known_is_kept_without_its_content() {
        assert_eq!(
            read(r#"{"type":"hologram","secret":"x"}"#),
            Message::Unknown {
                kind: "hologram".into(),
                reason: None
            }
        );
        assert_eq!(
            read(r#"{"type":"system","subtype":"mood","x":1}"#),
            Message::Unknown {
                kind: "system/mood".into(),
                reason: None
            }
        );
        assert!(matches!(
            read("[1]"),
            Message::Unknown {
                reason: Some(_),
                ..
            }
        ));
        assert!(matches!(
            read("{\"type\":\"resu"),
            Message::Unknown {
                reason: Some(_),
                ..
            }
        ));
        assert!(matches!(read(r#"{"type":7}"#), Message::Unknown { .. }));
        let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(10_000));
        assert!(matches!(read(&long), Message::Unknown { kind, .. } if kind.len() == KIND_MAX));
    }

    #[test]
    fn a_known_kind_of_another_shape_is_unknown_with_a_reason() {
        for line in [
            r#"{"type":"assistant","message":7}"#,
            r#"{"type":"user"}"#,
            r#"{"type":"control_request","request":{"subtype":"can_use_tool"}}"#,
            r#"{"type":"control_response","response":[]}"#,
            r#"{"type":"command_lifecycle","state":"started"}"#,
        ] {
            assert!(
                matches!(
                    read(line),
                    Message::Unknown {
                        reason: Some(_),
                        ..
                    }
                ),
                "{line}"
            );
        }
    }

    #[test]
    fn a_result_is_a_result_whatever_its_fields_have_become() {
        let line = r#"{"usage":"many","errors":{"new":1},"result":["x"],"total_cost_usd":"free","type":"result"}"#;
        let Message::Result(result) = read(line) else {
            panic!()
        };
        assert!(result.is_error, "what is not called a success is none");
        assert_eq!(
            (result.text, result.total_cost_usd, result.errors),
            (None, None, vec![])
        );
    }

    #[test]
    fn a_requests_input_comes_through_to_the_byte() {
        let line = r#"{"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool","tool_name":"Bash",
            "input":{"command":"a\u0041 \"b\"", "n":1.50}}}"#;
        let Message::ControlRequest {
            request: ControlRequest::CanUseTool(wanted),
            ..
        } = read(line)
        else {
            panic!()
        };
        assert_eq!(wanted.input, r#"{"command":"a\u0041 \"b\"", "n":1.50}"#);
    }

    #[test]
    fn the_output_of_a_command_is_told_from_a_text() {
        let output = |text: &str| {
            let user = User {
                text: text.to_owned(),
                ..User::default()
            };
            user.command_output().map(str::to_owned)
        };
        let wrapped = |text| format!("<local-command-stdout>{text}</local-command-stdout>");
        assert_eq!(output(&wrapped("Compacted ")), Some("Compacted".to_owned()));
        assert_eq!(output(&wrapped("")), None);
        assert_eq!(output("what is <local-command-stdout>?"), None);
    }
}
