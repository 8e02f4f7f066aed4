//! A place among the processes that may live: asked for before a start, waited for where there is none, and given up by
//! a process that is quiet, or between two turns. Who gets one is decided in `admission`.

use std::time::{Duration, Instant};

use super::{Action, Machine, Room, State, Step};
use crate::board::Doing;
use crate::session::admission::Standing;

/// After so long it is asked again: memory comes back without anybody saying so.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(30);

impl Machine {
    /// How the session stands among those that may have a process.
    pub fn standing(&self) -> Standing {
        let has_answered = self.has_answered;
        match &self.state {
            State::Asleep | State::Moving | State::Backoff { .. } | State::Over => Standing::Away,
            State::Preparing { room: false } => Standing::Comes,
            State::Waiting { .. } => Standing::Waits,
            State::Preparing { room: true } | State::Starting { .. } => Standing::Works {
                has_answered: false,
            },
            State::Open { since } if self.is_quiet() => Standing::Quiet {
                since: *since,
                has_answered,
            },
            State::Open { .. } | State::Busy(_) => Standing::Works { has_answered },
            State::Ending { .. } => Standing::Ends { has_answered },
        }
    }

    /// All is there that a start needs, but a place.
    pub(super) fn ask_room(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.state = State::Waiting {
            until: now + ASK_AGAIN,
            had_to: false,
            told: false,
        };
        out.push(Action::AskRoom);
    }

    pub(super) fn on_room(&mut self, now: Instant, room: Room, out: &mut Vec<Action>) {
        let State::Waiting { had_to, told, .. } = &mut self.state else {
            return;
        };
        let was_told = *told;
        *told |= room == Room::Waits;
        let has_waited = std::mem::replace(had_to, true);
        let doing = match (room, has_waited) {
            (Room::Granted, true) => Some(Doing::Starting),
            (Room::Soon | Room::Waits, false) => Some(Doing::Queued),
            _ => None,
        };
        // The status of the turn that was cut off stands there.
        let doing = doing.filter(|_| self.interruption.is_some());
        out.extend(doing.map(Action::ShowDoing));
        match room {
            Room::Granted => {
                self.state = State::Preparing { room: true };
                if was_told {
                    out.push(Action::WaitOver { goes_on: true });
                }
                // What was looked at before the wait may have changed: the program, the folder, what was chosen.
                match has_waited {
                    true => self.prepare(now, out),
                    false => out.push(Action::Start),
                }
            }
            Room::Waits if !was_told => out.push(Action::TellWait),
            Room::Waits | Room::Soon => {}
        }
    }

    /// Another session needs the place. What has come meanwhile goes first.
    pub(super) fn on_make_room(&mut self, now: Instant, out: &mut Vec<Action>) {
        if matches!(self.state, State::Open { .. }) && self.is_quiet() {
            self.end_by(now, Step::InputClosed, out);
        }
    }

    /// Others wait for the place in which the session has had its turn: it goes to the end of the line with what it has.
    pub(super) fn after_others(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.state {
            State::Open { .. } if self.is_at_rest() => self.end_by(now, Step::InputClosed, out),
            _ => out.push(Action::Look),
        }
    }

    /// It needs no place any more, if it waits for one.
    pub(super) fn leave_line(&mut self, out: &mut Vec<Action>) {
        if let State::Waiting { told, .. } = self.state {
            if told {
                out.push(Action::WaitOver { goes_on: false });
            }
            self.state = State::Asleep;
        }
    }
}
