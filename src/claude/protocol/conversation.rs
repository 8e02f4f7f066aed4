//! What is said in a conversation: lines of the model, and lines of the user's side, where results of tools stand.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Error;
use serde_json::value::RawValue;

use super::incoming::harmless;
use super::lenient::or_default;
use super::raw_json::RawJson;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assistant {
    /// The API's id of the message. Lines that share it are one message.
    pub message_id: String,
    /// Set for a sub-agent: its text is progress, never the answer.
    pub parent_tool_use_id: Option<String>,
    pub blocks: Vec<Block>,
    /// For a failed request: `authentication_failed`, `rate_limit`, `overloaded`, `invalid_request`, `model_not_found`,
    /// `server_error`, `billing_error`, `max_output_tokens`, `unknown`; the text is the CLI's sentence about it.
    pub error: Option<String>,
    /// Written by the CLI, not by a model: an API error, or the answer of a built-in command.
    pub synthetic: bool,
    /// Cut off by an interrupt. Since 2.1.330 only.
    pub aborted: bool,
    /// Which messages the turn answers; empty in 2.1.197.
    pub user_message_uuids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    Text(String),
    Thinking(String),
    ToolUse {
        id: String,
        name: String,
        input: RawJson,
    },
    /// A block of this type, which we do not use, or one that we know and cannot read.
    Other(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub uuid: Option<String>,
    /// A line of ours, given back. Of messages that were merged the last one has the joined text. Not early: the message
    /// that opens a turn is replayed just before the turn's first complete block.
    pub is_replay: bool,
    /// Words of the CLI, such as a summary. `[Request interrupted by user]` comes without this flag.
    pub is_synthetic: bool,
    pub parent_tool_use_id: Option<String>,
    /// All text blocks, joined by line breaks.
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
    /// Whole; up to about 50 kB have been seen. Parts that are not text are left out.
    pub text: String,
    pub is_error: bool,
}

/// Reads a line of type `assistant`.
pub(super) fn assistant(line: &str) -> Result<Assistant, Error> {
    serde_json::from_str::<AssistantLine>(line).map(Assistant::from)
}

/// Reads a line of type `user`.
pub(super) fn user(line: &str) -> Result<User, Error> {
    serde_json::from_str::<UserLine>(line).map(User::from)
}

#[derive(Deserialize)]
struct AssistantLine<'a> {
    #[serde(borrow)]
    message: AssistantMessage<'a>,
    #[serde(default, deserialize_with = "or_default")]
    parent_tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    error: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    aborted: bool,
    #[serde(default, deserialize_with = "or_default")]
    user_message_uuids: Vec<String>,
}

#[derive(Deserialize)]
struct AssistantMessage<'a> {
    #[serde(default, deserialize_with = "or_default")]
    id: String,
    #[serde(default, borrow, deserialize_with = "or_default")]
    model: &'a str,
    #[serde(borrow)]
    content: &'a RawValue,
}

impl From<AssistantLine<'_>> for Assistant {
    fn from(line: AssistantLine) -> Assistant {
        Assistant {
            synthetic: line.message.model == "<synthetic>",
            blocks: blocks(line.message.content)
                .into_iter()
                .map(Block::from)
                .collect(),
            message_id: line.message.id,
            parent_tool_use_id: line.parent_tool_use_id,
            error: line.error,
            aborted: line.aborted,
            user_message_uuids: line.user_message_uuids,
        }
    }
}

#[derive(Deserialize)]
struct UserLine<'a> {
    #[serde(borrow)]
    message: UserMessage<'a>,
    #[serde(default, deserialize_with = "or_default")]
    uuid: Option<String>,
    #[serde(default, rename = "isReplay", deserialize_with = "or_default")]
    is_replay: bool,
    #[serde(default, rename = "isSynthetic", deserialize_with = "or_default")]
    is_synthetic: bool,
    #[serde(default, deserialize_with = "or_default")]
    parent_tool_use_id: Option<String>,
}

#[derive(Deserialize)]
struct UserMessage<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

impl From<UserLine<'_>> for User {
    fn from(line: UserLine) -> User {
        let (results, others): (Vec<_>, Vec<_>) = blocks(line.message.content)
            .into_iter()
            .partition(|block| block.kind == "tool_result");
        User {
            uuid: line.uuid,
            is_replay: line.is_replay,
            is_synthetic: line.is_synthetic,
            parent_tool_use_id: line.parent_tool_use_id,
            text: text_of(others),
            tool_results: results.into_iter().map(ToolResult::from).collect(),
        }
    }
}

/// A content block of any type: the union of what we use of them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ContentBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    text: Option<String>,
    thinking: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<RawJson>,
    tool_use_id: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    is_error: Option<bool>,
}

/// Content is a text or a list of blocks. A block that cannot be read is one of no type; the others stay.
fn blocks(content: &RawValue) -> Vec<ContentBlock<'_>> {
    if let Ok(text) = serde_json::from_str(content.get()) {
        return vec![ContentBlock {
            kind: Cow::Borrowed("text"),
            text: Some(text),
            ..ContentBlock::default()
        }];
    }
    let list: Vec<&RawValue> = serde_json::from_str(content.get()).unwrap_or_default();
    list.into_iter()
        .map(|block| serde_json::from_str(block.get()).unwrap_or_default())
        .collect()
}

fn text_of(blocks: Vec<ContentBlock>) -> String {
    let texts = blocks
        .into_iter()
        .filter(|block| block.kind == "text")
        .filter_map(|block| block.text);
    texts.collect::<Vec<_>>().join("\n")
}

impl From<ContentBlock<'_>> for Block {
    fn from(block: ContentBlock) -> Block {
        match block {
            ContentBlock {
                kind,
                text: Some(text),
                ..
            } if kind == "text" => Block::Text(text),
            ContentBlock {
                kind,
                thinking: Some(thinking),
                ..
            } if kind == "thinking" => Block::Thinking(thinking),
            ContentBlock {
                kind,
                id: Some(id),
                name: Some(name),
                input: Some(input),
                ..
            } if kind == "tool_use" => Block::ToolUse { id, name, input },
            other => Block::Other(harmless(&other.kind)),
        }
    }
}

impl From<ContentBlock<'_>> for ToolResult {
    fn from(block: ContentBlock) -> ToolResult {
        ToolResult {
            tool_use_id: block.tool_use_id.unwrap_or_default(),
            text: block
                .content
                .map(|content| text_of(blocks(content)))
                .unwrap_or_default(),
            is_error: block.is_error.unwrap_or_default(),
        }
    }
}
