//! The engine: what waits, what wakes it, and when a turn begins.
//!
//! One thread owns everything here. A turn runs inside [`Engine::run`] and comes back to [`Engine::next_wake`] whenever it must
//! wait; so requests are answered and messages are queued in the middle of a turn without a second thread.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use serde_json::{Value, json};

use super::agents::Agent;
use super::args::Options;
use super::bash::{self, Program};
use super::control;
use super::history::{Entry, History};
use super::input::{self, Input, Priority, ToolEnd, UserLine};
use super::intake::Intake;
use super::ledger::Ledger;
use super::permission::{Mode, Permissions};
use super::servers::Servers;
use super::tasks::{Notice, Task};
use super::transcript::Transcript;
use super::turn::Turn;
use super::wire::Wire;
use super::{LAST_WORDS_MAX, Surroundings};

/// How long a message that comes when nothing runs stays in the queue, so that an interrupt right behind it finds it there.
const SETTLE: Duration = Duration::from_millis(2);

/// How long lines may still wait for their reader after SIGTERM: "at once", but not torn.
const TERMINATION_FLUSH: Duration = Duration::from_millis(100);

/// How long the programs of tools may take to be gone after SIGTERM, so that their results are still stored.
const LAST_RESULTS_MAX: Duration = Duration::from_millis(1500);

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
    Response {
        request_id: String,
        response: Value,
    },
    ToolEnded(ToolEnd),
    /// A sub-agent inside the turn has reported.
    AgentEnded {
        task_id: String,
        report: String,
    },
}

/// What goes on besides the turn.
#[derive(Default)]
pub(super) struct Work {
    /// Programs of tools, by the id of their call or task.
    pub(super) programs: HashMap<String, Program>,
    /// Background work.
    pub(super) tasks: Vec<Task>,
    /// Commands inside the turn that have lines of their own, by the id of their call.
    pub(super) lasting: HashMap<String, Task>,
    /// Sub-agents, beside the turn and inside it.
    pub(super) agents: Vec<Agent>,
    /// Background work that has ended and of which the model does not know yet.
    pub(super) notices: VecDeque<Notice>,
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
    /// The mode to which an approved plan goes back.
    pub(super) before_plan: Mode,
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
    /// Some turn, or a sub-agent beside the turns, is at work.
    busy: bool,
    /// No turn has begun since the last interrupt. Then the end of stdin ends background work too.
    pub(super) interrupted: bool,
    /// SIGINT came: no further turn begins.
    leaving: bool,
    /// SIGTERM came: the process ends when no program is left, or now.
    terminated: Option<Instant>,
}

impl Engine {
    pub(super) fn new(
        options: Options,
        surroundings: Surroundings,
        mut wire: Wire,
        transcript: Transcript,
        history: History,
    ) -> Engine {
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
        Engine {
            model: control::resolve_model(options.model.as_deref().unwrap_or("default")),
            ledger: Ledger::going_on(history.cost),
            options,
            surroundings,
            wire,
            intake: Intake::new(),
            transcript,
            history,
            permissions,
            before_plan: Mode::Default,
            servers: Servers::default(),
            turn: None,
            open_request: None,
            work: Work::default(),
            plan_file: None,
            attempts: HashMap::new(),
            counts: Counts::default(),
            failed: false,
            busy: false,
            interrupted: false,
            leaving: false,
            terminated: None,
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
            if self.tell_notices() {
                continue;
            }
            if let Some(batch) = self.intake.next_batch() {
                self.run_turn(batch);
            } else if self.intake.open || (!self.work.tasks.is_empty() && !self.interrupted) {
                // The end of stdin waits for background work without a limit.
                self.wait_when_idle();
            } else {
                break;
            }
        }
        self.kill_tasks();
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
            arrival: 0,
        });
        self.intake.open = false;
    }

    fn wait_when_idle(&mut self) {
        if let Some(input) = self.receive(None) {
            self.take(input);
        }
        if self.intake.queue.is_empty() {
            return;
        }
        // The message stays cancellable for a moment. A second one is held back: the first runs alone.
        let until = Instant::now() + SETTLE;
        while let Some(input) = self.receive(Some(until)) {
            match input {
                Input::User(line) if !self.intake.queue.is_empty() => {
                    self.intake.held = Some(line);
                    return;
                }
                input => self.take(input),
            };
        }
    }

    /// The next thing that came, or `None` when the time is over. Rows of the transcript are written when they are due.
    fn receive(&mut self, deadline: Option<Instant>) -> Option<Input> {
        loop {
            let now = Instant::now();
            if self.work.programs.is_empty() || self.terminated.is_some_and(|limit| limit <= now) {
                self.end_if_terminated();
            }
            self.transcript.write_due(now);
            let ends = [deadline, self.transcript.due(), self.terminated];
            let until = ends.into_iter().flatten().min();
            let received = self.intake.receive(until);
            if received.is_some() || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return received;
            }
        }
    }

    /// After SIGTERM nothing begins any more.
    pub(super) fn end_if_terminated(&mut self) {
        if self.terminated.is_some() {
            self.leave(TERMINATION_FLUSH);
            std::process::exit(143);
        }
    }

    /// Says that work begins, unless some goes on already.
    pub(super) fn become_busy(&mut self) {
        if !std::mem::replace(&mut self.busy, true) {
            self.wire.state("running");
        }
    }

    /// Says that nothing goes on, if that is so. A command in the background is nothing, a sub-agent is something.
    pub(super) fn become_idle(&mut self) {
        let waits = !self.intake.queue.is_empty() || !self.work.notices.is_empty();
        if self.turn.is_none() && !waits && self.work.agents.is_empty() {
            self.busy = false;
            self.wire.state("idle");
        }
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
            match self.receive(deadline) {
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
                _ => {}
            }
        }
    }

    /// Deals with what came. What the turn may be waiting for comes back.
    fn take(&mut self, input: Input) -> Option<Wake> {
        let wake = self.deal_with(input)?;
        self.wake_agents(wake)
    }

    fn deal_with(&mut self, input: Input) -> Option<Wake> {
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
                // What is not in the file yet never will be.
                eprintln!("{message}");
                self.kill_programs();
                self.wire.flush(LAST_WORDS_MAX);
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
                // A tool inside the turn gets a result, since its program is killed; the turn gets none.
                self.kill_tasks();
                self.kill_programs();
                self.terminated = Some(Instant::now() + LAST_RESULTS_MAX);
            }
            Input::ToolEnded(end) => {
                self.work.programs.remove(&end.id);
                self.close_lasting(&end.id, "completed");
                if !self.take_task_end(&end.id, end.code) {
                    return Some(Wake::ToolEnded(end));
                }
            }
            Input::Overdue { id } => {
                if let Some(program) = self.work.programs.get(&id) {
                    bash::kill(program.pid, Signal::SIGKILL);
                }
            }
            Input::TaskEnded { task_id } => {
                self.take_task_end(&task_id, Some(0));
            }
            Input::Lasts { task, agent_id } => self.show_lasting(task, agent_id),
            Input::AgentSpeaks { task_id } => return self.let_speak(&task_id),
        }
        None
    }

    fn take_user(&mut self, mut line: UserLine) {
        if let Some(uuid) = &line.uuid {
            if self.is_repeated(uuid, &line.content) {
                return;
            }
            self.intake.seen.insert(uuid.clone());
        }
        self.become_busy();
        if let Some(uuid) = &line.uuid {
            self.wire.lifecycle(uuid, "queued");
        }
        self.transcript
            .queue("enqueue", json!({ "content": line.text }));
        let urgent = line.priority == Priority::Now;
        line.arrival = self.intake.next_arrival();
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
        if here || earlier {
            self.become_idle();
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
            self.withdraw_inner_request();
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
        self.kill_programs();
        self.transcript.cost(self.ledger.total_dollars());
        self.transcript.flush();
        self.wire.flush(patience);
    }

    fn kill_programs(&self) {
        for program in self.work.programs.values() {
            bash::kill(program.pid, Signal::SIGKILL);
        }
    }
}
