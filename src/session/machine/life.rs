//! A process's life: what is looked at before it starts, how it starts, dies and is started again, and how it is ended.
//!
//! An ending goes by steps (close stdin, SIGTERM, SIGKILL), each with its time; what was left behind is ended by the
//! owner. What becomes of a prompt whose turn was cut off is decided in `resume`.

use std::time::{Duration, Instant};

use super::room::ASK_AGAIN;
use super::{
    Action, By, Closed, Cut, Finished, Machine, Manner, Says, State, Step, Trouble, Turn, show,
};
use crate::board::{Doing, Interruption};
use crate::chat::{Outcome, PromptId, Spent};
use crate::claude::protocol::{self, ControlCommand};
use crate::session::answer::Collector;

/// How long a process may take from its start until it answers. Slow MCP servers take half a minute.
const START_MAX: Duration = Duration::from_secs(90);

/// SIGKILL never comes sooner after SIGTERM: the transcript is written in between.
pub(super) const KILL_AFTER_MIN: Duration = Duration::from_millis(250);

/// How long a host that has no process, thread or descriptor to give is left alone at first.
const HOST_RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest wait before another start.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A resume after less than this is not worth a word.
const SLEPT_MIN: Duration = Duration::from_secs(60);

/// The id of the one control request that a process gets at its start.
pub(super) const INITIALIZE: &str = "chappe-initialize";
pub(super) const INTERRUPT: &str = "chappe-interrupt";

/// Why a turn ended whose process takes no more input.
const DEAF: &str = "it did not react any more";

impl Machine {
    /// Has everything looked at that a start needs.
    pub(super) fn prepare(&mut self, now: Instant, out: &mut Vec<Action>) {
        // Whoever has a place keeps it.
        let room = matches!(self.state, State::Preparing { room: true });
        self.state = State::Preparing { room };
        if let Some(prompt) = self.cut_off.first() {
            // It may take as long as an old process may take to end.
            out.push(Action::Show(super::Shown {
                prompt: prompt.clone(),
                since: now,
                doing: Doing::Starting,
                doing_since: now,
                interruption: self.interruption.clone(),
                waiting: self.waiting,
            }));
        }
        let cut_off: Vec<PromptId> = self.cut_off.iter().map(|prompt| prompt.id).collect();
        out.push(Action::Prepare(cut_off));
    }

    pub(super) fn on_started(
        &mut self,
        now: Instant,
        manner: Manner,
        slept: Option<Duration>,
        out: &mut Vec<Action>,
    ) {
        if !matches!(self.state, State::Preparing { .. }) {
            return;
        }
        self.is_like(manner);
        // A shorter one nobody has noticed.
        if let (None, Some(slept)) = (&self.interruption, slept)
            && slept > SLEPT_MIN
        {
            self.interruption = Some(Interruption::Slept(slept));
        }
        self.host_full = 0;
        self.has_answered = false;
        self.cost_before = 0.0;
        self.asked.clear();
        self.tasks.clear();
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

    pub(super) fn on_exited(
        &mut self,
        now: Instant,
        how: &str,
        last_words: &str,
        out: &mut Vec<Action>,
    ) {
        if !self.asked.is_empty() {
            self.asked.clear();
            out.push(Action::CloseRequests {
                request: None,
                why: if self.shutdown.is_some() {
                    Closed::Restarted
                } else {
                    Closed::Expired
                },
            });
        }
        self.tasks.clear();
        self.tell_unasked(out);
        match std::mem::replace(&mut self.state, State::Asleep) {
            State::Starting { said, .. }
            | State::Ending {
                failed: said @ Some(_),
                ..
            } => {
                let said = said
                    .filter(|said| !said.is_empty())
                    .unwrap_or_else(|| last_words.trim().to_owned());
                self.start_failed(now, how, &said, out);
            }
            State::Busy(turn) => {
                let how = match last_words.trim().lines().next_back() {
                    Some(words) if !words.is_empty() => format!("{how}: {words}"),
                    _ => how.to_owned(),
                };
                self.turn_lost(now, turn, &how, out);
                self.after_end(now, out);
            }
            State::Open { .. }
            | State::Ending { .. }
            | State::Asleep
            | State::Backoff { .. }
            | State::Moving
            | State::Preparing { .. }
            | State::Waiting { .. } => self.after_end(now, out),
            State::Over => self.state = State::Over,
        }
    }

    /// Nothing more comes of a turn that nobody has asked for: what was said in it goes out, since it is found nowhere
    /// else.
    fn tell_unasked(&mut self, out: &mut Vec<Action>) {
        let is_unasked = match &self.state {
            State::Starting { .. } | State::Open { .. } => true,
            State::Busy(turn) => !turn.speaks(),
            State::Ending { says, .. } => *says != Says::OfTurn,
            State::Asleep
            | State::Backoff { .. }
            | State::Moving
            | State::Preparing { .. }
            | State::Waiting { .. }
            | State::Over => false,
        };
        if !is_unasked {
            return;
        }
        let (blocks, _) = self.said.finish();
        if !blocks.is_empty() {
            out.push(Action::Unasked {
                blocks,
                spent: Spent::default(),
            });
        }
    }

    /// The process of a turn is gone, or is about to be.
    fn turn_lost(&mut self, now: Instant, turn: Turn, how: &str, out: &mut Vec<Action>) {
        match turn.cut {
            Some(Cut { by: By::Person, .. }) => self.finish_stopped(now, turn, out),
            Some(Cut {
                by: By::Shutdown, ..
            }) => out.push(Action::Hide),
            // It stays open, and the next start decides about it.
            None if self.shutdown.is_some() => out.extend([Action::Hide, Action::Park]),
            None => {
                // What it had said is in the transcript, or is said again.
                if turn.speaks() {
                    self.said.finish();
                }
                self.interruption = Some(Interruption::Crash {
                    how: how.to_owned(),
                    attempt: turn.prompt.attempts.min(self.settings.retries),
                    of: self.settings.retries,
                });
                out.push(show(
                    &Turn {
                        doing: Doing::Starting,
                        doing_since: now,
                        interruption: self.interruption.clone(),
                        ..turn.clone()
                    },
                    self.waiting,
                ));
                self.cut_off.push(turn.prompt);
                let steered = turn.steered.into_iter();
                self.cut_off.extend(steered.map(|one| one.prompt));
            }
        }
    }

    /// A process has ended that had answered: what is next.
    fn after_end(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.cut_off.first() {
            Some(prompt) if self.shutdown.is_none() => {
                // Where no other attempt follows, what became of it can be told at once.
                let delay = match prompt.attempts <= self.settings.retries {
                    true => self.delay(prompt.attempts),
                    false => Duration::ZERO,
                };
                self.state = State::Backoff { until: now + delay };
            }
            _ => self.advance(now, out),
        }
    }

    /// How long is waited before the n-th start in a row.
    fn delay(&self, n: u32) -> Duration {
        doubled(self.settings.retry_delay, n)
    }

    /// A process has ended before it answered. One that fails twice in the same way fails a third time as well.
    fn start_failed(&mut self, now: Instant, how: &str, said: &str, out: &mut Vec<Action>) {
        let (trouble, may_heal) = start_trouble(how, said);
        let last_line = said.trim().lines().next_back().unwrap_or_default();
        let failure = Some(format!("{how}: {last_line}"));
        self.failed_starts += 1;
        let is_known = self.last_failure == failure || self.failed_starts > self.settings.retries;
        if self.shutdown.is_some() || !may_heal || is_known {
            return self.give_up(now, trouble, out);
        }
        self.last_failure = failure;
        self.state = State::Backoff {
            until: now + self.delay(self.failed_starts),
        };
    }

    pub(super) fn on_tick(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match &mut self.state {
            State::Backoff { .. } => {
                self.state = State::Asleep;
                if !self.has_work() && (self.held || self.cut_off.is_empty()) {
                    // It goes on when the session does, or was dropped meanwhile.
                    out.push(Action::Hide);
                }
                self.advance(now, out);
            }
            State::Waiting { until, .. } => {
                *until = now + ASK_AGAIN;
                // What is in the store comes first: perhaps it need not wait any more.
                out.push(Action::Look);
            }
            State::Starting { said, .. } => {
                if said.is_none() {
                    let seconds = START_MAX.as_secs();
                    *said = Some(format!("it did not answer within {seconds} s"));
                }
                self.end_by(now, Step::Killed, out);
            }
            State::Open { since } => {
                let since = *since;
                let idle = self.idle_timeout();
                let over = idle.and_then(|timeout| since.checked_add(timeout));
                let is_over = over.is_some_and(|over| over <= now);
                if is_over && self.is_quiet() {
                    self.end_by(now, Step::InputClosed, out);
                } else {
                    self.advance(now, out);
                }
            }
            State::Busy(Turn {
                cut: Some(Cut { by, .. }),
                ..
            }) => {
                let step = match by {
                    By::Person => Step::Terminated,
                    By::Shutdown => Step::InputClosed,
                };
                self.end_by(now, step, out);
            }
            State::Busy(_) if self.shutdown.is_some_and(|until| until <= now) => {
                self.leave(now, out)
            }
            State::Busy(turn) if turn.steers_at.is_some_and(|until| until <= now) => {
                self.steer(now, out);
            }
            State::Busy(_) => self.on_swallowed(now, out),
            State::Ending { step, .. } => {
                let next = match step {
                    Step::InputClosed => Step::Terminated,
                    Step::Terminated | Step::Killed => Step::Killed,
                };
                self.end_by(now, next, out);
            }
            State::Asleep | State::Moving | State::Preparing { .. } | State::Over => {}
        }
    }

    pub(super) fn on_shutdown(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.shutdown.is_some() {
            return;
        }
        self.shutdown = Some(now + self.settings.shutdown_grace);
        self.leave_line(out);
        match &self.state {
            // What is open stays so; the next start decides about it.
            State::Asleep
            | State::Moving
            | State::Backoff { .. }
            | State::Preparing { .. }
            | State::Waiting { .. } => {
                out.push(Action::Hide);
                if !self.cut_off.is_empty() || !self.again.is_empty() {
                    out.push(Action::Park);
                }
                self.state = State::Over;
                out.push(Action::End);
            }
            State::Starting { .. } | State::Open { .. } => self.end_by(now, Step::InputClosed, out),
            // Who waits for a person would wait in vain.
            State::Busy(_) if !self.asked.is_empty() => self.leave(now, out),
            State::Busy(_) | State::Ending { .. } | State::Over => {}
        }
    }

    pub(super) fn on_hurry(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.on_shutdown(now, out);
        match &mut self.state {
            State::Asleep
            | State::Moving
            | State::Backoff { .. }
            | State::Preparing { .. }
            | State::Waiting { .. }
            | State::Over => {}
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
    pub(super) fn leave(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let State::Busy(turn) = &self.state
            && turn.cut.is_none()
        {
            out.push(Action::Leave(turn.prompt.clone()));
            self.cut(now, By::Shutdown, out);
        }
    }

    /// Ends the process, beginning with the given step.
    pub(super) fn end_by(&mut self, now: Instant, step: Step, out: &mut Vec<Action>) {
        // A process that is ended before it has answered is a start that failed, and is told as one.
        let failed = match &mut self.state {
            State::Starting { said, .. } => Some(said.take().unwrap_or_default()),
            State::Ending { failed, .. } => failed.take(),
            _ => None,
        };
        let says = match &self.state {
            State::Busy(turn) if turn.speaks() => Says::OfTurn,
            State::Busy(_) => Says::UnaskedYet,
            State::Ending { says, .. } => *says,
            _ => Says::Unasked,
        };
        let ending = State::Ending {
            step,
            until: now + self.settings.stop_grace.max(KILL_AFTER_MIN),
            failed,
            says,
        };
        if let State::Busy(mut turn) = std::mem::replace(&mut self.state, ending) {
            // Ended in the middle of a turn. What becomes of the prompt depends on who wanted it.
            if turn.cut.is_none() && self.shutdown.is_some() {
                out.push(Action::Leave(turn.prompt.clone()));
                turn.cut = Some(Cut {
                    by: By::Shutdown,
                    until: now,
                });
            }
            self.turn_lost(now, turn, DEAF, out);
        }
        out.push(match step {
            Step::InputClosed => Action::CloseInput,
            Step::Terminated => Action::Terminate,
            Step::Killed => Action::Kill,
        });
    }

    /// Ends the process because it has something that was not taken back, and would run.
    pub(super) fn end_what_runs_on(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.end_by(now, Step::Terminated, out);
        if let State::Ending { says, .. } = &mut self.state {
            *says = Says::OfTurn;
        }
    }

    /// There is no process: the host has more to give in a moment, or somebody has to do something.
    pub(super) fn no_process(&mut self, now: Instant, trouble: Trouble, out: &mut Vec<Action>) {
        let waits = self.waiting > 0 || !self.cut_off.is_empty() || !self.again.is_empty();
        let is_full = matches!(trouble, Trouble::HostIsFull { .. });
        if !is_full || !waits || self.held || self.shutdown.is_some() {
            return self.give_up(now, trouble, out);
        }
        self.host_full += 1;
        if self.host_full == 1 {
            out.push(Action::TellOfHost(trouble));
        }
        out.push(Action::Hide);
        self.state = State::Backoff {
            until: now + doubled(HOST_RETRY_FIRST, self.host_full),
        };
        // What has come meanwhile is looked at then.
    }

    /// Tells why there is no process, and holds what waits until somebody says try again.
    pub(super) fn give_up(&mut self, now: Instant, trouble: Trouble, out: &mut Vec<Action>) {
        (self.failed_starts, self.last_failure) = (0, None);
        self.state = State::Asleep;
        out.push(Action::Hide);
        let waits = self.waiting > 0 || !self.cut_off.is_empty() || !self.again.is_empty();
        if self.shutdown.is_none() && waits && !self.held {
            self.held = true;
            // Until then they are looked at as what they are in the store: open.
            self.again.clear();
            self.cut_off.clear();
            out.push(Action::HoldBack(trouble));
            // What has come meanwhile ends the hold.
            out.push(Action::Look);
        } else {
            self.advance(now, out);
        }
    }
}

/// The n-th of waits that begin with `first` and double.
fn doubled(first: Duration, n: u32) -> Duration {
    let times = 1 << n.saturating_sub(1).min(10);
    first.saturating_mul(times).min(BACKOFF_MAX)
}

/// Closes a turn without an answer, with what is known of it.
pub(super) fn closed(prompt: crate::chat::Prompt, outcome: Outcome) -> Finished {
    Finished {
        prompt,
        steered: Vec::new(),
        outcome,
        by_claude: false,
        answer: Vec::new(),
        cause: String::new(),
        cure: None,
        spent: Spent::default(),
        tools: 0,
        took: None,
        pause: None,
    }
}

/// Why a start failed, what helps, and whether another one may do better, from what the CLI wrote.
fn start_trouble(how: &str, said: &str) -> (Trouble, bool) {
    if said.contains("No conversation found") {
        return (Trouble::NothingToResume, false);
    }
    let cure = if said.contains("root/sudo privileges") {
        Some(
            "Set IS_SANDBOX = \"1\" in [claude] env, use another permission_mode, or run chappe as another user.",
        )
    } else if said.contains("unknown option") {
        Some(
            "Look at claude.extra_args in config.toml: this version of Claude Code does not know one of them.",
        )
    } else if said.contains("/login") {
        Some(crate::session::outcome::LOG_IN)
    } else {
        None
    };
    let cause = match said.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{how}: {}", line.trim()),
        None => how.to_owned(),
    };
    let may_heal = cure.is_none();
    let trouble = Trouble::NotStarted {
        cause,
        cure: cure.map(str::to_owned),
        of_conversation: may_heal,
    };
    (trouble, may_heal)
}
