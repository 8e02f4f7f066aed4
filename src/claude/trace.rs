//! What a session's transcript says of one prompt. Pure: rows in, a [`Trace`] out; `transcript` finds and reads the file.
//!
//! The rows are those of 2.1.197 and 2.1.330. Rows of conversation are `user`, `assistant` and `attachment`; all others
//! (`mode`, `last-prompt`, `queue-operation`, `api-request`, …) say nothing here. Both versions write the rows of an
//! answer when it is complete, one for each block, and each carries the answer's final `stop_reason`.
//!
//! When in doubt a turn counts as not finished: who is asked to go on although it had ended repeats its answer, but an
//! answer that is cut short and delivered as the whole one misleads.

use std::collections::HashSet;

use serde_json::Value;

use crate::chat::Block;

/// What the transcript says of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// There is no file, or a file without the prompt. Of messages that the CLI merged, all but the last are missing;
    /// the last one's row has the text of all.
    Missing,
    /// The file, or Claude's folder, is there and cannot be read.
    Unreadable,
    /// The prompt is there.
    Found(Progress),
}

/// How far a prompt came, by the transcript.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What the main agent said after its last tool call, if its turn has ended; None where it has not. Empty if it ended
    /// without a word. Keys and order are those of the stream.
    pub finished: Option<Vec<Block>>,
    /// How many tools the main agent has called in the turn.
    pub tools: u32,
    /// Whether the CLI itself refused a tool in the turn, of the main agent or a sub-agent, because nobody was there any
    /// more to be asked, or wrote down that the user had interrupted the turn. The model takes either for the user's
    /// word; but a prompt that is still open was interrupted by chappe's end.
    pub refused_by_restart: bool,
    /// Whether it has no turn of its own: it was put into one that ran.
    pub is_steered: bool,
}

/// Follows one prompt through the rows of a transcript.
pub struct Tracer<'a> {
    /// The prompt's uuid.
    uuid: &'a str,
    turn: Option<Turn>,
}

/// What the rows since the prompt came to.
#[derive(Default)]
struct Turn {
    /// Rows by their uuids: 2.1.197 sometimes writes a row twice.
    rows: HashSet<String>,
    /// Text since the last tool call.
    answer: Vec<Block>,
    /// The message that blocks come from now, and how many of its blocks were seen.
    message: String,
    blocks: u32,
    tools: u32,
    /// Whether the last row is one with which a turn ends.
    ended: bool,
    refused: bool,
    is_steered: bool,
    /// Another prompt has come: what follows is no longer about this one.
    over: bool,
    /// The sub-agents whose results came back.
    agents: Vec<String>,
}

impl<'a> Tracer<'a> {
    pub fn new(uuid: &'a str) -> Tracer<'a> {
        Tracer { uuid, turn: None }
    }

    /// Takes the next line of the file, with or without its line break.
    pub fn line(&mut self, line: &[u8]) {
        let is_running = self.turn.as_ref().is_some_and(|turn| !turn.over);
        // Of what does not concern the prompt not even the JSON is read: a file may have 100 MB.
        if !is_running && !std::str::from_utf8(line).is_ok_and(|line| line.contains(self.uuid)) {
            return;
        }
        let Ok(row) = serde_json::from_slice::<Value>(line) else {
            return self.unreadable();
        };
        if self.is_prompt(&row) {
            // Written once more, it counts from there, unless the first time brought the answer.
            if !self.turn.as_ref().is_some_and(|turn| turn.ended) {
                self.turn = Some(Turn {
                    is_steered: row["type"] == "attachment",
                    ..Turn::default()
                });
            }
        } else if let Some(turn) = self.turn.as_mut().filter(|turn| !turn.over) {
            turn.row(&row);
        }
    }

    /// Notes that a row cannot be read: torn by a kill, or too long. It may have been one that goes on after the answer.
    pub fn unreadable(&mut self) {
        if let Some(turn) = self.turn.as_mut().filter(|turn| !turn.over) {
            turn.ended = false;
        }
    }

    /// The sub-agents whose results the turn has; their own rows stand in files of theirs.
    pub fn agents(&self) -> &[String] {
        self.turn.as_ref().map_or(&[], |turn| &turn.agents)
    }

    /// What all rows together say. None: the prompt is not there.
    pub fn finish(self) -> Option<Progress> {
        self.turn.map(|turn| Progress {
            finished: turn.ended.then_some(turn.answer),
            tools: turn.tools,
            refused_by_restart: turn.refused,
            is_steered: turn.is_steered,
        })
    }

    /// Whether the row is the prompt itself: a row of its own, or, if it was steered into a running turn, an attachment.
    fn is_prompt(&self, row: &Value) -> bool {
        match row["type"].as_str() {
            Some("user") => row["uuid"] == self.uuid,
            Some("attachment") => {
                row["attachment"]["type"] == "queued_command"
                    && row["attachment"]["source_uuid"] == self.uuid
            }
            _ => false,
        }
    }
}

impl Turn {
    fn row(&mut self, row: &Value) {
        // No agent but the main one writes into this file in the versions known; older ones did.
        let of_sub_agent = row["isSidechain"] == true;
        let is_known = || self.rows.contains(row["uuid"].as_str().unwrap_or_default());
        if of_sub_agent || is_known() {
            return;
        }
        match row["type"].as_str() {
            Some("assistant") => self.assistant(row),
            Some("user") => self.user(row),
            _ => return,
        }
        if let Some(uuid) = row["uuid"].as_str() {
            self.rows.insert(uuid.to_owned());
        }
    }

    fn assistant(&mut self, row: &Value) {
        let message = &row["message"];
        // Words of the CLI: an API error, or "No response requested." after a resume. A turn that ends with an error has
        // brought no answer.
        if row["isApiErrorMessage"] == true || message["model"] == "<synthetic>" {
            self.ended = false;
            return;
        }
        let id = message["id"].as_str().unwrap_or_default();
        let mut last = "";
        for block in message["content"].as_array().into_iter().flatten() {
            let index = self.number(id);
            last = block["type"].as_str().unwrap_or_default();
            match last {
                "text" => {
                    let text = block["text"].as_str().unwrap_or_default();
                    if !text.trim().is_empty() {
                        self.answer.push(Block {
                            message: id.to_owned(),
                            index,
                            text: text.to_owned(),
                        });
                    }
                }
                "tool_use" => {
                    self.tools += 1;
                    self.answer.clear();
                }
                _ => {}
            }
        }
        // After `max_tokens` both versions let the model go on by themselves, after a `refusal` the newer one does, and the
        // older one adds an error; the API means `pause_turn` to be gone on with. And no turn ends with a thought: the
        // text behind it is not there yet.
        let is_last = matches!(
            message["stop_reason"].as_str(),
            Some("end_turn" | "stop_sequence")
        );
        self.ended = is_last && last != "thinking" && last != "redacted_thinking";
    }

    /// Counts a block of any kind, so that the numbers of text blocks are those of the stream.
    fn number(&mut self, message: &str) -> u32 {
        if self.message != message {
            self.message = message.to_owned();
            self.blocks = 0;
        }
        self.blocks += 1;
        self.blocks - 1
    }

    fn user(&mut self, row: &Value) {
        let content = &row["message"]["content"];
        if blocks(content).any(|block| block["type"] == "tool_result") {
            self.ended = false;
            self.refused |= is_refused_by_restart(row);
            // Of the sub-agent's words only its answer stands here.
            if let Some(agent) = row["toolUseResult"]["agentId"].as_str() {
                self.agents.push(agent.to_owned());
            }
            return;
        }
        let text = text(content);
        if row["isCompactSummary"] == true || text.starts_with("<local-command-caveat>") {
            // The history was summed up, or a command of the CLI's own comes next: nothing was said to the model.
        } else if row["isMeta"] == true {
            // The CLI makes the model go on: a hook, an answer without words, a resume.
            self.ended = false;
        } else if text.starts_with("[Request interrupted by user") {
            self.ended = false;
            self.refused = true;
        } else {
            self.over = true;
        }
    }
}

/// Whether a line of a transcript says that a tool was refused because nobody was there to be asked.
pub fn is_refusal(line: &[u8]) -> bool {
    // Cheap first: transcripts of sub-agents are long, and this is rare.
    let may_be = |line: &str| line.contains(STREAM_CLOSED) || line.contains(UNANSWERED);
    std::str::from_utf8(line).is_ok_and(may_be)
        && serde_json::from_slice(line).is_ok_and(|row| is_refused_by_restart(&row))
}

/// "Tool permission stream closed before response received" for a request that was open, "Stream closed" for a later one.
const STREAM_CLOSED: &str = "tream closed";
/// The same as a word, in 2.1.330.
const UNANSWERED: &str = "stream-closed";

fn is_refused_by_restart(row: &Value) -> bool {
    let says_so = |block: &Value| {
        let text = text(&block["content"]);
        block["is_error"] == true
            && text.starts_with("Tool permission request failed")
            && text.contains(STREAM_CLOSED)
    };
    row["toolDenialUnanswered"] == UNANSWERED || blocks(&row["message"]["content"]).any(says_so)
}

fn blocks(content: &Value) -> impl Iterator<Item = &Value> {
    content.as_array().into_iter().flatten()
}

/// The text of a content, which is a string or blocks.
fn text(content: &Value) -> String {
    match content.as_str() {
        Some(text) => text.to_owned(),
        None => blocks(content)
            .filter_map(|block| block["text"].as_str())
            .collect(),
    }
}

#[cfg(test)]
mod tests;
