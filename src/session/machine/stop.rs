//! Stop: ends the turn, not the process.
//!
//! A prompt that Claude has not taken yet is taken back, a turn is interrupted, and what runs on behind it is stopped.
//! An interruption that comes before Claude has taken the prompt does nothing to it, so it is repeated then. What waits
//! was held in the store by whoever heard the stop.

use std::time::Instant;

use serde_json::Value;

use super::life::{INTERRUPT, closed};
use super::{Action, Asker, By, Closed, Cut, DENIED, Finished, Machine, State, Turn, show};
use crate::board::Doing;
use crate::chat::{Outcome, Prompt, Spent};
use crate::claude::protocol::{self, ControlCommand};

/// What the request begins with that takes a prompt back.
const TAKE_BACK: &str = "chappe-take-back-";
const STOP_TASK: &str = "chappe-stop-task-";

impl Machine {
    pub(super) fn on_stop(&mut self, now: Instant, out: &mut Vec<Action>) {
        match &self.state {
            State::Busy(Turn {
                cut: Some(Cut { by: By::Person, .. }),
                ..
            }) => {}
            State::Busy(_) => self.cut(now, By::Person, out),
            State::Open { .. } => {
                let runs = !self.tasks.is_empty();
                // Whether a turn runs that nobody has asked for, is not known here; where none does, this does nothing.
                out.push(interrupt());
                self.stop_tasks(out);
                self.deny_asked(out);
                // With the end of what was cut off the stop is noted as done.
                if !self.stop_cut_off(out) {
                    out.push(Action::Stopped { anything: runs });
                }
            }
            // What is open stays so, and the next start hears of the stop before it decides about it.
            State::Ending { .. } | State::Over if self.shutdown.is_some() => {}
            _ => {
                let was_waiting = matches!(self.state, State::Waiting { .. });
                self.leave_line(out);
                let state = &self.state;
                // Nothing has to be told to Claude: no turn runs, or none any more.
                let (is_asleep, waits) = (
                    matches!(state, State::Asleep | State::Moving) && !was_waiting,
                    matches!(state, State::Backoff { .. }),
                );
                if matches!(state, State::Preparing { .. }) {
                    out.push(Action::HurryPreparation);
                }
                let anything = self.stop_cut_off(out);
                if !anything {
                    // A process that is being ended between two turns is at nothing.
                    let is_ending = matches!(self.state, State::Ending { .. });
                    out.push(Action::Stopped {
                        anything: !is_asleep && !is_ending,
                    });
                }
                out.push(Action::Hide);
                if waits {
                    self.state = State::Asleep;
                } else if is_asleep && anything {
                    // A process of a former chappe may still be at work on it; the preparation ends that, at once.
                    self.prepare(now, out);
                    out.push(Action::HurryPreparation);
                }
            }
        }
    }

    /// Closes the prompts that were cut off and have not gone on yet; returns whether there were any.
    fn stop_cut_off(&mut self, out: &mut Vec<Action>) -> bool {
        let mut cut_off: Vec<Prompt> = self.cut_off.drain(..).collect();
        cut_off.extend(self.again.drain(..));
        // What was put into a turn is closed with it, not the other way round.
        cut_off.sort_by_key(|prompt| prompt.id);
        self.interruption = None;
        // All of them at once: in between, the stop would be noted as done, and something left open that goes on.
        let mut cut_off = cut_off.into_iter();
        let Some(first) = cut_off.next() else {
            return false;
        };
        out.push(Action::Finish(Finished {
            steered: cut_off.map(|prompt| prompt.id).collect(),
            ..closed(first, Outcome::Stopped)
        }));
        true
    }

    /// Has the turn at hand end before it is done.
    pub(super) fn cut(&mut self, now: Instant, by: By, out: &mut Vec<Action>) {
        let until = now + self.settings.stop_grace;
        let waiting = self.waiting;
        let State::Busy(turn) = &mut self.state else {
            return;
        };
        turn.cut = Some(Cut { by, until });
        turn.doing = Doing::Stopping;
        turn.doing_since = now;
        if by == By::Person {
            out.push(show(turn, waiting));
        } else {
            // What stands there from now on goes by a row, which survives the end of chappe.
            out.push(Action::Hide);
        }
        let steered = turn.steered.iter().map(|one| (one.taken, &one.prompt));
        let all = std::iter::once((turn.taken, &turn.prompt)).chain(steered);
        for (_, prompt) in all.filter(|(taken, _)| !taken) {
            let uuid = prompt.uuid.clone();
            out.push(Action::Write(protocol::control_request(
                &format!("{TAKE_BACK}{uuid}"),
                &ControlCommand::CancelAsyncMessage { uuid },
            )));
        }
        out.push(interrupt());
        if by == By::Person {
            self.stop_tasks(out);
            self.deny_asked(out);
        }
    }

    /// Answers all that is asked: since a person said stop, nobody can press any more. An interruption withdraws it; what it
    /// does not reach would wait for ever.
    fn deny_asked(&mut self, out: &mut Vec<Action>) {
        let asked: Vec<String> = self.asked.keys().cloned().collect();
        self.close_asked(Closed::Stopped, out);
        let denials = asked.iter().map(|request| protocol::deny(request, DENIED));
        out.extend(denials.map(Action::Write));
    }

    fn stop_tasks(&self, out: &mut Vec<Action>) {
        for task in &self.tasks {
            out.push(Action::Write(protocol::control_request(
                &format!("{STOP_TASK}{task}"),
                &ControlCommand::StopTask {
                    task_id: task.clone(),
                },
            )));
        }
    }

    /// Claude has begun with a prompt whose turn is to end: what was said to it before did nothing.
    pub(super) fn interrupt_again(&self, out: &mut Vec<Action>) {
        if matches!(&self.state, State::Busy(turn) if turn.cut.is_some()) {
            out.push(interrupt());
        }
    }

    /// An answer to a request of ours: whether the prompt was taken back unread.
    pub(super) fn on_cut_answered(
        &mut self,
        now: Instant,
        request: &str,
        answer: &Value,
        out: &mut Vec<Action>,
    ) {
        let State::Busy(turn) = &self.state else {
            return;
        };
        let uuid = turn.prompt.uuid.clone();
        let taken_back: Vec<&str> = match request.strip_prefix(TAKE_BACK) {
            Some(of) if answer["cancelled"] == Value::Bool(true) => vec![of],
            Some(_) => Vec::new(),
            None if request == INTERRUPT => {
                let names = answer["cancelled"].as_array().into_iter().flatten();
                names.filter_map(Value::as_str).collect()
            }
            None => Vec::new(),
        };
        for of in taken_back {
            match of == uuid {
                true => self.never_ran(now, out),
                false => self.was_not_steered(of, out),
            }
        }
    }

    /// The prompt at hand was taken out of Claude's queue: no turn and no result will come of it.
    pub(super) fn never_ran(&mut self, now: Instant, out: &mut Vec<Action>) {
        let State::Busy(turn) = &self.state else {
            return;
        };
        if turn.taken {
            return;
        }
        let opened = State::Open { since: now };
        let State::Busy(turn) = std::mem::replace(&mut self.state, opened) else {
            unreachable!("it is busy")
        };
        match turn.cut {
            // It waits again, as if it had never been given.
            Some(Cut {
                by: By::Shutdown, ..
            }) => {
                out.push(Action::TakeBack(turn.prompt.id));
                out.push(Action::Hide);
            }
            _ => self.finish_stopped(now, turn, out),
        }
        self.advance(now, out);
    }

    /// Closes a turn that a person has stopped, with what was written so far.
    pub(super) fn finish_stopped(&mut self, now: Instant, turn: Turn, out: &mut Vec<Action>) {
        // Before it was taken, what was said belongs to something else.
        let (answer, tools) = match turn.taken {
            true => self.said.finish(),
            false => Default::default(),
        };
        self.close_asked(Closed::Stopped, out);
        let mut steered: Vec<_> = turn.steered.iter().map(|one| one.prompt.id).collect();
        if matches!(turn.cut, Some(Cut { by: By::Person, .. })) {
            // What was to be given again after it was said before the stop, too.
            steered.extend(self.again.drain(..).map(|prompt| prompt.id));
        }
        out.push(Action::Finish(Finished {
            steered,
            answer,
            tools,
            spent: Spent::default(),
            took: Some(now.saturating_duration_since(turn.since)),
            ..closed(turn.prompt, Outcome::Stopped)
        }));
        out.push(Action::Hide);
    }

    /// Closes all requests of the turn at hand.
    pub(super) fn close_asked(&mut self, why: Closed, out: &mut Vec<Action>) {
        if !self.asked.is_empty() {
            self.asked.clear();
            out.push(Action::CloseRequests { request: None, why });
        }
    }

    /// A turn has ended: what Claude itself has asked in it waits for no answer any more, whatever works on behind it.
    pub(super) fn close_own(&mut self, out: &mut Vec<Action>) {
        let own = |_: &String, asker: &mut Asker| *asker == Asker::Claude;
        for (request, _) in self.asked.extract_if(.., own) {
            out.push(Action::CloseRequests {
                request: Some(request),
                why: Closed::Withdrawn,
            });
        }
    }
}

fn interrupt() -> Action {
    Action::Write(protocol::control_request(
        INTERRUPT,
        &ControlCommand::Interrupt {
            cancel_queued: true,
        },
    ))
}
