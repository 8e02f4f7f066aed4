//! Sends an answer the way the Messages API does: as one JSON object, or as a stream of events.
//!
//! What is sent was decided before; here it is only paced, and broken off where the answer's fault says so.

use std::io;

use serde_json::{Value, json};

use super::End;
use super::answer::{Answer, Block};
use super::http::{Connection, Pause};
use super::script::Fault;

/// A fault in the middle of a stream comes after this many deltas, so that the client has seen some of it.
const DELTAS_BEFORE_FAULT: usize = 3;
/// Characters in a delta of thinking or of a tool's input.
const DELTA_CHARS: usize = 40;

/// An answer with what its envelope needs.
pub struct Delivery {
    /// Differs for each request; message, request and tool ids are made of it.
    pub id: String,
    pub model: String,
    pub streamed: bool,
    pub input_tokens: u64,
    pub answer: Answer,
}

/// Why a stream was left early.
enum Stop {
    Fault(Fault),
    ClientGone,
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Io(error)
    }
}

impl Delivery {
    /// Sends the answer, with its pauses; returns how the request ended.
    pub fn send(&self, connection: &mut Connection) -> io::Result<End> {
        if connection.pause(Some(self.answer.wait))? == Pause::ClientGone {
            return Ok(End::ClientGone);
        }
        match self.answer.fault {
            Some(Fault::Error(status)) => self.send_error(connection, status),
            Some(Fault::Hang) => silence(connection),
            _ if self.streamed => self.send_events(connection),
            None => connection.reply(
                200,
                &[("request-id", &self.request_id())],
                &self.message(),
                false,
            ),
            // A reply in one piece has no middle: the faults of a stream come instead of it.
            Some(Fault::StreamError(status)) => self.send_error(connection, status),
            Some(Fault::Stall) => silence(connection),
            Some(Fault::Cut) => Ok(cut(connection)),
        }
    }

    fn request_id(&self) -> String {
        format!("req_{}", self.id)
    }

    fn send_error(&self, connection: &mut Connection, status: u16) -> io::Result<End> {
        let mut body = error(status);
        body["request_id"] = json!(self.request_id());
        let headers: &[_] = match status {
            429 => &[("retry-after", "1")],
            400..=413 => &[("x-should-retry", "false")],
            _ => &[],
        };
        connection.reply(status, headers, &body, false)
    }

    /// The message as one object. Its content is also what a stream builds up.
    fn message(&self) -> Value {
        let content: Vec<Value> = self
            .answer
            .content
            .iter()
            .enumerate()
            .map(|(index, block)| self.block(index, block))
            .collect();
        json!({
            "id": format!("msg_{}", self.id), "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": self.answer.stop_reason, "stop_sequence": null,
            "usage": self.usage(self.output_tokens()),
        })
    }

    fn block(&self, index: usize, block: &Block) -> Value {
        match block {
            Block::Text(text) => json!({"type": "text", "text": text}),
            Block::Thinking(text) => {
                json!({"type": "thinking", "thinking": text, "signature": "c2lnbmVk"})
            }
            Block::Tool(call) => {
                json!({"type": "tool_use", "id": self.tool_id(index), "name": call.tool, "input": call.input})
            }
        }
    }

    fn tool_id(&self, index: usize) -> String {
        format!("toolu_{}_{index}", self.id)
    }

    fn usage(&self, output_tokens: usize) -> Value {
        json!({
            "input_tokens": self.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
        })
    }

    fn output_tokens(&self) -> usize {
        let length = |block: &Block| match block {
            Block::Text(text) | Block::Thinking(text) => text.len(),
            Block::Tool(call) => call.input.to_string().len(),
        };
        self.answer.content.iter().map(length).sum::<usize>() / 4 + 1
    }

    fn send_events(&self, connection: &mut Connection) -> io::Result<End> {
        connection.start_events(&self.request_id())?;
        match self.send_content(connection) {
            Ok(()) => {
                connection.event(&json!({
                    "type": "message_delta",
                    "delta": {"stop_reason": self.answer.stop_reason, "stop_sequence": null},
                    "usage": {"output_tokens": self.output_tokens()},
                }))?;
                connection.event(&json!({"type": "message_stop"}))?;
                connection.end_events()?;
                Ok(End::Answered)
            }
            Err(Stop::Fault(Fault::StreamError(status))) => {
                connection.event(&error(status))?;
                connection.end_events()?;
                Ok(End::Answered)
            }
            Err(Stop::Fault(Fault::Stall)) => silence(connection),
            Err(Stop::Fault(_)) => Ok(cut(connection)),
            Err(Stop::ClientGone) => Ok(End::ClientGone),
            Err(Stop::Io(error)) => Err(error),
        }
    }

    /// Sends everything up to the end of the content, unless a fault comes first: at the latest there.
    fn send_content(&self, connection: &mut Connection) -> Result<(), Stop> {
        let mut start = self.message();
        start["content"] = json!([]);
        start["stop_reason"] = Value::Null;
        start["usage"] = self.usage(1);
        connection.event(&json!({"type": "message_start", "message": start}))?;
        connection.event(&json!({"type": "ping"}))?;
        let mut sent = 0;
        for (index, block) in self.answer.content.iter().enumerate() {
            let (empty, deltas) = self.deltas(index, block);
            connection.event(
                &json!({"type": "content_block_start", "index": index, "content_block": empty}),
            )?;
            for delta in deltas {
                connection.event(
                    &json!({"type": "content_block_delta", "index": index, "delta": delta}),
                )?;
                sent += 1;
                if let Some(fault) = self.answer.fault.filter(|_| sent >= DELTAS_BEFORE_FAULT) {
                    return Err(Stop::Fault(fault));
                }
                if connection.pause(Some(self.answer.slow))? == Pause::ClientGone {
                    return Err(Stop::ClientGone);
                }
            }
            connection.event(&json!({"type": "content_block_stop", "index": index}))?;
        }
        self.answer
            .fault
            .map_or(Ok(()), |fault| Err(Stop::Fault(fault)))
    }

    /// A block as it starts, and what is added to it.
    fn deltas(&self, index: usize, block: &Block) -> (Value, Vec<Value>) {
        match block {
            Block::Text(text) => {
                let deltas = pieces(text, self.answer.chunk)
                    .map(|text| json!({"type": "text_delta", "text": text}));
                (json!({"type": "text", "text": ""}), deltas.collect())
            }
            Block::Thinking(text) => {
                let deltas = pieces(text, DELTA_CHARS)
                    .map(|text| json!({"type": "thinking_delta", "thinking": text}));
                let signature = json!({"type": "signature_delta", "signature": "c2lnbmVk"});
                (
                    json!({"type": "thinking", "thinking": "", "signature": ""}),
                    deltas.chain([signature]).collect(),
                )
            }
            Block::Tool(call) => {
                let input = call.input.to_string();
                let deltas = pieces(&input, DELTA_CHARS)
                    .map(|text| json!({"type": "input_json_delta", "partial_json": text}));
                let id = self.tool_id(index);
                (
                    json!({"type": "tool_use", "id": id, "name": call.tool, "input": {}}),
                    deltas.collect(),
                )
            }
        }
    }
}

fn cut(connection: &Connection) -> End {
    connection.cut();
    End::Cut
}

/// Holds the connection until the client, or our own end, closes it.
fn silence(connection: &mut Connection) -> io::Result<End> {
    connection.pause(None).map(|_| End::ClientGone)
}

/// The API's error object, with the names and words of its documentation.
fn error(status: u16) -> Value {
    let (kind, message) = match status {
        400 => ("invalid_request_error", "the request is invalid"),
        401 => ("authentication_error", "invalid x-api-key"),
        403 => ("permission_error", "the key has no permission"),
        404 => ("not_found_error", "model: not found"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => (
            "rate_limit_error",
            "This request would exceed your rate limit",
        ),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

/// Cuts a text into pieces of so many characters.
fn pieces(text: &str, length: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .nth(length)
            .map_or(rest.len(), |(end, _)| end);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
