//! The owners of a walk: each does what its machine wants with the real store, as the real one does.

use super::*;
use crate::chat::{Choice, Outcome, Waiting};
use crate::claude::trace::{Progress, Trace};
use crate::session::machine::{Action, Closed, Given, Manner, Moves, Room, Work};
use crate::session::recovery::{Acted, Facts};
use crate::store::{Living, Next};

const SETTINGS: Settings = Settings {
    stop_grace: Duration::from_secs(5),
    shutdown_grace: Duration::from_secs(5),
    retries: 1,
    retry_delay: Duration::from_secs(1),
    ask_first: false,
};
/// How long a person may take, where that is limited.
const LIMIT: Duration = Duration::from_secs(60);

fn choose(waiting: &[Waiting]) -> Choice {
    Choice::Give {
        count: 1,
        text: waiting[0].text.clone(),
        is_command: false,
    }
}

fn given(next: Next) -> Given {
    match next {
        Next::Nothing => Given::Nothing,
        Next::Changed => Given::Changed,
        Next::NotYet { wait, waiting } => Given::NotYet { wait, waiting },
        Next::Given { prompt, waiting } => Given::Prompt { prompt, waiting },
    }
}

impl World {
    /// There is something new in the store: the owner is told, or one is started.
    pub fn ring(&mut self, session: SessionId) {
        let at = self.sides.iter().position(|side| side.session == session);
        let at = at.expect("it is one of the sessions");
        if self.sides[at].machine.is_none() {
            if self.ends {
                return;
            }
            let machine = Machine::new(SETTINGS);
            self.sides[at].machine = Some(machine.after_restart(self.epoch > 0));
        }
        self.sides[at].bell = true;
    }

    pub fn look(&mut self, at: usize) {
        if self.sides[at].machine.is_some() {
            self.sides[at].bell = false;
            let work = self.work(at);
            self.handle(at, work);
        }
    }

    fn work(&self, at: usize) -> Event {
        let work = self.store.work(self.sides[at].session);
        let work = work.expect("the store can be read");
        let until = work.held.and_then(|held| held.until(self.unix()));
        Event::Work(Work {
            waiting: work.waiting,
            to_steer: work.to_steer,
            held: work.held.is_some(),
            held_until: until.map(|until| self.now + seconds_to(until, self.unix())),
            stop: work.stop,
            decisions: work.decisions,
            open: work.open,
            manner: Manner {
                revision: work.chosen.revision,
                generation: work.chosen.generation,
                model: None,
                mode: "default".to_owned(),
                idle_timeout: Some(Duration::from_secs(600)),
            },
            moves: Moves::No,
        })
    }

    /// The owner reads so many lines of its process.
    pub fn hear(&mut self, at: usize, lines: usize) {
        for _ in 0..lines {
            let process = self.sides[at].process.as_mut();
            let Some(line) = process.and_then(|process| process.out.pop_front()) else {
                return;
            };
            self.handle(at, Event::Said(line));
        }
    }

    /// The process is gone, and is reaped.
    pub fn exit(&mut self, at: usize) {
        if self.sides[at].process.take().is_none() {
            return;
        }
        let (session, now) = (self.sides[at].session, self.unix());
        self.store
            .ended(session, now, &[], None)
            .expect("it is noted");
        let exited = Event::Exited {
            how: "exit code 1".to_owned(),
            last_words: String::new(),
        };
        self.handle(at, exited);
    }

    pub fn prepared(&mut self, at: usize, seen: u8) {
        let Some(ids) = self.sides[at].preparing.take() else {
            return;
        };
        let (session, now) = (self.sides[at].session, self.unix());
        self.store
            .ended(session, now, &[], None)
            .expect("it is noted");
        let open = self.store.work(session).expect("it can be read").open;
        let facts = open.into_iter().filter(|prompt| ids.contains(&prompt.id));
        let facts = facts.map(|prompt| {
            let acted = self.store.seen_to_start(prompt.id).expect("it can be read");
            let acted = acted.into_iter();
            let facts = Facts {
                prompt: prompt.text,
                is_command: false,
                trace: match seen {
                    0 => Trace::Found(Progress::default()),
                    1 => Trace::Missing,
                    2 => Trace::Unreadable,
                    _ => Trace::Found(Progress {
                        finished: Some(Vec::new()),
                        ..Progress::default()
                    }),
                },
                acted: acted.map(|(tool, input)| Acted { tool, input }).collect(),
                had_turns: true,
            };
            (prompt.id, facts)
        });
        let facts = facts.collect();
        self.handle(at, Event::Prepared(facts));
    }

    /// Nobody has decided the oldest request in time.
    pub fn time_out(&mut self, at: usize) {
        let Some(request) = self.sides[at].timed.pop_front() else {
            return;
        };
        let why = crate::render::texts::nobody_answered(LIMIT);
        let line = |shown: &_| crate::render::texts::timed_out(shown, LIMIT);
        let session = self.sides[at].session;
        let denied = self
            .store
            .time_out(session, self.unix(), &request, &why, line);
        let ask = self.asks.iter().position(|ask| ask.request == request);
        let ask = ask.expect("it was asked");
        let expected = self.asks[ask].is_open();
        self.ensure(
            denied == Ok(expected),
            "a time-out is for what is open, and for nothing else",
        );
        if expected {
            self.decided(ask, checks::Decided::Deny { why: Some(why) });
            let work = self.work(at);
            self.handle(at, work);
        }
    }

    pub fn wait(&mut self, how_long: Duration) {
        let until = self.now + how_long;
        for at in 0..self.sides.len() {
            if self.sides[at]
                .process
                .as_ref()
                .is_some_and(|one| one.killed)
            {
                self.exit(at);
            }
        }
        for _ in 0..ROUNDS_MAX {
            let due = |side: &Side| side.machine.as_ref().and_then(Machine::deadline);
            let sides = self.sides.iter().enumerate();
            let due = sides.filter_map(|(at, side)| Some((due(side)?, at))).min();
            let Some((due, at)) = due.filter(|(due, _)| *due <= until) else {
                self.now = self.now.max(until);
                return;
            };
            self.now = self.now.max(due);
            self.handle(at, Event::Tick);
        }
        self.fail("ticks do not move it on");
    }

    pub fn shutdown(&mut self) {
        self.ends = true;
        for at in 0..self.sides.len() {
            if self.sides[at].machine.is_some() {
                self.handle(at, Event::Shutdown);
            }
        }
    }

    /// chappe is gone, and another one starts. What nobody has stored is lost.
    pub fn restart(&mut self, leaves: bool) {
        self.note(format!(
            "chappe starts again; its processes are left: {leaves}"
        ));
        self.epoch += 1;
        self.touched = true;
        self.ends = false;
        self.dies = None;
        self.flying.clear();
        let now = self.unix();
        for side in &mut self.sides {
            let was_there = side.process.take().is_some();
            (side.machine, side.preparing, side.bell) = (None, None, false);
            side.events.clear();
            side.timed.clear();
            if was_there && !leaves {
                self.store
                    .ended(side.session, now, &[], None)
                    .expect("it is noted");
            }
        }
        let store = &self.store;
        let begun = store
            .admit_only(&MAY_SPEAK, &[], now)
            .and_then(|()| store.try_broken_again(now))
            .and_then(|()| store.open_sessions());
        let open = begun.expect("the store can be used");
        for session in &open {
            let line = crate::render::request::expired;
            let closed = self.store.close_requests(
                *session,
                now,
                None,
                "expired",
                line,
                crate::render::request::unheard,
            );
            closed.expect("the store can be used");
            let at = self.sides.iter().position(|side| side.session == *session);
            self.closes(at.expect("it is one of the sessions"), None);
        }
        self.store
            .take_up_outbox(BOT)
            .expect("the store can be used");
        for session in open {
            self.ring(session);
        }
    }

    /// Gives an event to a machine and does what it wants: all actions, then what came of them.
    pub fn handle(&mut self, at: usize, event: Event) {
        let epoch = self.epoch;
        self.sides[at].events.push_back(event);
        for _ in 0..ROUNDS_MAX {
            let Some(event) = self.sides[at].events.pop_front() else {
                return;
            };
            let Some(machine) = &mut self.sides[at].machine else {
                self.sides[at].events.clear();
                return;
            };
            let note = format!("{at}: {event:?}");
            let actions = machine.handle(self.now, event);
            self.note(note);
            for action in actions {
                self.note(format!("{at}:     {action:?}"));
                self.perform(at, &action);
                self.people_meanwhile();
                if let Some((left, leaves)) = &mut self.dies {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        let leaves = *leaves;
                        self.restart(leaves);
                    }
                }
                if self.epoch != epoch {
                    return;
                }
            }
        }
        self.fail("events do not come to an end");
    }

    /// What people do between two actions of an owner.
    fn people_meanwhile(&mut self) {
        let Some((left, _)) = &mut self.meanwhile else {
            return;
        };
        *left = left.saturating_sub(1);
        if let Some((_, deeds)) = self.meanwhile.take_if(|(left, _)| *left == 0) {
            for deed in deeds {
                self.note(format!("meanwhile {deed:?}"));
                self.people(&deed);
            }
        }
    }

    fn perform(&mut self, at: usize, action: &Action) {
        self.touched = true;
        if let Err(error) = self.try_to(at, action) {
            self.fail(&format!("{action:?}: {error}"));
        }
    }

    fn try_to(&mut self, at: usize, action: &Action) -> store::Result<()> {
        let (session, now) = (self.sides[at].session, self.unix());
        let store = &self.store;
        let ledger = Ledger {
            store,
            bot: BOT,
            session,
            name: "name",
            now,
        };
        let event = match action {
            Action::Look => self.work(at),
            Action::Prepare(ids) => {
                self.sides[at].preparing = Some(ids.clone());
                return Ok(());
            }
            Action::AskRoom => Event::Room(Room::Granted),
            Action::Start => {
                let number = self.number();
                let living = Living {
                    pid: number as i32,
                    start: 1,
                    boot: "boot".to_owned(),
                };
                let Event::Work(work) = self.work(at) else {
                    unreachable!("it is work")
                };
                let generation = work.manner.generation;
                self.store
                    .spawned(session, &living, (generation, "default"), None)?;
                self.sides[at].process = Some(Claude::new(number));
                Event::Started(work.manner, None)
            }
            Action::Write(line) => {
                self.answers(at, line);
                let process = self.sides[at].process.as_mut();
                process
                    .expect("it writes to a process")
                    .stdin
                    .push_back(line.clone());
                return Ok(());
            }
            Action::CloseInput | Action::Terminate | Action::Kill => {
                if let Some(process) = &mut self.sides[at].process {
                    process.ending = true;
                    process.killed |= matches!(action, Action::Kill);
                }
                return Ok(());
            }
            Action::GiveNext(revision) => {
                let next = store.give_next(BOT, session, now, *revision, choose)?;
                self.is_given(&next);
                Event::Given(given(next))
            }
            Action::Steer(into, revision) => {
                let next = store.steer(BOT, session, *into, *revision, now, choose)?;
                self.is_given(&next);
                Event::Steered(given(next))
            }
            Action::GiveAgain(prompt) => {
                let again = store.give_again(*prompt)?;
                Event::Given(again.map_or(Given::Nothing, Given::Again))
            }
            Action::ContinueAs {
                prompt,
                text,
                steered,
            } => return store.continue_as(*prompt, text, steered, now),
            Action::Leave(prompt) => return ledger.leave(prompt),
            Action::Park => return ledger.park(),
            Action::TakeBack(prompt) => {
                return store.take_back(*prompt, now, crate::render::texts::CORRECTION);
            }
            Action::Taken(prompt) => return store.taken(*prompt),
            Action::TakenIn {
                prompt,
                into,
                before,
            } => return ledger.taken_in(*prompt, *into, before),
            Action::Acted {
                prompt,
                tool,
                input,
            } => return store.acted(*prompt, tool, input),
            Action::Ask {
                prompt,
                wanted,
                before,
            } => {
                ledger.ask(*prompt, wanted, before)?;
                self.is_asked(wanted);
                if self.times_out {
                    self.sides[at].timed.push_back(wanted.request.clone());
                }
                return Ok(());
            }
            Action::Told { request } => {
                store.told(session, request)?;
                self.is_told(request);
                return Ok(());
            }
            Action::CloseRequests { request, why } => {
                let state = match why {
                    Closed::Withdrawn | Closed::Stopped => "withdrawn",
                    Closed::Expired | Closed::Restarted => "expired",
                };
                let line = crate::render::request::expired;
                store.close_requests(
                    session,
                    now,
                    request.as_deref(),
                    state,
                    line,
                    crate::render::request::unheard,
                )?;
                if *why == Closed::Stopped {
                    self.stops(at);
                }
                self.closes(at, request.as_deref());
                return Ok(());
            }
            Action::Finish(finished) => {
                if finished.outcome == Outcome::Stopped {
                    self.was_there_before_the_stop(at, &finished.prompt.text);
                }
                return ledger.finish(finished);
            }
            Action::Stopped { anything } => return ledger.stopped(*anything),
            Action::Unasked { spent, .. } => {
                return store.unasked(BOT, session, now, *spent, &Aside::default());
            }
            Action::HoldBack(trouble) => return ledger.hold_back(trouble),
            Action::TellOfHost(trouble) => return ledger.tell_of_host(trouble),
            Action::GoOn => return store.go_on(session, now, "again"),
            Action::Retire => {
                let work = store.work(session)?;
                let is_due = |held: &store::Held| held.until(now).is_some_and(|at| at <= now);
                let goes_on = work.held.as_ref().is_none_or(is_due);
                let something = work.waiting > 0 || !work.open.is_empty();
                let stays = work.stop || !work.decisions.is_empty() || (goes_on && something);
                if !stays {
                    self.owner_ends(at);
                    return Ok(());
                }
                self.work(at)
            }
            Action::End => {
                self.owner_ends(at);
                return Ok(());
            }
            Action::Show(_)
            | Action::Hide
            | Action::ShowDoing(_)
            | Action::ShowWaiting(_)
            | Action::EndTools
            | Action::HurryPreparation
            | Action::TellWait
            | Action::WaitOver { .. }
            | Action::NoteEnd { .. }
            | Action::NoteConversation(_)
            | Action::NoteMode { .. }
            | Action::NoteModels(_)
            | Action::Refused { .. }
            | Action::Move
            | Action::Settle => return Ok(()),
        };
        self.sides[at].events.push_back(event);
        Ok(())
    }

    fn owner_ends(&mut self, at: usize) {
        let open = self.asks.iter().any(|ask| ask.side == at && ask.is_open());
        self.ensure(!open, "an owner leaves a request that nobody answers");
        let side = &mut self.sides[at];
        (side.machine, side.preparing, side.bell) = (None, None, false);
    }
}
