//! The child: what stands in the place of Claude while messages are timed. It answers every prompt in the same way, and
//! notes when it had read it and when it wrote the `result`.
//!
//! The notes are in Unix time, because the standard library does not let the monotonic clock out of a process. Both are
//! slewed alike; a clock that is *set* in between is noticed by [`crate::messages`].

use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::looks::unix_nanos;

/// How long a turn lasts. In this time chappe has said that it is typing and that the message is stored: an answer that
/// came at once would wait for these calls, and no real one does.
const TURN: Duration = Duration::from_millis(100);

/// What a prompt holds in front of its number.
pub const PROMPT: &str = "message number ";

/// What a prompt holds in front of its number where the child asks for something before it answers. It notes when it had
/// read the decision then.
pub const ASK: &str = "press number ";

/// What an answer holds in front of the number of its prompt.
pub const ANSWER: &str = "answer number ";

/// How many pieces of text are streamed in a turn.
const PIECES: usize = 20;

/// The rest of each answer: about what an answer is, with something of everything that has to be rendered.
const REST: &str = "\n\nThe disk is **78 %** full; most of it is in `/var/log`:\n\n\
    | folder | size |\n|---|---|\n| `/var/log/journal` | 3.1 GB |\n| `/var/cache/apt` | 0.6 GB |\n\n\
    ```sh\nsudo journalctl --vacuum-size=200M\nsudo apt-get clean\n```\n\n\
    1. The first command keeps the newest 200 MB of the journal and removes what is older.\n\
    2. The second one removes packages that were downloaded; they can be downloaded again.\n\n\
    Nothing else is larger than 100 MB. If it fills up again, look at *what* writes so much: \
    [the manual](https://example.org/journald) says how to limit a single unit. I have changed nothing yet; \
    say so if I should run both, and I will tell you afterwards how much is free.\n";

/// Runs the child: the first argument is the file for notes, the others are those that Claude gets.
pub fn main(arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--version") {
        println!("2.1.330 (Claude Code)");
        return ExitCode::SUCCESS;
    }
    let Some(notes) = arguments.first() else {
        return ExitCode::from(2);
    };
    match serve(notes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the bench's child: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(notes: &str) -> io::Result<()> {
    let mut notes = OpenOptions::new().append(true).create(true).open(notes)?;
    let mut lines = io::stdin().lock();
    let mut line = String::new();
    let (mut prompt, mut asked) = (Value::Null, 0);
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let arrived = unix_nanos();
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        match message["type"].as_str() {
            Some("control_request") => say(&json!({
                "type": "control_response",
                "response": {
                    "subtype": "success", "request_id": message["request_id"],
                    "response": { "commands": [], "models": [] },
                },
            }))?,
            Some("user") if line.contains(ASK) => {
                asked = number_after(ASK, &line).unwrap_or(0);
                ask(&message["uuid"], asked)?;
                prompt = message;
            }
            Some("control_response") if !prompt.is_null() => {
                notes.write_all(format!("{asked} {arrived} 0\n").as_bytes())?;
                turn(&std::mem::take(&mut prompt), asked)?;
            }
            Some("user") => {
                let number = number_after(PROMPT, &line).unwrap_or(0);
                let written = turn(&message, number)?;
                // One write of less than a page: the children of several sessions share the file.
                notes.write_all(format!("{number} {arrived} {written}\n").as_bytes())?;
            }
            _ => {}
        }
    }
}

/// The number that follows `words` in a text.
pub fn number_after(words: &str, text: &str) -> Option<u32> {
    let (_, after) = text.split_once(words)?;
    let end = after.find(|c: char| !c.is_ascii_digit());
    after[..end.unwrap_or(after.len())].parse().ok()
}

/// Begins with a prompt, and asks whether a command may run.
fn ask(uuid: &Value, number: u32) -> io::Result<()> {
    let started = json!({"type": "command_lifecycle", "command_uuid": uuid, "state": "started"});
    say(&started)?;
    let input = json!({"command": format!("{ASK}{number}.")});
    say(&json!({
        "type": "control_request", "request_id": format!("request {number}"),
        "request": {"subtype": "can_use_tool", "tool_name": "Bash", "input": input},
    }))
}

/// Plays a turn; returns when its `result` was about to be written.
fn turn(prompt: &Value, number: u32) -> io::Result<u128> {
    let uuid = &prompt["uuid"];
    let (session, id) = (
        "00000000-0000-4000-8000-000000000000",
        format!("msg_{number}"),
    );
    let answer = format!("{ANSWER}{number}.{REST}");
    say(
        &json!({"type": "command_lifecycle", "command_uuid": uuid, "state": "started", "session_id": session}),
    )?;
    say(&json!({
        "type": "system", "subtype": "init", "session_id": session, "cwd": "/", "model": "bench",
        "permissionMode": "default", "slash_commands": [], "tools": [], "mcp_servers": [],
        "user_message_uuids": [uuid],
    }))?;
    let stream = |event: Value| {
        say(
            &json!({"type": "stream_event", "event": event, "parent_tool_use_id": null, "session_id": session}),
        )
    };
    let block = json!({"type": "text", "text": ""});
    stream(
        json!({"type": "message_start", "message": {"id": id, "role": "assistant", "content": []}}),
    )?;
    stream(json!({"type": "content_block_start", "index": 0, "content_block": block}))?;
    for piece in 0..PIECES {
        let delta = json!({"type": "text_delta", "text": format!("piece {piece} of it ")});
        stream(json!({"type": "content_block_delta", "index": 0, "delta": delta}))?;
        std::thread::sleep(TURN / PIECES as u32);
    }
    stream(json!({"type": "content_block_stop", "index": 0}))?;
    say(&json!({
        "type": "assistant", "session_id": session, "parent_tool_use_id": null, "user_message_uuids": [uuid],
        "message": {"id": id, "role": "assistant", "content": [{"type": "text", "text": answer}]},
    }))?;
    let result = json!({
        "type": "result", "subtype": "success", "is_error": false, "session_id": session, "num_turns": 1,
        "duration_ms": TURN.as_millis() as u64, "total_cost_usd": 0.01, "result": answer, "stop_reason": "end_turn",
        "usage": {"input_tokens": 1000, "output_tokens": 250}, "user_message_uuids": [uuid],
    });
    // Made before the time is taken: to make it is no part of the way.
    let line = format!("{result}\n");
    let written = unix_nanos();
    write(&line)?;
    Ok(written)
}

fn say(message: &Value) -> io::Result<()> {
    write(&format!("{message}\n"))
}

/// One write for a line, as Claude does it.
fn write(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}
