//! What was chosen for a session's process: a live one is told what it can be told, and one that would have to be another
//! is ended once it rests. Nothing is given to it meanwhile.

use super::{Action, Machine, Manner, State, show};
use crate::chat::BYPASS;
use crate::claude::protocol::{self, ControlCommand, RawJson};

/// What the requests begin with; what was chosen follows.
const SET_MODEL: &str = "chappe-model-";
const SET_MODE: &str = "chappe-mode-";

const DEFAULT: &str = "default";
const PLAN: &str = "plan";
const ACCEPT_EDITS: &str = "acceptEdits";

impl Machine {
    /// Tells the process what it is to be like from now on.
    pub(super) fn adapt(&mut self, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Open { .. } | State::Busy(_)) {
            return;
        }
        // Without a name the CLI would have to know what its default is.
        if self.has.model != self.wanted.model
            && let Some(model) = &self.wanted.model
        {
            out.push(Action::Write(protocol::control_request(
                &format!("{SET_MODEL}{model}"),
                &ControlCommand::SetModel {
                    model: Some(model.clone()),
                },
            )));
            self.has.model.clone_from(&self.wanted.model);
        }
        self.adapt_mode(out);
    }

    fn adapt_mode(&mut self, out: &mut Vec<Action>) {
        let wanted = self.wanted.mode.as_str();
        if wanted == BYPASS {
            return;
        }
        let mode = if self.was_free {
            // In the turn that runs somebody is asked again, whatever else was chosen: such a process would run everything
            // also in plan mode (measured with 2.1.197). The next one is what was chosen.
            let asks_less = self.has.mode == ACCEPT_EDITS && matches!(wanted, DEFAULT | PLAN);
            if !(self.asks_nobody() || asks_less) || self.modes_told > 0 {
                return;
            }
            DEFAULT
        } else {
            // What comes with something that only a fresh process can be is told as coming with that one. Nobody is asked
            // less before.
            let waits = self.has.generation != self.wanted.generation;
            if self.has.mode == wanted || (waits && wanted != DEFAULT && wanted != PLAN) {
                return;
            }
            wanted
        };
        out.push(Action::Write(protocol::control_request(
            &format!("{SET_MODE}{mode}"),
            &ControlCommand::SetPermissionMode {
                mode: mode.to_owned(),
            },
        )));
        // Until it has taken that, a free one still asks nobody.
        self.modes_told += 1;
        if !self.was_free {
            self.has.mode.clone_from(&self.wanted.mode);
        }
    }

    /// What was allowed changes the process's mode as well: it accepts edits from then on, if it takes that. So it is told
    /// after that what was chosen, whether that is this or something else since.
    pub(super) fn accepts_edits(&mut self) {
        match self.was_free {
            true => ACCEPT_EDITS.clone_into(&mut self.has.mode),
            false => self.has.mode.clear(),
        }
    }

    /// What goes with an approved plan. Without it Claude would go back to what it was in before it planned, in which it may
    /// ask about less (measured with 2.1.197 and 2.1.330). One that was started to ask nobody does that on purpose.
    pub(super) fn leaves_plan(&self) -> Vec<RawJson> {
        match self.was_free {
            true => Vec::new(),
            false => protocol::asks_before_edits(),
        }
    }

    /// The process was started, to be like this.
    pub(super) fn is_like(&mut self, manner: Manner) {
        self.was_free = manner.mode == BYPASS;
        self.modes_told = 0;
        self.is_behind = false;
        self.has = manner;
    }

    /// Whether the process does everything without asking.
    pub fn asks_nobody(&self) -> bool {
        self.has.mode == BYPASS || (self.was_free && self.has.mode == PLAN)
    }

    /// Whether the process is not what was chosen, and cannot become it.
    pub(super) fn is_outdated(&self) -> bool {
        let is_apt = match self.was_free {
            // Claude itself may look and plan first.
            true => self.wanted.mode == BYPASS && self.asks_nobody(),
            false => self.has.mode == self.wanted.mode,
        };
        self.has.generation != self.wanted.generation
            || self.has.model != self.wanted.model
            || !is_apt
            || self.is_behind
    }

    /// The process says which permission mode it has now. What it left by itself is not to come back.
    pub(super) fn on_mode(&mut self, mode: &str, out: &mut Vec<Action>) {
        // Before it has taken what it was told it speaks of what was before that. One that was started to ask nobody may
        // come to that again by itself.
        let is_old = self.modes_told > 0 && !self.was_free;
        if mode.is_empty() || mode == self.has.mode || is_old {
            return;
        }
        // Chosen meanwhile, and on its way to it.
        let is_behind = self.has.mode != self.wanted.mode;
        self.has.mode = mode.to_owned();
        if self.was_free {
            // What it comes to by itself is no choice: it may ask nobody there.
            self.adapt_mode(out);
            return;
        }
        if !is_behind {
            let before = std::mem::replace(&mut self.wanted.mode, mode.to_owned());
            let mode = mode.to_owned();
            out.push(Action::NoteMode { mode, before });
        }
    }

    /// The process has taken the mode that it was told.
    pub(super) fn on_mode_taken(&mut self, request: &str, out: &mut Vec<Action>) {
        let Some(mode) = request.strip_prefix(SET_MODE) else {
            return;
        };
        self.modes_told = self.modes_told.saturating_sub(1);
        // It says so in its status only once the tool that runs is done.
        if self.was_free && self.has.mode != mode {
            mode.clone_into(&mut self.has.mode);
            if let State::Busy(turn) = &self.state {
                out.push(show(turn, self.waiting));
            }
        }
    }

    /// The process does not take what was chosen.
    pub(super) fn on_refused(&mut self, request: &str, why: &str, out: &mut Vec<Action>) {
        let model = request.strip_prefix(SET_MODEL);
        let Some(choice) = model.or_else(|| request.strip_prefix(SET_MODE)) else {
            return;
        };
        if model.is_none() {
            self.modes_told = self.modes_told.saturating_sub(1);
        }
        out.push(Action::Refused {
            choice: choice.to_owned(),
            why: why.to_owned(),
        });
    }
}
