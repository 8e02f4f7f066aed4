//! A walk's store: what the real one keeps of a session, as far as the contract speaks of it.
//!
//! Each method does what its namesake does, and complains where the machine must not have asked for it.

use crate::chat::{Hold, Outcome, PromptId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::super::*;
use super::super::script::prompt;
use super::step::Choice;
use crate::session::outcome::Wait;

/// A complaint about what was asked for.
pub type Asked<T> = Result<T, &'static str>;

/// How long the rest of a message is waited for.
const GATHERED: Duration = Duration::from_millis(300);

/// A prompt.
pub struct Row {
    pub state: Stage,
    pub attempts: i64,
    tries: u32,
    pub is_command: bool,
    /// Whether a tool was seen to start that may have changed something.
    pub acted: bool,
    /// Which one it goes on with.
    continues: Option<i64>,
    /// The messages it was made of.
    messages: usize,
    /// Into whose turn it was put.
    pub steered: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Queued,
    Sent,
    Taken,
    Closed(Outcome),
}

impl Row {
    pub fn is_open(&self) -> bool {
        matches!(self.state, Stage::Sent | Stage::Taken)
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Open,
    Decided(Verdict),
    Settled,
}

/// Why the session is held.
pub struct Held {
    pub reason: Hold,
    pub until: Option<Instant>,
    /// What failed or was cut off.
    prompt: Option<i64>,
    can_retry: bool,
    told: bool,
}

/// How a person ends a hold.
#[derive(Clone, Copy, Debug)]
pub enum Press {
    Run,
    Retry,
    Drop,
}

#[derive(Default)]
pub struct Store {
    /// What was chosen for the process.
    pub manner: Manner,
    pub rows: BTreeMap<i64, Row>,
    /// How many ids were given away.
    last: i64,
    /// How many messages wait.
    pub waiting: usize,
    /// How many of them are for the turn that runs.
    to_steer: usize,
    /// How many messages were accepted, and how many of them were dropped by a person.
    accepted: usize,
    dropped: usize,
    pub held: Option<Held>,
    pub stop: bool,
    pub requests: BTreeMap<String, Request>,
    /// Whether Claude has ever ended a turn.
    pub said: bool,
    /// Whether a process is noted for the session.
    pub has_process: bool,
    /// Whether more may belong to the next prompt that is asked for, and whether that is a command.
    pub gathers: bool,
    pub next_is_command: bool,
}

impl Store {
    pub fn message(&mut self) {
        // A turn that was cut off because there could be no process goes before it.
        self.release(match self.is_broken() {
            true => Press::Retry,
            false => Press::Run,
        });
        self.accepted += 1;
        self.waiting += 1;
    }

    /// A person says stop; returns whether anybody has to hear of it.
    pub fn stop(&mut self) -> bool {
        self.close_queued();
        match &self.held {
            Some(held) if held.reason == Hold::Held => {}
            _ if self.waiting > 0 || self.may_come_back() => {
                self.hold(Hold::Held, None, None);
                self.held.as_mut().expect("it is held").told = false;
            }
            _ => self.release(Press::Run),
        }
        let requests = self.requests.values_mut();
        for request in requests.filter(|request| **request == Request::Open) {
            *request = Request::Settled;
        }
        if self.has_process || self.open().next().is_some() {
            self.stop = true;
        } else {
            self.stop_is_over();
        }
        self.stop
    }

    /// Whether something was put into a turn, and is not taken there.
    fn may_come_back(&self) -> bool {
        let open = |id: i64| self.is_open(id);
        let mut rows = self.rows.values();
        rows.any(|row| row.state == Stage::Sent && row.steered.is_some_and(open))
    }

    /// A person wants what waits to go into the turn that runs.
    pub fn send_now(&mut self) {
        self.to_steer = self.waiting;
    }

    fn stop_is_over(&mut self) {
        self.stop = false;
        if let Some(held) = &mut self.held
            && !held.told
        {
            held.told = true;
            if self.left() == 0 {
                self.held = None;
            }
        }
    }

    pub fn is_broken(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.reason == Hold::Broken)
    }

    /// A person presses a button of a hold, or of what waits.
    pub fn press(&mut self, press: Press) {
        let was_broken = self.is_broken();
        self.release(press);
        if let Press::Drop = press {
            self.dropped += std::mem::take(&mut self.waiting);
            self.to_steer = 0;
            self.close_queued();
            // While there can be no process, a turn that was cut off stays open.
            self.stop |= was_broken && self.open().next().is_some();
        }
    }

    /// Ends a hold.
    pub fn release(&mut self, press: Press) {
        if let Some(held) = self.held.take()
            && let (Press::Retry, Some(prompt)) = (press, held.prompt)
            && held.can_retry
        {
            self.queue_after(prompt, true);
        }
    }

    fn close_queued(&mut self) {
        for row in self.rows.values_mut() {
            if row.state == Stage::Queued {
                row.state = Stage::Closed(Outcome::Stopped);
            }
        }
    }

    fn queue_after(&mut self, before: i64, anew: bool) {
        let row = &self.rows[&before];
        let next = Row {
            state: Stage::Queued,
            attempts: if anew { 0 } else { row.attempts },
            tries: row.tries,
            is_command: false,
            acted: !anew && row.acted,
            continues: Some(before),
            messages: 0,
            steered: None,
        };
        self.last += 1;
        self.rows.insert(self.last, next);
    }

    pub fn hold(&mut self, reason: Hold, until: Option<Instant>, prompt: Option<i64>) {
        self.held = Some(Held {
            reason,
            until,
            prompt,
            can_retry: prompt.is_some(),
            told: true,
        });
    }

    /// There can be no process. Whoever said stop meanwhile holds it already.
    pub fn hold_back(&mut self, until: Option<Instant>) {
        let held = self.held.as_ref();
        if held.is_none_or(|held| held.reason != Hold::Held) {
            self.hold(Hold::Broken, until, None);
        }
    }

    /// The time of a hold has come.
    pub fn go_on(&mut self, now: Instant) {
        if self.is_due(now) {
            self.release(Press::Retry);
        }
    }

    pub fn is_due(&self, now: Instant) -> bool {
        let until = self.held.as_ref().and_then(|held| held.until);
        until.is_some_and(|until| until <= now)
    }

    /// How much waits, messages and prompts.
    pub fn left(&self) -> usize {
        let queued = |row: &&Row| row.state == Stage::Queued;
        self.waiting + self.rows.values().filter(queued).count()
    }

    pub fn open(&self) -> impl Iterator<Item = i64> {
        self.rows
            .iter()
            .filter(|(_, row)| row.is_open())
            .map(|(id, _)| *id)
    }

    pub fn is_open(&self, id: i64) -> bool {
        self.rows.get(&id).is_some_and(Row::is_open)
    }

    pub fn prompt(&self, id: i64) -> Prompt {
        let row = &self.rows[&id];
        Prompt {
            attempts: u32::try_from(row.attempts).expect("attempts are counted"),
            tries: row.tries,
            is_command: row.is_command,
            steered: row.steered.map(PromptId),
            ..prompt(id, "hi")
        }
    }

    pub fn for_process(manner: Manner) -> Store {
        Store {
            manner,
            ..Store::default()
        }
    }

    pub fn choose(&mut self, choice: &Choice) {
        self.manner.revision += 1;
        match choice {
            Choice::Model(model) => self.manner.model = model.map(str::to_owned),
            Choice::Mode(mode) => self.manner.mode = (*mode).to_owned(),
            Choice::Persona => self.manner.generation += 1,
        }
    }

    pub fn work(&self) -> Work {
        let decided = |(request, state): (&String, &Request)| match state {
            Request::Decided(verdict) => Some(Decision {
                request: request.clone(),
                tool: "Bash".to_owned(),
                verdict: *verdict,
                input: "{}".to_owned(),
                permit: None,
                answers: Vec::new(),
                why: None,
            }),
            _ => None,
        };
        Work {
            waiting: self.left(),
            to_steer: self.to_steer,
            held: self.held.is_some(),
            held_until: self.held.as_ref().and_then(|held| held.until),
            stop: self.stop,
            decisions: self.requests.iter().filter_map(decided).collect(),
            open: self.open().map(|id| self.prompt(id)).collect(),
            manner: self.manner.clone(),
            moves: Moves::No,
        }
    }

    /// Whether an owner that wants to end has something to do.
    pub fn something_waits(&self, now: Instant) -> bool {
        let goes_on = self.held.is_none() || self.is_due(now);
        let something = self.left() > 0 || self.open().next().is_some();
        let decided = |request: &Request| matches!(request, Request::Decided(_));
        self.stop || self.requests.values().any(decided) || (goes_on && something)
    }

    pub fn give_next(&mut self, revision: i64) -> Asked<Given> {
        if self.open().next().is_some() {
            return Err("it gives a prompt while one is open");
        }
        if self.held.is_some() {
            return Ok(Given::Nothing);
        }
        if self.manner.revision != revision {
            return Ok(Given::Changed);
        }
        let queued = self
            .rows
            .iter_mut()
            .find(|(_, row)| row.state == Stage::Queued);
        let id = if let Some((id, row)) = queued {
            row.state = Stage::Sent;
            row.attempts += 1;
            *id
        } else if self.waiting == 0 {
            return Ok(Given::Nothing);
        } else if std::mem::take(&mut self.gathers) {
            return Ok(Given::NotYet {
                wait: GATHERED,
                waiting: self.left(),
            });
        } else {
            self.last += 1;
            // Sometimes they are of several senders, and sometimes of one.
            let messages = if self.last % 3 == 0 { 1 } else { self.waiting };
            self.waiting -= messages;
            self.to_steer = self.to_steer.min(self.waiting);
            let row = Row {
                state: Stage::Sent,
                attempts: 1,
                tries: 0,
                is_command: std::mem::take(&mut self.next_is_command),
                acted: false,
                continues: None,
                messages,
                steered: None,
            };
            self.rows.insert(self.last, row);
            self.last
        };
        Ok(Given::Prompt {
            prompt: self.prompt(id),
            waiting: self.left(),
        })
    }

    pub fn steer(&mut self, into: i64) -> Asked<Given> {
        let leads = self.rows.get(&into).map(|row| row.state);
        if leads != Some(Stage::Taken) {
            return Err("it puts something into a turn that Claude has not begun");
        }
        if self.may_come_back() {
            return Err("it puts two things into a turn at once");
        }
        if self.held.is_some() || self.to_steer == 0 {
            return Ok(Given::Nothing);
        }
        if std::mem::take(&mut self.gathers) {
            return Ok(Given::NotYet {
                wait: GATHERED,
                waiting: self.left(),
            });
        }
        if std::mem::take(&mut self.next_is_command) {
            self.to_steer = 0;
            return Ok(Given::Nothing);
        }
        self.last += 1;
        let messages = if self.last % 3 == 0 { 1 } else { self.to_steer };
        self.waiting -= messages;
        self.to_steer -= messages;
        let row = Row {
            state: Stage::Sent,
            attempts: 1,
            tries: 0,
            is_command: false,
            acted: false,
            continues: None,
            messages,
            steered: Some(into),
        };
        self.rows.insert(self.last, row);
        Ok(Given::Prompt {
            prompt: self.prompt(self.last),
            waiting: self.left(),
        })
    }

    /// Closes what was put into a turn, together with that.
    fn close_steered(&mut self, steered: &[PromptId], outcome: Outcome) -> Asked<()> {
        for id in steered {
            let row = self.rows.get_mut(&id.0).filter(|row| row.is_open());
            let row = row.ok_or("it closes what was put into a turn twice")?;
            if row.steered.is_none() {
                return Err("it closes with a turn what was not put into it");
            }
            row.state = Stage::Closed(outcome);
        }
        Ok(())
    }

    pub fn give_again(&mut self, id: i64) -> Asked<Given> {
        if self.held.is_some() && !self.stop {
            return Err("it writes a prompt again while the session is held");
        }
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.is_open()) else {
            return Ok(Given::Nothing);
        };
        if row.is_command {
            return Err("it repeats a command");
        }
        if row.acted {
            return Err("it writes a prompt again whose tools may have run");
        }
        row.state = Stage::Sent;
        row.attempts += 1;
        Ok(Given::Again(self.prompt(id)))
    }

    pub fn continue_as(&mut self, id: i64, steered: &[PromptId]) -> Asked<()> {
        self.close_steered(steered, Outcome::Continued)?;
        let row = self.rows.get_mut(&id).filter(|row| row.is_open());
        let row = row.ok_or("it continues what is not open")?;
        if row.is_command {
            return Err("it continues a command");
        }
        row.state = Stage::Closed(Outcome::Continued);
        self.queue_after(id, false);
        Ok(())
    }

    pub fn left_open(&mut self, id: i64) -> Asked<()> {
        let row = self.rows.get_mut(&id).filter(|row| row.is_open());
        let row = row.ok_or("it leaves what is not open")?;
        row.attempts = (row.attempts - 1).max(0);
        Ok(())
    }

    pub fn take_back(&mut self, id: i64) -> Asked<()> {
        let row = self.rows.get_mut(&id);
        let row = row.ok_or("it takes back what is not there")?;
        if row.state != Stage::Sent {
            return Err("it takes back what Claude may have");
        }
        if row.continues.is_some() {
            row.state = Stage::Queued;
            row.attempts = (row.attempts - 1).max(0);
        } else {
            self.waiting += row.messages;
            self.rows.remove(&id);
        }
        Ok(())
    }

    pub fn taken(&mut self, id: i64) -> Asked<()> {
        let row = self.rows.get_mut(&id);
        let row = row.ok_or("what is taken is not there")?;
        if row.state != Stage::Sent {
            return Err("it is taken twice or too late");
        }
        row.state = Stage::Taken;
        Ok(())
    }

    pub fn finish(&mut self, finished: &Finished, now: Instant) -> Asked<()> {
        let id = finished.prompt.id.0;
        let row = self.rows.get_mut(&id).filter(|row| row.is_open());
        let row = row.ok_or("it is finished twice or was never given")?;
        row.state = Stage::Closed(finished.outcome);
        self.close_steered(&finished.steered, finished.outcome)?;
        self.said |= matches!(
            finished.outcome,
            Outcome::Answered | Outcome::Failed | Outcome::TurnLimit
        );
        if finished.outcome == Outcome::Stopped {
            self.stop_is_over();
        } else if let Some(pause) = &finished.pause
            && self.held.is_none()
        {
            self.rows.entry(id).and_modify(|row| row.tries += 1);
            let until = match pause.wait {
                Wait::Ever | Wait::Until { .. } => None,
                Wait::For(wait) => Some(now + wait),
            };
            self.hold(pause.reason, until, Some(id));
        }
        Ok(())
    }

    pub fn stopped(&mut self) {
        self.stop_is_over();
    }

    pub fn close_requests(&mut self, request: Option<&str>) {
        for (id, state) in &mut self.requests {
            if request.is_none_or(|request| request == id) {
                *state = Request::Settled;
            }
        }
    }

    pub fn is_asked(&self) -> bool {
        let mut requests = self.requests.values();
        requests.any(|request| *request != Request::Settled)
    }

    /// Whether every message that was accepted is somewhere: waiting, dropped by a person, or in a prompt.
    pub fn has_all(&self) -> bool {
        let given: usize = self.rows.values().map(|row| row.messages).sum();
        self.accepted == self.waiting + self.dropped + given
    }
}
