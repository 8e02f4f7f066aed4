//! What must hold whatever has happened.

use super::store::Request;
use super::*;

impl World {
    pub(super) fn check(&mut self) {
        if !self.store.stop {
            self.stop = None;
        }
        self.check_that_it_moves_on();
        self.check_that_the_end_comes();
        self.check_that_nothing_is_swallowed();
        self.check_that_a_stop_stops();
        self.check_that_nothing_runs_on();
        self.ensure(self.store.has_all(), "a message is lost");
        let too_many = i64::from(self.settings.retries) + 2;
        let tried = self.store.rows.values().map(|row| row.attempts).max();
        self.ensure(
            tried.is_none_or(|most| most <= too_many),
            "a prompt is tried too often",
        );
    }

    /// Something must be there that can move it on: the process, a person, or a deadline.
    fn check_that_it_moves_on(&self) {
        let Some(machine) = &self.machine else {
            // Whose time has come may wait until the poller comes round.
            let waits = self.store.something_waits(self.now)
                && !self.store.is_due(self.now)
                && self.shutdown.is_none();
            self.ensure(!waits || self.over, "nobody is there for what waits");
            return;
        };
        let due = machine.deadline();
        self.check_the_places();
        let Some(claude) = &self.process else {
            let prepares = self.preparing.is_some();
            self.ensure(
                prepares != due.is_some(),
                "it waits for nothing, or for two things",
            );
            return;
        };
        let quiet = self.store.open().next().is_none()
            && !self.store.is_asked()
            && claude.tasks.is_empty()
            && claude.asked.is_empty()
            && claude.out.is_empty();
        let only_time = !claude.answered
            || claude.ending
            || self.shutdown.is_some()
            || (self.store.manner.idle_timeout.is_some() && quiet && !self.is_confused);
        if only_time {
            self.ensure(
                due.is_some(),
                "only time can move it on, and nothing is due",
            );
        }
    }

    /// A process has a place, a place has somebody who needs it, and whoever is asked for it answers.
    fn check_the_places(&self) {
        let (has_place, waits) = (self.rivals.has_place(), self.rivals.waits());
        if self.process.is_some() {
            self.ensure(has_place, "it lives without a place");
        } else {
            let needs = self.preparing.is_some() || self.bell;
            self.ensure(!has_place || needs, "it has a place and starts nothing");
        }
        let something = self.store.left() > 0 || self.store.open().next().is_some();
        let needs = something && self.store.held.is_none();
        self.ensure(!waits || needs || self.bell, "it waits with nothing to do");
        let ends = self.process.as_ref().is_none_or(|claude| claude.ending);
        let hears = !self.rivals.is_asked() || self.bell || ends;
        self.ensure(hears, "it was asked to make room and does not answer");
        self.ensure(
            !self.rivals.is_told || waits || self.bell,
            "it waits for nothing",
        );
    }

    /// A prompt about which Claude does nothing is not waited for.
    fn check_that_nothing_is_swallowed(&self) {
        let (Some(machine), Some(claude)) = (&self.machine, &self.process) else {
            return;
        };
        let open = |uuid: &String| self.store.open().any(|id| *uuid == format!("u{id}"));
        let is_told = claude.turn.is_none() && claude.out.is_empty() && claude.reads;
        if is_told && claude.swallowed.as_ref().is_some_and(open) && !self.is_confused {
            let due = machine.deadline().is_some();
            self.ensure(due, "a prompt that was swallowed is waited for");
        }
    }

    /// However a process behaves, it is killed when all graces are over.
    fn check_that_the_end_comes(&self) {
        let grace = self.settings.stop_grace.max(life::KILL_AFTER_MIN);
        let limits = [
            (self.shutdown, self.settings.shutdown_grace + 3 * grace),
            (self.hurry, life::KILL_AFTER_MIN),
        ];
        for (since, limit) in limits {
            let late =
                since.is_some_and(|since| self.now > since + limit + self.overslept + grace / 100);
            if late && let Some(claude) = &self.process {
                self.ensure(claude.killed, "all graces are over, and it was not killed");
            }
        }
    }

    /// However a process behaves, its turn is closed when the grace of a stop is over.
    fn check_that_a_stop_stops(&self) {
        let limit = self.settings.stop_grace + self.overslept;
        let late = self.stop.is_some_and(|since| self.now > since + limit);
        let is_seen = self.machine.is_some() && !self.bell && self.shutdown.is_none();
        self.ensure(!(late && is_seen), "a stop is not carried out");
        let open = |uuid: &String| self.store.open().any(|id| *uuid == format!("u{id}"));
        if let (Some(_), Some(claude)) = (self.stop.filter(|_| is_seen), &self.process)
            && let Some(turn) = &claude.turn
            && turn.uuid.as_ref().is_some_and(open)
        {
            let is_told = turn.interrupted || claude.ending || !claude.reads || self.is_confused;
            self.ensure(is_told, "a turn that is stopped is not interrupted");
        }
    }

    /// What Claude works on is open, unless it is being ended.
    fn check_that_nothing_runs_on(&self) {
        let open = |uuid: &&String| self.store.open().any(|id| **uuid == format!("u{id}"));
        if let Some(claude) = &self.process {
            let astray = claude.works_on().find(|uuid| !open(uuid));
            let right = astray.is_none() || claude.ending || !claude.reads || self.is_confused;
            self.ensure(right, "Claude works on a prompt that is closed");
        }
        if let Some((claude, _)) = &self.leftover
            && self.machine.is_none()
            && self.shutdown.is_none()
        {
            let stopped = |uuid: &String| self.stopped.iter().any(|id| *uuid == format!("u{id}"));
            let right = !claude.works_on().any(stopped);
            self.ensure(right, "an old process works on what was stopped");
        }
    }

    /// A prompt may be written now.
    pub(super) fn ensure_ready(&self) {
        let ready = |claude: &Claude| claude.answered && !claude.ending;
        let is_ready = self.process.as_ref().is_some_and(ready);
        self.ensure(is_ready, "it gives a prompt to a process that is not ready");
        let ends = self.shutdown.is_some();
        self.ensure(!ends, "it gives a prompt although chappe ends");
    }

    pub(super) fn thread_ends(&mut self) {
        self.ensure(self.process.is_none(), "the thread ends beside its process");
        self.ensure(self.shown.is_none(), "it leaves a turn on the board");
        self.ensure(!self.rivals.is_told, "it leaves a word of a wait");
        let away = !self.rivals.has_place() && !self.rivals.waits();
        self.ensure(away, "it leaves a place taken");
        let open = |request: &Request| *request == Request::Open;
        let asked = self.store.requests.values().any(open);
        self.ensure(!asked, "it leaves a request that nobody answers");
        self.machine = None;
        self.preparing = None;
        self.bell = false;
    }

    /// When all is done, every message has ended in exactly one outcome, or was dropped.
    pub fn ensure_all_is_closed(&self) {
        let nothing = self.store.left() == 0 && self.store.open().next().is_none();
        self.ensure(nothing, "a prompt is never closed");
        self.ensure(!self.store.stop, "a stop is never carried out");
    }

    /// Whether a walk has come to where only one prompt may have stayed open.
    pub fn ensure_at_most_one_is_open(&self) {
        // What was put into a turn stays open with it.
        let alone = |id: &i64| {
            let into = self.store.rows[id].steered;
            into.is_none_or(|into| !self.store.is_open(into))
        };
        self.ensure(
            self.store.open().filter(alone).count() <= 1,
            "more than one prompt was left open",
        );
    }

    pub(super) fn ensure(&self, is_so: bool, complaint: &str) {
        if !is_so {
            self.fail(complaint);
        }
    }

    pub(super) fn fail(&self, complaint: &str) -> ! {
        let trace: Vec<_> = self
            .trace
            .iter()
            .map(|noted| format!("{noted:?}"))
            .collect();
        panic!("{complaint}; before that:\n{}", trace.join("\n"));
    }
}
