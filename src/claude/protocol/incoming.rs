//! From a line to a [`Message`].
//!
//! Two passes: a small one for `type` and `subtype`, which may stand anywhere, then one straight into the fields of that
//! type. A tagged enum would be shorter, but serde buffers every value of the line for it: over the recorded lines that is
//! four times the memory (5.5 kB a line against 1.4), and a [`super::RawJson`] cannot be read from such a buffer. Large
//! parts that a second reader takes over (`content`, `request`) are borrowed as text until then.

use serde::Deserialize;
use serde_json::Error;
use serde_json::error::Category;

use super::lenient::or_default;
use super::message::{CompactBoundary, Lifecycle, Message, RateLimit, SessionState};
use super::surrogates::without_lone_surrogates;
use super::turn_result::turn_result;
use super::{control, conversation, stream, task};

/// The longest [`Message::Unknown`] kind, in characters; longer ones are cut.
const KIND_MAX: usize = 64;

/// Reads one line of the CLI's stdout, with or without its line break. `None` for a blank one.
///
/// Bytes that are not UTF-8 become U+FFFD, as do lone surrogates.
pub fn parse(line: &[u8]) -> Option<Message> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return None;
    }
    let line = String::from_utf8_lossy(line);
    Some(read(&without_lone_surrogates(&line)))
}

fn read(line: &str) -> Message {
    // A struct would be read from an array, too, field by field.
    if !line.starts_with('{') {
        return unknown("", Some("not a JSON object".to_owned()));
    }
    let head: Head = match serde_json::from_str(line) {
        Ok(head) => head,
        Err(error) => return unknown("", Some(reason(&error))),
    };
    typed(&head, line).unwrap_or_else(|error| unknown(&head.kind(), Some(reason(&error))))
}

/// What a line or a request is. Borrowed: a name with an escape in it is none that we know.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(default, borrow, deserialize_with = "or_default")]
    pub r#type: &'a str,
    #[serde(default, borrow, deserialize_with = "or_default")]
    pub subtype: &'a str,
}

impl Head<'_> {
    fn kind(&self) -> String {
        match self.subtype {
            "" => self.r#type.to_owned(),
            subtype => format!("{}/{subtype}", self.r#type),
        }
    }
}

fn typed(head: &Head, line: &str) -> Result<Message, Error> {
    use serde_json::from_str;
    Ok(match (head.r#type, head.subtype) {
        ("assistant", _) => Message::Assistant(conversation::assistant(line)?),
        ("user", _) => Message::User(conversation::user(line)?),
        ("stream_event", _) => Message::Stream(stream::stream(line)?),
        ("result", _) => Message::Result(Box::new(turn_result(line)?)),
        ("control_request", _) => control::request(line)?,
        ("control_response", _) => control::response(line)?,
        ("control_cancel_request", _) => control::cancel(line)?,
        ("command_lifecycle", _) => from_str::<LifecycleLine>(line)?.into(),
        ("conversation_reset", _) => Message::ConversationReset,
        ("rate_limit_event", _) => {
            Message::RateLimit(from_str::<RateLimitLine>(line)?.rate_limit_info)
        }
        ("system", "init") => Message::Init(from_str(line)?),
        ("system", "session_state_changed") => from_str::<SessionStateLine>(line)?.into(),
        ("system", "status") => Message::Status(from_str(line)?),
        ("system", "api_retry") => Message::ApiRetry(from_str(line)?),
        (
            "system",
            subtype @ ("task_started" | "task_progress" | "task_updated" | "task_notification"),
        ) => Message::Task(task::task(subtype, line)?),
        ("system", "background_tasks_changed") => from_str::<BackgroundTasksLine>(line)?.into(),
        ("system", "compact_boundary") => {
            Message::CompactBoundary(from_str::<CompactLine>(line)?.compact_metadata)
        }
        ("system", "permission_denied") => Message::PermissionDenied(from_str(line)?),
        ("system", "thinking_tokens") => Message::ThinkingTokens,
        _ => unknown(&head.kind(), None),
    })
}

fn unknown(kind: &str, reason: Option<String>) -> Message {
    Message::Unknown {
        kind: harmless(kind),
        reason,
    }
}

/// Names that go into logs: characters of names only, so that nothing can look like a line of ours.
pub(super) fn harmless(kind: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "_-./".contains(c) {
            c
        } else {
            '?'
        }
    };
    kind.chars().take(KIND_MAX).map(plain).collect()
}

/// serde_json's sentences may quote the line, except for missing fields, whose names are ours.
fn reason(error: &Error) -> String {
    let sentence = error.to_string();
    let problem = match error.classify() {
        Category::Data if sentence.starts_with("missing field") => return sentence,
        Category::Data => "wrong type",
        Category::Eof => "cut off",
        Category::Syntax | Category::Io => "not JSON",
    };
    format!("{problem} at column {}", error.column())
}

#[derive(Deserialize)]
struct LifecycleLine {
    command_uuid: String,
    state: String,
}

impl From<LifecycleLine> for Message {
    fn from(line: LifecycleLine) -> Message {
        let state = match line.state.as_str() {
            "queued" => Lifecycle::Queued,
            "started" => Lifecycle::Started,
            "completed" => Lifecycle::Completed,
            "cancelled" => Lifecycle::Cancelled,
            _ => Lifecycle::Other(line.state),
        };
        Message::Lifecycle {
            uuid: line.command_uuid,
            state,
        }
    }
}

#[derive(Deserialize)]
struct SessionStateLine {
    state: String,
}

impl From<SessionStateLine> for Message {
    fn from(line: SessionStateLine) -> Message {
        Message::SessionState(match line.state.as_str() {
            "running" => SessionState::Running,
            "requires_action" => SessionState::RequiresAction,
            "idle" => SessionState::Idle,
            _ => SessionState::Other(line.state),
        })
    }
}

#[derive(Deserialize)]
struct BackgroundTasksLine {
    tasks: Vec<BackgroundTask>,
}

#[derive(Deserialize)]
struct BackgroundTask {
    task_id: String,
}

impl From<BackgroundTasksLine> for Message {
    fn from(line: BackgroundTasksLine) -> Message {
        Message::BackgroundTasks(line.tasks.into_iter().map(|task| task.task_id).collect())
    }
}

#[derive(Deserialize)]
struct CompactLine {
    #[serde(default, deserialize_with = "or_default")]
    compact_metadata: CompactBoundary,
}

#[derive(Deserialize)]
struct RateLimitLine {
    rate_limit_info: RateLimit,
}
