//! The owner of a walk: it gives events to the machine and does what the machine wants, or complains about it.

use super::store::{self, Request, Stage, Store};
use super::*;
use crate::chat::Spent;
use crate::session::admission::Standing;

impl World {
    /// There is something new in the store: the owner is told, or one is started.
    pub(super) fn ring(&mut self) {
        self.bell = self.machine.is_some();
        if self.machine.is_none() && self.shutdown.is_none() && !self.over {
            self.machine = Some(Machine::new(self.settings.clone()));
            self.look();
        }
    }

    pub(super) fn look(&mut self) {
        self.bell = false;
        let is_asked = self.rivals.is_asked();
        let work = Event::Work(self.store.work());
        self.handle(work);
        if is_asked {
            self.handle(Event::MakeRoom);
        }
    }

    /// Gives an event to the machine and does what it wants, as the owner does: all actions, then what came of them.
    pub(super) fn handle(&mut self, event: Event) {
        self.events.push_back(event);
        for _ in 0..CIRCLE_MAX {
            let Some(event) = self.events.pop_front() else {
                return;
            };
            let Some(machine) = &mut self.machine else {
                self.events.clear();
                return;
            };
            let is_asked = matches!(event, Event::MakeRoom);
            let was_quiet = matches!(machine.standing(), Standing::Quiet { .. });
            let actions = machine.handle(self.now, event.clone());
            let right = !is_asked || actions.is_empty() != was_quiet;
            let standing = machine.standing();
            self.ensure(right, "who is quiet makes room, and nobody else");
            let gives_way = matches!(event, Event::Given(Given::AfterOthers));
            self.stands(standing, is_asked || gives_way);
            self.note(Noted::Event(self.now - self.base, event));
            for action in actions {
                self.note(Noted::Action(action.clone()));
                self.ensure(self.machine.is_some(), "an action follows the end");
                self.perform(action);
                self.done += 1;
                if self.dies_now() {
                    return;
                }
            }
        }
        self.fail("events do not come to an end");
    }

    /// One thing more is done; returns whether chappe dies of it.
    fn dies_now(&mut self) -> bool {
        let Some((left, with)) = &mut self.dies else {
            return false;
        };
        *left = left.saturating_sub(1);
        let (left, with) = (*left, *with);
        left == 0 && self.die(with)
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Look => self.events.push_back(Event::Work(self.store.work())),
            Action::Prepare(ids) => {
                self.ensure(self.process.is_none(), "it prepares beside a process");
                self.ensure(self.preparing.is_none(), "it prepares twice");
                self.ensure(self.shutdown.is_none(), "it prepares although chappe ends");
                self.preparing = Some(ids.into_iter().map(|id| id.0).collect());
            }
            Action::Start => {
                let alone = self.process.is_none() && self.leftover.is_none();
                self.ensure(alone, "there would be two processes");
                let has_place = self.rivals.has_place();
                self.ensure(has_place, "it starts without a place");
                self.ensure(!self.rivals.is_told, "it starts and says that it waits");
                self.ensure(self.preparing.is_none(), "it starts before it is prepared");
                self.events.push_back(match self.spawn_will_fail.take() {
                    Some(failure) => Event::NotPrepared(trouble(failure)),
                    None => {
                        self.counter += 1;
                        self.process = Some(Claude::new(self.counter));
                        self.store.has_process = true;
                        let manner = self.store.manner.clone();
                        self.has = manner.clone();
                        Event::Started(manner, None)
                    }
                });
            }
            Action::AskRoom => {
                self.ensure(self.process.is_none(), "it asks beside a process");
                self.ensure(self.preparing.is_none(), "it asks before it is prepared");
                let ends = self.shutdown.is_some();
                self.ensure(!ends, "it asks although chappe ends");
                let room = self.rivals.ask();
                self.events.push_back(Event::Room(room));
            }
            Action::TellWait => {
                self.ensure(!self.rivals.is_told, "it says twice that it waits");
                self.rivals.is_told = true;
            }
            Action::WaitOver { .. } => {
                self.ensure(self.rivals.is_told, "nobody was told that it waits");
                self.rivals.is_told = false;
            }
            Action::NoteEnd { .. } => self.fail("only the owner knows of an end"),
            Action::NoteConversation(_) => self.fail("only the owner follows a conversation"),
            Action::Write(line) => self.write(&line),
            Action::CloseInput => self.end("close").input_open = false,
            Action::Terminate => drop(self.end("terminate")),
            Action::Kill => self.end("kill").killed = true,
            Action::HurryPreparation => {
                self.ensure(self.preparing.is_some(), "nothing is prepared")
            }
            Action::Park => {}
            Action::EndTools => self.ensure(self.process.is_some(), "nobody has had tools"),
            Action::NoteMode { mode, before } => {
                if self.store.manner.mode == before {
                    self.store.manner.mode = mode;
                }
            }
            Action::NoteModels(_) | Action::Refused { .. } => {}
            Action::Move | Action::Settle => self.fail("nobody wants it to move"),
            Action::GiveNext(revision) => {
                self.ensure_ready();
                if std::mem::take(&mut self.shutdown_will_overtake) {
                    self.shutdown = Some(self.now);
                    self.events.push_back(Event::Shutdown);
                }
                let can_leave = self
                    .machine
                    .as_ref()
                    .is_some_and(|machine| machine.rested(self.now).is_some());
                if can_leave && self.rivals.gives_way() {
                    self.events.push_back(Event::Given(Given::AfterOthers));
                    return;
                }
                let given = self.store.give_next(revision);
                if matches!(given, Ok(Given::Prompt { .. })) {
                    self.ensure_chosen();
                }
                self.given(given);
            }
            Action::Steer(into, _) => {
                self.ensure_ready();
                match self.store.steer(into.0) {
                    Ok(given) => self.events.push_back(Event::Steered(given)),
                    Err(complaint) => self.fail(complaint),
                }
            }
            Action::GiveAgain(id) => {
                self.ensure_ready();
                let given = self.store.give_again(id.0);
                self.given(given);
            }
            Action::ContinueAs {
                prompt, steered, ..
            } => self.try_to(|store| store.continue_as(prompt.0, &steered)),
            Action::Leave(prompt) => {
                self.ensure(self.shutdown.is_some(), "nobody has stopped chappe");
                self.try_to(|store| store.left_open(prompt.id.0));
            }
            Action::TakeBack(id) => self.try_to(|store| store.take_back(id.0)),
            Action::Taken(prompt) | Action::TakenIn { prompt, .. } => {
                self.try_to(|store| store.taken(prompt.0));
            }
            Action::Acted { prompt, .. } => {
                let open = self.store.is_open(prompt.0);
                self.ensure(open, "it acts for a prompt that is closed");
                self.store
                    .rows
                    .get_mut(&prompt.0)
                    .expect("it is open")
                    .acted = true;
            }
            Action::Ask { prompt, wanted, .. } => {
                let taken = |id: PromptId| self.store.rows[&id.0].state == Stage::Taken;
                let right = prompt.is_none_or(taken);
                self.ensure(right, "it asks for a prompt that Claude does not work on");
                self.ensure(self.process.is_some(), "it asks for nobody");
                let before = self.store.requests.insert(wanted.request, Request::Open);
                let new = matches!(before, None | Some(Request::Settled));
                self.ensure(new, "it asks twice");
            }
            Action::Told { request } => {
                let before = self.store.requests.insert(request, Request::Settled);
                let decided = matches!(before, Some(Request::Decided(_)));
                self.ensure(decided, "it tells what nobody has decided");
            }
            Action::CloseRequests { request, .. } => self.store.close_requests(request.as_deref()),
            Action::Finish(finished) => self.finish(&finished),
            Action::Stopped { .. } => {
                self.ensure(self.store.stop, "nobody has said stop");
                self.store.stopped();
            }
            Action::Unasked { blocks, spent } => {
                let something = !blocks.is_empty() || spent != Spent::default();
                self.ensure(something, "nothing is told unasked");
                self.deliver(&blocks, spent);
            }
            Action::HoldBack(trouble) => {
                self.ensure(self.process.is_none(), "there is a process after all");
                self.ensure(self.shutdown.is_none(), "nobody hears of it any more");
                let passes = matches!(trouble, Trouble::HostIsFull { .. });
                self.ensure(!passes, "it gives up what it should try again");
                self.store.hold_back(None);
            }
            Action::TellOfHost(trouble) => {
                let passes = matches!(trouble, Trouble::HostIsFull { .. });
                self.ensure(passes, "it says that it tries again what it does not");
            }
            Action::GoOn => self.store.go_on(self.now),
            Action::Show(shown) => {
                let open = self.store.is_open(shown.prompt.id.0);
                self.ensure(open, "it shows a turn that is over");
                let attempt = match shown.interruption {
                    Some(Interruption::Crash { attempt, of, .. }) => attempt <= of,
                    _ => true,
                };
                self.ensure(attempt, "it counts further than it tries");
                self.shown = Some(shown.prompt.id);
            }
            Action::Hide => self.shown = None,
            Action::ShowDoing(_) | Action::ShowWaiting(_) => {}
            Action::Retire => {
                if self.store.something_waits(self.now) {
                    self.events.push_back(Event::Work(self.store.work()));
                } else {
                    self.thread_ends();
                }
            }
            Action::End => {
                self.ensure(self.shutdown.is_some(), "nobody has stopped chappe");
                self.over = true;
                self.shown = None;
                self.thread_ends();
            }
        }
    }

    fn try_to(&mut self, what: impl FnOnce(&mut Store) -> store::Asked<()>) {
        if let Err(complaint) = what(&mut self.store) {
            self.fail(complaint);
        }
    }

    fn given(&mut self, given: store::Asked<Given>) {
        match given {
            Ok(given) => self.events.push_back(Event::Given(given)),
            Err(complaint) => self.fail(complaint),
        }
    }

    fn write(&mut self, line: &str) {
        let Some(claude) = &mut self.process else {
            self.fail("it writes to nobody");
        };
        if !claude.input_open || claude.ending {
            self.fail("it writes to a process that is to end");
        }
        // One that does not read gets no prompt either.
        self.has.hear(line);
        if claude.reads {
            claude.read(line, &self.conversation);
        } else {
            self.events.push_back(Event::NotReading);
        }
    }

    /// What is given goes to a process that is what was chosen.
    fn ensure_chosen(&self) {
        let (has, chosen) = (&self.has, &self.store.manner);
        let is_chosen = (has.generation, &has.model, &has.mode)
            == (chosen.generation, &chosen.model, &chosen.mode);
        self.ensure(is_chosen, "it gives a prompt to a process of another kind");
    }

    fn finish(&mut self, finished: &Finished) {
        let id = finished.prompt.id.0;
        let was = self.store.rows.get(&id).map(|row| row.state);
        match finished.outcome {
            Outcome::Answered if finished.took.is_some() => {
                let taken = was == Some(Stage::Taken);
                self.ensure(taken, "it is answered and was never taken");
            }
            Outcome::Answered => {
                let known = self.conversation.0.get(&format!("u{id}"));
                let finished = known.is_some_and(|known| known.finished.is_some());
                self.ensure(finished, "it is answered and was never finished");
            }
            Outcome::Stopped => {
                let right = self.store.stop || self.is_confused;
                self.ensure(right, "nobody has said stop");
                self.stopped.insert(id);
                let steered = finished.steered.iter().map(|id| id.0);
                self.stopped.extend(steered);
            }
            _ => {}
        }
        let now = self.now;
        self.try_to(|store| store.finish(finished, now));
        self.deliver(&finished.answer, finished.spent);
    }

    /// The process, which is told to end.
    fn end(&mut self, how: &str) -> &mut Claude {
        match &mut self.process {
            Some(claude) => {
                claude.ending = true;
                claude
            }
            None => panic!("there is no process to {how}"),
        }
    }

    fn deliver(&mut self, blocks: &[Block], spent: Spent) {
        self.spent += spent.cost;
        for block in blocks {
            let new = self.delivered.insert(block.text.clone());
            self.ensure(new || self.is_confused, "a text is delivered twice");
        }
    }
}

impl Manner {
    /// What a line makes of the process that reads it.
    fn hear(&mut self, line: &str) {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let request = &line["request"];
        match request["subtype"].as_str() {
            Some("set_model") => self.model = request["model"].as_str().map(str::to_owned),
            Some("set_permission_mode") => {
                self.mode = request["mode"].as_str().unwrap_or_default().to_owned();
            }
            _ => {}
        }
    }
}
