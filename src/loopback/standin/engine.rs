//! The engine: what waits, what wakes it, and when a turn begins.
//!
//! One thread owns everything here. A turn runs inside [`Engine::run`] and comes back to [`Engine::next_wake`] whenever it must
//! wait; so requests are answered and messages are queued in the middle of a turn without a second thread.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::agents::Task;
use super::args::Options;
use super::commands;
use super::control;
use super::input::{self, Input, Priority, ToolEnd, UserLine};
use super::ledger::Ledger;
use super::permission::Permissions;
use super::servers::Servers;
use super::transcript::{Entry, History, Transcript};
use super::turn::Turn;
use super::wire::Wire;
use super::{LAST_WORDS_MAX, Surroundings};

/// How long a message that comes when nothing runs stays in the queue, so that an interrupt right behind it finds it there.
const SETTLE: Duration = Duration::from_millis(2);

/// How long lines may still wait for their reader after SIGTERM: "at once", but not torn.
const TERMINATION_FLUSH: Duration = Duration::from_millis(100);

/// At EOF the real one waits for its reader as long as it takes.
const EOF_FLUSH: Duration = Duration::from_secs(3600);

/// Why a turn is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abort {
    /// By `interrupt`, or a denial that interrupts.
    Interrupt,
    /// By SIGINT: the process ends after it.
    Signal,
    /// By a message with `priority: "now"`.
    Message,
}

/// What ends a wait.
#[derive(Debug)]
pub(super) enum Wake {
    Timeout,
    Aborted,
    Eof,
    Response { request_id: String, response: Value },
    ToolEnded(ToolEnd),
}

/// Messages that came and are not answered yet.
pub(super) struct Intake {
    pub(super) inbox: Receiver<Input>,
    pub(super) sender: Sender<Input>,
    pub(super) deaf: Arc<AtomicBool>,
    pub(super) queue: VecDeque<UserLine>,
    /// A message that came in the moment before a turn began: it belongs to the next one.
    held: Option<UserLine>,
    /// Lines that have come and are not looked at yet.
    backlog: VecDeque<Input>,
    /// Uuids of this process, also of messages that never ran.
    seen: HashSet<String>,
    pub(super) open: bool,
}

impl Intake {
    /// The next thing that came, or `None` when the time is over. Without a deadline it waits for ever.
    fn receive(&mut self, deadline: Option<Instant>) -> Option<Input> {
        loop {
            if let Some(input) = self.backlog.pop_front() {
                return Some(input);
            }
            let received = match deadline {
                None => self.inbox.recv().ok(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.inbox.recv_timeout(left).ok()
                }
            };
            match received? {
                Input::Several(inputs) => self.backlog.extend(inputs),
                input => return Some(input),
            }
        }
    }
}

/// What runs outside of this thread.
#[derive(Default)]
pub(super) struct Work {
    /// Programs of tools, by the id of their call or task.
    pub(super) programs: HashMap<String, Pid>,
    /// Background work.
    pub(super) tasks: Vec<Task>,
    /// Background work that ended and has not been told yet, with its exit code.
    pub(super) ended: VecDeque<(Task, Option<i32>)>,
}

/// Numbers that ids and results carry.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) messages: u32,
    pub(super) results: u32,
    pub(super) todos: u32,
}

/// The running stand-in.
pub(super) struct Engine {
    pub(super) options: Options,
    pub(super) surroundings: Surroundings,
    pub(super) wire: Wire,
    pub(super) intake: Intake,
    pub(super) transcript: Transcript,
    pub(super) history: History,
    pub(super) permissions: Permissions,
    pub(super) servers: Servers,
    pub(super) model: String,
    pub(super) ledger: Ledger,
    pub(super) turn: Option<Turn>,
    /// The request that waits for the user.
    pub(super) open_request: Option<String>,
    pub(super) work: Work,
    pub(super) plan_file: Option<PathBuf>,
    /// Attempts at the API, by the text that was asked.
    pub(super) attempts: HashMap<String, u32>,
    pub(super) counts: Counts,
    /// The last result was an error.
    pub(super) failed: bool,
    /// SIGINT came: no further turn begins.
    leaving: bool,
}

impl Engine {
    pub(super) fn new(
        options: Options,
        surroundings: Surroundings,
        mut wire: Wire,
        transcript: Transcript,
        history: History,
    ) -> Engine {
        let (sender, inbox) = mpsc::channel();
        wire.replay = options.replay;
        wire.partial = options.partial;
        wire.states = surroundings.states;
        let permissions = Permissions {
            mode: options.mode,
            bypass_allowed: options.bypass_allowed,
            allow: options.allow.clone(),
            deny: options.deny.clone(),
            asks: options.asks,
            asks_in_plan_mode: options.asks_in_plan_mode,
            cwd: surroundings.cwd.clone(),
            plans: surroundings.config_dir.join("plans"),
            served: Vec::new(),
        };
        let intake = Intake {
            inbox,
            sender,
            deaf: Arc::new(AtomicBool::new(false)),
            queue: VecDeque::new(),
            held: None,
            backlog: VecDeque::new(),
            seen: HashSet::new(),
            open: true,
        };
        Engine {
            model: control::resolve_model(options.model.as_deref().unwrap_or("default")),
            ledger: Ledger::going_on(history.cost),
            options,
            surroundings,
            wire,
            intake,
            transcript,
            history,
            permissions,
            servers: Servers::default(),
            turn: None,
            open_request: None,
            work: Work::default(),
            plan_file: None,
            attempts: HashMap::new(),
            counts: Counts::default(),
            failed: false,
            leaving: false,
        }
    }

    /// Works until stdin has ended and everything is done, or a signal ends it.
    pub(super) fn run(mut self, signals: SigSet) -> ExitCode {
        input::watch_signals(signals, self.intake.sender.clone());
        match self.options.prompt.take() {
            Some(text) => self.begin_one_shot(text),
            None => input::read_stdin(self.intake.sender.clone(), self.intake.deaf.clone()),
        }
        while !self.leaving {
            if let Some(batch) = self.next_batch() {
                self.run_turn(batch);
            } else if let Some((task, code)) = self.work.ended.pop_front() {
                self.tell_task_ended(task, code);
            } else if !self.intake.open && self.work.tasks.is_empty() {
                break;
            } else {
                self.wait_when_idle();
            }
        }
        let failed = self.failed && !self.leaving;
        self.leave(EOF_FLUSH);
        if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    fn begin_one_shot(&mut self, text: String) {
        let content = Value::from(text.as_str());
        self.intake.queue.push_back(UserLine {
            uuid: None,
            content,
            text,
            priority: Priority::Next,
            query: true,
        });
        self.intake.open = false;
    }

    fn wait_when_idle(&mut self) {
        if let Some(input) = self.intake.receive(None) {
            self.take(input);
        }
        if self.intake.queue.is_empty() {
            return;
        }
        // The message stays cancellable for a moment. A second one is held back: the first runs alone.
        let until = Instant::now() + SETTLE;
        while let Some(input) = self.intake.receive(Some(until)) {
            match input {
                Input::User(line) if !self.intake.queue.is_empty() => {
                    self.intake.held = Some(line);
                    return;
                }
                input => self.take(input),
            };
        }
        if self.intake.queue.is_empty() {
            self.wire.state("idle");
        }
    }

    /// The messages that make the next turn: one that is urgent, or all that wait, or one that could wait.
    fn next_batch(&mut self) -> Option<Vec<UserLine>> {
        let queue = &mut self.intake.queue;
        let alone = |line: &UserLine| line.priority == Priority::Now;
        if let Some(index) = queue.iter().position(alone) {
            return queue.remove(index).map(|line| vec![line]);
        }
        let joins = |line: &UserLine| {
            line.priority == Priority::Next && line.query && !commands::is_command(&line.text)
        };
        let first = queue
            .iter()
            .position(|line| line.priority == Priority::Next)
            .unwrap_or(0);
        let mut batch = vec![queue.remove(first)?];
        while joins(&batch[0]) && queue.get(first).is_some_and(joins) {
            batch.extend(queue.remove(first));
        }
        Some(batch)
    }

    /// The message that was held back goes into the queue, now that the turn before it has begun.
    pub(super) fn release_held(&mut self) {
        if let Some(line) = self.intake.held.take() {
            self.take_user(line);
        }
    }

    /// Waits for something that concerns the caller. Everything else is dealt with here.
    pub(super) fn next_wake(&mut self, deadline: Option<Instant>) -> Wake {
        loop {
            if self.turn.as_ref().is_some_and(|turn| turn.abort.is_some()) {
                return Wake::Aborted;
            }
            match self.intake.receive(deadline) {
                Some(input) => {
                    if let Some(wake) = self.take(input) {
                        return wake;
                    }
                }
                None => return Wake::Timeout,
            }
        }
    }

    /// Lets `time` pass. True: the turn was cut off meanwhile.
    pub(super) fn pause(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            match self.next_wake(Some(deadline)) {
                Wake::Timeout => return false,
                Wake::Aborted => return true,
                Wake::Eof | Wake::Response { .. } | Wake::ToolEnded(_) => {}
            }
        }
    }

    fn take(&mut self, input: Input) -> Option<Wake> {
        match input {
            Input::User(line) => self.take_user(line),
            Input::Control {
                request_id,
                request,
            } => self.answer_request(&request_id, &request),
            Input::Response {
                request_id,
                response,
            } => {
                if !self.take_server_response(&request_id, &response) {
                    return Some(Wake::Response {
                        request_id,
                        response,
                    });
                }
            }
            Input::Several(inputs) => self.intake.backlog.extend(inputs),
            Input::Broken(message) => {
                eprintln!("{message}");
                self.leave(LAST_WORDS_MAX);
                std::process::exit(1);
            }
            Input::Eof => {
                self.intake.open = false;
                return Some(Wake::Eof);
            }
            Input::Interrupted => {
                self.leaving = true;
                self.abort(Abort::Signal);
            }
            Input::Terminated => {
                self.leave(TERMINATION_FLUSH);
                std::process::exit(143);
            }
            Input::ToolEnded(end) => {
                self.work.programs.remove(&end.id);
                match self.work.tasks.iter().position(|task| task.id == end.id) {
                    Some(index) => {
                        let task = self.work.tasks.remove(index);
                        self.work.ended.push_back((task, end.code));
                    }
                    None => return Some(Wake::ToolEnded(end)),
                }
            }
            Input::Overdue { id } => {
                if let Some(pid) = self.work.programs.get(&id) {
                    super::bash::kill(*pid, nix::sys::signal::Signal::SIGKILL);
                }
            }
            Input::TaskEnded { task_id } => {
                if let Some(index) = self.work.tasks.iter().position(|task| task.id == task_id) {
                    let task = self.work.tasks.remove(index);
                    self.work.ended.push_back((task, Some(0)));
                }
            }
        }
        None
    }

    fn take_user(&mut self, line: UserLine) {
        if let Some(uuid) = &line.uuid {
            if self.is_repeated(uuid, &line.content) {
                return;
            }
            self.intake.seen.insert(uuid.clone());
        }
        if self.turn.is_none() && self.intake.queue.is_empty() {
            self.wire.state("running");
        }
        if let Some(uuid) = &line.uuid {
            self.wire.lifecycle(uuid, "queued");
        }
        self.transcript
            .queue("enqueue", json!({ "content": line.text }));
        let urgent = line.priority == Priority::Now;
        self.intake.queue.push_back(line);
        if let Some(turn) = &mut self.turn
            && urgent
        {
            // A tool that runs is not stopped for a message; the turn ends behind it.
            turn.ends_after_tool = true;
            if !turn.in_tools {
                self.abort(Abort::Message);
            }
        }
    }

    /// A uuid that was given before gets its acknowledgement again, and no turn. One that still waits gets nothing.
    fn is_repeated(&mut self, uuid: &str, content: &Value) -> bool {
        let waits = self
            .intake
            .queue
            .iter()
            .any(|line| line.uuid.as_deref() == Some(uuid));
        let here = self.intake.seen.contains(uuid);
        let earlier = !here && self.history.knows(uuid);
        if waits {
            return true;
        }
        if here || earlier {
            self.wire.replay(uuid, content, false);
        }
        if earlier {
            self.wire.lifecycle(uuid, "completed");
        }
        if (here || earlier) && self.turn.is_none() {
            self.wire.state("idle");
        }
        here || earlier
    }

    /// Cuts the running turn off. A request that waits for the user is withdrawn.
    pub(super) fn abort(&mut self, abort: Abort) {
        let Some(turn) = &mut self.turn else { return };
        if turn.abort.is_none() {
            turn.abort = Some(abort);
            if let Some(request_id) = self.open_request.take() {
                self.wire.cancel_request(&request_id);
            }
        }
    }

    /// Drops everything that is queued, and says which messages those were.
    pub(super) fn cancel_queued(&mut self) -> Vec<String> {
        let mut cancelled = Vec::new();
        for line in std::mem::take(&mut self.intake.queue) {
            self.transcript.queue(
                "remove",
                json!({ "content": line.text, "reason": "cleared_on_cancel" }),
            );
            if let Some(uuid) = line.uuid {
                self.wire.lifecycle(&uuid, "cancelled");
                cancelled.push(uuid);
            }
        }
        cancelled
    }

    /// A typed text becomes part of the history.
    pub(super) fn remember(&mut self, entry: Entry) {
        self.history.entries.push(entry);
    }

    /// Ends what runs, writes what must be known later, and waits for the reader of stdout at most `patience`.
    pub(super) fn leave(&mut self, patience: Duration) {
        for pid in self.work.programs.values() {
            super::bash::kill(*pid, nix::sys::signal::Signal::SIGKILL);
        }
        self.transcript.cost(self.ledger.total_dollars());
        self.wire.flush(patience);
    }
}
