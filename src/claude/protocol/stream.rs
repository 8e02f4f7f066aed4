//! Pieces of an answer that is being written: the API's own events, of which we use three.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Error;

use super::lenient::or_default;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Never set so far: 2.1.197 streams the main agent only.
    pub parent_tool_use_id: Option<String>,
    pub event: StreamEvent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The model begins to answer.
    MessageStart {
        message_id: String,
    },
    BlockStart {
        index: u64,
        kind: BlockKind,
    },
    TextDelta {
        index: u64,
        text: String,
    },
    /// The rest: other deltas, and ends. Complete blocks come as [`super::Message::Assistant`].
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockKind {
    Text,
    Thinking,
    ToolUse { name: String },
    Other,
}

/// Reads a line of type `stream_event`.
pub(super) fn stream(line: &str) -> Result<Stream, Error> {
    serde_json::from_str::<StreamLine>(line).map(Stream::from)
}

#[derive(Deserialize)]
struct StreamLine<'a> {
    #[serde(default, deserialize_with = "or_default")]
    parent_tool_use_id: Option<String>,
    #[serde(borrow)]
    event: Event<'a>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    index: u64,
    #[serde(default)]
    message: Option<EventMessage>,
    #[serde(default, borrow)]
    content_block: Option<EventBlock<'a>>,
    #[serde(default, borrow)]
    delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
struct EventMessage {
    id: String,
}

#[derive(Deserialize)]
struct EventBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    text: Option<String>,
}

impl From<StreamLine<'_>> for Stream {
    fn from(line: StreamLine) -> Stream {
        let Event {
            kind,
            index,
            message,
            content_block,
            delta,
        } = line.event;
        let event = match (&*kind, message, content_block, delta) {
            ("message_start", Some(EventMessage { id }), _, _) => {
                StreamEvent::MessageStart { message_id: id }
            }
            ("content_block_start", _, Some(block), _) => StreamEvent::BlockStart {
                index,
                kind: block.into(),
            },
            (
                "content_block_delta",
                _,
                _,
                Some(Delta {
                    kind,
                    text: Some(text),
                }),
            ) if kind == "text_delta" => StreamEvent::TextDelta { index, text },
            _ => StreamEvent::Other,
        };
        Stream {
            parent_tool_use_id: line.parent_tool_use_id,
            event,
        }
    }
}

impl From<EventBlock<'_>> for BlockKind {
    fn from(block: EventBlock) -> BlockKind {
        match (&*block.kind, block.name) {
            ("text", _) => BlockKind::Text,
            ("thinking", _) => BlockKind::Thinking,
            ("tool_use", Some(name)) => BlockKind::ToolUse { name },
            _ => BlockKind::Other,
        }
    }
}
