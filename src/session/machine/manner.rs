//! What was chosen for a session's process: a live one is told what it can be told, and one that would have to be another
//! is ended once it rests. Nothing is given to it meanwhile.

use super::{Action, Machine, State};
use crate::claude::protocol::{self, ControlCommand};

/// What the requests begin with; what was chosen follows.
const SET_MODEL: &str = "chappe-model-";
const SET_MODE: &str = "chappe-mode-";

/// The mode that a process must be started with: it is neither entered nor left on the way.
const BYPASS: &str = "bypassPermissions";

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
        let (has, wanted) = (&self.has.mode, &self.wanted.mode);
        if has != wanted && has != BYPASS && wanted != BYPASS {
            out.push(Action::Write(protocol::control_request(
                &format!("{SET_MODE}{wanted}"),
                &ControlCommand::SetPermissionMode {
                    mode: wanted.clone(),
                },
            )));
            self.has.mode.clone_from(&self.wanted.mode);
        }
    }

    /// Whether the process does everything without asking.
    pub fn asks_nobody(&self) -> bool {
        self.has.mode == BYPASS
    }

    /// Whether the process is not what was chosen, and cannot become it.
    pub(super) fn is_outdated(&self) -> bool {
        self.has.generation != self.wanted.generation
            || self.has.model != self.wanted.model
            || self.has.mode != self.wanted.mode
    }

    /// The process says which permission mode it has now. What it left by itself is not to come back.
    pub(super) fn on_mode(&mut self, mode: &str, out: &mut Vec<Action>) {
        if mode.is_empty() || mode == self.has.mode {
            return;
        }
        // Chosen meanwhile, and on its way to it.
        let is_behind = self.has.mode != self.wanted.mode;
        self.has.mode = mode.to_owned();
        if !is_behind {
            self.wanted.mode = mode.to_owned();
            out.push(Action::NoteMode(mode.to_owned()));
        }
    }

    /// The process does not take what was chosen.
    pub(super) fn on_refused(&mut self, request: &str, why: &str, out: &mut Vec<Action>) {
        let model = request.strip_prefix(SET_MODEL);
        let Some(choice) = model.or_else(|| request.strip_prefix(SET_MODE)) else {
            return;
        };
        out.push(Action::Refused {
            choice: choice.to_owned(),
            why: why.to_owned(),
        });
    }
}
