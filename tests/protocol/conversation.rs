//! A conversation as people read it in a snapshot: one line for a message, uuids by order of appearance.

use std::collections::HashMap;

use chappe::claude::protocol::*;

/// One line for a message: its kind and what of it matters.
pub fn render(message: &Message) -> String {
    match message {
        Message::Init(init) => format!(
            "init {} model={} mode={} version={} cwd={} commands={} capabilities={} mcp={:?} answers={:?}",
            init.session_id,
            init.model,
            init.permission_mode,
            init.version,
            init.cwd,
            init.slash_commands.len(),
            init.capabilities.len(),
            init.mcp_servers
                .iter()
                .map(|server| format!("{}:{}", server.name, server.status))
                .collect::<Vec<_>>(),
            init.user_message_uuids,
        ),
        Message::Lifecycle { uuid, state } => format!("lifecycle {uuid} {state:?}"),
        Message::SessionState(state) => format!("state {state:?}"),
        Message::Status(status) => format!(
            "status {:?} mode={:?} compact={:?} {:?}",
            status.status, status.permission_mode, status.compact_result, status.compact_error
        ),
        Message::Assistant(assistant) => {
            let blocks: Vec<String> = assistant.blocks.iter().map(render_block).collect();
            let mut line = format!(
                "assistant {}{}",
                by(&assistant.parent_tool_use_id),
                blocks.join(" + ")
            );
            for (is_set, word) in [
                (assistant.synthetic, " synthetic"),
                (assistant.aborted, " aborted"),
            ] {
                line += if is_set { word } else { "" };
            }
            line + &assistant
                .error
                .as_ref()
                .map(|error| format!(" error={error}"))
                .unwrap_or_default()
        }
        Message::User(user) => {
            let mut words = vec![format!("user {}", by(&user.parent_tool_use_id))];
            if user.is_replay {
                words.push(format!("replay {}", user.uuid.as_deref().unwrap_or("-")));
            }
            if user.is_synthetic {
                words.push("synthetic".to_owned());
            }
            if !user.text.is_empty() {
                words.push(short(&user.text));
            }
            words.extend(user.tool_results.iter().map(|result| {
                let kind = if result.is_error { "error" } else { "result" };
                format!("{kind} of {}: {}", result.tool_use_id, short(&result.text))
            }));
            words
                .iter()
                .map(|word| word.trim_end())
                .collect::<Vec<_>>()
                .join(" ")
        }
        Message::Stream(stream) => match &stream.event {
            StreamEvent::TextDelta { index, text } => format!(
                "stream {}text {index} {text:?}",
                by(&stream.parent_tool_use_id)
            ),
            event => format!("stream {}{event:?}", by(&stream.parent_tool_use_id)),
        },
        Message::ApiRetry(retry) => format!(
            "retry {}/{} in {} ms: {:?} {:?}",
            retry.attempt, retry.max_retries, retry.retry_delay_ms, retry.error_status, retry.error
        ),
        Message::Task(task) => format!("task {} {:?}", task.task_id, task.event),
        Message::BackgroundTasks(tasks) => format!("background {tasks:?}"),
        Message::CompactBoundary(boundary) => format!("{boundary:?}"),
        Message::PermissionDenied(denied) => format!(
            "denied {} {:?} {}",
            denied.tool_name,
            denied.decision_reason_type,
            short(&denied.message)
        ),
        Message::Result(result) => format!(
            "result {} {}{} turns={} cost={:.6}{} tokens={}/{} stop={} terminal={} api={:?} origin={:?} denials={} command={:?} errors={:?} answers={:?}",
            result.subtype,
            if result.is_error { "ERROR " } else { "" },
            result.text.as_deref().map_or("-".to_owned(), short),
            result.num_turns,
            result.total_cost_usd.unwrap_or(f64::NAN),
            result
                .cost_since_last_result
                .map(|cost| format!(" (+{cost:.6})"))
                .unwrap_or_default(),
            result.usage.input_tokens,
            result.usage.output_tokens,
            result.stop_reason.as_deref().unwrap_or("-"),
            result.terminal_reason.as_deref().unwrap_or("-"),
            result.api_error_status,
            result.origin_kind,
            result.permission_denials,
            result.local_command,
            result.errors,
            result.user_message_uuids,
        ),
        Message::ControlRequest {
            request_id,
            request,
        } => match request {
            ControlRequest::CanUseTool(ask) => format!(
                "ask {request_id} {} {}{} suggestions={} path={:?} why={:?}{}",
                ask.tool_name,
                short(ask.input.text()),
                ask.agent_id
                    .as_ref()
                    .map(|agent| format!(" agent={agent}"))
                    .unwrap_or_default(),
                short(&format!("{:?}", ask.permission_suggestions)),
                ask.blocked_path,
                ask.decision_reason,
                if ask.requires_user_interaction {
                    " needs a person"
                } else {
                    ""
                },
            ),
            ControlRequest::McpMessage {
                server_name,
                message,
            } => {
                format!("mcp {request_id} {server_name} {}", short(message.text()))
            }
            ControlRequest::Other { subtype } => format!("request {request_id} {subtype}"),
        },
        Message::ControlResponse {
            request_id,
            outcome,
        } => match outcome {
            Ok(response) => format!("response {request_id} {}", short(&response.to_string())),
            Err(error) => format!("response {request_id} error {}", short(error)),
        },
        Message::ControlCancel { request_id } => format!("cancel {request_id}"),
        Message::ConversationReset
        | Message::RateLimit(_)
        | Message::ThinkingTokens
        | Message::Unknown { .. } => {
            format!("{message:?}")
        }
    }
}

fn render_block(block: &Block) -> String {
    match block {
        Block::Text(text) => format!("text {}", short(text)),
        Block::Thinking(text) => format!("thinking {}", short(text)),
        Block::ToolUse { id, name, input } => format!("tool {name} {id} {}", short(input.text())),
        Block::Other(kind) => format!("other {kind}"),
    }
}

fn by(parent: &Option<String>) -> String {
    parent
        .as_ref()
        .map(|parent| format!("(in {parent}) "))
        .unwrap_or_default()
}

fn short(text: &str) -> String {
    let count = text.chars().count();
    let head: String = text.chars().take(70).collect();
    if count > 70 {
        format!("{head:?}… ({count})")
    } else {
        format!("{head:?}")
    }
}

/// Gives uuids the names #1, #2, … in the order in which they appear, so that a new recording of the same scenario shows
/// only what is really different.
#[derive(Default)]
pub struct Names(HashMap<String, usize>);

impl Names {
    const UUID_LENGTH: usize = 36;

    pub fn replace(&mut self, line: &str) -> String {
        let mut named = String::new();
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            match rest.get(..Names::UUID_LENGTH).filter(|part| is_uuid(part)) {
                Some(uuid) => {
                    let next = self.0.len() + 1;
                    named += &format!("#{}", self.0.entry(uuid.to_owned()).or_insert(next));
                    rest = &rest[Names::UUID_LENGTH..];
                }
                None => {
                    named.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        named
    }
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}
