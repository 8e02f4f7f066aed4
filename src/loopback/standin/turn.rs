//! A turn: from the messages that open it to the `result` that closes it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::commands;
use super::engine::{Abort, Engine};
use super::fresh_id;
use super::history::Entry;
use super::input::{self, UserLine};
use super::message::Block;
use super::outcome::Outcome;
use super::script::{self, Answer, Script};

/// How long servers of the bridge may take to introduce themselves before the first turn.
const SERVERS_MAX: Duration = Duration::from_secs(2);

/// A running turn.
#[derive(Debug)]
pub(super) struct Turn {
    /// Uuids of the messages that opened it.
    pub(super) opening: Vec<String>,
    /// Uuids of the messages that were delivered into it.
    pub(super) steered: Vec<String>,
    /// The acknowledgement that comes before the first output.
    replay: Option<(String, Value)>,
    pub(super) started: Instant,
    /// Ids of the messages that the model began.
    pub(super) begun: Vec<String>,
    /// The first block has been printed; it alone names the messages that it answers.
    marked: bool,
    /// Lines of the user's side, which count as turns.
    pub(super) user_lines: u32,
    pub(super) rounds: u32,
    pub(super) denials: Vec<Value>,
    pub(super) last_text: String,
    /// What pranks have found out, for the answer.
    pub(super) notes: Vec<String>,
    pub(super) abort: Option<Abort>,
    /// A tool runs or is asked about: an urgent message waits for it.
    pub(super) in_tools: bool,
    pub(super) ends_after_tool: bool,
    /// The model is being asked, and that has been said.
    pub(super) requested: bool,
    /// The message whose `message_stop` is still to come.
    pub(super) unstopped: Option<String>,
    /// The message and block in which a text was cut off.
    pub(super) open_block: Option<(String, usize)>,
    /// Why a turn came without a message.
    pub(super) origin: Option<Value>,
}

/// The turn was cut off.
#[derive(Debug)]
pub(super) struct Aborted;

impl Turn {
    fn new(opening: Vec<String>, origin: Option<Value>) -> Turn {
        Turn {
            opening,
            steered: Vec::new(),
            replay: None,
            started: Instant::now(),
            begun: Vec::new(),
            marked: false,
            user_lines: 0,
            rounds: 0,
            denials: Vec::new(),
            last_text: String::new(),
            notes: Vec::new(),
            abort: None,
            in_tools: false,
            ends_after_tool: false,
            requested: false,
            unstopped: None,
            open_block: None,
            origin,
        }
    }

    fn uuids(&self) -> Value {
        self.opening
            .iter()
            .chain(&self.steered)
            .map(String::as_str)
            .collect()
    }

    /// The fields by which a line says what it answers; none for messages without a uuid.
    pub(super) fn marks(&self) -> Value {
        match self.opening.last() {
            Some(uuid) => json!({ "user_message_uuid": uuid, "user_message_uuids": self.uuids() }),
            None => Value::Null,
        }
    }

    /// The marks for the first block, and nothing for later ones.
    pub(super) fn first_marks(&mut self) -> Value {
        if std::mem::replace(&mut self.marked, true) {
            Value::Null
        } else {
            self.marks()
        }
    }

    pub(super) fn begin_message(&mut self, id: &str) {
        self.begun.push(id.to_owned());
    }

    pub(super) fn deny(&mut self, tool: &str, id: &str, input: &Value) {
        self.denials
            .push(json!({ "tool_name": tool, "tool_use_id": id, "tool_input": input }));
    }
}

impl Engine {
    /// The running turn. Only called where one runs.
    pub(super) fn turn(&mut self) -> &mut Turn {
        self.turn.as_mut().expect("a turn is running")
    }

    /// Answers messages that came together.
    pub(super) fn run_turn(&mut self, batch: Vec<UserLine>) {
        let Some((last, earlier)) = batch.split_last() else {
            return;
        };
        for line in earlier {
            self.wire.replay(
                line.uuid.as_deref().unwrap_or_default(),
                &line.content,
                false,
            );
        }
        let uuids: Vec<String> = batch.iter().filter_map(|line| line.uuid.clone()).collect();
        let (content, text) = merged(&batch);
        let (script, ..) = self.script_for(&text);
        self.transcript
            .set_lag(script.lag_ms.map(Duration::from_millis));
        self.prepare_death(&script);
        for (index, line) in batch.iter().enumerate() {
            self.transcript.queue("dequeue", Value::Null);
            if let Some(uuid) = uuids
                .get(index)
                .filter(|uuid| line.uuid.as_ref() == Some(*uuid))
            {
                self.wire.lifecycle(uuid, "started");
            }
        }
        let mut turn = Turn::new(uuids, None);
        turn.replay = last.uuid.clone().map(|uuid| (uuid, content.clone()));
        self.turn = Some(turn);
        self.interrupted = false;
        self.release_held();
        // Messages that came at the same time are taken into the queue before the turn shows itself.
        self.pause(Duration::ZERO);
        self.wait_for_servers(SERVERS_MAX);

        let uuid = last.uuid.clone().unwrap_or_else(fresh_id);
        if commands::is_command(&text) {
            let outcome = self.run_command(&text, &uuid);
            return self.finish(outcome, &text);
        }
        self.mend_history();
        self.init();
        let extra = json!({ "promptId": fresh_id(), "promptSource": "sdk", "permissionMode": self.permissions.mode.name() });
        self.transcript.user(&uuid, &content, extra);
        self.remember(Entry::User {
            uuid,
            text: text.clone(),
        });
        if !last.query {
            self.acknowledge();
            return self.finish(
                Outcome::Command {
                    name: None,
                    text: String::new(),
                },
                &text,
            );
        }
        let attached = (
            input::count_blocks(&content, "image"),
            input::count_blocks(&content, "document"),
        );
        let outcome = self
            .converse(&text, attached)
            .unwrap_or_else(|outcome| outcome);
        self.finish(outcome, &text);
    }

    /// A turn that nobody asked for: it tells the model that background work has ended.
    /// Without an answer the notice only goes into the history.
    pub(super) fn run_unsolicited(&mut self, notice: &str, answer: Option<&str>, origin: Value) {
        self.become_busy();
        self.interrupted = false;
        self.turn = Some(Turn::new(Vec::new(), Some(origin.clone())));
        self.init();
        self.transcript.user(
            &fresh_id(),
            &Value::from(notice),
            json!({ "origin": origin, "isMeta": true }),
        );
        let Some(answer) = answer else {
            let text = String::new();
            return self.finish(Outcome::Command { name: None, text }, notice);
        };
        let script = Script {
            answer: Answer::Text(answer.to_owned()),
            ..script::parse("")
        };
        let said = self.say(&script, &[Block::Text(answer.to_owned())], "end_turn");
        self.finish(
            if said.is_ok() {
                Outcome::Completed
            } else {
                Outcome::AbortedInText
            },
            notice,
        );
    }

    pub(super) fn init(&mut self) {
        let uuids = self.turn().uuids();
        let fields = self.init_fields(uuids);
        self.wire.system("init", fields);
    }

    /// Repeats the opening message, once, before the first thing that answers it.
    pub(super) fn acknowledge(&mut self) {
        if let Some((uuid, content)) = self.turn().replay.take() {
            self.wire.replay(&uuid, &content, true);
        }
    }

    /// A command is repeated in the words in which it stands in the history.
    pub(super) fn replace_replay(&mut self, content: &Value) {
        if let Some((_, replayed)) = &mut self.turn().replay {
            replayed.clone_from(content);
        }
    }

    /// A command that does not run is not repeated.
    pub(super) fn drop_replay(&mut self) {
        self.turn().replay = None;
    }

    /// A line of the user's side that the CLI makes, printed and stored.
    pub(super) fn user_side(&mut self, content: Value, extra: Value) {
        let uuid = fresh_id();
        self.turn().user_lines += 1;
        self.transcript
            .user(&uuid, &content, json!({ "isMeta": true }));
        self.wire.user(&uuid, content, extra);
    }

    /// Counts a tool result.
    pub(super) fn count_user_line(&mut self) {
        self.turn().user_lines += 1;
    }

    /// What a process before this one left open is closed before the conversation goes on.
    fn mend_history(&mut self) {
        let Some(open_call) = self.history.unfinished() else {
            return;
        };
        if let Some(id) = open_call {
            let text = "[Tool call interrupted: the session ended before this call's result was recorded, so its outcome is unknown. \
                 Check whether it took effect before you repeat it.]";
            let block = json!([{ "type": "tool_result", "tool_use_id": id, "content": text, "is_error": true }]);
            self.transcript.user(&fresh_id(), &block, Value::Null);
            self.remember(Entry::Returned {
                id,
                text: text.to_owned(),
            });
        }
        let message = json!({
            "id": fresh_id(), "model": "<synthetic>", "role": "assistant", "type": "message", "stop_reason": "stop_sequence",
            "content": [{ "type": "text", "text": "No response requested." }],
        });
        self.transcript.assistant(
            &fresh_id(),
            &message,
            json!({ "isApiErrorMessage": false, "madeBy": "other" }),
        );
    }
}

/// The content of a turn that several messages open: their texts in lines, or all their blocks.
fn merged(batch: &[UserLine]) -> (Value, String) {
    let text = batch
        .iter()
        .map(|line| line.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    if let [line] = batch {
        return (line.content.clone(), text);
    }
    if batch.iter().all(|line| line.content.is_string()) {
        return (Value::from(text.as_str()), text);
    }
    let blocks = batch.iter().flat_map(|line| match &line.content {
        Value::Array(blocks) => blocks.clone(),
        content => vec![json!({ "type": "text", "text": input::text_of(content) })],
    });
    (blocks.collect(), text)
}
