//! Requests of the CLI to us, and its answers to ours.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Error, Value};

use super::incoming::{Head, harmless};
use super::lenient::or_default;
use super::message::Message;
use super::raw_json::RawJson;

/// What the CLI asks of us.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlRequest {
    CanUseTool(Box<CanUseTool>),
    /// A JSON-RPC message to an MCP server of ours.
    McpMessage {
        server_name: String,
        message: RawJson,
    },
    /// Something that we cannot serve; to be answered with [`super::control_error`].
    Other {
        /// As [`Message::Unknown`]'s kind.
        subtype: String,
    },
}

/// May this tool run? Also how AskUserQuestion and ExitPlanMode ask.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CanUseTool {
    pub tool_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: Option<String>,
    /// What would run, as it stood in the line: to be shown, and to go back unchanged.
    pub input: RawJson,
    #[serde(default, deserialize_with = "or_default")]
    pub description: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub tool_use_id: Option<String>,
    /// Set when a sub-agent asks.
    #[serde(default, deserialize_with = "or_default")]
    pub agent_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub blocked_path: Option<String>,
    /// Why it must be asked, in words. By the schema it may hold terminal escape codes.
    #[serde(default, deserialize_with = "or_default")]
    pub decision_reason: Option<String>,
    /// Rules that would end such questions, each to be given back by [`super::allow_with_permissions`] as it is.
    #[serde(default, deserialize_with = "or_default")]
    pub permission_suggestions: Vec<RawJson>,
    /// Set for AskUserQuestion and ExitPlanMode since 2.1.330; so false proves nothing.
    #[serde(default, deserialize_with = "or_default")]
    pub requires_user_interaction: bool,
}

/// Reads a line of type `control_request`.
pub(super) fn request(line: &str) -> Result<Message, Error> {
    serde_json::from_str::<ControlRequestLine>(line).map(Message::from)
}

/// Reads a line of type `control_response`.
pub(super) fn response(line: &str) -> Result<Message, Error> {
    serde_json::from_str::<ControlResponseLine>(line).map(Message::from)
}

/// Reads a line of type `control_cancel_request`.
pub(super) fn cancel(line: &str) -> Result<Message, Error> {
    let ControlCancelLine { request_id } = serde_json::from_str(line)?;
    Ok(Message::ControlCancel { request_id })
}

#[derive(Deserialize)]
struct ControlRequestLine<'a> {
    request_id: String,
    #[serde(default, borrow)]
    request: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct McpMessageRequest {
    server_name: String,
    message: RawJson,
}

impl From<ControlRequestLine<'_>> for Message {
    fn from(line: ControlRequestLine) -> Message {
        let request = line.request.map_or("{}", RawValue::get);
        Message::ControlRequest {
            request_id: line.request_id,
            request: control_request(request),
        }
    }
}

/// Whatever it is, it has an id and so gets an answer.
fn control_request(request: &str) -> ControlRequest {
    let subtype = serde_json::from_str::<Head>(request)
        .map(|head| head.subtype)
        .unwrap_or_default();
    let known = match subtype {
        "can_use_tool" => serde_json::from_str::<CanUseTool>(request)
            .map(|ask| ControlRequest::CanUseTool(ask.into()))
            .ok(),
        "mcp_message" => serde_json::from_str::<McpMessageRequest>(request)
            .map(
                |McpMessageRequest {
                     server_name,
                     message,
                 }| ControlRequest::McpMessage {
                    server_name,
                    message,
                },
            )
            .ok(),
        _ => None,
    };
    known.unwrap_or_else(|| ControlRequest::Other {
        subtype: harmless(subtype),
    })
}

#[derive(Deserialize)]
struct ControlResponseLine {
    response: ControlResponseBody,
}

#[derive(Deserialize)]
struct ControlResponseBody {
    request_id: String,
    #[serde(default, deserialize_with = "or_default")]
    subtype: String,
    #[serde(default)]
    response: Value,
    #[serde(default, deserialize_with = "or_default")]
    error: String,
}

impl From<ControlResponseLine> for Message {
    fn from(line: ControlResponseLine) -> Message {
        let ControlResponseBody {
            request_id,
            subtype,
            response,
            error,
        } = line.response;
        let outcome = if subtype == "success" {
            Ok(response)
        } else {
            Err(error)
        };
        Message::ControlResponse {
            request_id,
            outcome,
        }
    }
}

#[derive(Deserialize)]
struct ControlCancelLine {
    request_id: String,
}
