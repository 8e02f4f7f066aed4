//! A walk's Claude: a process that obeys the protocol of either version, and the conversation that outlives it.

use crate::chat::Block;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::super::super::*;
use super::super::script::can_use;
use crate::claude::protocol::{
    Assistant, ControlRequest, Init, Lifecycle, Message, Task, TaskEvent, ToolResult, TurnResult,
    User,
};
use crate::claude::trace::{Progress, Trace};

/// What Claude remembers of a prompt.
#[derive(Default)]
pub struct Known {
    /// Its answer, where its turn has ended by itself.
    pub finished: Option<Vec<String>>,
    /// Whether a request was refused because nobody was there to be asked.
    pub refused: bool,
    /// Whether it was put into a turn that ran.
    pub is_steered: bool,
}

/// What stays when a process ends, by the uuids of prompts.
#[derive(Default)]
pub struct Conversation(pub BTreeMap<String, Known>);

impl Conversation {
    pub fn trace(&self, uuid: &str) -> Trace {
        let Some(known) = self.0.get(uuid) else {
            return Trace::Missing;
        };
        let finished = known.finished.as_ref();
        Trace::Found(Progress {
            finished: finished.map(|texts| texts.iter().map(|text| block(text)).collect()),
            tools: 0,
            refused_by_restart: known.refused,
            is_steered: known.is_steered,
        })
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    Tool,
    Plan,
    Question,
    Unknown,
}

/// How a turn ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Well,
    /// The API has failed in a way that may pass.
    Overloaded,
    Broken,
    TurnLimit,
    Budget,
}

/// A turn.
pub struct Turn {
    /// The prompt's uuid; None where nobody asked.
    pub uuid: Option<String>,
    /// What was put into it.
    pub joined: Vec<String>,
    /// Whether the line that repeats the prompt was written, or another sign.
    pub announced: bool,
    /// What was said since the last tool, and since a prompt was taken into a turn that nobody had asked for.
    pub said: Vec<String>,
    /// What was said in such a turn before, since the last tool.
    pub said_before: Vec<String>,
    pub interrupted: bool,
    /// Whether the process was about to end already when it began.
    pub is_late: bool,
}

impl Turn {
    pub fn is_about(&self, uuid: &String) -> bool {
        self.uuid.as_ref() == Some(uuid) || self.joined.contains(uuid)
    }
}

/// A process.
pub struct Claude {
    /// Whether it is of the versions that tell what becomes of a message.
    pub tells_lifecycle: bool,
    /// Whether it drops what is queued when it is interrupted.
    drops_queue: bool,
    /// Whether it has fetched what is queued so that nothing is taken back.
    holds_fast: bool,
    /// The prompt that it knew and did nothing about.
    pub swallowed: Option<String>,
    pub answered: bool,
    pub reads: bool,
    pub input_open: bool,
    pub killed: bool,
    /// Whether it was told to end, in whatever way.
    pub ending: bool,
    /// Uuids that were written and not taken.
    pub queue: VecDeque<String>,
    pub turn: Option<Turn>,
    pub asked: Vec<String>,
    pub tasks: BTreeSet<String>,
    pub total: f64,
    /// Lines that were written and not read.
    pub out: VecDeque<Message>,
}

impl Claude {
    pub fn new(number: u32) -> Claude {
        Claude {
            tells_lifecycle: number.is_multiple_of(2),
            drops_queue: number.is_multiple_of(3),
            holds_fast: number.is_multiple_of(5),
            swallowed: None,
            answered: false,
            reads: true,
            input_open: true,
            killed: false,
            ending: false,
            queue: VecDeque::new(),
            turn: None,
            asked: Vec::new(),
            tasks: BTreeSet::new(),
            total: 0.0,
            out: VecDeque::new(),
        }
    }

    /// Whether it works on a prompt, or will.
    pub fn works_on(&self) -> impl Iterator<Item = &String> {
        let turn = self.turn.as_ref().filter(|turn| !turn.interrupted);
        let turn = turn.into_iter();
        let turn = turn.flat_map(|turn| turn.uuid.iter().chain(&turn.joined));
        self.queue.iter().chain(turn)
    }

    /// Reads a line.
    pub fn read(&mut self, line: &str, conversation: &Conversation) {
        let line: Value = serde_json::from_str(line).expect("every line is JSON");
        let request = &line["request"];
        if let Some(uuid) = line["uuid"].as_str() {
            self.prompt(uuid, conversation);
            return;
        }
        if let Some(decided) = line["response"]["request_id"].as_str() {
            self.asked.retain(|asked| asked != decided);
            return;
        }
        let answer = match request["subtype"].as_str() {
            Some("interrupt") => self.interrupt(),
            Some("cancel_async_message") => {
                let uuid = request["message_uuid"].as_str().expect("it names one");
                let before = self.queue.len();
                let holds_fast = self.holds_fast;
                self.queue.retain(|queued| queued != uuid || holds_fast);
                let cancelled = self.queue.len() < before;
                if cancelled {
                    self.tell(uuid, Lifecycle::Cancelled);
                }
                json!({"cancelled": cancelled})
            }
            Some("stop_task") => {
                let task = request["task_id"]
                    .as_str()
                    .expect("it names one")
                    .to_owned();
                self.task_ends(&task);
                json!({})
            }
            // It takes its time to answer the first one.
            _ => return,
        };
        self.out.push_back(Message::ControlResponse {
            request_id: line["request_id"]
                .as_str()
                .expect("it has an id")
                .to_owned(),
            outcome: Ok(answer),
        });
    }

    fn prompt(&mut self, uuid: &str, conversation: &Conversation) {
        self.tell(uuid, Lifecycle::Queued);
        if conversation.0.contains_key(uuid) {
            // It knows it, and does nothing about it.
            self.out.push_back(replay(uuid.to_owned()));
            self.tell(uuid, Lifecycle::Completed);
            self.swallowed = Some(uuid.to_owned());
        } else {
            self.queue.push_back(uuid.to_owned());
        }
    }

    fn interrupt(&mut self) -> Value {
        if let Some(turn) = &mut self.turn {
            turn.interrupted = true;
        }
        for request_id in std::mem::take(&mut self.asked) {
            self.out.push_back(Message::ControlCancel { request_id });
        }
        if !self.tells_lifecycle {
            return json!({});
        }
        if !self.drops_queue || self.holds_fast {
            return json!({"still_queued": self.queue, "cancelled": []});
        }
        let cancelled: Vec<_> = self.queue.drain(..).collect();
        for uuid in &cancelled {
            self.tell(uuid, Lifecycle::Cancelled);
        }
        json!({"still_queued": [], "cancelled": cancelled})
    }

    pub fn task_ends(&mut self, task: &str) {
        if self.tasks.remove(task) {
            let event = TaskEvent::Notification {
                status: None,
                summary: String::new(),
            };
            self.out.push_back(of_task(task, event));
        }
    }

    fn tell(&mut self, uuid: &str, state: Lifecycle) {
        if self.tells_lifecycle {
            let uuid = uuid.to_owned();
            self.out.push_back(Message::Lifecycle { uuid, state });
        }
    }

    /// Begins a turn: of a prompt, or one that nobody has asked for.
    pub fn begin(&mut self, uuid: Option<String>) {
        let tells = self.tells_lifecycle;
        if let Some(uuid) = &uuid {
            self.tell(uuid, Lifecycle::Started);
        }
        let named = uuid.clone().filter(|_| tells);
        self.out.push_back(Message::Init(Box::new(Init {
            user_message_uuids: named.into_iter().collect(),
            ..Init::default()
        })));
        self.turn = Some(Turn {
            uuid,
            joined: Vec::new(),
            announced: tells,
            said: Vec::new(),
            said_before: Vec::new(),
            interrupted: false,
            is_late: self.ending,
        });
    }

    /// What is queued goes into the turn at hand, with the result of a tool.
    pub fn joins(&mut self, conversation: &mut Conversation) {
        for uuid in std::mem::take(&mut self.queue) {
            let known = Known {
                is_steered: true,
                ..Known::default()
            };
            conversation.0.insert(uuid.clone(), known);
            self.out.push_back(replay(uuid.clone()));
            self.tell(&uuid, Lifecycle::Started);
            let turn = self.turn.as_mut().expect("a tool of a turn has ended");
            if turn.uuid.is_none() && turn.joined.is_empty() {
                turn.said_before = std::mem::take(&mut turn.said);
            }
            turn.joined.push(uuid);
        }
    }

    /// The turn at hand, after the line that repeats its prompt; None where there is none, or one that is broken off.
    pub fn working(&mut self) -> Option<&mut Turn> {
        let turn = self.turn.as_mut()?;
        if !std::mem::replace(&mut turn.announced, true)
            && let Some(uuid) = turn.uuid.clone()
        {
            self.out.push_back(replay(uuid));
        }
        self.turn.as_mut().filter(|turn| !turn.interrupted)
    }

    /// What it says when its turn ends.
    pub fn result(&mut self, turn: &Turn, how: How, cents: u32) -> TurnResult {
        let cost = f64::from(cents) / 100.0;
        self.total += cost;
        let uuids = turn.uuid.iter().chain(&turn.joined);
        let uuids = uuids.filter(|_| self.tells_lifecycle).cloned().collect();
        let subtype = match how {
            How::Well | How::Overloaded => "success",
            How::Broken => "error_during_execution",
            How::TurnLimit => "error_max_turns",
            How::Budget => "error_max_budget_usd",
        };
        TurnResult {
            subtype: subtype.to_owned(),
            is_error: how != How::Well,
            text: turn.said.last().cloned(),
            total_cost_usd: Some(self.total),
            cost_since_last_result: self.tells_lifecycle.then_some(cost),
            origin_kind: turn.uuid.is_none().then(|| "task-notification".to_owned()),
            user_message_uuids: uuids,
            ..TurnResult::default()
        }
    }
}

pub fn block(text: &str) -> Block {
    Block {
        message: text.to_owned(),
        index: 0,
        text: text.to_owned(),
    }
}

pub fn initialized(outcome: Result<(), ()>) -> Message {
    Message::ControlResponse {
        request_id: life::INITIALIZE.to_owned(),
        outcome: outcome
            .map(|()| json!({}))
            .map_err(|()| "refused".to_owned()),
    }
}

pub fn replay(uuid: String) -> Message {
    Message::User(User {
        uuid: Some(uuid),
        is_replay: true,
        ..User::default()
    })
}

pub fn tool_result() -> Message {
    Message::User(User {
        tool_results: vec![ToolResult {
            tool_use_id: "t".to_owned(),
            text: "x".to_owned(),
            is_error: false,
        }],
        ..User::default()
    })
}

pub fn text(id: &str) -> Message {
    assistant(id, protocol::Block::Text(id.to_owned()))
}

pub fn tool(id: &str) -> Message {
    let block = protocol::Block::ToolUse {
        id: "t".to_owned(),
        name: "Bash".to_owned(),
        input: RawJson::of(&json!({"command": "ls"})).expect("it is JSON"),
    };
    assistant(id, block)
}

pub fn overloaded() -> Message {
    let Message::Assistant(mut said) = text("overloaded") else {
        unreachable!("it says something")
    };
    said.error = Some("overloaded".to_owned());
    Message::Assistant(said)
}

fn assistant(id: &str, block: protocol::Block) -> Message {
    Message::Assistant(Assistant {
        message_id: id.to_owned(),
        blocks: vec![block],
        ..Assistant::default()
    })
}

pub fn of_task(task: &str, event: TaskEvent) -> Message {
    Message::Task(Task {
        task_id: task.to_owned(),
        tool_use_id: None,
        event,
    })
}

/// What a question looks like.
const QUESTION: &str = r#"{"questions":[{"question":"which?","options":[{"label":"this"}]}]}"#;

pub fn request(request_id: &str, wish: Wish) -> Message {
    let wanted = |tool: &str| can_use(tool, "{}", None);
    Message::ControlRequest {
        request_id: request_id.to_owned(),
        request: match wish {
            Wish::Tool => wanted("Bash"),
            Wish::Plan => wanted(protocol::PLAN_TOOL),
            Wish::Question => can_use(protocol::QUESTION_TOOL, QUESTION, None),
            Wish::Unknown => ControlRequest::Other {
                subtype: "hologram".to_owned(),
            },
        },
    }
}
