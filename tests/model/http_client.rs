//! A plain HTTP client for the tests of the stand-in: what it sends and reads is spelled out, nothing is retried.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::LIMIT;
use crate::messages_api::MessagesApi;

/// One connection, used for one request after the other.
pub struct Client(TcpStream);

/// A reply; of a stream the events that arrived, of a JSON body that one value.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub values: Vec<Value>,
    /// Whether the body was complete.
    pub complete: bool,
}

impl Client {
    pub fn new(api: &MessagesApi) -> Client {
        let stream =
            TcpStream::connect(api.url().trim_start_matches("http://")).expect("it listens");
        stream
            .set_read_timeout(Some(LIMIT))
            .expect("a positive time");
        Client(stream)
    }

    pub fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("it reads");
    }

    pub fn post(&mut self, path: &str, body: &Value) {
        let body = body.to_string();
        self.write(&format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    pub fn ask(&mut self, body: &Value) -> Reply {
        self.post("/v1/messages?beta=true", body);
        self.read_reply()
    }

    /// Reads byte by byte: slow, but it never takes what belongs to the next reply.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            if self.0.read(&mut byte).unwrap_or(0) == 0 {
                return None;
            }
            line.push(byte[0]);
        }
        Some(
            String::from_utf8(line)
                .expect("UTF-8")
                .trim_end()
                .to_owned(),
        )
    }

    fn body(&mut self, length: usize) -> String {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a whole body");
        String::from_utf8(body).expect("a delta never splits a character")
    }

    pub fn read_reply(&mut self) -> Reply {
        let mut reply = Reply {
            status: 0,
            values: Vec::new(),
            complete: false,
        };
        let mut length = None;
        let Some(status) = self.line() else {
            return reply;
        };
        reply.status = status
            .split(' ')
            .nth(1)
            .expect("a status line")
            .parse()
            .expect("a status");
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            length = line
                .strip_prefix("content-length: ")
                .map(|length| length.parse().expect("a length"))
                .or(length);
        }
        if let Some(length) = length {
            reply
                .values
                .push(serde_json::from_str(&self.body(length)).expect("JSON"));
            reply.complete = true;
            return reply;
        }
        while let Some(size) = self.line() {
            let event = self.body(usize::from_str_radix(&size, 16).expect("a chunk size"));
            self.line();
            if event.is_empty() {
                reply.complete = true;
                break;
            }
            let data = event
                .lines()
                .find_map(|line| line.strip_prefix("data: "))
                .expect("each event has data");
            reply.values.push(serde_json::from_str(data).expect("JSON"));
        }
        reply
    }
}

impl Reply {
    /// What a client builds up of a stream: the content blocks, with all deltas joined.
    pub fn content(&self) -> Vec<Value> {
        if let Some(content) = self.values[0]["content"].as_array() {
            return content.clone();
        }
        let mut blocks: Vec<Value> = Vec::new();
        let mut inputs = String::new();
        for event in &self.values {
            let delta = &event["delta"];
            match event["type"].as_str() {
                Some("content_block_start") => blocks.push(event["content_block"].clone()),
                Some("content_block_delta") => {
                    let block = blocks.last_mut().expect("a delta follows a start");
                    for key in ["text", "thinking", "signature"] {
                        if let Some(more) = delta[key].as_str() {
                            block[key] =
                                json!(format!("{}{more}", block[key].as_str().expect("a text")));
                        }
                    }
                    inputs += delta["partial_json"].as_str().unwrap_or_default();
                }
                Some("content_block_stop") if !inputs.is_empty() => {
                    let block = blocks.last_mut().expect("a stop follows a start");
                    block["input"] =
                        serde_json::from_str(&std::mem::take(&mut inputs)).expect("whole JSON");
                }
                _ => {}
            }
        }
        blocks
    }

    /// The text of the last block.
    pub fn text(&self) -> String {
        let content = self.content();
        content
            .last()
            .and_then(|block| block["text"].as_str())
            .unwrap_or_default()
            .to_owned()
    }

    pub fn event(&self, kind: &str) -> &Value {
        self.values
            .iter()
            .find(|event| event["type"] == kind)
            .unwrap_or_else(|| panic!("no {kind} in {self:?}"))
    }
}

pub fn request(messages: Value) -> Value {
    json!({"model": "m", "max_tokens": 100, "stream": true, "tools": [{"name": "Bash"}], "messages": messages})
}

pub fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

pub fn says(api: &MessagesApi, messages: Value) -> String {
    Client::new(api).ask(&request(messages)).text()
}

/// The assistant message and the user message of one done tool step.
pub fn step(id: &str, result: &str) -> [Value; 2] {
    [
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "Bash", "input": {}}]}),
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": result}]}),
    ]
}

pub fn conversation(prompt: &str, steps: &[[Value; 2]]) -> Value {
    std::iter::once(user(prompt))
        .chain(steps.concat())
        .collect()
}
