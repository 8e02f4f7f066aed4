//! What comes in: lines of stdin, signals, and the ends of tools, all on one channel.
//!
//! The reader thread parses; it decides nothing. Limits of the real CLI apply to shapes only, not to lengths.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use serde_json::Value;

use super::tasks::Task;

/// When a user's message may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// It ends the text that is being written.
    Now,
    /// It may be delivered into a running turn, else it is the next.
    Next,
    /// It gets a turn of its own.
    Later,
}

/// A `user` line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UserLine {
    pub(super) uuid: Option<String>,
    pub(super) content: Value,
    pub(super) text: String,
    pub(super) priority: Priority,
    /// False: it is put into the history and not answered.
    pub(super) query: bool,
    /// Its place among all that came, given when it is queued.
    pub(super) arrival: u64,
}

/// The end of a program that a tool ran.
#[derive(Debug)]
pub(super) struct ToolEnd {
    /// The id of the tool call.
    pub(super) id: String,
    /// What it printed, stdout before stderr.
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// 128 + signal for one that was killed; `None` if it could not be started.
    pub(super) code: Option<i32>,
}

/// Whatever wakes the stand-in.
#[derive(Debug)]
pub(super) enum Input {
    User(UserLine),
    Control {
        request_id: String,
        request: Value,
    },
    /// An answer to one of our own requests.
    Response {
        request_id: String,
        response: Value,
    },
    /// Lines that came in one piece: no time passes between them.
    Several(Vec<Input>),
    /// A line that ends the process, and what it says on stderr.
    Broken(String),
    Eof,
    Interrupted,
    Terminated,
    ToolEnded(ToolEnd),
    /// A program that was asked to end has had its time.
    Overdue {
        id: String,
    },
    /// Simulated background work is over.
    TaskEnded {
        task_id: String,
    },
    /// A command has run for so long that it gets lines of its own.
    Lasts {
        task: Task,
        agent_id: Option<String>,
    },
    /// A sub-agent has thought of its next message.
    AgentSpeaks {
        task_id: String,
    },
}

/// Delivers an input when `delay` has passed.
pub(super) fn later(sender: &Sender<Input>, delay: Duration, input: Input) {
    let sender = sender.clone();
    let wait = move || {
        thread::sleep(delay);
        let _ = sender.send(input);
    };
    thread::Builder::new()
        .name("later".to_owned())
        .spawn(wait)
        .expect("a thread can be started");
}

/// Reads stdin until its end, a broken line, or until `deaf` is set.
pub(super) fn read_stdin(sender: Sender<Input>, deaf: Arc<AtomicBool>) {
    let read = move || {
        let mut stdin = BufReader::new(std::io::stdin());
        let mut line = Vec::new();
        loop {
            let chunk = stdin.fill_buf().map(<[u8]>::to_vec).unwrap_or_default();
            stdin.consume(chunk.len());
            while deaf.load(Ordering::SeqCst) {
                // The pipe stays open and full: that is what a process looks like that does not read any more.
                thread::park();
            }
            let mut inputs = Vec::new();
            for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    inputs.extend(parse(&String::from_utf8_lossy(&line)));
                    line.clear();
                }
            }
            if chunk.is_empty() {
                inputs.extend(parse(&String::from_utf8_lossy(&line)));
                inputs.push(Input::Eof);
            }
            let last = inputs
                .iter()
                .any(|input| matches!(input, Input::Broken(_) | Input::Eof));
            if sender.send(Input::Several(inputs)).is_err() || last {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(read)
        .expect("a thread can be started");
}

/// Holds SIGINT and SIGTERM back until somebody waits for them. Must be called before any thread is started: a thread that does
/// not hold them back would take the process down. Commands do not inherit this, the standard library resets it.
pub(super) fn hold_signals() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals
        .thread_block()
        .expect("these signals can be blocked");
    signals
}

/// Reports the signals that are held back on the channel.
pub(super) fn watch_signals(signals: SigSet, sender: Sender<Input>) {
    let watch = move || {
        loop {
            let input = match signals.wait() {
                Ok(Signal::SIGINT) => Input::Interrupted,
                Ok(_) => Input::Terminated,
                Err(_) => continue,
            };
            if sender.send(input).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)
        .expect("a thread can be started");
}

/// Reads one line. `None`: the CLI ignores it.
fn parse(line: &str) -> Option<Input> {
    let line = line.trim_end_matches(['\n', '\r']);
    if line.trim().is_empty() {
        return None;
    }
    let broken = |kind: &str| {
        let length = line.encode_utf16().count();
        Some(Input::Broken(format!(
            "Error parsing streaming input line (type=unknown, {length} chars): {kind}"
        )))
    };
    let mut value: Value = match serde_json::from_str(line) {
        Ok(Value::Null) => return broken("TypeError"),
        Ok(value) => value,
        Err(_) => return broken("SyntaxError"),
    };
    match value["type"].as_str() {
        Some("user") => {
            let role = &value["message"]["role"];
            if role == "user" {
                return Some(Input::User(user_line(&mut value)));
            }
            let got = role.as_str().unwrap_or("undefined");
            Some(Input::Broken(format!(
                "Error: Expected message role 'user', got '{got}'"
            )))
        }
        Some("control_request") => {
            if !value["request"].is_object() {
                return Some(Input::Broken(
                    "Error: Missing request on control_request".to_owned(),
                ));
            }
            let request_id = value["request_id"].as_str().unwrap_or("").to_owned();
            Some(Input::Control {
                request_id,
                request: value["request"].take(),
            })
        }
        Some("control_response") => {
            let response = value["response"].take();
            let request_id = response["request_id"].as_str()?.to_owned();
            Some(Input::Response {
                request_id,
                response,
            })
        }
        _ => None,
    }
}

fn user_line(value: &mut Value) -> UserLine {
    let content = match value["message"]["content"].take() {
        Value::Null => Value::from("(no content)"),
        Value::String(text) if text.is_empty() => Value::from("(no content)"),
        content => content,
    };
    let priority = match value["priority"].as_str() {
        Some("now") => Priority::Now,
        Some("later") => Priority::Later,
        _ => Priority::Next,
    };
    UserLine {
        uuid: value["uuid"].as_str().map(str::to_owned),
        text: text_of(&content),
        content,
        priority,
        query: value["shouldQuery"] != Value::Bool(false),
        arrival: 0,
    }
}

/// The text of a message: the string, or its text blocks.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts: Vec<&str> = blocks
                .iter()
                .filter_map(|block| block["text"].as_str())
                .collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// How many blocks of a type a message has.
pub(super) fn count_blocks(content: &Value, kind: &str) -> usize {
    content.as_array().map_or(0, |blocks| {
        blocks.iter().filter(|block| block["type"] == kind).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(line: &str) -> String {
        match parse(line) {
            Some(Input::Broken(message)) => message,
            other => panic!("accepted: {other:?}"),
        }
    }

    #[test]
    fn bad_lines_end_the_process_with_the_real_ones_words() {
        assert_eq!(
            broken("hello\n"),
            "Error parsing streaming input line (type=unknown, 5 chars): SyntaxError"
        );
        assert_eq!(
            broken("null"),
            "Error parsing streaming input line (type=unknown, 4 chars): TypeError"
        );
        assert_eq!(
            broken(r#"{"type":"user"}"#),
            "Error: Expected message role 'user', got 'undefined'"
        );
        assert_eq!(
            broken(r#"{"type":"control_request","request_id":"x"}"#),
            "Error: Missing request on control_request"
        );
    }

    #[test]
    fn harmless_lines_are_ignored() {
        for line in [
            "\n",
            "   \n",
            "\r\n",
            "[1]",
            "\"x\"",
            r#"{"type":"foo"}"#,
            r#"{"nothing":1}"#,
            r#"{"type":"control_response"}"#,
        ] {
            assert!(parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_user_line_keeps_its_uuid_and_blocks() {
        let line = r#"{"type":"user","uuid":"any string","priority":"later","message":{"role":"user","content":[{"type":"text","text":"a"},{"type":"image"},{"type":"text","text":"b"}]}}"#;
        let Some(Input::User(user)) = parse(line) else {
            panic!("not a user line")
        };
        assert_eq!(
            (user.uuid.as_deref(), user.text.as_str(), user.priority),
            (Some("any string"), "a\nb", Priority::Later)
        );
        assert_eq!(count_blocks(&user.content, "image"), 1);
    }
}
