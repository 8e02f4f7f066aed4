//! What becomes of prompts whose turn was cut off: by the facts, each is finished, written again, continued, or asked
//! about. The deciding list is `recovery`; here it is carried out.

use std::time::Instant;

use super::life::closed;
use super::steer::{about, ids};
use super::{Action, Again, Finished, Machine, Pause, State, Turn};
use crate::board::Interruption;
use crate::chat::{Hold, Outcome, Prompt, PromptId};
use crate::session::outcome::Wait;
use crate::session::recovery::{self, Decision, Facts, SWALLOWED_AFTER};

impl Machine {
    /// Notes which of the open prompts were cut off: all that nobody here is at work on.
    pub(super) fn find_cut_off(&mut self, open: Vec<Prompt>) {
        // When chappe ends, prompts stay open on purpose.
        if self.shutdown.is_some() {
            return;
        }
        let turn = match &self.state {
            State::Busy(turn) => Some(turn),
            _ => None,
        };
        for prompt in open {
            let at_hand = turn.is_some_and(|turn| {
                let mut steered = turn.steered.iter();
                prompt.id == turn.prompt.id || steered.any(|one| one.prompt.id == prompt.id)
            });
            let known = at_hand
                || self.again.iter().any(|again| again.id == prompt.id)
                || self.cut_off.iter().any(|cut_off| cut_off.id == prompt.id);
            if !known {
                self.cut_off.push(prompt);
            }
        }
    }

    /// Everything is there that a start needs.
    pub(super) fn on_prepared(
        &mut self,
        now: Instant,
        facts: &[(PromptId, Facts)],
        out: &mut Vec<Action>,
    ) {
        let State::Preparing { room } = self.state else {
            return;
        };
        let known = |id: PromptId| {
            facts
                .iter()
                .find(|(of, _)| *of == id)
                .map(|(_, facts)| facts)
        };
        let cut_off = std::mem::take(&mut self.cut_off);
        // What Claude has taken into another one's turn shares its fate.
        let leader = |prompt: &Prompt| {
            let is_steered = known(prompt.id).is_some_and(Facts::is_steered);
            let into = prompt.steered.filter(|_| is_steered)?;
            let mut others = cut_off.iter().filter(|one| one.id == into);
            others
                .any(|one| known(one.id).is_some_and(|facts| facts.is_found_alone()))
                .then_some(into)
        };
        let followers: Vec<(PromptId, Prompt)> = cut_off
            .iter()
            .filter_map(|prompt| Some((leader(prompt)?, prompt.clone())))
            .collect();
        for prompt in cut_off {
            if followers.iter().any(|(_, one)| one.id == prompt.id) {
                continue;
            }
            match known(prompt.id) {
                Some(facts) => {
                    let with = followers.iter().filter(|(of, _)| *of == prompt.id);
                    let with: Vec<Prompt> = with.map(|(_, one)| one.clone()).collect();
                    self.decide(prompt, facts, &with, out);
                }
                // It was found while the others were looked at.
                None => self.cut_off.push(prompt),
            }
        }
        if !self.cut_off.is_empty() && !self.held {
            return self.prepare(now, out);
        }
        if self.has_work() {
            match room {
                true => out.push(Action::Start),
                false => self.ask_room(now, out),
            }
        } else {
            // It was only to end what was left, or to find out what had become of it.
            self.state = State::Asleep;
            out.push(Action::Hide);
            out.push(Action::Look);
        }
    }

    /// Decides about a prompt, and with it about what Claude has taken into its turn.
    fn decide(&mut self, prompt: Prompt, facts: &Facts, with: &[Prompt], out: &mut Vec<Action>) {
        let mut facts = facts.clone();
        facts.prompt = about(&prompt, with);
        let whole = facts.prompt.clone();
        let steered = ids(with);
        let by_restart = self.interruption == Some(Interruption::Restart);
        let ask_first = self.settings.ask_first && by_restart;
        let is_enough = prompt.attempts > self.settings.retries;
        match recovery::decide(&facts, ask_first) {
            Decision::Finished { answer, tools } => {
                self.interruption = None;
                out.push(Action::Finish(Finished {
                    steered,
                    by_claude: true,
                    answer,
                    tools,
                    ..closed(prompt, Outcome::Answered)
                }));
                out.push(Action::Hide);
            }
            Decision::Unknown => {
                self.interruption = None;
                out.push(Action::Finish(Finished {
                    steered,
                    ..closed(prompt, Outcome::Unknown)
                }));
                out.push(Action::Hide);
            }
            Decision::Again if is_enough => {
                self.give_up_turn(prompt, whole, steered, out);
            }
            Decision::Continue { text } if is_enough => {
                let text = recovery::later(text, &whole);
                self.give_up_turn(prompt, text, steered, out);
            }
            Decision::Again => self.again.push_back(prompt),
            Decision::Continue { text } => {
                self.waiting += 1;
                out.push(Action::ContinueAs {
                    prompt: prompt.id,
                    text,
                    steered,
                });
            }
            Decision::Ask { text } => {
                self.interruption = None;
                self.held = true;
                let pause = Pause {
                    reason: Hold::Asking,
                    wait: Wait::Ever,
                    retry: recovery::later(text, &whole),
                };
                out.push(Action::Finish(Finished {
                    steered,
                    pause: Some(pause),
                    ..closed(prompt, Outcome::Interrupted)
                }));
                out.push(Action::Hide);
            }
        }
    }

    /// A turn whose process has died too often: until somebody says try again.
    fn give_up_turn(
        &mut self,
        prompt: Prompt,
        retry: String,
        steered: Vec<PromptId>,
        out: &mut Vec<Action>,
    ) {
        let cause = match self.interruption.take() {
            Some(Interruption::Crash { how, .. }) => how,
            Some(Interruption::Restart | Interruption::Slept(_)) | None => {
                "with chappe itself".to_owned()
            }
        };
        self.held = true;
        out.push(Action::Finish(Finished {
            steered,
            cause,
            pause: Some(Pause {
                reason: Hold::Broken,
                wait: Wait::Ever,
                retry,
            }),
            ..closed(prompt, Outcome::Crashed)
        }));
        out.push(Action::Hide);
    }

    /// There is a sign that Claude knows a prompt that was written once more, and does nothing about it.
    pub(super) fn may_be_swallowed(&mut self, now: Instant, uuid: &str) {
        if let State::Busy(turn) = &mut self.state
            && turn.prompt.uuid == uuid
        {
            match &mut turn.again {
                Again::Written => turn.again = Again::Swallowed(now + SWALLOWED_AFTER),
                // Of a prompt whose turn has begun these lines come as well.
                Again::Begun { as_if_swallowed } => *as_if_swallowed = true,
                Again::No | Again::Swallowed(_) => {}
            }
        }
    }

    /// A turn has begun: it seems that nothing was swallowed.
    pub(super) fn has_begun(&mut self) {
        if let State::Busy(turn) = &mut self.state {
            turn.again = match turn.again {
                Again::Written => Again::Begun {
                    as_if_swallowed: false,
                },
                Again::Swallowed(_) => Again::Begun {
                    as_if_swallowed: true,
                },
                as_before => as_before,
            };
        }
    }

    /// A turn has ended that nobody has asked for; if it was the one that had begun, nothing is known again.
    pub(super) fn has_not_begun(&mut self, now: Instant) {
        if let State::Busy(turn) = &mut self.state {
            turn.again = match turn.again {
                Again::Begun {
                    as_if_swallowed: true,
                } => Again::Swallowed(now + SWALLOWED_AFTER),
                Again::Begun {
                    as_if_swallowed: false,
                } => Again::Written,
                as_before => as_before,
            };
        }
    }

    /// Claude had the prompt after all, and goes on with it only when it is told to.
    pub(super) fn on_swallowed(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !matches!(
            self.state,
            State::Busy(Turn {
                again: Again::Swallowed(at),
                ..
            }) if at <= now
        ) {
            return;
        }
        let opened = State::Open { since: now };
        let State::Busy(turn) = std::mem::replace(&mut self.state, opened) else {
            unreachable!("it is busy")
        };
        self.interruption = turn.interruption;
        self.waiting += 1;
        out.push(Action::ContinueAs {
            prompt: turn.prompt.id,
            text: recovery::named(recovery::continue_prompt(&[], false), &turn.prompt.text),
            steered: Vec::new(),
        });
        // What goes on with it may have to wait.
        out.push(Action::Hide);
        self.advance(now, out);
    }
}
