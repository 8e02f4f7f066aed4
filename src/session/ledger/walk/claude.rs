//! A walk's `claude`: what it asks and takes back, what it reads, and how it ends.

use serde_json::{Value, json};

use super::*;
use crate::claude::protocol::{
    CanUseTool, ControlRequest, Init, Lifecycle, Message, RawJson, Task, TaskEvent, ToolResult,
    TurnResult, User,
};

/// What a process does.
#[derive(Clone, Debug)]
pub enum Does {
    Initialized,
    Begin {
        unasked: bool,
    },
    /// Asks for something, the main agent or a sub-agent, with so many suggestions.
    Ask {
        permits: usize,
        agent: bool,
    },
    /// Asks questions; whether several options of each may be chosen.
    Question {
        several: Vec<bool>,
    },
    /// Shows a plan.
    Plan {
        agent: bool,
    },
    /// Takes the n-th request back.
    Withdraw(usize),
    /// What is queued goes into the turn.
    ToolResult,
    Result,
    /// A sub-agent begins to work behind the turns, or ends.
    AgentStarts,
    AgentEnds,
    /// It ends, and what it wrote last is lost or not.
    Exit {
        unheard: bool,
    },
}

/// A turn.
#[derive(Default)]
pub struct Turn {
    uuids: Vec<String>,
    unasked: bool,
    interrupted: bool,
}

/// A process.
pub struct Claude {
    /// No other one has it.
    pub number: i64,
    pub answered: bool,
    /// Whether it was told to end.
    pub ending: bool,
    pub killed: bool,
    /// Lines to it that it has not read, and lines of it that nobody has.
    pub stdin: VecDeque<String>,
    pub out: VecDeque<Message>,
    pub queue: VecDeque<String>,
    pub turn: Option<Turn>,
    /// Requests that it waits for, and whether a sub-agent behind the turns does.
    pub waits: Vec<(String, bool)>,
    pub agents: Vec<String>,
}

impl Claude {
    pub fn new(number: i64) -> Claude {
        Claude {
            number,
            answered: false,
            ending: false,
            killed: false,
            stdin: VecDeque::new(),
            out: VecDeque::new(),
            queue: VecDeque::new(),
            turn: None,
            waits: Vec::new(),
            agents: Vec::new(),
        }
    }

    /// What the turn itself waits for.
    pub fn asks(&self) -> impl Iterator<Item = &String> {
        let of_turn = self.waits.iter().filter(|(_, behind)| !behind);
        of_turn.map(|(request, _)| request)
    }

    pub fn waits_for(&self, request: &str) -> bool {
        self.waits.iter().any(|(waits, _)| waits == request)
    }

    fn tell(&mut self, uuid: &str, state: Lifecycle) {
        let uuid = uuid.to_owned();
        self.out.push_back(Message::Lifecycle { uuid, state });
    }

    fn withdraw(&mut self, request_id: String) {
        self.waits.retain(|(waits, _)| *waits != request_id);
        self.out.push_back(Message::ControlCancel { request_id });
    }

    fn begin(&mut self, uuid: Option<String>) {
        if let Some(uuid) = &uuid {
            self.tell(uuid, Lifecycle::Started);
        }
        let uuids = Vec::from_iter(uuid);
        self.out.push_back(Message::Init(Box::new(Init {
            user_message_uuids: uuids.clone(),
            ..Init::default()
        })));
        self.turn = Some(Turn {
            unasked: uuids.is_empty(),
            uuids,
            interrupted: false,
        });
    }

    fn joins(&mut self) {
        self.out.push_back(Message::User(User {
            tool_results: vec![ToolResult {
                tool_use_id: "t".to_owned(),
                text: "x".to_owned(),
                is_error: false,
            }],
            ..User::default()
        }));
        for uuid in std::mem::take(&mut self.queue) {
            self.tell(&uuid, Lifecycle::Started);
            let turn = self.turn.as_mut().expect("a tool of a turn has ended");
            turn.uuids.push(uuid);
        }
    }

    fn result(&mut self) {
        let turn = self.turn.take().expect("a turn has ended");
        self.out.push_back(Message::Result(Box::new(TurnResult {
            subtype: match turn.interrupted {
                true => "error_during_execution",
                false => "success",
            }
            .to_owned(),
            is_error: turn.interrupted,
            origin_kind: turn.unasked.then(|| "task-notification".to_owned()),
            user_message_uuids: turn.uuids,
            ..TurnResult::default()
        })));
    }

    fn agent(&mut self, task: &str, starts: bool) {
        let event = match starts {
            true => TaskEvent::Started {
                task_type: None,
                description: String::new(),
                is_backgrounded: Some(true),
            },
            false => TaskEvent::Notification {
                status: None,
                summary: String::new(),
            },
        };
        self.out.push_back(Message::Task(Task {
            task_id: task.to_owned(),
            tool_use_id: None,
            event,
        }));
    }

    /// Reads a line.
    fn read(&mut self, line: &str) {
        let line: Value = serde_json::from_str(line).expect("every line is JSON");
        if let Some(uuid) = line["uuid"].as_str() {
            self.tell(uuid, Lifecycle::Queued);
            self.queue.push_back(uuid.to_owned());
            return;
        }
        if let Some(decided) = line["response"]["request_id"].as_str() {
            // What comes too late is left alone.
            self.waits.retain(|(waits, _)| waits != decided);
            return;
        }
        let request = &line["request"];
        let answer = match request["subtype"].as_str() {
            Some("initialize") => return,
            Some("interrupt") => {
                if let Some(turn) = &mut self.turn {
                    turn.interrupted = true;
                }
                for (request, _) in self.waits.clone() {
                    self.withdraw(request);
                }
                let cancelled: Vec<String> = self.queue.drain(..).collect();
                for uuid in &cancelled {
                    self.tell(uuid, Lifecycle::Cancelled);
                }
                json!({"still_queued": [], "cancelled": cancelled})
            }
            Some("cancel_async_message") => {
                let uuid = request["message_uuid"].as_str().unwrap_or_default();
                let before = self.queue.len();
                self.queue.retain(|queued| queued != uuid);
                let cancelled = self.queue.len() < before;
                if cancelled {
                    self.tell(uuid, Lifecycle::Cancelled);
                }
                json!({"cancelled": cancelled})
            }
            Some("stop_task") => {
                let task = request["task_id"].as_str().unwrap_or_default().to_owned();
                self.agents.retain(|agent| *agent != task);
                self.agent(&task, false);
                json!({})
            }
            _ => json!({}),
        };
        self.out.push_back(Message::ControlResponse {
            request_id: line["request_id"].as_str().unwrap_or_default().to_owned(),
            outcome: Ok(answer),
        });
    }
}

impl World {
    /// A process reads what was written to it.
    pub fn read(&mut self, at: usize) {
        if let Some(process) = &mut self.sides[at].process {
            while let Some(line) = process.stdin.pop_front() {
                process.read(&line);
            }
        }
    }

    pub fn claude(&mut self, at: usize, does: &Does) {
        let number = self.number();
        let epoch = self.epoch;
        let Some(process) = &mut self.sides[at].process else {
            return;
        };
        let at_work = process.turn.as_ref().is_some_and(|turn| !turn.interrupted);
        match *does {
            Does::Initialized if !process.answered => {
                process.answered = true;
                process.out.push_back(Message::ControlResponse {
                    request_id: "chappe-initialize".to_owned(),
                    outcome: Ok(json!({})),
                });
            }
            Does::Begin { unasked: true } if process.answered && process.turn.is_none() => {
                process.begin(None);
            }
            Does::Begin { unasked: false } if process.answered && process.turn.is_none() => {
                if let Some(uuid) = process.queue.pop_front() {
                    process.begin(Some(uuid));
                }
            }
            Does::Ask { permits, agent } if at_work || !process.agents.is_empty() => {
                let behind = !at_work;
                let ask = Ask::new(number, at, process.number, epoch, permits);
                process.waits.push((ask.request.clone(), behind));
                process.out.push_back(ask.line(agent || behind));
                self.asks.push(ask);
            }
            Does::Plan { agent } if at_work || !process.agents.is_empty() => {
                let behind = !at_work;
                let ask = Ask::new(number, at, process.number, epoch, 0).with_plan();
                process.waits.push((ask.request.clone(), behind));
                process.out.push_back(ask.line(agent || behind));
                self.asks.push(ask);
            }
            Does::Question { ref several } if at_work || !process.agents.is_empty() => {
                let behind = !at_work;
                let ask = Ask::new(number, at, process.number, epoch, 0).with_questions(several);
                process.waits.push((ask.request.clone(), behind));
                process.out.push_back(ask.line(behind));
                self.asks.push(ask);
            }
            Does::Withdraw(which) if !process.waits.is_empty() => {
                let (request, _) = process.waits[which % process.waits.len()].clone();
                process.withdraw(request);
            }
            Does::ToolResult if at_work && process.asks().next().is_none() => process.joins(),
            Does::Result if process.turn.is_some() && process.asks().next().is_none() => {
                process.result();
            }
            Does::AgentStarts if at_work => {
                let task = format!("agent{number}");
                process.agent(&task, true);
                process.agents.push(task);
            }
            Does::AgentEnds if process.waits.iter().all(|(_, behind)| !behind) => {
                if let Some(task) = process.agents.pop() {
                    process.agent(&task, false);
                }
            }
            Does::Exit { unheard } => {
                if !unheard {
                    self.hear(at, usize::MAX);
                }
                self.exit(at);
            }
            _ => {}
        }
    }
}

/// Makes the line by which Claude asks.
pub fn request_line(
    request: &str,
    tool: &str,
    input: &str,
    suggestions: &[RawJson],
    agent: bool,
) -> Message {
    Message::ControlRequest {
        request_id: request.to_owned(),
        request: ControlRequest::CanUseTool(Box::new(CanUseTool {
            tool_name: tool.to_owned(),
            display_name: None,
            input: RawJson::from_text(input.to_owned()).expect("it is JSON"),
            description: None,
            tool_use_id: None,
            agent_id: agent.then(|| "a".to_owned()),
            blocked_path: None,
            decision_reason: None,
            permission_suggestions: suggestions.to_vec(),
            requires_user_interaction: false,
        })),
    }
}
