//! What a session does next. Pure: events and the time in, actions out; the owner thread does them.
//!
//! The contract: after each event all actions are performed, in order, before the next event. `deadline()` says when
//! [`Event::Tick`] is due. At most one prompt is given and not closed; nothing is written to a process that is not
//! there; a prompt that was given is closed exactly once, or stays open for the next start of chappe.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::answer::{Collector, may_change, target};
use crate::board::Doing;
use crate::chat::{Block, Decision, Outcome, Prompt, PromptId, Spent, Verdict, Wanted};
use crate::claude::protocol::{
    self, Assistant, BlockKind, ControlCommand, ControlRequest, Initialized, Lifecycle, Message,
    RawJson, StreamEvent, TurnResult,
};

/// How long a process may take from its start until it answers. Slow MCP servers take half a minute.
const START_MAX: Duration = Duration::from_secs(90);

/// SIGKILL never comes sooner after SIGTERM: the transcript is written in between.
const KILL_AFTER_MIN: Duration = Duration::from_millis(250);

/// How much of a tool's input is kept with what was seen to start, in characters.
const ACTED_MAX: usize = 200;

/// The id of the one control request that a process gets at its start.
const INITIALIZE: &str = "chappe-initialize";
const INTERRUPT: &str = "chappe-interrupt";

/// What Claude hears when a request is denied.
const DENIED: &str = "The user denied this.";
/// What it hears when its plan is not approved.
const PLAN_DENIED: &str = "The user did not approve this plan. Ask what should be different.";
/// What it hears when it asks by its question dialog.
const ASK_IN_TEXT: &str = "The user cannot see question dialogs here. Ask the question in plain text instead, with \
                           the options as a list.";
/// What the CLI hears when it wants something that is not known here.
const UNKNOWN_REQUEST: &str = "not supported by this client";

/// Why a turn ended whose process takes no more input.
const DEAF: &str = "it did not react any more";

/// What the machine is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a quiet process is kept; None: for ever.
    pub idle_timeout: Option<Duration>,
    /// Each step of an ending.
    pub stop_grace: Duration,
    /// How long a turn may go on when chappe is stopped.
    pub shutdown_grace: Duration,
}

/// Why there is no process, or none that can work. In words for the person, with a cure where one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It could not be started or ended at once.
    NotStarted { cause: String, cure: Option<String> },
    /// Claude has no such conversation.
    NothingToResume,
}

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Event {
    /// What the store holds for the session now.
    Work {
        waiting: usize,
        decisions: Vec<Decision>,
        open: Vec<Prompt>,
    },
    /// Everything that a start needs is there, and no process of a former chappe is left.
    Prepared,
    NotPrepared(Trouble),
    /// The process runs.
    Started,
    /// A line of the process.
    Said(Message),
    /// The process has ended and was reaped: how, in words, and the last it wrote to stderr.
    Exited {
        how: String,
        last_words: String,
    },
    /// The next prompt is marked as sent (None: nothing waits), and how many messages wait on.
    Given(Option<Prompt>, usize),
    /// The process takes no more input.
    NotReading,
    /// A deadline has come.
    Tick,
    /// chappe is being stopped.
    Shutdown,
    /// It must be quick now.
    Hurry,
}

/// What the owner does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// End what a former chappe left, find out the version, make the folder. Answered by `Prepared` or `NotPrepared`.
    Prepare,
    /// Look at the store again. Answered by `Work`.
    Look,
    /// The process is gone: note that none serves the session.
    NoteEnd,
    /// The process has begun another conversation, with this id: what is resumed from now on.
    NoteConversation(String),
    /// Start the process. Answered by `Started` or `NotPrepared`.
    Start,
    /// Write a line to the process.
    Write(String),
    CloseInput,
    Terminate,
    Kill,
    /// Make a prompt of what waits. Answered by `Given`.
    GiveNext,
    /// The prompt just given cannot be written: its messages wait again.
    TakeBack(PromptId),
    /// Claude has taken the prompt.
    Taken(PromptId),
    /// A tool that may change something starts.
    Acted {
        prompt: PromptId,
        tool: String,
        input: String,
    },
    /// Show a request, with what was said just before it.
    Ask {
        prompt: Option<PromptId>,
        wanted: Wanted,
        before: Vec<Block>,
    },
    /// A decision has been written to Claude.
    Told {
        request: String,
    },
    /// Requests that cannot be answered any more: the one named, or all.
    CloseRequests {
        request: Option<String>,
        why: Closed,
    },
    /// Close a turn and store its answer.
    Finish(Finished),
    /// Store what came without having been asked for.
    Unasked {
        blocks: Vec<Block>,
        spent: Spent,
    },
    /// Tell the person why there is no process.
    Tell(Trouble),
    /// Put up what the turn does, or take it down.
    Show {
        prompt: Prompt,
        since: Instant,
        doing: Doing,
        doing_since: Instant,
        waiting: usize,
    },
    Hide,
    /// Nothing is left to do: end the thread, unless something has come meanwhile.
    Retire,
    /// End the thread, although messages may wait: until somebody writes again.
    Rest,
    /// End the thread, because chappe ends.
    End,
}

/// Why a request was closed without a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Claude took it back.
    Withdrawn,
    /// The process that asked is gone, or ends because chappe does.
    Expired,
}

/// A turn that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub prompt: Prompt,
    pub outcome: Outcome,
    pub answer: Vec<Block>,
    /// What went wrong, in words; empty where nothing did.
    pub cause: String,
    pub spent: Spent,
    pub tools: u32,
    /// None for a turn of a former chappe.
    pub took: Option<Duration>,
}

/// The states. What is meaningful only in one stands in it.
#[derive(Debug)]
enum State {
    /// No process.
    Asleep,
    /// No process yet: what it needs is being looked at.
    Preparing,
    /// The process runs and has not answered yet.
    Starting {
        until: Instant,
        said: Option<String>,
    },
    /// The process waits for a prompt.
    Open { since: Instant },
    /// A prompt is given.
    Busy(Turn),
    /// The process is being ended.
    Ending {
        step: Step,
        until: Instant,
        /// Set where the process never came to answer: what it said of that, or nothing.
        failed: Option<String>,
    },
    /// chappe ends, and there is no process any more.
    Over,
}

/// How far an ending has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    InputClosed,
    Terminated,
    Killed,
}

#[derive(Debug)]
struct Turn {
    prompt: Prompt,
    since: Instant,
    taken: bool,
    doing: Doing,
    doing_since: Instant,
    /// What it did when a person was asked, and does again once that is decided.
    meanwhile: Option<Doing>,
    /// Set when chappe ends before the turn does: until when its interruption may take.
    leaving: Option<Instant>,
}

/// A session's mind.
pub struct Machine {
    settings: Settings,
    state: State,
    /// Whether what a former chappe left open has been dealt with.
    taken_up: bool,
    waiting: usize,
    /// Requests of this process that nobody has decided.
    asked: HashSet<String>,
    said: Collector,
    /// The total that the process had reported before the turn at hand, in dollars.
    cost_before: f64,
    /// Claude's own commands, as the process listed them.
    commands: Vec<String>,
    /// Set when chappe ends: until when a turn may go on.
    shutdown: Option<Instant>,
}

impl Machine {
    pub fn new(settings: Settings) -> Machine {
        Machine {
            settings,
            state: State::Asleep,
            taken_up: false,
            waiting: 0,
            asked: HashSet::new(),
            said: Collector::default(),
            cost_before: 0.0,
            commands: Vec::new(),
            shutdown: None,
        }
    }

    /// Claude's own commands, which go to it as they are.
    pub fn commands(&self) -> &[String] {
        &self.commands
    }

    /// When the next [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Asleep | State::Preparing | State::Over => None,
            State::Starting { until, .. } | State::Ending { until, .. } => Some(*until),
            State::Open { since } if self.asked.is_empty() => {
                Some(*since + self.settings.idle_timeout?)
            }
            State::Open { .. } => None,
            State::Busy(Turn {
                leaving: Some(until),
                ..
            }) => Some(*until),
            State::Busy(_) => self.shutdown,
        }
    }

    /// Takes an event and says what is to be done about it.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let out = &mut actions;
        match event {
            Event::Work {
                waiting,
                decisions,
                open,
            } => self.on_work(now, waiting, decisions, open, out),
            Event::Prepared => {
                if matches!(self.state, State::Preparing) {
                    if self.waiting > 0 {
                        out.push(Action::Start);
                    } else {
                        // It was only to end what a former chappe left.
                        self.state = State::Asleep;
                        self.advance(now, out);
                    }
                }
            }
            Event::NotPrepared(trouble) => {
                if matches!(self.state, State::Preparing) {
                    self.give_up(trouble, out);
                }
            }
            Event::Started => self.on_started(now, out),
            Event::Said(message) => self.on_message(now, message, out),
            Event::Exited { how, last_words } => self.on_exited(now, &how, &last_words, out),
            Event::Given(prompt, waiting) => self.on_given(now, prompt, waiting, out),
            Event::NotReading => {
                // It will not hear anything else either; the turn ends with it.
                if !matches!(
                    self.state,
                    State::Ending { .. } | State::Asleep | State::Preparing | State::Over
                ) {
                    self.end_by(now, Step::Terminated, out);
                }
            }
            Event::Tick => self.on_tick(now, out),
            Event::Shutdown => self.on_shutdown(now, out),
            Event::Hurry => self.on_hurry(now, out),
        }
        actions
    }

    fn on_work(
        &mut self,
        now: Instant,
        waiting: usize,
        decisions: Vec<Decision>,
        open: Vec<Prompt>,
        out: &mut Vec<Action>,
    ) {
        if self.taken_up {
            // Controls go before prompts.
            for decision in decisions {
                self.on_decision(now, &decision, out);
            }
        } else {
            self.taken_up = true;
            // Who asked is gone with the former chappe, or has lost us.
            out.push(Action::CloseRequests {
                request: None,
                why: Closed::Expired,
            });
        }
        let current = match &self.state {
            State::Busy(turn) => Some(turn.prompt.id),
            _ => None,
        };
        // What else is open was given by a former chappe. When this one ends, prompts stay open on purpose.
        let left = open.into_iter().filter(|prompt| Some(prompt.id) != current);
        let left: Vec<Prompt> = left.filter(|_| self.shutdown.is_none()).collect();
        if !left.is_empty() && matches!(self.state, State::Asleep) {
            // The process that was in the middle of it may still be at work, and nobody reads what it says.
            self.state = State::Preparing;
            out.push(Action::Prepare);
        }
        for prompt in left {
            out.push(Action::Finish(Finished {
                prompt,
                outcome: Outcome::Interrupted,
                answer: Vec::new(),
                cause: String::new(),
                spent: Spent::default(),
                tools: 0,
                took: None,
            }));
        }
        self.waiting = waiting;
        if let State::Busy(turn) = &self.state {
            out.push(show(turn, waiting));
        }
        self.advance(now, out);
    }

    fn on_decision(&mut self, now: Instant, decision: &Decision, out: &mut Vec<Action>) {
        if matches!(self.state, State::Ending { .. }) {
            // It gets no more lines; what it asked is closed when it has ended.
            return;
        }
        if !self.asked.remove(&decision.request) {
            // The process that asked is gone, or took it back in the same moment.
            out.push(Action::Told {
                request: decision.request.clone(),
            });
            return;
        }
        let line = match decision.verdict {
            Verdict::Allow => match RawJson::from_text(decision.input.clone()) {
                Ok(input) => protocol::allow(&decision.request, &input),
                // What cannot be given back as it was shown is not allowed.
                Err(_) => protocol::deny(&decision.request, DENIED),
            },
            Verdict::Deny if decision.tool == protocol::PLAN_TOOL => {
                protocol::deny(&decision.request, PLAN_DENIED)
            }
            Verdict::Deny => protocol::deny(&decision.request, DENIED),
        };
        out.push(Action::Write(line));
        out.push(Action::Told {
            request: decision.request.clone(),
        });
        if self.asked.is_empty() {
            let meanwhile = match &mut self.state {
                State::Busy(turn) => turn.meanwhile.take(),
                _ => None,
            };
            self.doing(now, meanwhile.unwrap_or(Doing::Waiting), out);
            self.quiet_since(now);
        }
    }

    fn on_started(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Preparing) {
            return;
        }
        self.cost_before = 0.0;
        self.asked.clear();
        self.said = Collector::default();
        self.state = State::Starting {
            until: now + START_MAX,
            said: None,
        };
        out.push(Action::Write(protocol::control_request(
            INITIALIZE,
            &ControlCommand::Initialize {
                mcp_servers: Vec::new(),
            },
        )));
    }

    fn on_given(
        &mut self,
        now: Instant,
        prompt: Option<Prompt>,
        waiting: usize,
        out: &mut Vec<Action>,
    ) {
        self.waiting = waiting;
        let Some(prompt) = prompt else { return };
        if !matches!(self.state, State::Open { .. }) {
            // The process failed while the store was asked. Not a byte of the prompt was written.
            out.push(Action::TakeBack(prompt.id));
            self.waiting += 1;
            return;
        }
        out.push(Action::Write(protocol::user_line(
            &prompt.uuid,
            &prompt.text,
        )));
        let turn = Turn {
            prompt,
            since: now,
            taken: false,
            doing: Doing::Waiting,
            doing_since: now,
            meanwhile: None,
            leaving: None,
        };
        out.push(show(&turn, waiting));
        // What was said before belongs to a turn that nobody asked for, and goes out with its result.
        self.state = State::Busy(turn);
    }

    fn on_message(&mut self, now: Instant, message: Message, out: &mut Vec<Action>) {
        if matches!(self.state, State::Asleep | State::Preparing | State::Over) {
            return;
        }
        match message {
            Message::ControlResponse {
                request_id,
                outcome,
            } if request_id == INITIALIZE => {
                self.on_initialized(now, outcome, out);
            }
            Message::Lifecycle {
                uuid,
                state: Lifecycle::Started,
            } => self.taken_if(out, |turn| turn.uuid == uuid),
            Message::Init(init) => {
                self.taken_if(out, |turn| init.user_message_uuids.contains(&turn.uuid));
                self.doing(now, Doing::Waiting, out);
            }
            Message::User(user) => {
                if user.is_replay {
                    self.taken_if(out, |turn| user.uuid.as_deref() == Some(&turn.uuid));
                }
                if let (Some(uuid), Some(words)) = (&user.uuid, user.command_output()) {
                    self.said.command_output(uuid, words);
                }
                if !user.tool_results.is_empty() && user.parent_tool_use_id.is_none() {
                    self.doing(now, Doing::Waiting, out);
                }
            }
            Message::Assistant(assistant) => self.on_assistant(now, assistant, out),
            Message::Stream(stream) => match stream.event {
                StreamEvent::BlockStart {
                    kind: BlockKind::Thinking,
                    ..
                } => self.doing(now, Doing::Thinking, out),
                StreamEvent::BlockStart {
                    kind: BlockKind::Text,
                    ..
                } => self.doing(now, Doing::Writing, out),
                _ => {}
            },
            Message::ApiRetry(retry) => {
                let doing = Doing::Retrying {
                    attempt: retry.attempt,
                    of: retry.max_retries,
                    status: retry.error_status,
                };
                self.doing(now, doing, out);
            }
            Message::Status(status) if status.status.as_deref() == Some("compacting") => {
                self.doing(now, Doing::Compacting, out);
            }
            Message::ControlRequest {
                request_id,
                request,
            } => self.on_request(now, request_id, request, out),
            Message::ControlCancel { request_id } if self.asked.remove(&request_id) => {
                out.push(Action::CloseRequests {
                    request: Some(request_id),
                    why: self.taken_back(),
                });
                self.doing(now, Doing::Waiting, out);
                self.quiet_since(now);
            }
            Message::CompactBoundary(_) => self.said.compacted(),
            Message::Result(result) => self.on_result(now, &result, out),
            _ => {}
        }
    }

    fn on_initialized(
        &mut self,
        now: Instant,
        outcome: Result<Value, String>,
        out: &mut Vec<Action>,
    ) {
        let State::Starting { said, .. } = &mut self.state else {
            return;
        };
        match outcome {
            Ok(answer) => {
                self.commands = Initialized::from(&answer).commands;
                self.state = State::Open { since: now };
                self.advance(now, out);
            }
            Err(error) => {
                *said = Some(error);
                self.end_by(now, Step::Killed, out);
            }
        }
    }

    fn on_assistant(&mut self, now: Instant, assistant: Assistant, out: &mut Vec<Action>) {
        self.taken_if(out, |turn| {
            assistant.user_message_uuids.contains(&turn.uuid)
        });
        let main = assistant.parent_tool_use_id.is_none();
        for block in assistant.blocks {
            match block {
                // What the CLI writes in Claude's place when the API fails stands in the result as well.
                protocol::Block::Text(_) if assistant.error.is_some() => {}
                protocol::Block::Text(text) if main && assistant.synthetic => {
                    self.said.text_of_cli(&assistant.message_id, &text);
                }
                protocol::Block::Text(text) if main => self.said.text(&assistant.message_id, &text),
                protocol::Block::ToolUse { name, input, .. } => {
                    if main {
                        self.said.tool_call(&assistant.message_id);
                    }
                    if let State::Busy(turn) = &self.state
                        && may_change(&name)
                    {
                        let short = input.text().chars().take(ACTED_MAX).collect();
                        out.push(Action::Acted {
                            prompt: turn.prompt.id,
                            tool: name.clone(),
                            input: short,
                        });
                    }
                    let target = input
                        .parse()
                        .map_or_else(|_| String::new(), |input| target(&input));
                    self.doing(now, Doing::Tool { name, target }, out);
                }
                protocol::Block::Text(_) => {}
                protocol::Block::Thinking(_) | protocol::Block::Other(_) => {
                    if main {
                        self.said.other(&assistant.message_id);
                    }
                }
            }
        }
    }

    fn on_request(
        &mut self,
        now: Instant,
        request_id: String,
        request: ControlRequest,
        out: &mut Vec<Action>,
    ) {
        if matches!(self.state, State::Ending { .. }) {
            // It gets no more lines, and its end answers everything.
            return;
        }
        let wanted = match request {
            ControlRequest::CanUseTool(wanted) => wanted,
            ControlRequest::McpMessage { .. } | ControlRequest::Other { .. } => {
                out.push(Action::Write(protocol::control_error(
                    &request_id,
                    UNKNOWN_REQUEST,
                )));
                return;
            }
        };
        if wanted.tool_name == protocol::QUESTION_TOOL {
            out.push(Action::Write(protocol::deny(&request_id, ASK_IN_TEXT)));
            return;
        }
        let prompt = match &self.state {
            State::Busy(turn) => Some(turn.prompt.id),
            State::Open { .. } => None,
            // It has not answered yet, so that nobody can have asked it for anything.
            _ => {
                out.push(Action::Write(protocol::deny(&request_id, DENIED)));
                return;
            }
        };
        if !self.asked.insert(request_id.clone()) {
            // It is shown already.
            return;
        }
        out.push(Action::Ask {
            prompt,
            wanted: Wanted {
                request: request_id,
                is_plan: wanted.tool_name == protocol::PLAN_TOOL,
                tool: wanted.tool_name,
                input: wanted.input.text().to_owned(),
                sub_agent: wanted.agent_id.is_some(),
            },
            before: self.said.before_request(),
        });
        self.doing(now, Doing::Asking, out);
        if self.shutdown.is_some() {
            self.leave(now, out);
        }
    }

    fn on_result(&mut self, now: Instant, result: &TurnResult, out: &mut Vec<Action>) {
        let spent = self.spent(result);
        if let State::Starting { said, .. } = &mut self.state
            && !result.errors.is_empty()
        {
            // A start that fails says so in a result without a turn, and then exits.
            *said = Some(result.errors.join("; "));
            return;
        }
        let ours = result.origin_kind.is_none()
            && match &self.state {
                State::Busy(turn) => {
                    turn.taken
                        || result.user_message_uuids.is_empty()
                        || result.user_message_uuids.contains(&turn.prompt.uuid)
                }
                _ => false,
            };
        let (mut answer, tools) = self.said.finish();
        // Of a turn that was cut off, what was said has gone out already.
        if answer.is_empty()
            && !matches!(self.state, State::Ending { .. })
            && !result.is_error
            && !result.text.as_deref().unwrap_or("").trim().is_empty()
        {
            // Built-in commands may answer in the result alone.
            answer.push(Block {
                message: "result".to_owned(),
                index: 0,
                text: result.text.clone().unwrap_or_default(),
            });
        }
        if !ours {
            if !answer.is_empty() || spent != Spent::default() {
                out.push(Action::Unasked {
                    blocks: answer,
                    spent,
                });
            }
            self.quiet_since(now);
            return;
        }
        let State::Busy(turn) = std::mem::replace(&mut self.state, State::Open { since: now })
        else {
            unreachable!("only a result of a turn is ours")
        };
        if !turn.taken {
            out.push(Action::Taken(turn.prompt.id));
        }
        if !self.asked.is_empty() {
            self.asked.clear();
            out.push(Action::CloseRequests {
                request: None,
                why: if turn.leaving.is_some() {
                    Closed::Expired
                } else {
                    Closed::Withdrawn
                },
            });
        }
        // A turn that was done before it heard of the interruption has its answer.
        if turn.leaving.is_none() || !result.is_error {
            let (outcome, cause) = outcome(result);
            out.push(Action::Finish(Finished {
                prompt: turn.prompt,
                outcome,
                answer,
                cause,
                spent,
                tools,
                took: Some(now.saturating_duration_since(turn.since)),
            }));
        }
        out.push(Action::Hide);
        if self.shutdown.is_some() || self.settings.idle_timeout == Some(Duration::ZERO) {
            self.end_by(now, Step::InputClosed, out);
        } else {
            self.advance(now, out);
        }
    }

    fn on_exited(&mut self, now: Instant, how: &str, last_words: &str, out: &mut Vec<Action>) {
        if !self.asked.is_empty() {
            self.asked.clear();
            out.push(Action::CloseRequests {
                request: None,
                why: Closed::Expired,
            });
        }
        match std::mem::replace(&mut self.state, State::Asleep) {
            State::Starting { said, .. }
            | State::Ending {
                failed: said @ Some(_),
                ..
            } => {
                let cause = said
                    .filter(|said| !said.is_empty())
                    .unwrap_or_else(|| last_words.trim().to_owned());
                self.give_up(start_trouble(how, &cause), out);
            }
            State::Busy(turn) => {
                if turn.leaving.is_none() {
                    let (answer, tools) = self.said.finish();
                    let cause = match last_words.trim().lines().next_back() {
                        Some(words) if !words.is_empty() => format!("{how}: {words}"),
                        _ => how.to_owned(),
                    };
                    out.push(Action::Finish(Finished {
                        prompt: turn.prompt,
                        outcome: Outcome::Crashed,
                        answer,
                        cause,
                        spent: Spent::default(),
                        tools,
                        took: Some(now.saturating_duration_since(turn.since)),
                    }));
                }
                out.push(Action::Hide);
                self.advance(now, out);
            }
            State::Open { .. } | State::Ending { .. } | State::Asleep | State::Preparing => {
                self.advance(now, out)
            }
            State::Over => self.state = State::Over,
        }
    }

    fn on_tick(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match &mut self.state {
            State::Starting { said, .. } => {
                if said.is_none() {
                    let seconds = START_MAX.as_secs();
                    *said = Some(format!("it did not answer within {seconds} s"));
                }
                self.end_by(now, Step::Killed, out);
            }
            State::Open { .. } => self.end_by(now, Step::InputClosed, out),
            State::Busy(Turn {
                leaving: Some(_), ..
            }) => self.end_by(now, Step::InputClosed, out),
            State::Busy(_) => self.leave(now, out),
            State::Ending { step, .. } => {
                let next = match step {
                    Step::InputClosed => Step::Terminated,
                    Step::Terminated | Step::Killed => Step::Killed,
                };
                self.end_by(now, next, out);
            }
            State::Asleep | State::Preparing | State::Over => {}
        }
    }

    fn on_shutdown(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.shutdown.is_some() {
            return;
        }
        self.shutdown = Some(now + self.settings.shutdown_grace);
        match &self.state {
            // A look at what is open may still wait to be made; the next start makes it again.
            State::Asleep | State::Preparing => {
                self.state = State::Over;
                out.push(Action::End);
            }
            State::Starting { .. } | State::Open { .. } => self.end_by(now, Step::InputClosed, out),
            // Who waits for a person would wait in vain.
            State::Busy(_) if !self.asked.is_empty() => self.leave(now, out),
            State::Busy(_) | State::Ending { .. } | State::Over => {}
        }
    }

    fn on_hurry(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.on_shutdown(now, out);
        match &mut self.state {
            State::Asleep | State::Preparing | State::Over => {}
            State::Ending {
                step: Step::Terminated | Step::Killed,
                until,
                ..
            } => *until = (*until).min(now + KILL_AFTER_MIN),
            _ => {
                self.end_by(now, Step::Terminated, out);
                if let State::Ending { until, .. } = &mut self.state {
                    *until = now + KILL_AFTER_MIN;
                }
            }
        }
    }

    /// Interrupts a turn that chappe's end does not wait for. The prompt stays open.
    fn leave(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let State::Busy(turn) = &mut self.state
            && turn.leaving.is_none()
        {
            turn.leaving = Some(now + self.settings.stop_grace);
            out.push(Action::Write(protocol::control_request(
                INTERRUPT,
                &ControlCommand::Interrupt {
                    cancel_queued: true,
                },
            )));
        }
    }

    /// Why Claude takes a request back: by itself, or because chappe's end has interrupted it.
    fn taken_back(&self) -> Closed {
        match &self.state {
            State::Busy(turn) if turn.leaving.is_some() => Closed::Expired,
            _ => Closed::Withdrawn,
        }
    }

    /// Ends the process, beginning with the given step.
    fn end_by(&mut self, now: Instant, step: Step, out: &mut Vec<Action>) {
        if let State::Busy(turn) = &self.state {
            // Ended in the middle of a turn. What becomes of the prompt depends on who wanted it.
            let finished = turn.leaving.is_none() && self.shutdown.is_none();
            if finished {
                let (prompt, since) = (turn.prompt.clone(), turn.since);
                let (answer, tools) = self.said.finish();
                out.push(Action::Finish(Finished {
                    prompt,
                    outcome: Outcome::Crashed,
                    answer,
                    cause: DEAF.to_owned(),
                    spent: Spent::default(),
                    tools,
                    took: Some(now.saturating_duration_since(since)),
                }));
            }
            out.push(Action::Hide);
        }
        out.push(match step {
            Step::InputClosed => Action::CloseInput,
            Step::Terminated => Action::Terminate,
            Step::Killed => Action::Kill,
        });
        // A process that is ended before it has answered is a start that failed, and is told as one.
        let failed = match &mut self.state {
            State::Starting { said, .. } => Some(said.take().unwrap_or_default()),
            State::Ending { failed, .. } => failed.take(),
            _ => None,
        };
        self.state = State::Ending {
            step,
            until: now + self.settings.stop_grace.max(KILL_AFTER_MIN),
            failed,
        };
    }

    /// Tells why there is no process, and lets the session rest with what waits for it.
    fn give_up(&mut self, trouble: Trouble, out: &mut Vec<Action>) {
        self.state = State::Asleep;
        if self.shutdown.is_some() {
            self.state = State::Over;
            out.push(Action::End);
            return;
        }
        // Where nothing waits, nobody needs a process.
        if self.waiting > 0 {
            out.push(Action::Tell(trouble));
        }
        out.push(Action::Rest);
    }

    /// Does what can be done next without anybody having to say so.
    fn advance(&mut self, now: Instant, out: &mut Vec<Action>) {
        match &self.state {
            State::Asleep if self.shutdown.is_some() => {
                self.state = State::Over;
                out.push(Action::End);
            }
            State::Asleep if self.waiting > 0 => {
                self.state = State::Preparing;
                out.push(Action::Prepare);
            }
            State::Asleep => out.push(Action::Retire),
            State::Open { .. } if self.shutdown.is_some() => {
                self.end_by(now, Step::InputClosed, out)
            }
            State::Open { .. } if self.waiting > 0 => out.push(Action::GiveNext),
            _ => {}
        }
    }

    /// Begins to count anew how long a process that waits for a prompt has been quiet.
    fn quiet_since(&mut self, now: Instant) {
        if let State::Open { since } = &mut self.state {
            *since = now;
        }
    }

    /// Notes that Claude has taken the prompt at hand, if `says_so`.
    fn taken_if(&mut self, out: &mut Vec<Action>, says_so: impl FnOnce(&Prompt) -> bool) {
        if let State::Busy(turn) = &mut self.state
            && !turn.taken
            && says_so(&turn.prompt)
        {
            turn.taken = true;
            out.push(Action::Taken(turn.prompt.id));
        }
    }

    /// Notes what the turn does now.
    fn doing(&mut self, now: Instant, doing: Doing, out: &mut Vec<Action>) {
        let waiting = self.waiting;
        // As long as a person is asked, nothing else is more important.
        if !self.asked.is_empty() && doing != Doing::Asking {
            return;
        }
        if let State::Busy(turn) = &mut self.state
            && turn.doing != doing
        {
            let before = std::mem::replace(&mut turn.doing, doing);
            turn.doing_since = now;
            if turn.doing == Doing::Asking {
                turn.meanwhile = Some(before);
            }
            out.push(show(turn, waiting));
        }
    }

    /// What the turn cost: the difference to the total before it, or what the CLI itself says.
    fn spent(&mut self, result: &TurnResult) -> Spent {
        let total = result.total_cost_usd.unwrap_or(self.cost_before);
        let cost = result
            .cost_since_last_result
            .unwrap_or((total - self.cost_before).max(0.0));
        self.cost_before = total;
        let usage = &result.usage;
        Spent {
            cost,
            input_tokens: usage.input_tokens
                + usage.cache_creation_input_tokens
                + usage.cache_read_input_tokens,
            output_tokens: usage.output_tokens,
        }
    }
}

fn show(turn: &Turn, waiting: usize) -> Action {
    Action::Show {
        prompt: turn.prompt.clone(),
        since: turn.since,
        doing: turn.doing.clone(),
        doing_since: turn.doing_since,
        waiting,
    }
}

/// How a turn ended, and what went wrong. `is_error` is what counts: an API failure comes as a `success`.
fn outcome(result: &TurnResult) -> (Outcome, String) {
    if !result.is_error {
        return (Outcome::Answered, String::new());
    }
    if result.subtype == "error_max_turns" {
        return (Outcome::TurnLimit, String::new());
    }
    let cause = match &result.text {
        Some(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => {
            // Diagnostic noise of the CLI, which says nothing to a person.
            let said: Vec<_> = result
                .errors
                .iter()
                .filter(|error| !error.starts_with("[ede_"))
                .cloned()
                .collect();
            if said.is_empty() {
                "Claude broke the turn off.".to_owned()
            } else {
                said.join("; ")
            }
        }
    };
    (Outcome::Failed, cause)
}

/// Why a start failed, and what helps, from what the CLI wrote.
fn start_trouble(how: &str, said: &str) -> Trouble {
    if said.contains("No conversation found") {
        return Trouble::NothingToResume;
    }
    let cure = if said.contains("root/sudo privileges") {
        Some(
            "Set IS_SANDBOX = \"1\" in [claude] env, use another permission_mode, or run chappe as another user.",
        )
    } else if said.contains("unknown option") {
        Some(
            "Look at claude.extra_args in config.toml: this version of Claude Code does not know one of them.",
        )
    } else {
        None
    };
    let cause = match said.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{how}: {}", line.trim()),
        None => how.to_owned(),
    };
    Trouble::NotStarted {
        cause,
        cure: cure.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
