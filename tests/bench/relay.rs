//! The bare path: the least that has to be done between Telegram and a child, as a process of its own.
//!
//! ```text
//!   getUpdates ──► main thread ──► stdin   child   stdout ──► reader ──► channel ──► sender ──► sendMessage
//! ```
//!
//! It calls Telegram by the same client as chappe. It stores nothing, renders nothing, paces nothing, survives nothing:
//! what chappe takes longer than this is what its promises cost.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::time::Duration;

use chappe::telegram::api::Api;
use crossbeam_channel::bounded;
use serde_json::{Value, json};

const POLL_MAX: Duration = Duration::from_secs(60);
const CALL_MAX: Duration = Duration::from_secs(20);

/// Runs the relay: the arguments are the server, the token, the chat, and the child's command.
pub fn main(arguments: &[String]) -> ExitCode {
    let [url, token, chat, program, of_program @ ..] = arguments else {
        return ExitCode::from(2);
    };
    let chat: i64 = chat.parse().expect("the chat is a number");
    let api = Api::new(url, token, None).expect("there is no proxy");
    let mut child = Command::new(program)
        .args(of_program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child can be started");
    let stdin = child.stdin.take().expect("stdin is a pipe");
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let (results, to_send) = bounded::<Vec<u8>>(16);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.contains(r#""type":"result""#) && results.send(line.into_bytes()).is_err() {
                return;
            }
        }
    });
    let sending = api.clone();
    std::thread::spawn(move || {
        for line in to_send {
            let result: Value = serde_json::from_slice(&line).expect("the child writes JSON");
            let body = json!({"chat_id": chat, "text": result["result"]}).to_string();
            if let Err(failure) = sending.call("sendMessage", body.as_bytes(), CALL_MAX) {
                eprintln!("the relay: sendMessage: {failure}");
            }
        }
    });
    poll(&api, stdin);
    // Its stdin is closed now, so it ends.
    let _ = child.wait();
    ExitCode::SUCCESS
}

/// Hands on what people write, until the server or the child is gone.
fn poll(api: &Api, mut stdin: ChildStdin) {
    let mut offset = 0;
    loop {
        let body = json!({"offset": offset, "timeout": 50, "allowed_updates": ["message"]});
        let Ok(answer) = api.call("getUpdates", body.to_string().as_bytes(), POLL_MAX) else {
            return;
        };
        let updates: Vec<Value> = serde_json::from_str(answer.get()).expect("a list of updates");
        for update in updates {
            offset = update["update_id"].as_i64().expect("updates have numbers") + 1;
            let content = &update["message"]["text"];
            let line = json!({
                "type": "user", "message": {"role": "user", "content": content}, "uuid": "bare",
            });
            if stdin.write_all(format!("{line}\n").as_bytes()).is_err() {
                return;
            }
        }
    }
}
