//! One message of the model: its blocks as deltas, as complete lines, and as rows of the transcript.
//!
//! A block's complete line comes before its `content_block_stop`, as the real one prints it.

use std::time::Duration;

use serde_json::{Value, json};

use super::calls::Use;
use super::engine::Engine;
use super::fresh_id;
use super::history::Entry;
use super::ledger::input_tokens;
use super::script::Script;
use super::transcript::merge;
use super::turn::Aborted;

/// A content block.
#[derive(Debug, Clone)]
pub(super) enum Block {
    Thinking(String),
    Text(String),
    Tool(Use),
}

const SIGNATURE: &str = "c3RhbmQtaW4=";

/// A thought's delta has twice the characters of a text's, as the mock sends them.
const THOUGHT_CHUNK: usize = 24;

impl Block {
    fn value(&self) -> Value {
        match self {
            Block::Thinking(text) => {
                json!({ "type": "thinking", "thinking": text, "signature": SIGNATURE })
            }
            Block::Text(text) => json!({ "type": "text", "text": text }),
            Block::Tool(Use { id, call }) => {
                json!({ "type": "tool_use", "id": id, "name": call.name, "input": call.input })
            }
        }
    }

    /// The block as `content_block_start` shows it.
    fn empty(&self) -> Value {
        match self {
            Block::Thinking(_) => json!({ "type": "thinking", "thinking": "", "signature": "" }),
            Block::Text(_) => json!({ "type": "text", "text": "" }),
            Block::Tool(Use { id, call }) => {
                json!({ "type": "tool_use", "id": id, "name": call.name, "input": {} })
            }
        }
    }

    fn length(&self) -> usize {
        match self {
            Block::Thinking(text) | Block::Text(text) => text.len(),
            Block::Tool(Use { call, .. }) => call.input.to_string().len(),
        }
    }
}

impl Engine {
    /// Says a message. A text that is cut off is printed and stored as far as it came.
    pub(super) fn say(
        &mut self,
        script: &Script,
        blocks: &[Block],
        stop_reason: &str,
    ) -> Result<(), Aborted> {
        let id = self.begin_message(Duration::from_millis(script.wait_ms))?;
        for (index, block) in blocks.iter().enumerate() {
            self.wire.stream(&id, json!({ "type": "content_block_start", "index": index, "content_block": block.empty() }), Value::Null);
            self.deltas(script, &id, index, block)?;
            self.complete(&id, block, stop_reason);
            self.wire.stream(
                &id,
                json!({ "type": "content_block_stop", "index": index }),
                Value::Null,
            );
        }
        let history: usize = self.history.texts().map(str::len).sum();
        let output = blocks.iter().map(Block::length).sum();
        self.ledger.spend(&self.model, history, output);
        self.message_delta(
            &id,
            json!({ "stop_reason": stop_reason, "stop_sequence": null }),
            output,
        );
        self.turn().unstopped = Some(id);
        if stop_reason != "tool_use" {
            self.stop_message();
        }
        Ok(())
    }

    /// The request to the model and the start of its message.
    pub(super) fn begin_message(&mut self, wait: Duration) -> Result<String, Aborted> {
        self.announce_request();
        self.turn().requested = false;
        if self.pause(wait) {
            return Err(Aborted);
        }
        self.counts.messages += 1;
        let id = format!("msg_standin_{:06}", self.counts.messages);
        self.turn().begin_message(&id);
        if self.wire.partial {
            self.acknowledge();
            let mut extra = json!({ "ttft_ms": wait.as_millis() as u64 });
            // The marks stay for the first complete block.
            merge(&mut extra, self.turn().marks());
            let message = self.message(&id, json!([]), Value::Null);
            self.wire.stream(
                &id,
                json!({ "type": "message_start", "message": message }),
                extra,
            );
        }
        Ok(id)
    }

    /// Says, once for each message, that the model is being asked.
    pub(super) fn announce_request(&mut self) {
        if std::mem::replace(&mut self.turn().requested, true) || !self.wire.partial {
            return;
        }
        let mut fields = json!({ "status": "requesting" });
        if let Some(uuids) = self.turn().marks().get("user_message_uuids") {
            fields["user_message_uuids"] = uuids.clone();
        }
        self.wire.system("status", fields);
    }

    fn message_delta(&mut self, id: &str, delta: Value, output_chars: usize) {
        let usage = json!({ "output_tokens": output_chars / 4 + 1 });
        self.wire.stream(
            id,
            json!({ "type": "message_delta", "delta": delta, "usage": usage }),
            Value::Null,
        );
    }

    /// The last event of a message. The real CLI asks for a tool before the message that calls it has stopped.
    pub(super) fn stop_message(&mut self) {
        let unstopped = self.turn.as_mut().and_then(|turn| turn.unstopped.take());
        if let Some(id) = unstopped {
            self.wire
                .stream(&id, json!({ "type": "message_stop" }), Value::Null);
        }
    }

    /// The deltas of a block, with the script's pauses.
    fn deltas(
        &mut self,
        script: &Script,
        id: &str,
        index: usize,
        block: &Block,
    ) -> Result<(), Aborted> {
        match block {
            Block::Text(text) => self.text_deltas(script, id, index, text),
            Block::Thinking(text) => {
                let mut tokens = 0;
                for piece in pieces(text, THOUGHT_CHUNK) {
                    let more = piece.len() / 4;
                    tokens += more;
                    self.wire.system(
                        "thinking_tokens",
                        json!({ "estimated_tokens": tokens, "estimated_tokens_delta": more }),
                    );
                    self.delta(
                        id,
                        index,
                        json!({ "type": "thinking_delta", "thinking": piece }),
                    );
                    if self.pause(Duration::from_millis(script.slow_ms)) {
                        return Err(Aborted);
                    }
                }
                self.delta(
                    id,
                    index,
                    json!({ "type": "signature_delta", "signature": SIGNATURE }),
                );
                Ok(())
            }
            Block::Tool(Use { call, .. }) => {
                self.delta(
                    id,
                    index,
                    json!({ "type": "input_json_delta", "partial_json": call.input.to_string() }),
                );
                Ok(())
            }
        }
    }

    fn text_deltas(
        &mut self,
        script: &Script,
        id: &str,
        index: usize,
        text: &str,
    ) -> Result<(), Aborted> {
        let mut said = String::new();
        for piece in pieces(text, script.chunk) {
            said.push_str(&piece);
            self.delta(id, index, json!({ "type": "text_delta", "text": piece }));
            if self.pause(Duration::from_millis(script.slow_ms)) {
                self.cut_off(id, index, &said);
                return Err(Aborted);
            }
        }
        Ok(())
    }

    pub(super) fn delta(&mut self, id: &str, index: usize, delta: Value) {
        self.wire.stream(
            id,
            json!({ "type": "content_block_delta", "index": index, "delta": delta }),
            Value::Null,
        );
    }

    /// What was said before the interruption stays in the conversation.
    pub(super) fn cut_off(&mut self, id: &str, index: usize, said: &str) {
        self.acknowledge();
        let uuid = fresh_id();
        let message = self.message(id, json!([{ "type": "text", "text": said }]), Value::Null);
        let mut extra = json!({ "aborted": true });
        merge(&mut extra, self.turn().first_marks());
        self.wire.assistant(&uuid, &message, extra);
        self.transcript
            .assistant(&uuid, &message, json!({ "isAbortedMidStream": true }));
        self.turn().last_text = said.to_owned();
        self.remember(Entry::Said);
        self.turn().open_block = Some((id.to_owned(), index));
    }

    /// The events that end a message which was cut off. They come after the mark of the interruption.
    pub(super) fn close_message(&mut self) {
        if let Some((id, index)) = self.turn().open_block.take() {
            self.wire.stream(
                &id,
                json!({ "type": "content_block_stop", "index": index }),
                Value::Null,
            );
            self.message_delta(&id, json!({ "stop_reason": null }), 0);
            self.turn().unstopped = Some(id);
            self.stop_message();
        }
    }

    /// A complete block as a line and as a row.
    fn complete(&mut self, id: &str, block: &Block, stop_reason: &str) {
        self.acknowledge();
        let uuid = fresh_id();
        let content = json!([block.value()]);
        let marks = self.turn().first_marks();
        let line = self.message(id, content.clone(), Value::Null);
        let row = self.message(id, content, Value::from(stop_reason));
        self.transcript
            .assistant(&uuid, &row, json!({ "requestId": format!("req_{id}") }));
        self.wire.assistant(&uuid, &line, marks);
        match block {
            Block::Thinking(_) => self.remember(Entry::Said),
            Block::Text(text) => {
                self.turn().last_text.clone_from(text);
                self.remember(Entry::Said);
            }
            Block::Tool(Use { id, .. }) => self.remember(Entry::Called { id: id.clone() }),
        }
    }

    /// A message of the API with this content.
    pub(super) fn message(&self, id: &str, content: Value, stop_reason: Value) -> Value {
        let history: usize = self.history.texts().map(str::len).sum();
        json!({
            "id": id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": stop_reason, "stop_sequence": null,
            "usage": {
                "input_tokens": input_tokens(history), "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": 1,
            },
        })
    }
}

/// A text in pieces of `size` characters.
fn pieces(text: &str, size: usize) -> impl Iterator<Item = String> {
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        rest.peek()?;
        Some(rest.by_ref().take(size).collect())
    })
}
