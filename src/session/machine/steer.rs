//! Steering: what is put into a turn while it runs, and what becomes of it when Claude does not take it there.
//!
//! At most one such prompt is written and not taken: of several that Claude takes together it remembers the last one
//! only, so that nobody could tell later which of them it has. And none is written before the turn's own prompt is
//! taken, for the same reason.

use std::time::Instant;

use super::{Action, Again, Given, Machine, State, Steered, Turn, show};
use crate::board::Doing;
use crate::chat::{Prompt, PromptId};
use crate::claude::protocol;
use crate::session::answer::Collector;

impl Machine {
    /// Asks for what is to be put into the turn at hand, if it can be put there now.
    pub(super) fn steer(&mut self, now: Instant, out: &mut Vec<Action>) {
        // What runs on as a turn of its own must find a process that is what was chosen.
        if self.to_steer == 0 || self.held || self.shutdown.is_some() || self.is_outdated() {
            return;
        }
        let State::Busy(turn) = &mut self.state else {
            return;
        };
        // As long as it may be swallowed, what has begun may be a turn that nobody asked for.
        let is_known = matches!(
            turn.again,
            Again::No
                | Again::Begun {
                    as_if_swallowed: false
                }
        );
        let is_ready = turn.taken && is_known && turn.cut.is_none() && !turn.asks;
        if !is_ready
            || turn.steered.iter().any(|one| !one.taken)
            // What was put into a turn before that has ended goes before it.
            || !self.again.is_empty()
            || turn.steers_at.is_some_and(|until| until > now)
        {
            return;
        }
        turn.steers_at = None;
        turn.asks = true;
        out.push(Action::Steer(turn.prompt.id, self.wanted.revision));
    }

    pub(super) fn on_steered(&mut self, now: Instant, given: Given, out: &mut Vec<Action>) {
        let turn = match &mut self.state {
            State::Busy(turn) => std::mem::take(&mut turn.asks).then_some(turn),
            _ => None,
        };
        match given {
            Given::Nothing | Given::Again(_) => self.to_steer = 0,
            Given::Changed | Given::Elsewhere | Given::AfterOthers => {
                self.to_steer = 0;
                out.push(Action::Look);
            }
            Given::NotYet { wait, waiting } => {
                self.waiting = waiting;
                if let Some(turn) = turn {
                    turn.steers_at = Some(now + wait);
                }
            }
            Given::Prompt { prompt, waiting } => {
                self.waiting = waiting;
                self.to_steer = self.to_steer.min(waiting);
                let into = turn
                    .filter(|turn| turn.cut.is_none() && prompt.steered == Some(turn.prompt.id));
                let Some(turn) = into else {
                    // The turn was cut short while the store was asked. Not a byte of it was written.
                    self.waiting += 1;
                    out.push(Action::TakeBack(prompt.id));
                    return;
                };
                out.push(Action::Write(protocol::user_line(
                    &prompt.uuid,
                    &prompt.text,
                )));
                turn.steered.push(Steered {
                    prompt,
                    taken: false,
                });
                out.push(show(turn, waiting));
            }
        }
    }

    /// Claude says of something that was to be put into the turn that it is done with: it has taken it there.
    pub(super) fn was_steered(&mut self, uuid: &str, out: &mut Vec<Action>) {
        if let State::Busy(turn) = &mut self.state {
            let into = &turn.prompt;
            let mut steered = turn.steered.iter_mut();
            if let Some(one) = steered.find(|one| !one.taken && one.prompt.uuid == uuid) {
                one.taken = true;
                out.push(taken_in(into, &one.prompt, &mut self.said));
            }
        }
    }

    /// Something that was to be put into the turn was taken back unread, or dropped: its messages wait again.
    pub(super) fn was_not_steered(&mut self, uuid: &str, out: &mut Vec<Action>) {
        let State::Busy(turn) = &mut self.state else {
            return;
        };
        let mut steered = turn.steered.iter();
        if let Some(at) = steered.position(|one| !one.taken && one.prompt.uuid == uuid) {
            let one = turn.steered.remove(at);
            out.push(Action::TakeBack(one.prompt.id));
            self.waiting += 1;
        }
    }

    /// The turn before it has ended without it: Claude runs it as a turn of its own.
    pub(super) fn runs_next(&mut self, now: Instant, prompt: Prompt, out: &mut Vec<Action>) {
        let turn = Turn {
            prompt,
            since: now,
            taken: false,
            doing: Doing::Waiting,
            doing_since: now,
            meanwhile: None,
            interruption: None,
            cut: None,
            // It is new to Claude, so it is not swallowed.
            again: Again::No,
            steered: Vec::new(),
            asks: false,
            steers_at: None,
        };
        out.push(show(&turn, self.waiting));
        (self.api_error, self.limit_until) = (None, None);
        self.state = State::Busy(turn);
        if self.shutdown.is_some() {
            self.leave(now, out);
        }
    }
}

/// Claude has taken a prompt in the turn of another. What it said before is no answer to it: whoever reads the answer has
/// read that above it. Whoever wrote it from another place reads nothing of it there.
pub(super) fn taken_in(into: &Prompt, prompt: &Prompt, said: &mut Collector) -> Action {
    let before = said.before_request();
    if before.is_empty() && prompt.place == into.place {
        return Action::Taken(prompt.id);
    }
    Action::TakenIn {
        prompt: prompt.id,
        into: into.id,
        before,
    }
}

/// What was put into a turn: what Claude has taken there, and what it has not.
pub(super) fn parted(steered: Vec<Steered>) -> (Vec<Prompt>, Vec<Prompt>) {
    let (taken, not_taken): (Vec<_>, Vec<_>) = steered.into_iter().partition(|one| one.taken);
    let prompts = |all: Vec<Steered>| all.into_iter().map(|one| one.prompt).collect();
    (prompts(taken), prompts(not_taken))
}

pub(super) fn ids(prompts: &[Prompt]) -> Vec<PromptId> {
    prompts.iter().map(|prompt| prompt.id).collect()
}

/// What a turn was about: its prompt, and what was put into it.
pub(super) fn about(prompt: &Prompt, steered: &[Prompt]) -> String {
    let mut text = prompt.text.clone();
    for one in steered {
        text.push('\n');
        text.push_str(&one.text);
    }
    text
}
