//! What one request body says: its texts, tools and tool results, and which of the texts a human typed.
//!
//! The CLI puts much into the "user" messages that no human typed: reminders, notes about interruptions, output of
//! local commands, prompts of its own. What is recognised here was seen on the wire from the CLI 2.1.197 and 2.1.330.
//! This file decides nothing about the answer.

use serde_json::Value;

/// A text block of a user message that begins so is the CLI's.
const NOT_TYPED: [&str; 14] = [
    "<local-command-",
    "<command-name>",
    "<command-message>",
    "<task-notification>",
    "<bash-",
    "Caveat: ",
    "[Request interrupted by user",
    "[Your previous response had no visible output",
    "Stop hook feedback",
    "This session is being continued from",
    "Continue from where you left off.",
    "Resume directly",
    "Output token limit hit.",
    "CRITICAL: Respond with TEXT ONLY",
];

/// Begins a text that the CLI delivers into a running turn: in a reminder, or in a message of role "system".
const STEERED: &str = "The user sent a new message while you were working:\n";
/// What the CLI says to the model after such a text; the first is 2.1.197's, the second 2.1.330's.
const STEERED_ENDS: [&str; 3] = [
    "\n\nIMPORTANT: After completing",
    "\n\nThis is how Claude Code surfaces",
    "</system-reminder>",
];

/// What the CLI writes as the result of a call that was cut off by its end or by an interruption, or whose permission
/// prompt was. (2.1.197 leaves the result of the first away.)
const LOST_RESULTS: [&str; 4] = [
    "the session ended before this call's result was recorded",
    "The user doesn't want to proceed with this tool use.",
    "permission stream closed",
    "Stream closed",
];

/// One parsed request body. A field that is missing or of the wrong type counts as empty.
pub struct Conversation<'a> {
    body: &'a Value,
    messages: &'a [Value],
    /// In order.
    pub typed: Vec<Typed>,
}

/// A text that a human typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The index of its message.
    pub message: usize,
    pub text: String,
    /// Whether it was delivered into a running turn.
    pub steered: bool,
}

/// What a tool, or the refusal to run it, told the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    pub text: String,
    pub is_error: bool,
}

impl<'a> Conversation<'a> {
    pub fn new(body: &'a Value) -> Conversation<'a> {
        let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
        let mut typed = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            for text in texts(message) {
                let one = |text: &str, steered| Typed {
                    message: index,
                    text: text.trim().to_owned(),
                    steered,
                };
                typed.extend(steered_texts(text).into_iter().map(|text| one(text, true)));
                if message["role"] != "user" {
                    continue;
                }
                let rest = without_reminders(text);
                let rest = rest.trim();
                if !rest.is_empty() && !NOT_TYPED.iter().any(|start| rest.starts_with(start)) {
                    typed.push(one(rest, false));
                }
            }
        }
        Conversation {
            body,
            messages,
            typed,
        }
    }

    pub fn model(&self) -> &'a str {
        self.body["model"].as_str().unwrap_or_default()
    }

    /// The system prompt's blocks, joined by line breaks.
    pub fn system(&self) -> String {
        texts_of(&self.body["system"]).join("\n")
    }

    pub fn tools(&self) -> Vec<&'a str> {
        let tools = self.body["tools"].as_array().map_or(&[][..], Vec::as_slice);
        tools
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect()
    }

    pub fn max_tokens(&self) -> Option<u64> {
        self.body["max_tokens"].as_u64()
    }

    /// The JSON schema that the answer has to follow, if the request has one.
    pub fn schema(&self) -> Option<&'a Value> {
        let formats = [
            &self.body["output_config"]["format"],
            &self.body["output_format"],
        ];
        formats
            .into_iter()
            .find(|format| format["type"] == "json_schema")
            .map(|format| &format["schema"])
    }

    /// The CLI's session id: a field of a JSON text in `metadata.user_id`.
    pub fn session(&self) -> Option<String> {
        let user: Value = serde_json::from_str(self.body["metadata"]["user_id"].as_str()?).ok()?;
        Some(user["session_id"].as_str()?.to_owned())
    }

    pub fn roles(&self) -> Vec<&'a str> {
        self.messages
            .iter()
            .filter_map(|message| message["role"].as_str())
            .collect()
    }

    /// How many blocks of this kind (`image`, `document`) the message has.
    pub fn attachments(&self, message: usize, kind: &str) -> usize {
        blocks(&self.messages[message])
            .iter()
            .filter(|block| block["type"] == kind)
            .count()
    }

    /// Whether this is the CLI's request for the summary of `/compact`. Its prompt need not be the last text: texts
    /// that were steered into the last turn may come behind it.
    pub fn wants_summary(&self) -> bool {
        self.messages
            .iter()
            .rfind(|message| message["role"] == "user")
            .is_some_and(|message| {
                texts(message).iter().any(|text| {
                    text.contains("create a detailed summary of")
                        || text.contains("detailed summary of the RECENT")
                })
            })
    }

    /// The summary line of a background task that has just ended, if that is what the request reports.
    pub fn notification(&self) -> Option<String> {
        let texts = texts(self.messages.last()?);
        let note = texts
            .iter()
            .find_map(|text| between(text, "<task-notification>", "</task-notification>"))?;
        let summary = between(note, "<summary>", "</summary>")?;
        Some(summary.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// How many assistant messages since `message` have called tools and got their results. A result that was lost
    /// does not count once somebody has typed again: what was not done is to be done then.
    pub fn tool_steps_since(&self, message: usize) -> usize {
        let since = self.messages.get(message + 1..).unwrap_or_default();
        let last_prompt = self.typed.iter().rfind(|typed| !typed.steered);
        let typed_again = last_prompt.and_then(|typed| typed.message.checked_sub(message + 1));
        let answered: Vec<&Value> = since
            .iter()
            .enumerate()
            .flat_map(|(index, message)| blocks(message).iter().map(move |block| (index, block)))
            .filter(|(index, block)| {
                block["type"] == "tool_result"
                    && !(typed_again.is_some_and(|again| *index <= again) && is_lost(block))
            })
            .map(|(_, block)| &block["tool_use_id"])
            .collect();
        let is_done =
            |block: &Value| block["type"] == "tool_use" && answered.contains(&&block["id"]);
        since
            .iter()
            .filter(|message| message["role"] == "assistant" && blocks(message).iter().any(is_done))
            .count()
    }

    /// The results in the last message after `message` that has any.
    pub fn tool_results_since(&self, message: usize) -> Vec<ToolResult> {
        let since = self.messages.get(message + 1..).unwrap_or_default();
        let results = |message| {
            blocks_of(std::slice::from_ref(message), "tool_result")
                .map(tool_result)
                .collect()
        };
        since
            .iter()
            .rev()
            .map(results)
            .find(|results: &Vec<ToolResult>| !results.is_empty())
            .unwrap_or_default()
    }

    /// The newest results since the last text that was typed as a prompt of its own.
    pub fn tool_results_since_typed(&self) -> Vec<ToolResult> {
        let prompt = self.typed.iter().rfind(|typed| !typed.steered);
        prompt.map_or_else(Vec::new, |prompt| self.tool_results_since(prompt.message))
    }

    /// The file that plan mode tells the model to write its plan to, unless plan mode was left before `message`.
    pub fn plan_file(&self, message: usize) -> Option<String> {
        let mut file = None;
        for (index, other) in self.messages.iter().enumerate() {
            for text in texts(other) {
                if let Some(info) = text.split("Plan File Info:").nth(1) {
                    file = between(info, " at ", ".md").map(|stem| format!("{stem}.md"));
                }
                if index < message && text.contains("## Exited Plan Mode") {
                    file = None;
                }
            }
        }
        file
    }
}

fn blocks(message: &Value) -> &[Value] {
    message["content"].as_array().map_or(&[], Vec::as_slice)
}

fn blocks_of<'a>(messages: &'a [Value], kind: &'static str) -> impl Iterator<Item = &'a Value> {
    messages
        .iter()
        .flat_map(blocks)
        .filter(move |block| block["type"] == kind)
}

fn texts(message: &Value) -> Vec<&str> {
    texts_of(&message["content"])
}

/// The texts of a content: a plain string, or the text blocks of a list.
fn texts_of(content: &Value) -> Vec<&str> {
    match content {
        Value::String(text) => vec![text],
        Value::Array(blocks) => blocks
            .iter()
            .filter_map(|block| block["text"].as_str())
            .collect(),
        _ => Vec::new(),
    }
}

fn tool_result(block: &Value) -> ToolResult {
    ToolResult {
        text: texts_of(&block["content"]).join("\n"),
        is_error: block["is_error"] == true,
    }
}

fn is_lost(block: &Value) -> bool {
    let text = tool_result(block).text;
    LOST_RESULTS.iter().any(|words| text.contains(words))
}

fn steered_texts(text: &str) -> Vec<&str> {
    let ends = |rest: &str| {
        STEERED_ENDS
            .iter()
            .filter_map(|end| rest.find(end))
            .min()
            .unwrap_or(rest.len())
    };
    text.split(STEERED)
        .skip(1)
        .map(|rest| &rest[..ends(rest)])
        .collect()
}

fn without_reminders(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("<system-reminder>") {
        // A reminder without an end is no reminder.
        let Some((_, after)) = after.split_once("</system-reminder>") else {
            break;
        };
        kept += before;
        rest = after;
    }
    kept + rest
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(start)?;
    Some(after.split_once(end)?.0)
}
