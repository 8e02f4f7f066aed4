//! What a session does next. Pure: events and the time in, actions out; the owner thread does them.
//!
//! The contract: after each event all actions are performed, in order, before the next event. `deadline()` says when
//! [`Event::Tick`] is due. At most one prompt is given and not closed; nothing is written to a process that is not
//! there; a prompt that was given is closed exactly once, or stays open for the next start of chappe.
//!
//! Here stands what is done next when nobody has to say so. The rest in reading order: the words ([`event`], [`action`],
//! [`state`]), [`life`] (start, backoff, ending, shutdown), [`mod@room`] (a place among those that may live), [`lines`]
//! (what Claude says), [`steer`] (what is put into a turn that runs), [`manner`] (what was chosen for the process),
//! [`stop`], [`resume`] (what becomes of prompts that were cut off).

mod action;
mod event;
mod life;
mod lines;
mod manner;
mod resume;
mod room;
mod state;
mod steer;
mod stop;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::answer::Collector;
use crate::board::{Doing, Interruption};
use crate::chat::{Decision, Permit, Prompt, Verdict};
use crate::claude::protocol::{self, RawJson};
pub use action::{Action, Closed, Finished, Pause, Shown};
pub use event::{Event, Given, Manner, Moves, Room, Settings, Trouble, Work};
use state::{Again, Asker, By, Cut, Says, State, Steered, Step, Turn};

/// What Claude hears when a request is denied.
const DENIED: &str = "The user denied this.";
/// What it hears when its plan is not approved.
const PLAN_DENIED: &str = "The user did not approve this plan. Ask what should be different.";
/// What it hears when its questions are not answered.
const DECLINED: &str = "The user declined to answer.";

/// How long after its end Claude begins at the latest to report on what ran on behind a turn.
const REPORTS_WITHIN: Duration = Duration::from_secs(10);

/// A session's mind.
pub struct Machine {
    settings: Settings,
    state: State,
    /// What the process is to be like, and what the live one is like.
    wanted: Manner,
    has: Manner,
    /// Whether the conversation has gone on without the live process.
    is_behind: bool,
    /// Whether the live process was started to ask nobody.
    was_free: bool,
    /// How often the live process was told a mode that it has not taken yet.
    modes_told: u32,
    /// Whether what a former chappe left open has been dealt with.
    taken_up: bool,
    moves: Moves,
    /// Whether that was left open by a restart.
    by_restart: bool,
    waiting: usize,
    /// How much of it is for the turn that runs.
    to_steer: usize,
    held: bool,
    held_until: Option<Instant>,
    /// Until when what waits may still be a part of something.
    gathering: Option<Instant>,
    /// Prompts whose turn was cut off, until it is known what became of them.
    cut_off: Vec<Prompt>,
    /// Prompts that are to be written once more.
    again: VecDeque<Prompt>,
    /// What the next turn was interrupted by before.
    interruption: Option<Interruption>,
    /// Starts in a row that have failed, and how the last one did.
    failed_starts: u32,
    last_failure: Option<String>,
    /// How often in a row the host had no process to give.
    host_full: u32,
    /// Requests of this process that nobody has decided.
    asked: BTreeMap<String, Asker>,
    said: Collector,
    /// What the API last failed with in this turn, as the CLI calls it.
    api_error: Option<String>,
    /// When the account's usage limit is over, in Unix seconds, where the process has said so.
    limit_until: Option<i64>,
    /// Work of this process that runs on after its turn.
    tasks: BTreeSet<String>,
    /// Whether the process has ended a turn: what it needs of the host it has by then.
    has_answered: bool,
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
            wanted: Manner::default(),
            has: Manner::default(),
            is_behind: false,
            was_free: false,
            modes_told: 0,
            taken_up: false,
            moves: Moves::No,
            by_restart: true,
            waiting: 0,
            to_steer: 0,
            held: false,
            held_until: None,
            gathering: None,
            cut_off: Vec::new(),
            again: VecDeque::new(),
            interruption: None,
            failed_starts: 0,
            last_failure: None,
            host_full: 0,
            asked: BTreeMap::new(),
            said: Collector::default(),
            api_error: None,
            limit_until: None,
            tasks: BTreeSet::new(),
            has_answered: false,
            cost_before: 0.0,
            commands: Vec::new(),
            shutdown: None,
        }
    }

    /// Says whether a restart of chappe is what has cut off the turns that are found open at the beginning.
    pub fn after_restart(mut self, by_restart: bool) -> Machine {
        self.by_restart = by_restart;
        self
    }

    /// Claude's own commands, which go to it as they are.
    pub fn commands(&self) -> &[String] {
        &self.commands
    }

    /// When the next [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Asleep | State::Moving | State::Preparing { .. } | State::Over => None,
            State::Backoff { until }
            | State::Waiting { until, .. }
            | State::Starting { until, .. }
            | State::Ending { until, .. } => Some(*until),
            State::Open { since } => {
                let idle = self.idle_timeout().filter(|_| self.is_quiet());
                // A time that is further away than the clock reaches never comes.
                let idle = idle.and_then(|timeout| since.checked_add(timeout));
                earliest([idle, self.gathering, self.held_until])
            }
            State::Busy(Turn { cut: Some(cut), .. }) => Some(cut.until),
            State::Busy(turn) => {
                let swallowed = match turn.again {
                    Again::Swallowed(at) => Some(at),
                    Again::No | Again::Written | Again::Begun { .. } => None,
                };
                earliest([swallowed, turn.steers_at, self.shutdown])
            }
        }
    }

    /// Takes an event and says what is to be done about it.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let out = &mut actions;
        match event {
            Event::Work(work) => self.on_work(now, work, out),
            Event::Prepared(facts) => self.on_prepared(now, &facts, out),
            Event::NotPrepared(trouble) => {
                if matches!(self.state, State::Preparing { .. }) {
                    self.no_process(now, trouble, out);
                }
            }
            Event::Moved => {
                if matches!(self.state, State::Moving) {
                    self.state = State::Asleep;
                    out.push(Action::Settle);
                }
            }
            Event::Room(room) => self.on_room(now, room, out),
            Event::MakeRoom => self.on_make_room(now, out),
            Event::Started(manner, slept) => self.on_started(now, manner, slept, out),
            Event::Said(message) => self.on_message(now, message, out),
            Event::Exited { how, last_words } => self.on_exited(now, &how, &last_words, out),
            Event::Given(given) => self.on_given(now, given, out),
            Event::Steered(given) => self.on_steered(now, given, out),
            Event::NotReading => {
                // It will not hear anything else either; the turn ends with it.
                if !matches!(
                    self.state,
                    State::Ending { .. }
                        | State::Asleep
                        | State::Moving
                        | State::Backoff { .. }
                        | State::Preparing { .. }
                        | State::Waiting { .. }
                        | State::Over
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

    fn on_work(&mut self, now: Instant, work: Work, out: &mut Vec<Action>) {
        if self.taken_up {
            // Controls go before prompts; and a stop before what was allowed and is told to nobody yet.
            for decision in work.decisions {
                let is_stopped = work.stop && decision.verdict == Verdict::Allow;
                if !(is_stopped && self.asked.contains_key(&decision.request)) {
                    self.on_decision(now, &decision, out);
                }
            }
        } else {
            self.taken_up = true;
            // Who asked is gone with the former chappe, or has lost us.
            out.push(Action::CloseRequests {
                request: None,
                why: Closed::Restarted,
            });
            if !work.open.is_empty() && self.by_restart {
                self.interruption = Some(Interruption::Restart);
            }
        }
        self.wanted = work.manner;
        self.moves = work.moves;
        self.adapt(out);
        self.waiting = work.waiting;
        self.to_steer = work.to_steer;
        self.held = work.held;
        self.held_until = work.held_until;
        self.gathering = None;
        if let State::Busy(turn) = &mut self.state {
            turn.steers_at = None;
        }
        self.find_cut_off(work.open);
        if work.stop {
            self.on_stop(now, out);
        }
        self.forget_what_is_gone(out);
        if let State::Busy(turn) = &self.state
            && turn.cut.is_none_or(|cut| cut.by == By::Person)
        {
            out.push(show(turn, self.waiting));
        }
        // A turn that was cut off stands there while its process comes.
        let comes = matches!(
            self.state,
            State::Backoff { .. }
                | State::Preparing { .. }
                | State::Waiting { .. }
                | State::Starting { .. }
        );
        if comes && self.interruption.is_some() {
            out.push(Action::ShowWaiting(self.waiting));
        }
        self.steer(now, out);
        self.advance(now, out);
    }

    /// What a start was for may be dropped, or held, by somebody who had no turn to stop.
    fn forget_what_is_gone(&mut self, out: &mut Vec<Action>) {
        if self.has_work() || (!self.held && !self.cut_off.is_empty()) {
            return;
        }
        match self.state {
            State::Backoff { .. } => self.state = State::Asleep,
            State::Waiting { .. } => self.leave_line(out),
            State::Preparing { .. } | State::Starting { .. } => {}
            _ => return,
        }
        self.interruption = None;
        out.push(Action::Hide);
    }

    fn on_decision(&mut self, now: Instant, decision: &Decision, out: &mut Vec<Action>) {
        if matches!(self.state, State::Ending { .. }) {
            // It gets no more lines; what it asked is closed when it has ended.
            return;
        }
        if self.asked.remove(&decision.request).is_none() {
            // The process that asked is gone, or took it back in the same moment.
            out.push(Action::Told {
                request: decision.request.clone(),
            });
            return;
        }
        let line = match decision.verdict {
            Verdict::Allow => match input_of(decision) {
                Some(input) => {
                    let updates = match &decision.permit {
                        Some(permit) => protocol::updates(permit),
                        None if decision.tool == protocol::PLAN_TOOL => self.leaves_plan(),
                        None => Vec::new(),
                    };
                    if decision.permit == Some(Permit::Edit) {
                        self.accepts_edits();
                    }
                    protocol::allow_with_permissions(&decision.request, &input, &updates)
                }
                // What cannot be given back as it was shown, or was not answered whole, is not allowed.
                None => protocol::deny(&decision.request, DENIED),
            },
            Verdict::Deny if decision.why.is_some() => {
                protocol::deny(&decision.request, decision.why.as_deref().unwrap_or(DENIED))
            }
            Verdict::Deny if decision.tool == protocol::PLAN_TOOL => {
                protocol::deny(&decision.request, PLAN_DENIED)
            }
            Verdict::Deny if decision.tool == protocol::QUESTION_TOOL => {
                protocol::deny(&decision.request, DECLINED)
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
            // Whether it is what was chosen is looked at once that is known.
            if let State::Open { since } = &mut self.state {
                *since = now;
            }
        }
    }

    fn on_given(&mut self, now: Instant, given: Given, out: &mut Vec<Action>) {
        let (prompt, again) = match given {
            Given::Nothing => {
                // What was to be given is not there any more; perhaps something else is.
                self.waiting = 0;
                out.push(Action::Hide);
                out.push(Action::Look);
                return;
            }
            Given::Changed => {
                out.push(Action::Look);
                return;
            }
            Given::Elsewhere => {
                self.is_behind = true;
                out.push(Action::Look);
                return;
            }
            Given::AfterOthers => {
                self.after_others(now, out);
                return;
            }
            Given::NotYet { wait, waiting } => {
                self.waiting = waiting;
                self.gathering = Some(now + wait);
                return;
            }
            Given::Prompt { prompt, waiting } => {
                self.waiting = waiting;
                (prompt, Again::No)
            }
            Given::Again(prompt) => (prompt, Again::Written),
        };
        if !matches!(self.state, State::Open { .. }) {
            // The process failed while the store was asked. Not a byte of the prompt was written.
            if again == Again::Written {
                self.again.push_front(prompt);
            } else {
                out.push(Action::TakeBack(prompt.id));
                self.waiting += 1;
            }
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
            interruption: self.interruption.take(),
            cut: None,
            again,
            steered: Vec::new(),
            asks: false,
            steers_at: None,
        };
        out.push(show(&turn, self.waiting));
        // What was said before belongs to a turn that nobody asked for, and goes out with its result.
        (self.api_error, self.limit_until) = (None, None);
        self.state = State::Busy(turn);
    }

    /// Whether there is something to give that may be given.
    fn has_work(&self) -> bool {
        !self.held && (!self.again.is_empty() || self.waiting > 0)
    }

    /// Does what can be done next without anybody having to say so.
    fn advance(&mut self, now: Instant, out: &mut Vec<Action>) {
        let is_free = matches!(self.state, State::Asleep | State::Open { .. });
        if is_free && self.shutdown.is_none() && self.held_until.is_some_and(|at| at <= now) {
            self.held_until = None;
            out.push(Action::GoOn);
            out.push(Action::Look);
            return;
        }
        match &self.state {
            State::Asleep if self.shutdown.is_some() => {
                self.state = State::Over;
                out.push(Action::End);
            }
            // What has come for one that is brought back waits until it is there.
            State::Asleep
                if self.moves == Moves::Back
                    || (self.moves == Moves::Away && self.cut_off.is_empty()) =>
            {
                self.state = State::Moving;
                out.push(Action::Move);
            }
            // A session that is held stays as it is, also in the middle of a turn that was cut off.
            State::Asleep if self.has_work() || (!self.held && !self.cut_off.is_empty()) => {
                self.prepare(now, out);
            }
            State::Asleep => out.push(Action::Retire),
            State::Waiting { .. } => out.push(Action::AskRoom),
            State::Open { .. } if self.shutdown.is_some() => {
                self.end_by(now, Step::InputClosed, out)
            }
            State::Open { .. } if self.moves == Moves::Away && self.is_quiet() => {
                self.end_by(now, Step::InputClosed, out);
            }
            State::Open { .. } if self.is_outdated() && self.is_at_rest() => {
                self.end_by(now, Step::InputClosed, out);
            }
            // It gets nothing more; what still goes on in it may come to its end.
            State::Open { .. } if self.is_outdated() => {}
            // What still goes on in it does not hold the next one up.
            State::Open { .. } if self.has_work() && self.is_single() && self.has_answered => {
                self.end_by(now, Step::InputClosed, out);
            }
            State::Open { .. } if self.has_work() => {
                if let Some(prompt) = self.again.pop_front() {
                    out.push(Action::GiveAgain(prompt.id));
                } else if self.gathering.is_none_or(|until| until <= now) {
                    self.gathering = None;
                    out.push(Action::GiveNext(self.wanted.revision));
                }
            }
            _ => {}
        }
    }

    /// How long a process is kept that is quiet. One of a single turn that had something to do behind it may still report
    /// on that.
    fn idle_timeout(&self) -> Option<Duration> {
        let timeout = self.wanted.idle_timeout;
        match self.is_single() && self.has_answered {
            true => Some(REPORTS_WITHIN),
            false => timeout,
        }
    }

    /// Whether each turn has a process of its own.
    fn is_single(&self) -> bool {
        self.wanted.idle_timeout == Some(Duration::ZERO)
    }

    /// Whether nothing goes on in a process that has no prompt: it waits for no person, nothing runs on in it, and
    /// nothing is about to be given to it.
    fn is_quiet(&self) -> bool {
        self.is_at_rest() && !self.has_work()
    }

    /// Whether a process that has no prompt can be ended without taking anything from anybody.
    fn is_at_rest(&self) -> bool {
        self.asked.is_empty() && self.tasks.is_empty()
    }

    /// How long the process has rested, nothing going on in it.
    pub fn rested(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { since } if self.is_at_rest() => {
                Some(now.saturating_duration_since(since))
            }
            _ => None,
        }
    }

    /// Begins to count anew how long a process that waits for a prompt has been quiet.
    fn quiet_since(&mut self, now: Instant, out: &mut Vec<Action>) {
        let is_outdated = self.is_outdated();
        if let State::Open { since } = &mut self.state {
            *since = now;
            if is_outdated {
                self.advance(now, out);
            }
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
            && turn.cut.is_none()
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
}

/// What the call is allowed with; None where that is not what was shown, or not all that was asked is answered.
fn input_of(decision: &Decision) -> Option<RawJson> {
    let input = RawJson::from_text(decision.input.clone()).ok()?;
    match decision.tool == protocol::QUESTION_TOOL {
        true => protocol::answered(&input, &decision.answers),
        false => Some(input),
    }
}

fn show(turn: &Turn, waiting: usize) -> Action {
    Action::Show(Shown {
        prompt: turn.prompt.clone(),
        since: turn.since,
        doing: turn.doing.clone(),
        doing_since: turn.doing_since,
        interruption: turn.interruption.clone(),
        waiting,
    })
}

fn earliest(deadlines: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    deadlines.into_iter().flatten().min()
}

#[cfg(test)]
mod tests;
