//! What goes out: the lines of stdout in the shapes of Claude Code 2.1.330, and the thread that writes them.
//!
//! Like the real one the stand-in is never blocked by a reader that stalls: lines wait in memory, without a limit, until they
//! are read or the process ends. A reader that has gone is not noticed.

use std::io::Write as _;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::death::Doom;
use super::fault::Moment;
use super::fresh_id;
use super::transcript::merge;

enum Piece {
    Line(String),
    /// Everything before this is written.
    Mark(SyncSender<()>),
    /// The line before this was the last but for what comes until the death.
    Doom(Doom),
}

/// Stdout, in the words of the protocol.
pub(super) struct Wire {
    sender: Sender<Piece>,
    pub(super) session_id: String,
    /// Messages of the user, and our own answers to requests, are repeated.
    pub(super) replay: bool,
    /// Deltas are printed.
    pub(super) partial: bool,
    /// `session_state_changed` lines are printed.
    pub(super) states: bool,
    /// The death that follows one of the next lines.
    pub(super) doom: Option<Doom>,
}

impl Wire {
    /// Starts the writing thread.
    pub(super) fn start(session_id: String) -> Wire {
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("stdout".to_owned())
            .spawn(move || write_lines(&receiver))
            .expect("a thread can be started");
        Wire {
            sender,
            session_id,
            replay: false,
            partial: false,
            states: false,
            doom: None,
        }
    }

    /// Waits until everything is written, at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let (mark, written) = mpsc::sync_channel(1);
        if self.sender.send(Piece::Mark(mark)).is_ok() {
            let _ = written.recv_timeout(limit);
        }
    }

    /// A line as it is; it need not be JSON.
    pub(super) fn raw(&mut self, line: impl Into<String>) {
        let _ = self.sender.send(Piece::Line(line.into()));
    }

    /// A line in JSON. If it is the one that a death waits for, the death is on its way.
    fn send(&mut self, line: &Value) {
        self.raw(line.to_string());
        let is_awaited = |doom: &mut Doom| Some(doom.moment) == moment(line);
        if let Some(doom) = self.doom.take_if(is_awaited) {
            let _ = self.sender.send(Piece::Doom(doom));
        }
    }

    /// A line with the ids that almost all lines carry.
    pub(super) fn event(&mut self, mut line: Value) {
        if line["uuid"].is_null() {
            line["uuid"] = Value::from(fresh_id());
        }
        line["session_id"] = Value::from(self.session_id.as_str());
        self.send(&line);
    }

    pub(super) fn system(&mut self, subtype: &str, fields: Value) {
        let mut line = json!({ "type": "system", "subtype": subtype });
        merge(&mut line, fields);
        self.event(line);
    }

    pub(super) fn state(&mut self, state: &str) {
        if self.states {
            self.system("session_state_changed", json!({ "state": state }));
        }
    }

    /// Messages without a uuid have no lifecycle.
    pub(super) fn lifecycle(&mut self, command_uuid: &str, state: &str) {
        self.event(
            json!({ "type": "command_lifecycle", "command_uuid": command_uuid, "state": state }),
        );
    }

    /// The acknowledgement of a message: timed when it opens a turn, untimed when it is only taken along.
    pub(super) fn replay(&mut self, uuid: &str, content: &Value, timed: bool) {
        if !self.replay {
            return;
        }
        let mut line = json!({
            "type": "user", "message": { "role": "user", "content": content }, "parent_tool_use_id": null,
            "uuid": uuid, "isReplay": true,
        });
        if timed {
            line["timestamp"] = Value::from(timestamp(SystemTime::now()));
        }
        self.event(line);
    }

    /// A `user` line that the CLI makes itself: a tool result, a mark, a summary.
    pub(super) fn user(&mut self, uuid: &str, content: Value, extra: Value) {
        let mut line = json!({
            "type": "user", "message": { "role": "user", "content": content }, "parent_tool_use_id": null,
            "uuid": uuid, "timestamp": timestamp(SystemTime::now()),
        });
        merge(&mut line, extra);
        self.event(line);
    }

    /// One complete block of the assistant.
    pub(super) fn assistant(&mut self, uuid: &str, message: &Value, extra: Value) {
        let mut line = json!({
            "type": "assistant", "message": message, "parent_tool_use_id": null, "uuid": uuid,
            "timestamp": timestamp(SystemTime::now()),
        });
        merge(&mut line, extra);
        self.event(line);
    }

    pub(super) fn stream(&mut self, message_id: &str, event: Value, extra: Value) {
        if !self.partial {
            return;
        }
        let mut line = json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null, "api_message_id": message_id });
        merge(&mut line, extra);
        self.event(line);
    }

    pub(super) fn request(&mut self, request_id: &str, request: Value) {
        self.send(
            &json!({ "type": "control_request", "request_id": request_id, "request": request }),
        );
    }

    pub(super) fn cancel_request(&mut self, request_id: &str) {
        self.raw(json!({ "type": "control_cancel_request", "request_id": request_id }).to_string());
    }

    /// An answer to a request of the bridge; `Null` stands for one without content.
    pub(super) fn answer(&mut self, request_id: &str, response: Value) {
        let mut inner = json!({ "subtype": "success", "request_id": request_id });
        if !response.is_null() {
            inner["response"] = response;
        }
        self.raw(json!({ "type": "control_response", "response": inner }).to_string());
    }

    pub(super) fn refuse(&mut self, request_id: &str, error: &str, code: &str) {
        let inner = json!({ "subtype": "error", "request_id": request_id, "error": error, "error_code": code });
        self.raw(json!({ "type": "control_response", "response": inner }).to_string());
    }

    /// Our own answer to a request of the CLI comes back with the replayed messages.
    pub(super) fn echo(&mut self, response: &Value) {
        if self.replay {
            self.raw(json!({ "type": "control_response", "response": response }).to_string());
        }
    }
}

/// The moment of a turn that a line of the main agent marks.
fn moment(line: &Value) -> Option<Moment> {
    if !line["parent_tool_use_id"].is_null() {
        return None;
    }
    let block = line["message"]["content"][0]["type"].as_str();
    match line["type"].as_str()? {
        "command_lifecycle" if line["state"] == "started" => Some(Moment::Started),
        "system" if line["subtype"] == "init" => Some(Moment::Init),
        "stream_event" if line["event"]["type"] == "content_block_delta" => Some(Moment::Delta),
        "assistant" if block == Some("text") => Some(Moment::Text),
        "assistant" if block == Some("tool_use") => Some(Moment::ToolUse),
        "control_request" if line["request"]["subtype"] == "can_use_tool" => Some(Moment::Question),
        "user" if block == Some("tool_result") => Some(Moment::ToolResult),
        "result" => Some(Moment::Result),
        _ => None,
    }
}

fn write_lines(receiver: &Receiver<Piece>) {
    let mut stdout = std::io::stdout().lock();
    for piece in receiver {
        match piece {
            Piece::Line(mut line) => {
                line.push('\n');
                // A reader that has gone is not an error for the CLI.
                let _ = stdout
                    .write_all(line.as_bytes())
                    .and_then(|()| stdout.flush());
            }
            Piece::Mark(mark) => {
                let _ = mark.send(());
            }
            Piece::Doom(doom) => {
                // Lines go on being written meanwhile.
                let wait = move || {
                    thread::sleep(doom.delay);
                    doom.strike();
                };
                thread::Builder::new()
                    .name("doom".to_owned())
                    .spawn(wait)
                    .expect("a thread can be started");
            }
        }
    }
}

/// `2026-11-22T15:35:43.481Z`.
pub(super) fn timestamp(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        since.subsec_millis()
    )
}

/// The date that lies `days` after 1970-01-01. Years are counted from March, so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_iso_8601() {
        let at = |seconds: u64, millis: u64| {
            timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis))
        };
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400, 7), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_795_361_743, 481), "2026-11-22T15:35:43.481Z");
    }
}
