//! A world for random walks: an owner, a store, a host and a process, as the machine sees them.
//!
//! It performs every action as the owner does, and stops the walk where an action breaks the contract. What it keeps of
//! the store and the process is only what the contract speaks of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::*;
use super::script::{can_use, prompt};
use crate::claude::protocol::{Init, ToolResult, User};

/// How much of what happened is shown when a walk fails.
const TRACE_MAX: usize = 40;

/// More events without time going by would be a machine that runs in circles.
const CIRCLE_MAX: usize = 50;

/// What can happen next. What cannot happen now is left out.
#[derive(Clone, Debug)]
pub enum Step {
    /// What comes next when all goes well.
    Onward,
    /// A person writes.
    Message,
    /// The owner looks at the store.
    Look,
    /// A person decides the n-th open request.
    Decide(usize, Verdict),
    /// The preparation ends.
    Prepared(Result<(), ()>),
    /// The next process cannot be started.
    SpawnWillFail,
    /// The process answers that it is ready, or that it is not.
    Initialized(Result<(), ()>),
    /// Claude takes the next prompt, or begins a turn that nobody asked for.
    Begin {
        unasked: bool,
    },
    Say,
    Tool,
    ToolResult,
    Ask(Request),
    /// Claude takes the n-th request back.
    Withdraw(usize),
    Result {
        is_error: bool,
        cents: u32,
    },
    Exit,
    /// The process takes no more input.
    StopReading,
    /// Time goes by, and the owner ticks when a deadline comes.
    Wait(Duration),
    /// Time goes by, and something else comes before the tick.
    Oversleep(Duration),
    Shutdown,
    /// The store fails while a prompt is given, and the signal comes meanwhile.
    ShutdownWhileGiving,
    Hurry,
    /// A line that fits nowhere.
    Stray(Stray),
}

#[derive(Clone, Copy, Debug)]
pub enum Request {
    Tool,
    Plan,
    Question,
    Unknown,
}

#[derive(Clone, Debug)]
pub enum Stray {
    Lifecycle(i64),
    Replay(i64),
    Init(i64),
    Initialized(Result<(), ()>),
    Echo,
    Cancel,
    /// A request that was made before.
    AskAgain,
    Text,
    ToolResult,
    Result {
        of: Option<i64>,
        is_error: bool,
        origin: bool,
    },
}

/// A prompt in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Sent,
    Taken,
    Closed,
}

/// A request in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Open,
    Decided(Verdict),
    Settled,
}

/// A turn as the process has it.
struct Turn {
    /// The prompt's uuid; None where nobody asked.
    uuid: Option<String>,
    /// Whether the line that repeats the prompt was written, or another sign.
    announced: bool,
    /// What was said since the last tool.
    said: Vec<String>,
}

/// The process.
struct Claude {
    /// Whether it is of the versions that tell what becomes of a message.
    tells_lifecycle: bool,
    answered: bool,
    reads: bool,
    input_open: bool,
    killed: bool,
    /// Whether it was told to end, in whatever way.
    ending: bool,
    interrupted: bool,
    /// Uuids that were written and not taken.
    queue: VecDeque<String>,
    turn: Option<Turn>,
    asked: Vec<String>,
    total: f64,
}

/// What happened and what was wanted, for the one who reads why a walk failed.
#[derive(Debug)]
enum Noted {
    /// When it came, counted from the beginning.
    Event(
        #[expect(dead_code, reason = "it is shown")] Duration,
        #[expect(dead_code, reason = "it is shown")] Event,
    ),
    Action(#[expect(dead_code, reason = "it is shown")] Action),
}

pub struct World {
    settings: Settings,
    machine: Option<Machine>,
    base: Instant,
    now: Instant,
    waiting: usize,
    prompts: BTreeMap<i64, Given>,
    requests: BTreeMap<String, Asked>,
    preparing: bool,
    spawn_will_fail: bool,
    shutdown_will_overtake: bool,
    process: Option<Claude>,
    shown: Option<PromptId>,
    shutdown: Option<Instant>,
    hurry: Option<Instant>,
    /// The walk slept over deadlines for so long, which nobody can hold against the machine.
    overslept: Duration,
    /// Whether the thread of the last owner has ended because chappe ends.
    over: bool,
    /// A result came that belongs to nothing, so that what follows may repeat what went out with it.
    is_confused: bool,
    events: VecDeque<Event>,
    /// What has reached the chat as an answer or unasked, and what it cost.
    delivered: BTreeSet<String>,
    spent: f64,
    counter: u32,
    trace: VecDeque<Noted>,
}

impl World {
    pub fn new(settings: Settings) -> World {
        let base = Instant::now();
        World {
            settings,
            machine: None,
            base,
            now: base,
            waiting: 0,
            prompts: BTreeMap::new(),
            requests: BTreeMap::new(),
            preparing: false,
            spawn_will_fail: false,
            shutdown_will_overtake: false,
            process: None,
            shown: None,
            shutdown: None,
            hurry: None,
            overslept: Duration::ZERO,
            over: false,
            is_confused: false,
            events: VecDeque::new(),
            delivered: BTreeSet::new(),
            spent: 0.0,
            counter: 0,
            trace: VecDeque::new(),
        }
    }

    /// What happens, then what must be true whatever has happened.
    pub fn step(&mut self, step: &Step) {
        self.happens(step);
        self.check_that_it_moves_on();
        self.check_that_the_end_comes();
    }

    fn happens(&mut self, step: &Step) {
        match step {
            Step::Onward => {
                if let Some(step) = self.next_in_order() {
                    self.happens(&step);
                }
            }
            Step::Message => {
                self.waiting += 1;
                if self.machine.is_none() {
                    self.wake();
                }
            }
            Step::Look => self.look(),
            Step::Decide(which, verdict) => {
                let open: Vec<_> = self
                    .requests
                    .iter()
                    .filter(|(_, state)| **state == Asked::Open)
                    .map(|(request, _)| request.clone())
                    .collect();
                if !open.is_empty() {
                    let request = open[which % open.len()].clone();
                    self.requests.insert(request, Asked::Decided(*verdict));
                    self.look();
                }
            }
            Step::Prepared(outcome) => {
                if std::mem::take(&mut self.preparing) {
                    self.handle(match outcome {
                        Ok(()) => Event::Prepared,
                        Err(()) => Event::NotPrepared(no_start()),
                    });
                }
            }
            Step::SpawnWillFail => self.spawn_will_fail = true,
            Step::Exit => self.exit(),
            Step::StopReading => {
                if let Some(claude) = &mut self.process {
                    claude.reads = false;
                }
            }
            Step::Wait(how_long) => self.wait(*how_long),
            Step::Oversleep(how_long) => {
                self.now += *how_long;
                self.overslept += *how_long;
            }
            Step::Shutdown => self.shutdown(),
            Step::ShutdownWhileGiving => self.shutdown_will_overtake = true,
            Step::Hurry => {
                self.shutdown.get_or_insert(self.now);
                self.hurry.get_or_insert(self.now);
                self.handle(Event::Hurry);
            }
            Step::Stray(stray) => {
                if self.process.is_some() {
                    self.is_confused |= matches!(stray, Stray::Result { .. });
                    let message = self.stray(stray);
                    self.said(message);
                }
            }
            of_the_process => self.claude_does(of_the_process),
        }
    }

    /// What only a process that runs can do.
    fn claude_does(&mut self, step: &Step) {
        let Some(claude) = &mut self.process else {
            return;
        };
        match step {
            Step::Initialized(outcome) if !claude.answered => {
                claude.answered = true;
                self.said(initialized(*outcome));
            }
            Step::Begin { unasked } if claude.answered && claude.turn.is_none() => {
                let uuid = if *unasked {
                    None
                } else {
                    let Some(uuid) = claude.queue.pop_front() else {
                        return;
                    };
                    Some(uuid)
                };
                let tells = claude.tells_lifecycle;
                claude.turn = Some(Turn {
                    uuid: uuid.clone(),
                    announced: tells,
                    said: Vec::new(),
                });
                if let Some(uuid) = uuid.clone().filter(|_| tells) {
                    let state = Lifecycle::Started;
                    self.said(Message::Lifecycle { uuid, state });
                }
                self.said(Message::Init(Box::new(Init {
                    user_message_uuids: uuid.filter(|_| tells).into_iter().collect(),
                    ..Init::default()
                })));
            }
            Step::Say => {
                let text = self.next("t");
                if let Some(turn) = self.announced() {
                    turn.said.push(text.clone());
                    self.said(assistant(&text, protocol::Block::Text(text.clone())));
                }
            }
            Step::Tool => {
                let id = self.next("m");
                if let Some(turn) = self.announced() {
                    turn.said.clear();
                    self.said(assistant(
                        &id,
                        protocol::Block::ToolUse {
                            id: "t".to_owned(),
                            name: "Bash".to_owned(),
                            input: RawJson::of(&json!({"command": "ls"})).expect("it is JSON"),
                        },
                    ));
                }
            }
            Step::ToolResult => {
                if self.announced().is_none() {
                    return;
                }
                self.said(tool_result());
            }
            Step::Ask(kind) => {
                let request_id = self.next("r");
                if self.announced().is_some() {
                    let claude = self.process.as_mut().expect("it has a turn");
                    claude.asked.push(request_id.clone());
                    self.said(request(&request_id, *kind));
                }
            }
            Step::Withdraw(which) if !claude.asked.is_empty() => {
                let request_id = claude.asked.remove(which % claude.asked.len());
                self.said(Message::ControlCancel { request_id });
            }
            // As long as it asks, it waits.
            Step::Result { is_error, cents }
                if claude.asked.is_empty() && claude.turn.is_some() =>
            {
                self.ends_turn(*is_error, *cents);
            }
            _ => {}
        }
    }

    /// The turn at hand, after the line that repeats its prompt.
    fn announced(&mut self) -> Option<&mut Turn> {
        let turn = self.process.as_mut()?.turn.as_mut()?;
        let repeats = !std::mem::replace(&mut turn.announced, true);
        if let Some(uuid) = turn.uuid.clone().filter(|_| repeats) {
            self.said(replay(uuid));
        }
        // What it was told then may have been its end.
        self.process.as_mut()?.turn.as_mut()
    }

    fn ends_turn(&mut self, is_error: bool, cents: u32) {
        let claude = self.process.as_mut().expect("only a process has a turn");
        let turn = claude.turn.take().expect("only a turn is ended");
        // Sometimes it was done before it heard of the interruption.
        let interrupted = std::mem::take(&mut claude.interrupted) && !cents.is_multiple_of(3);
        let cost = f64::from(cents) / 100.0;
        claude.total += cost;
        let uuids = turn.uuid.clone().filter(|_| claude.tells_lifecycle);
        let result = TurnResult {
            is_error: is_error || interrupted,
            text: turn.said.last().cloned(),
            total_cost_usd: Some(claude.total),
            cost_since_last_result: claude.tells_lifecycle.then_some(cost),
            origin_kind: turn.uuid.is_none().then(|| "task-notification".to_owned()),
            user_message_uuids: uuids.into_iter().collect(),
            ..TurnResult::default()
        };
        let before = self.spent;
        let open: Vec<_> = self.open().collect();
        self.said(Message::Result(Box::new(result)));
        if interrupted {
            return;
        }
        let closed = open
            .into_iter()
            .filter(|id| self.prompts[id] == Given::Closed);
        let others = closed.filter(|id| turn.uuid != Some(prompt(*id, "").uuid));
        let is_right = others.count() == 0 || self.is_confused;
        self.ensure(is_right, "a result closes the prompt of another turn");
        for text in &turn.said {
            self.ensure(self.delivered.contains(text), "what Claude said is lost");
        }
        self.ensure(
            (self.spent - before - cost).abs() < 1e-6,
            "what a turn cost is not what was booked",
        );
    }

    fn stray(&mut self, stray: &Stray) -> Message {
        match stray {
            Stray::Lifecycle(of) => Message::Lifecycle {
                uuid: format!("u{of}"),
                state: Lifecycle::Started,
            },
            Stray::Replay(of) => replay(format!("u{of}")),
            Stray::Init(of) => Message::Init(Box::new(Init {
                user_message_uuids: vec![format!("u{of}")],
                ..Init::default()
            })),
            Stray::Initialized(outcome) => {
                if let Some(claude) = &mut self.process {
                    claude.answered = true;
                }
                initialized(*outcome)
            }
            Stray::Echo => Message::ControlResponse {
                request_id: "r1".to_owned(),
                outcome: Ok(Value::Null),
            },
            Stray::Cancel => Message::ControlCancel {
                request_id: "nobody's".to_owned(),
            },
            Stray::AskAgain => {
                let claude = self.process.as_ref().expect("only a process asks");
                let again = claude.asked.first().cloned();
                request(&again.unwrap_or_else(|| self.next("r")), Request::Tool)
            }
            Stray::Text => {
                let text = self.next("stray");
                assistant(&text, protocol::Block::Text(text.clone()))
            }
            Stray::ToolResult => tool_result(),
            Stray::Result {
                of,
                is_error,
                origin,
            } => Message::Result(Box::new(TurnResult {
                is_error: *is_error,
                text: Some(self.next("stray")),
                errors: vec!["stray".to_owned()],
                origin_kind: origin.then(|| "task-notification".to_owned()),
                user_message_uuids: of.iter().map(|of| format!("u{of}")).collect(),
                ..TurnResult::default()
            })),
        }
    }

    /// A registry starts an owner, which looks at the store.
    fn wake(&mut self) {
        if self.shutdown.is_none() && !self.over && self.machine.is_none() {
            self.machine = Some(Machine::new(self.settings.clone()));
            self.look();
        }
    }

    fn look(&mut self) {
        let work = self.work();
        self.handle(work);
    }

    fn work(&self) -> Event {
        let decided = |(request, state): (&String, &Asked)| match state {
            Asked::Decided(verdict) => Some(Decision {
                request: request.clone(),
                tool: "Bash".to_owned(),
                verdict: *verdict,
                input: "{}".to_owned(),
            }),
            _ => None,
        };
        Event::Work {
            waiting: self.waiting,
            decisions: self.requests.iter().filter_map(decided).collect(),
            open: self.open().map(|id| prompt(id, "hi")).collect(),
        }
    }

    fn open(&self) -> impl Iterator<Item = i64> {
        let open = self
            .prompts
            .iter()
            .filter(|(_, given)| **given != Given::Closed);
        open.map(|(id, _)| *id)
    }

    fn wait(&mut self, how_long: Duration) {
        let until = self.now + how_long;
        for _ in 0..CIRCLE_MAX {
            if self.process.as_ref().is_some_and(|claude| claude.killed) {
                // What was killed is gone before time goes by, and only then.
                self.exit();
            }
            let due = self.machine.as_ref().and_then(Machine::deadline);
            let Some(due) = due.filter(|due| *due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            self.handle(Event::Tick);
            self.check_that_the_end_comes();
        }
        self.fail("ticks do not move it on");
    }

    fn shutdown(&mut self) {
        self.shutdown.get_or_insert(self.now);
        self.handle(Event::Shutdown);
    }

    fn exit(&mut self) {
        if self.process.take().is_some() {
            self.handle(Event::Exited {
                how: "exit code 1".to_owned(),
                last_words: "boom".to_owned(),
            });
        }
    }

    fn said(&mut self, message: Message) {
        self.handle(Event::Said(message));
    }

    fn next(&mut self, kind: &str) -> String {
        self.counter += 1;
        format!("{kind}{}", self.counter)
    }

    /// Gives an event to the machine and does what it wants, as the owner does: all actions, then what came of them.
    fn handle(&mut self, event: Event) {
        self.events.push_back(event);
        for _ in 0..CIRCLE_MAX {
            let Some(event) = self.events.pop_front() else {
                return;
            };
            let Some(machine) = &mut self.machine else {
                self.events.clear();
                return;
            };
            note(
                &mut self.trace,
                Noted::Event(self.now - self.base, event.clone()),
            );
            for action in machine.handle(self.now, event) {
                note(&mut self.trace, Noted::Action(action.clone()));
                self.ensure(self.machine.is_some(), "an action follows the end");
                self.perform(action);
            }
        }
        self.fail("events do not come to an end");
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Look => {
                let work = self.work();
                self.events.push_back(work);
            }
            Action::Prepare => {
                self.ensure(self.process.is_none(), "it prepares beside a process");
                self.ensure(!self.preparing, "it prepares twice");
                self.ensure(self.shutdown.is_none(), "it prepares although chappe ends");
                self.preparing = true;
            }
            Action::Start => {
                self.ensure(self.process.is_none(), "there would be two processes");
                self.ensure(!self.preparing, "it starts before it is prepared");
                if std::mem::take(&mut self.spawn_will_fail) {
                    self.events.push_back(Event::NotPrepared(no_start()));
                } else {
                    self.counter += 1;
                    self.process = Some(Claude::new(self.counter.is_multiple_of(2)));
                    self.events.push_back(Event::Started);
                }
            }
            Action::NoteEnd => self.fail("only the owner knows of an end"),
            Action::NoteConversation(_) => self.fail("only the owner follows a conversation"),
            Action::Write(line) => self.write(&line),
            Action::CloseInput => self.end("close").input_open = false,
            Action::Terminate => drop(self.end("terminate")),
            Action::Kill => self.end("kill").killed = true,
            Action::GiveNext => self.give_next(),
            Action::TakeBack(id) => {
                let before = self.prompts.remove(&id.0);
                self.ensure(
                    before == Some(Given::Sent),
                    "it takes back what Claude may have",
                );
                self.waiting += 1;
            }
            Action::Taken(id) => {
                let before = self.prompts.insert(id.0, Given::Taken);
                self.ensure(before == Some(Given::Sent), "it is taken twice or too late");
            }
            Action::Acted { prompt, .. } => {
                let open = self.open().any(|id| id == prompt.0);
                self.ensure(open, "it acts for a prompt that is closed");
            }
            Action::Ask { prompt, wanted, .. } => {
                let open = prompt.is_none_or(|prompt| self.open().any(|id| id == prompt.0));
                self.ensure(open, "it asks for a prompt that is closed");
                self.ensure(self.process.is_some(), "it asks for nobody");
                let before = self.requests.insert(wanted.request, Asked::Open);
                let new = matches!(before, None | Some(Asked::Settled));
                self.ensure(new, "it asks twice");
            }
            Action::Told { request } => {
                let before = self.requests.insert(request, Asked::Settled);
                let decided = matches!(before, Some(Asked::Decided(_)));
                self.ensure(decided, "it tells what nobody has decided");
            }
            Action::CloseRequests { request, .. } => {
                for (id, state) in &mut self.requests {
                    if request.as_ref().is_none_or(|request| request == id) {
                        *state = Asked::Settled;
                    }
                }
            }
            Action::Finish(finished) => {
                let before = self.prompts.insert(finished.prompt.id.0, Given::Closed);
                let open = matches!(before, Some(Given::Sent | Given::Taken));
                self.ensure(open, "it is finished twice or was never given");
                if finished.outcome == Outcome::Answered {
                    let taken = before == Some(Given::Taken);
                    self.ensure(taken, "it is answered and was never taken");
                }
                self.deliver(&finished.answer, finished.spent);
            }
            Action::Unasked { blocks, spent } => {
                let something = !blocks.is_empty() || spent != Spent::default();
                self.ensure(something, "nothing is told unasked");
                self.deliver(&blocks, spent);
            }
            Action::Tell(_) => {
                self.ensure(self.process.is_none(), "there is a process after all");
            }
            Action::Show { prompt, .. } => {
                let open = self.open().any(|id| id == prompt.id.0);
                self.ensure(open, "it shows a turn that is over");
                self.shown = Some(prompt.id);
            }
            Action::Hide => self.shown = None,
            Action::Retire => {
                let waits = self.waiting > 0 || self.open().next().is_some() || self.is_asked();
                if waits && self.shutdown.is_none() {
                    let work = self.work();
                    self.events.push_back(work);
                } else {
                    self.thread_ends();
                }
            }
            Action::Rest => self.thread_ends(),
            Action::End => {
                self.ensure(self.shutdown.is_some(), "nobody has stopped chappe");
                self.over = true;
                self.thread_ends();
            }
        }
    }

    fn write(&mut self, line: &str) {
        let Some(claude) = &mut self.process else {
            self.fail("it writes to nobody");
        };
        if !claude.input_open {
            self.fail("it writes after it closed the input");
        }
        if !claude.reads {
            self.events.push_back(Event::NotReading);
            return;
        }
        let line: Value = serde_json::from_str(line).expect("every line is JSON");
        if let Some(uuid) = line["uuid"].as_str() {
            claude.queue.push_back(uuid.to_owned());
        } else if line["request"]["subtype"] == "interrupt" {
            // A prompt that is not taken yet is dropped, and then no result comes.
            claude.queue.clear();
            claude.interrupted = claude.turn.is_some();
            claude.asked.clear();
        } else if let Some(request) = line["response"]["request_id"].as_str() {
            claude.asked.retain(|asked| asked != request);
        }
    }

    fn give_next(&mut self) {
        let ready = self.process.as_ref().is_some_and(|claude| claude.answered);
        self.ensure(ready, "it gives a prompt to a process that is not ready");
        let open = self.open().next().is_some();
        self.ensure(!open, "it gives a prompt while one is open");
        self.ensure(
            self.shutdown.is_none(),
            "it gives a prompt although chappe ends",
        );
        if std::mem::take(&mut self.shutdown_will_overtake) {
            self.shutdown = Some(self.now);
            self.events.push_back(Event::Shutdown);
        }
        if self.waiting == 0 {
            self.events.push_back(Event::Given(None, 0));
            return;
        }
        let id = self.prompts.len() as i64 + 1;
        self.prompts.insert(id, Given::Sent);
        // Sometimes they are of several senders, and sometimes of one.
        self.waiting = if id % 3 == 0 { self.waiting - 1 } else { 0 };
        let given = Event::Given(Some(prompt(id, "hi")), self.waiting);
        self.events.push_back(given);
    }

    /// The process, which is told to end.
    fn end(&mut self, how: &str) -> &mut Claude {
        match &mut self.process {
            Some(claude) => {
                claude.ending = true;
                claude
            }
            None => panic!("there is no process to {how}"),
        }
    }

    fn deliver(&mut self, blocks: &[Block], spent: Spent) {
        self.spent += spent.cost;
        for block in blocks {
            let new = self.delivered.insert(block.text.clone());
            self.ensure(new || self.is_confused, "a text is delivered twice");
        }
    }

    fn is_asked(&self) -> bool {
        self.requests.values().any(|state| *state != Asked::Settled)
    }

    fn thread_ends(&mut self) {
        self.ensure(self.process.is_none(), "the thread ends beside its process");
        self.ensure(self.shown.is_none(), "it leaves a turn on the board");
        self.ensure(!self.is_asked(), "it leaves a request that nobody answers");
        self.machine = None;
        self.preparing = false;
    }

    /// Something must be there that can move it on: the process, a person, or a deadline.
    fn check_that_it_moves_on(&self) {
        let Some(machine) = &self.machine else {
            return;
        };
        let due = machine.deadline();
        let Some(claude) = &self.process else {
            self.ensure(self.preparing, "it waits for nothing");
            self.ensure(due.is_none(), "a deadline for nothing");
            return;
        };
        let only_time = !claude.answered
            || claude.ending
            || self.shutdown.is_some()
            || (self.settings.idle_timeout.is_some()
                && self.open().next().is_none()
                && !self.is_asked());
        if only_time {
            self.ensure(
                due.is_some(),
                "only time can move it on, and nothing is due",
            );
        }
    }

    /// However a process behaves, it is killed when all graces are over.
    fn check_that_the_end_comes(&self) {
        let grace = self.settings.stop_grace.max(KILL_AFTER_MIN);
        let limits = [
            (self.shutdown, self.settings.shutdown_grace + 3 * grace),
            (self.hurry, KILL_AFTER_MIN),
        ];
        for (since, limit) in limits {
            let late =
                since.is_some_and(|since| self.now > since + limit + self.overslept + grace / 100);
            if late && let Some(claude) = &self.process {
                self.ensure(claude.killed, "all graces are over, and it was not killed");
            }
        }
    }

    /// From here on the process obeys, and everybody does what is their part, until nothing is left to do.
    pub fn settle(&mut self) {
        const STEPS_MAX: usize = 500;
        self.spawn_will_fail = false;
        for _ in 0..STEPS_MAX {
            let Some(step) = self.next_in_order() else {
                return;
            };
            self.step(&step);
        }
        self.fail("it does not settle");
    }

    fn next_in_order(&self) -> Option<Step> {
        if self.machine.is_none() {
            // It may rest with messages that wait, until somebody writes.
            let rests = self.waiting > 0 && self.shutdown.is_none();
            return rests.then_some(Step::Message);
        }
        if self.preparing {
            return Some(Step::Prepared(Ok(())));
        }
        let doomed = |claude: &Claude| claude.ending || !claude.reads;
        if self.process.as_ref().is_some_and(doomed) {
            return Some(Step::Exit);
        }
        if self.is_asked() && self.shutdown.is_none() {
            let open = self.requests.values().any(|state| *state == Asked::Open);
            return Some(match open {
                true => Step::Decide(0, Verdict::Allow),
                false => Step::Look,
            });
        }
        let due = self.machine.as_ref().and_then(Machine::deadline);
        let claude = self
            .process
            .as_ref()
            .expect("without one it would be preparing");
        if !claude.answered {
            return Some(Step::Initialized(Ok(())));
        }
        if claude.turn.is_some() && claude.asked.is_empty() {
            let (is_error, cents) = (false, self.counter % 4);
            return Some(Step::Result { is_error, cents });
        }
        if !claude.queue.is_empty() && claude.turn.is_none() {
            return Some(Step::Begin { unasked: false });
        }
        if self.open().next().is_some() || claude.turn.is_some() {
            // It was given a prompt that it does not have any more, or waits for an answer that it got already.
            return Some(Step::Exit);
        }
        if self.waiting > 0 {
            return Some(Step::Look);
        }
        due.map(|due| Step::Wait(due.saturating_duration_since(self.now)))
    }

    /// Stops chappe with a process that listens to nothing but SIGKILL.
    pub fn stop_the_hard_way(&mut self) {
        self.step(&Step::Shutdown);
        for _ in 0..CIRCLE_MAX {
            let Some(machine) = &self.machine else {
                return;
            };
            let killed = self.process.as_ref().is_some_and(|claude| claude.killed);
            let due = machine.deadline();
            self.step(&match due {
                _ if killed => Step::Exit,
                Some(due) => Step::Wait(due.saturating_duration_since(self.now)),
                None => self.fail("nothing ends it"),
            });
        }
        self.fail("it does not end");
    }

    /// The next chappe takes up what this one has left.
    pub fn starts_again(&mut self) {
        self.shutdown = None;
        self.hurry = None;
        self.over = false;
        self.shutdown_will_overtake = false;
        self.wake();
        self.ensure_all_is_closed();
    }

    pub fn ensure_all_is_closed(&self) {
        self.ensure(self.open().next().is_none(), "a prompt is never closed");
    }

    /// Whether a walk has come to where only one prompt may have stayed open.
    pub fn ensure_at_most_one_is_open(&self) {
        self.ensure(
            self.open().count() <= 1,
            "more than one prompt was left open",
        );
    }

    fn ensure(&self, is_so: bool, complaint: &str) {
        if !is_so {
            self.fail(complaint);
        }
    }

    fn fail(&self, complaint: &str) -> ! {
        let trace: Vec<_> = self
            .trace
            .iter()
            .map(|noted| format!("{noted:?}"))
            .collect();
        panic!("{complaint}; before that:\n{}", trace.join("\n"));
    }
}

impl Claude {
    fn new(tells_lifecycle: bool) -> Claude {
        Claude {
            tells_lifecycle,
            answered: false,
            reads: true,
            input_open: true,
            killed: false,
            ending: false,
            interrupted: false,
            queue: VecDeque::new(),
            turn: None,
            asked: Vec::new(),
            total: 0.0,
        }
    }
}

fn note(trace: &mut VecDeque<Noted>, what: Noted) {
    if trace.len() == TRACE_MAX {
        trace.pop_front();
    }
    trace.push_back(what);
}

fn no_start() -> Trouble {
    Trouble::NotStarted {
        cause: "no".to_owned(),
        cure: None,
    }
}

fn initialized(outcome: Result<(), ()>) -> Message {
    Message::ControlResponse {
        request_id: INITIALIZE.to_owned(),
        outcome: outcome
            .map(|()| json!({}))
            .map_err(|()| "refused".to_owned()),
    }
}

fn replay(uuid: String) -> Message {
    Message::User(User {
        uuid: Some(uuid),
        is_replay: true,
        ..User::default()
    })
}

fn tool_result() -> Message {
    Message::User(User {
        tool_results: vec![ToolResult {
            tool_use_id: "t".to_owned(),
            text: "x".to_owned(),
            is_error: false,
        }],
        ..User::default()
    })
}

fn assistant(id: &str, block: protocol::Block) -> Message {
    Message::Assistant(Assistant {
        message_id: id.to_owned(),
        blocks: vec![block],
        ..Assistant::default()
    })
}

fn request(request_id: &str, kind: Request) -> Message {
    let wanted = |tool: &str| can_use(tool, "{}", None);
    Message::ControlRequest {
        request_id: request_id.to_owned(),
        request: match kind {
            Request::Tool => wanted("Bash"),
            Request::Plan => wanted(protocol::PLAN_TOOL),
            Request::Question => wanted(protocol::QUESTION_TOOL),
            Request::Unknown => ControlRequest::Other {
                subtype: "hologram".to_owned(),
            },
        },
    }
}
