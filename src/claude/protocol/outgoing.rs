//! The lines that we write to the CLI's stdin. Nothing else may make them: the CLI exits on one that it cannot parse.
//!
//! Each function returns one line of JSON without the line break at its end and with none inside.

use serde::Serialize;
use serde_json::json;

use super::raw_json::RawJson;

/// A request of ours. The answer comes as [`super::Message::ControlResponse`] with the same id, also in mid-turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub enum ControlCommand {
    /// Asks what the CLI can do; the answer reads as [`super::Initialized`] and means that the process is ready.
    Initialize {
        /// Names of MCP servers that we serve over this pipe, through [`super::ControlRequest::McpMessage`].
        #[serde(rename = "sdkMcpServers", skip_serializing_if = "Vec::is_empty")]
        mcp_servers: Vec<String>,
    },
    /// Ends the running turn, not the process. Written right behind a user line it has no effect on that message in
    /// 2.1.330, unless `cancel_queued` is set.
    Interrupt {
        /// Drops what is queued too. 2.1.197 ignores it, so each queued message is to be cancelled by itself as well.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        cancel_queued: bool,
    },
    /// Takes a message back that is still queued; the answer is `{"cancelled": bool}`, false when it was taken already.
    CancelAsyncMessage {
        /// The uuid of its user line.
        #[serde(rename = "message_uuid")]
        uuid: String,
    },
    /// Does not answer a request that is open. 2.1.197 accepts any word.
    SetPermissionMode { mode: String },
    /// Used from the next request to the model on. Any word is accepted.
    SetModel {
        /// `None` for the CLI's own default.
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// Ends a background task; an interrupt leaves background commands alive.
    StopTask { task_id: String },
    /// Asks for the cost so far, see [`super::session_cost_usd`].
    GetSessionCost,
}

/// A prompt. The uuid may be any text; the CLI drops a repeat of one that it remembers.
///
/// `text` must have gone through [`super::escape_prompt`], unless it is to be a command whatever happens.
pub fn user_line(uuid: &str, text: &str) -> String {
    let message = json!({"role": "user", "content": text});
    line(&json!({"type": "user", "message": message, "parent_tool_use_id": null, "uuid": uuid}))
}

/// A request of ours under an id of our choice.
pub fn control_request(request_id: &str, command: &ControlCommand) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        r#type: &'static str,
        request_id: &'a str,
        request: &'a ControlCommand,
    }
    line(&Line {
        r#type: "control_request",
        request_id,
        request: command,
    })
}

/// Lets a tool run with `input`; `{}` means unchanged. 2.1.197 needs an input, so there is no form without.
pub fn allow(request_id: &str, input: &RawJson) -> String {
    answer(request_id, &Permission::allow(input, &[]))
}

/// Lets a tool run and changes the rules as asked: suggestions of the request, or rules of our own making.
pub fn allow_with_permissions(
    request_id: &str,
    input: &RawJson,
    updated_permissions: &[RawJson],
) -> String {
    answer(request_id, &Permission::allow(input, updated_permissions))
}

/// Refuses a tool; the model reads `message` and goes on.
pub fn deny(request_id: &str, message: &str) -> String {
    answer(
        request_id,
        &Permission::Deny {
            message,
            interrupt: false,
        },
    )
}

/// Refuses a tool and ends the turn. The CLI drops `message` then; the model does not read it.
pub fn deny_and_stop(request_id: &str, message: &str) -> String {
    answer(
        request_id,
        &Permission::Deny {
            message,
            interrupt: true,
        },
    )
}

/// Answers a [`super::ControlRequest::McpMessage`] with a JSON-RPC message.
pub fn mcp_response(request_id: &str, message: &RawJson) -> String {
    #[derive(Serialize)]
    struct McpResponse<'a> {
        mcp_response: &'a RawJson,
    }
    answer(
        request_id,
        &McpResponse {
            mcp_response: message,
        },
    )
}

/// Answers a request that we cannot serve. For a permission request it counts as a refusal.
pub fn control_error(request_id: &str, message: &str) -> String {
    let response = json!({"subtype": "error", "request_id": request_id, "error": message});
    line(&json!({"type": "control_response", "response": response}))
}

#[derive(Serialize)]
#[serde(tag = "behavior", rename_all = "lowercase")]
enum Permission<'a> {
    Allow {
        #[serde(rename = "updatedInput")]
        input: &'a RawJson,
        #[serde(
            rename = "updatedPermissions",
            skip_serializing_if = "<[RawJson]>::is_empty"
        )]
        permissions: &'a [RawJson],
    },
    Deny {
        message: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        interrupt: bool,
    },
}

impl<'a> Permission<'a> {
    fn allow(input: &'a RawJson, permissions: &'a [RawJson]) -> Permission<'a> {
        Permission::Allow { input, permissions }
    }
}

fn answer(request_id: &str, response: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Line<'a, R> {
        r#type: &'static str,
        response: Response<'a, R>,
    }
    #[derive(Serialize)]
    struct Response<'a, R> {
        subtype: &'static str,
        request_id: &'a str,
        response: &'a R,
    }
    let response = Response {
        subtype: "success",
        request_id,
        response,
    };
    line(&Line {
        r#type: "control_response",
        response,
    })
}

/// serde_json escapes every control character in a string and puts no white space between tokens; a [`RawJson`] has no
/// line break either.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings, booleans and JSON always have a JSON form")
}
