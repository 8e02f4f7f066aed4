//! The owner of a session: one thread that holds its process and does what the machine says.
//!
//! It blocks only in its select, and for a second at a time while the store fails. What an action needs from the host
//! for longer than a moment (ending a leftover, asking for the version) is done by a thread of its own, which reports
//! back. When the store fails, the actions at hand wait and nothing further is taken in, so that no step is skipped.

mod moves;
mod starts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, at, never, select_biased};
use nix::sys::signal::Signal;

use super::admission::{Answer, Standing, Wait};
use super::batch;
use super::ledger::{self, Ledger};
use super::machine::{Action, Closed, Event, Given, Machine, Moves, Room, Settings, Trouble, Work};
use super::moving::Premises;
use super::prepare::{Prepared, Setup, not_started};
use super::registry::{Control, Ears, Registry};
use super::slots::Slots;
use crate::board::{Board, Warning};
use crate::chat::{Behind, BotId, Moving, Post, SessionId};
use crate::claude::process::{self, Ended, Process, Said};
use crate::claude::protocol;
use crate::clock::{unix_millis, unix_now};
use crate::exit::Fatal;
use crate::pulse::{Pulse, Pulses};
use crate::render::{lists, request, sessions, texts};
use crate::store::trouble::StoreTrouble;
use crate::store::{self, Next, Store};
use crate::thread;
use moves::Moved;

/// How long the store is left alone after it failed.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Lines of stderr that are kept for the case that the process ends.
const LAST_WORDS_MAX: usize = 20;

/// Finds the directory that a path leads to, if sessions may work there.
pub type MayUse = Box<dyn Fn(&str) -> Option<PathBuf> + Send + Sync>;

/// What all owners share.
pub struct Outfit {
    /// The sessions in which a turn was open when chappe started, and that no owner has looked at yet.
    pub cut_off: Mutex<BTreeSet<SessionId>>,
    pub bot: BotId,
    pub store: Arc<Store>,
    pub board: Arc<Board>,
    pub settings: Settings,
    /// The places of live processes.
    pub slots: Slots,
    /// How long quick lines are waited for.
    pub batch_window: Duration,
    /// How long a request waits for a person before it is denied; None: for ever.
    pub permission_timeout: Option<Duration>,
    /// How long a request waits for a person until it is mentioned once more; None: it never is.
    pub remind_after: Option<Duration>,
    /// How `claude` is started.
    pub setup: Setup,
    /// Where each owner's pulse is known.
    pub pulses: Arc<Pulses>,
    /// Where an end of everything is reported.
    pub fatal: Sender<Fatal>,
    /// The host's name, for what is told of it.
    pub host: String,
    /// Where sessions' folders are made.
    pub root: PathBuf,
    /// The directory that a path leads to, if sessions may work there.
    pub may_use: MayUse,
    /// The conversations that are being brought back, by the session. Held while those of sessions that are gone are removed.
    pub coming_back: Mutex<BTreeMap<SessionId, String>>,
    /// Held while what sessions have left is removed: two at it would stand in each other's way.
    pub clearing: Mutex<()>,
}

impl Outfit {
    fn premises<'a>(&'a self, mark: &'a str) -> Premises<'a> {
        Premises {
            root: &self.root,
            environment: &self.setup.environment,
            mark,
        }
    }
}

/// Starts the thread of a session's owner.
pub fn start(
    outfit: &Arc<Outfit>,
    registry: Arc<Registry>,
    session: SessionId,
    ears: Ears,
) -> std::io::Result<()> {
    let outfit = Arc::clone(outfit);
    thread::spawn(format!("s{session}"), move || {
        let end = AnnounceEnd {
            registry: Arc::clone(&registry),
            outfit: Arc::clone(&outfit),
            session,
        };
        let by_restart = outfit
            .cut_off
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&session);
        let machine = Machine::new(outfit.settings.clone()).after_restart(by_restart);
        let pulse = outfit.pulses.begin();
        let owner = Owner {
            outfit,
            registry,
            session,
            name: String::new(),
            known: None,
            heard: SystemTime::now(),
            pulse,
            machine,
            standing: Standing::Comes,
            wait_for: None,
            told_wait: None,
            process: None,
            conversation: String::new(),
            prepared: None,
            hurry: Arc::default(),
            preparing: never(),
            moving: never(),
            moved: None,
            last_words: VecDeque::new(),
            swept: Vec::new(),
            store_fails: false,
            asked: VecDeque::new(),
            to_mention: VecDeque::new(),
            turn_began: 0,
            actions: VecDeque::new(),
            events: VecDeque::new(),
        };
        owner.run(&ears);
        drop(end);
    })
    .map(drop)
}

/// Tells the registry of the end, and the person of a panic, whatever happens.
struct AnnounceEnd {
    registry: Arc<Registry>,
    outfit: Arc<Outfit>,
    session: SessionId,
}

impl Drop for AnnounceEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!("the owner of session {} has panicked", self.session);
            let post = Post::message(texts::bug());
            let Outfit {
                bot,
                store,
                board,
                slots,
                ..
            } = &*self.outfit;
            // Its process went with it.
            slots.note(&self.registry, self.session, Standing::Away);
            let _ = store.tell(*bot, self.session, unix_now(), &post);
            board.warn(Some(self.session), Vec::new());
            board.hide(self.session);
            self.registry.gone(self.session);
        }
    }
}

struct Owner {
    outfit: Arc<Outfit>,
    registry: Arc<Registry>,
    session: SessionId,
    /// The session's name, for what is shown; read with each preparation.
    name: String,
    /// What was chosen for it, as far as it is known here.
    known: Option<i64>,
    /// When its process has said something last.
    heard: SystemTime,
    pulse: Arc<Pulse>,
    machine: Machine,
    /// How the session stands, as all were told last.
    standing: Standing,
    /// Why it waited for a place, as it was said last.
    wait_for: Option<Wait>,
    /// What was last told of that.
    told_wait: Option<Wait>,
    process: Option<Process>,
    /// Claude's id of the conversation that the process is in.
    conversation: String,
    prepared: Option<Prepared>,
    /// Tells the preparation to wait for nothing.
    hurry: Arc<AtomicBool>,
    /// Where the preparation reports.
    preparing: Receiver<Result<Prepared, Trouble>>,
    /// Where a move of the whole session reports; and what it was, until the store knows of it.
    moving: Receiver<Box<Moved>>,
    moved: Option<Box<Moved>>,
    last_words: VecDeque<String>,
    /// What was ended together with the process, by name, and is not noted yet.
    swept: Vec<String>,
    /// Whether what is to be done cannot be written down.
    store_fails: bool,
    /// Requests with the time at which they are denied, the earliest first. Some are over by then.
    asked: VecDeque<(Instant, String)>,
    /// The same with the time at which they are mentioned once more.
    to_mention: VecDeque<(Instant, String)>,
    /// When the last prompt was given, in clock ticks after boot.
    turn_began: u64,
    /// What the machine wants done, in order.
    actions: VecDeque<Action>,
    /// What came of actions, to be told once all of them are done.
    events: VecDeque<Event>,
}

/// Whether the thread goes on.
#[derive(PartialEq, Eq)]
enum Life {
    GoesOn,
    Over,
}

/// What the select brought.
enum Heard {
    /// None where the registry is gone.
    Control(Option<Control>),
    Bell,
    Prepared(Result<Prepared, Trouble>),
    Moved(Option<Box<Moved>>),
    Said(Said),
    Timer,
}

/// What follows from it.
enum Woken {
    Event(Event),
    /// Look at the store.
    Look,
    /// Something that the machine need not hear of.
    Nothing,
}

impl Owner {
    fn run(mut self, ears: &Ears) {
        loop {
            match self.perform_all() {
                Ok(Life::Over) => return,
                Ok(Life::GoesOn) => {
                    if std::mem::take(&mut self.store_fails) {
                        log::info!("the store can be used again");
                        self.outfit.board.warn(Some(self.session), Vec::new());
                    }
                }
                Err(error) => {
                    self.store_failed(&error);
                    // Nothing is lost meanwhile: what the process says waits in its channel and its pipe.
                    let resting = self.pulse.rest();
                    let control = ears.control.recv_timeout(STORE_RETRY);
                    drop(resting);
                    if control != Err(RecvTimeoutError::Timeout) {
                        return self.end_without_store();
                    }
                    continue;
                }
            }
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => match self.next(ears) {
                    Woken::Event(event) => event,
                    Woken::Look => match self.look() {
                        Ok(event) => event,
                        Err(error) => {
                            log::error!("the store cannot be read, trying again: {error}");
                            self.actions.push_back(Action::Look);
                            continue;
                        }
                    },
                    Woken::Nothing => continue,
                },
            };
            let now = Instant::now();
            let may_refuse = matches!(event, Event::MakeRoom | Event::Given(Given::AfterOthers));
            self.actions.extend(self.machine.handle(now, event));
            self.stands(may_refuse);
        }
    }

    /// Tells all how the session stands, if that is new, or if it was asked whether it makes room.
    fn stands(&mut self, is_asked: bool) {
        let standing = self.machine.standing();
        if standing != self.standing || is_asked {
            self.standing = standing;
            let Outfit { slots, .. } = &*self.outfit;
            slots.note(&self.registry, self.session, standing);
        }
    }

    /// Tells that what is to be done cannot be written down: once, wherever the session shows what it does.
    fn store_failed(&mut self, error: &store::Error) {
        if !std::mem::replace(&mut self.store_fails, true) {
            log::error!("the store cannot be used, trying again each second: {error}");
        }
        let Outfit {
            board, fatal, host, ..
        } = &*self.outfit;
        let trouble = StoreTrouble::of(error);
        if let Some(end) = trouble.end() {
            let _ = fatal.try_send(end);
        }
        let body = texts::cannot_store(host, trouble.as_told());
        let place = board.place_of(self.session);
        let warnings = place.map(|place| Warning { place, body });
        board.warn(Some(self.session), Vec::from_iter(warnings));
    }

    /// Ends the process and the thread although something could not be stored, because chappe ends. What was not stored
    /// is decided again at the next start, by what is.
    fn end_without_store(mut self) {
        log::error!(
            "session {} ends with something that could not be stored",
            self.session
        );
        if let Some(mut process) = self.process.take() {
            process.close_input();
            process.signal(Signal::SIGTERM);
            let deadline = Instant::now() + self.outfit.settings.stop_grace;
            while let Ok(said) = process.said().recv_deadline(deadline) {
                if said == Said::Exited {
                    break;
                }
            }
            // Dropped here: killed if it still lives, reaped, and what it left behind ended.
        }
        self.outfit.board.warn(Some(self.session), Vec::new());
        self.outfit.board.hide(self.session);
        let Outfit { slots, .. } = &*self.outfit;
        slots.note(&self.registry, self.session, Standing::Away);
        self.registry.gone(self.session);
    }

    /// Waits for whatever comes first. Controls before what is in the store, and both before what Claude says.
    fn next(&mut self, ears: &Ears) -> Woken {
        match self.wait(ears) {
            Heard::Control(control) => {
                self.told(control);
                Woken::Nothing
            }
            Heard::Bell => {
                if self.outfit.slots.is_asked(self.session) {
                    // After what is new in the store, which goes first.
                    self.events.push_back(Event::MakeRoom);
                }
                Woken::Look
            }
            Heard::Prepared(prepared) => {
                self.preparing = never();
                Woken::Event(match prepared {
                    Ok(mut prepared) => {
                        if prepared.ended_leftover {
                            let last_words = String::new();
                            self.actions.push_back(Action::NoteEnd { last_words });
                        }
                        let facts = std::mem::take(&mut prepared.facts);
                        self.prepared = Some(prepared);
                        Event::Prepared(facts)
                    }
                    Err(trouble) => Event::NotPrepared(trouble),
                })
            }
            Heard::Moved(moved) => {
                self.moving = never();
                self.moved = moved;
                Woken::Event(Event::Moved)
            }
            Heard::Said(said) => self.heard(said),
            Heard::Timer => {
                self.time_out();
                self.mention();
                Woken::Event(Event::Tick)
            }
        }
    }

    /// Denies what nobody has decided in time; whoever was faster has decided it.
    fn time_out(&mut self) {
        let Some(limit) = self.outfit.permission_timeout else {
            return;
        };
        let now = Instant::now();
        while self.asked.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, request)) = self.asked.pop_front()
        {
            let Outfit { store, board, .. } = &*self.outfit;
            let why = texts::nobody_answered(limit);
            let line = |shown: &_| texts::timed_out(shown, limit);
            match store.time_out(self.session, unix_now(), &request, &why, line) {
                Ok(true) => {
                    board.ring();
                    // Told like any other decision.
                    self.actions.push_back(Action::Look);
                }
                Ok(false) => {}
                Err(error) => {
                    log::error!("a request cannot be closed, trying again: {error}");
                    self.asked.push_front((now + STORE_RETRY, request));
                    return;
                }
            }
        }
    }

    /// Mentions once more what nobody has decided for long.
    fn mention(&mut self) {
        let now = Instant::now();
        while self.to_mention.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, request)) = self.to_mention.pop_front()
        {
            let Outfit {
                store,
                board,
                remind_after,
                ..
            } = &*self.outfit;
            match store.remind(self.session, unix_now(), &request, lists::still_waits) {
                Ok(true) => board.ring(),
                Ok(false) => {
                    let again = now + remind_after.unwrap_or(STORE_RETRY);
                    self.to_mention.push_back((again, request));
                }
                // It is only a hint, and nothing waits for it.
                Err(error) => log::error!("a request cannot be mentioned again: {error}"),
            }
        }
    }

    /// Nobody waits for this request any more, or for any: there is no time at which to wake up for it.
    fn is_over(&mut self, request: Option<&str>) {
        for times in [&mut self.asked, &mut self.to_mention] {
            times.retain(|(_, other)| request.is_some_and(|request| request != other));
        }
    }

    /// Where an owner waits, except for a store that fails.
    fn wait(&self, ears: &Ears) -> Heard {
        let silent = never();
        let said = self.process.as_ref().map_or(&silent, Process::said);
        let denied_at = self.asked.front().map(|(at, _)| *at);
        let mentioned_at = self.to_mention.front().map(|(at, _)| *at);
        let deadlines = [self.machine.deadline(), denied_at, mentioned_at];
        let timer = deadlines.into_iter().flatten().min().map_or_else(never, at);
        let _resting = self.pulse.rest();
        select_biased! {
            recv(ears.control) -> control => Heard::Control(control.ok()),
            recv(ears.bell) -> heard => heard.map_or(Heard::Control(None), |()| Heard::Bell),
            recv(self.preparing) -> prepared => Heard::Prepared(
                prepared.unwrap_or_else(|_| Err(not_started("the preparation broke off", None)))
            ),
            recv(self.moving) -> moved => Heard::Moved(moved.ok()),
            // Before what Claude says: endless output must not hold up a deadline.
            recv(timer) -> _ => Heard::Timer,
            recv(said) -> said => Heard::Said(said.unwrap_or(Said::Exited)),
        }
    }

    fn told(&mut self, control: Option<Control>) {
        self.events.push_back(match control {
            Some(Control::Shutdown) | None => Event::Shutdown,
            Some(Control::Hurry) => Event::Hurry,
        });
    }

    fn heard(&mut self, said: Said) -> Woken {
        match said {
            Said::Line(line) => match protocol::parse(&line) {
                Some(protocol::Message::Unknown { kind, reason }) => {
                    log::debug!(
                        "a line of an unknown kind: {kind} {}",
                        reason.unwrap_or_default()
                    );
                    Woken::Nothing
                }
                Some(message) => {
                    self.heard = SystemTime::now();
                    self.follow(&message);
                    Woken::Event(Event::Said(message))
                }
                None => Woken::Nothing,
            },
            Said::TooLong(bytes) => {
                log::warn!("claude wrote a line of {bytes} bytes, which is left out");
                Woken::Nothing
            }
            Said::Stderr(line) => {
                if self.last_words.len() == LAST_WORDS_MAX {
                    self.last_words.pop_front();
                }
                self.last_words.push_back(line);
                Woken::Nothing
            }
            Said::Exited => {
                let Some(mut process) = self.process.take() else {
                    return Woken::Nothing;
                };
                let ended = process.reap();
                self.swept.extend(ended.swept.iter().cloned());
                let how = in_words(&ended);
                log::info!("claude {} has ended: {how}", process.pid());
                let last_words = self.last_words.drain(..).collect::<Vec<_>>().join("\n");
                self.actions.push_back(Action::NoteEnd {
                    last_words: last_words.clone(),
                });
                Woken::Event(Event::Exited { how, last_words })
            }
        }
    }

    /// Notes that the process goes on in another conversation: a `/clear` of Claude's own begins one.
    fn follow(&mut self, message: &protocol::Message) {
        if let protocol::Message::Init(init) = message
            && !init.session_id.is_empty()
            && init.session_id != self.conversation
        {
            log::info!("the conversation goes on as {}", init.session_id);
            self.conversation.clone_from(&init.session_id);
            self.actions
                .push_back(Action::NoteConversation(init.session_id.clone()));
        }
    }

    /// Reads what waits for the session.
    fn look(&mut self) -> store::Result<Event> {
        let work = self.outfit.store.work(self.session)?;
        let revision = work.chosen.revision;
        let is_new = self.known != Some(revision);
        if (is_new || self.name.is_empty())
            && let Some(session) = self.outfit.store.session(self.session)?
        {
            // What is on its way has no folder, or one that is not its own yet.
            if is_new && self.outfit.store.is_settled(self.session)? {
                self.outfit.setup.mirror_what_is_chosen(&session);
            }
            self.name = session.name;
            self.known = Some(revision);
        }
        let now = unix_now();
        let until = work.held.and_then(|held| held.until(now));
        let left = until.map(|until| ledger::seconds_to(until, now));
        Ok(Event::Work(Work {
            waiting: work.waiting,
            to_steer: work.to_steer,
            held: work.held.is_some(),
            // A time that is further away than the clock reaches never comes.
            held_until: left.and_then(|left| Instant::now().checked_add(left)),
            stop: work.stop,
            decisions: work.decisions,
            open: work.open,
            manner: self.outfit.setup.manner(&work.chosen),
            moves: match work.moving {
                None => Moves::No,
                Some(Moving::Stay { .. }) => Moves::Back,
                Some(_) => Moves::Away,
            },
        }))
    }

    /// Does what the machine wants, in order. What fails because of the store stays the next one to be done.
    fn perform_all(&mut self) -> store::Result<Life> {
        while let Some(action) = self.actions.front().cloned() {
            if self.perform(&action)? == Life::Over {
                return Ok(Life::Over);
            }
            self.actions.pop_front();
        }
        Ok(Life::GoesOn)
    }

    fn perform(&mut self, action: &Action) -> store::Result<Life> {
        let Outfit {
            bot, store, board, ..
        } = &*Arc::clone(&self.outfit);
        let (bot, session, now) = (*bot, self.session, unix_now());
        match action {
            Action::Look => {
                let event = self.look()?;
                self.events.push_back(event);
            }
            Action::Prepare(cut_off) => self.prepare(cut_off)?,
            Action::Move => self.begin_move()?,
            Action::Settle => self.settle()?,
            Action::AskRoom => {
                let room = match self.outfit.slots.ask(&self.registry, session) {
                    Answer::Granted { short } => {
                        if let Some(left) = short {
                            self.tell_of_memory(left);
                        }
                        Room::Granted
                    }
                    Answer::Soon => Room::Soon,
                    Answer::Waits(wait) => {
                        // Whoever was named is in nobody's way any more: it waits for others by now.
                        let is_stale = self.told_wait.as_ref().is_some_and(|told| {
                            !told.holders.iter().any(|told| wait.holders.contains(told))
                        });
                        self.wait_for = Some(wait);
                        if is_stale {
                            self.actions.push_back(Action::TellWait);
                        }
                        Room::Waits
                    }
                };
                self.events.push_back(Event::Room(room));
            }
            Action::TellWait => {
                if let Some(wait) = &self.wait_for {
                    self.ledger().tell_wait(wait)?;
                    self.told_wait.clone_from(&self.wait_for);
                    board.ring();
                }
            }
            Action::WaitOver { goes_on } => {
                self.told_wait = None;
                let line = match goes_on {
                    true => texts::HAS_ITS_PLACE,
                    false => texts::WAITS_NO_MORE,
                };
                if store.wait_over(Some(session), now, Some(line))? {
                    board.ring();
                }
            }
            Action::Start => self.start()?,
            Action::NoteEnd { last_words } => {
                let row = store.session(session)?;
                let kept = row.and_then(|row| self.outfit.setup.kept(&row, last_words));
                store.ended(session, now, &self.swept, kept.as_deref())?;
                self.swept.clear();
            }
            Action::NoteMode { mode, before } => store.note_mode(session, mode, before)?,
            Action::NoteModels(models) => store.note_models(models)?,
            Action::Refused { choice, why } => {
                let post = Post::message(sessions::refused(&self.name, choice, why));
                store.tell(bot, session, now, &post)?;
                board.ring();
            }
            Action::NoteConversation(claude) => {
                store.set_claude_session(session, None, claude)?;
            }
            Action::Write(line) => {
                let written = self
                    .process
                    .as_ref()
                    .map(|process| process.write(line.clone()));
                if !matches!(written, Some(Ok(()))) {
                    self.events.push_back(Event::NotReading);
                }
            }
            Action::CloseInput => {
                if let Some(process) = &mut self.process {
                    process.close_input();
                }
            }
            Action::Terminate => self.signal(Signal::SIGTERM),
            Action::Kill => self.signal(Signal::SIGKILL),
            Action::HurryPreparation => self.hurry.store(true, Ordering::SeqCst),
            Action::Park => {
                self.ledger().park()?;
                board.ring();
            }
            Action::EndTools => {
                if let Some(process) = &self.process {
                    process.end_tools(self.turn_began);
                }
            }
            Action::GiveNext(_) if self.has_gone_on_elsewhere()? => {
                self.events.push_back(Event::Given(Given::Elsewhere));
            }
            Action::GiveNext(_) if self.gives_way() => {
                self.events.push_back(Event::Given(Given::AfterOthers));
            }
            Action::GiveNext(revision) => {
                self.turn_begins();
                let (window, commands) = (self.outfit.batch_window, self.machine.commands());
                let next = store.give_next(bot, session, now, *revision, |waiting| {
                    batch::choose(waiting, unix_millis(), window, commands)
                })?;
                self.events.push_back(Event::Given(given(next)));
            }
            Action::Steer(into, revision) => {
                let (window, commands) = (self.outfit.batch_window, self.machine.commands());
                let next = store.steer(bot, session, *into, *revision, now, |waiting| {
                    batch::choose(waiting, unix_millis(), window, commands)
                })?;
                self.events.push_back(Event::Steered(given(next)));
            }
            Action::GiveAgain(prompt) => {
                self.turn_begins();
                let given = store.give_again(*prompt)?;
                let given = given.map_or(Given::Nothing, Given::Again);
                self.events.push_back(Event::Given(given));
            }
            Action::ContinueAs {
                prompt,
                text,
                steered,
            } => store.continue_as(*prompt, text, steered, now)?,
            Action::Leave(prompt) => {
                self.ledger().leave(prompt)?;
                board.ring();
            }
            Action::TakeBack(prompt) => store.take_back(*prompt, now, texts::CORRECTION)?,
            Action::Taken(prompt) => store.taken(*prompt)?,
            Action::TakenIn {
                prompt,
                into,
                before,
            } => {
                self.ledger().taken_in(*prompt, *into, before)?;
                board.ring();
            }
            Action::Acted {
                prompt,
                tool,
                input,
            } => store.acted(*prompt, tool, input)?,
            Action::Ask {
                prompt,
                wanted,
                before,
            } => {
                self.ledger().ask(*prompt, wanted, before)?;
                if let Some(limit) = self.outfit.permission_timeout {
                    let until = Instant::now() + limit;
                    self.asked.push_back((until, wanted.request.clone()));
                }
                if let Some(after) = self.outfit.remind_after {
                    let at = Instant::now() + after;
                    self.to_mention.push_back((at, wanted.request.clone()));
                }
                board.ring();
            }
            // It could not be written, so nobody has heard it.
            Action::Told { request }
                if self
                    .events
                    .iter()
                    .any(|event| matches!(event, Event::NotReading)) =>
            {
                self.actions.push_back(Action::CloseRequests {
                    request: Some(request.clone()),
                    why: Closed::Restarted,
                });
            }
            Action::Told { request } => {
                store.told(session, request)?;
                self.is_over(Some(request));
            }
            Action::CloseRequests { request, why } => {
                let (state, line): (_, fn(&str, &_) -> _) = match why {
                    Closed::Withdrawn => ("withdrawn", request::withdrawn),
                    Closed::Stopped => ("withdrawn", request::withdrawn_by_stop),
                    Closed::Expired => ("expired", request::expired),
                    Closed::Restarted => ("expired", request::expired_by_restart),
                };
                let unheard: fn(&str, _, &_) -> _ = match why {
                    Closed::Stopped => request::unheard_by_stop,
                    Closed::Withdrawn | Closed::Expired | Closed::Restarted => request::unheard,
                };
                let request = request.as_deref();
                store.close_requests(session, now, request, state, line, unheard)?;
                self.is_over(request);
                board.ring();
            }
            Action::Finish(finished) => {
                self.ledger().finish(finished)?;
                board.ring();
            }
            Action::Stopped { anything } => {
                self.ledger().stopped(*anything)?;
                board.ring();
            }
            Action::Unasked { blocks, spent } => {
                // Nobody gave this turn a name, so it gets one here.
                let aside = ledger::aside(&store::fresh_uuid(), blocks);
                store.unasked(bot, session, now, *spent, &aside)?;
                board.ring();
            }
            Action::HoldBack(trouble) => {
                self.ledger().hold_back(trouble)?;
                board.ring();
            }
            Action::TellOfHost(trouble) => {
                self.ledger().tell_of_host(trouble)?;
                board.ring();
            }
            Action::GoOn => {
                store.go_on(session, now, texts::GOES_ON)?;
                board.ring();
            }
            Action::Show(shown) => {
                let behind = self.behind(shown.waiting)?;
                let asks_nobody = self.machine.asks_nobody();
                let progress = ledger::progress(shown, behind, asks_nobody);
                board.show(session, progress);
            }
            Action::Hide => board.hide(session),
            Action::ShowDoing(doing) => board.doing(session, doing, Instant::now()),
            // Without what chappe itself goes on with: that is the turn which stands there.
            Action::ShowWaiting(waiting) => board.behind(session, self.behind(*waiting)?),
            Action::Retire => {
                let known = self.known;
                let something_waits = || {
                    // Whoever chose it has woken an owner that was about to go.
                    let is_chosen = store
                        .session(session)?
                        .is_some_and(|row| known != Some(row.chosen.revision));
                    let work = store.work(session)?;
                    let goes_on = work
                        .held
                        .is_none_or(|held| held.until(now).is_some_and(|at| at <= now));
                    let something = work.waiting > 0 || !work.open.is_empty();
                    Ok::<_, store::Error>(
                        is_chosen
                            || work.stop
                            || work.moving.is_some()
                            || !work.decisions.is_empty()
                            || (goes_on && something),
                    )
                };
                if self.registry.retire(session, something_waits)? {
                    return Ok(Life::Over);
                }
                self.actions.push_back(Action::Look);
            }
            Action::End => {
                board.hide(session);
                self.registry.gone(session);
                return Ok(Life::Over);
            }
        }
        Ok(Life::GoesOn)
    }

    /// Tells that there is little memory. If that cannot be stored, it is in the log only: it is a hint, and nothing waits
    /// for it.
    fn tell_of_memory(&self, left: u64) {
        log::warn!("the host has little memory left: {left} bytes");
        let Outfit {
            bot, store, board, ..
        } = &*self.outfit;
        let post = Post::message(texts::little_memory(left));
        match store.tell(*bot, self.session, unix_now(), &post) {
            Ok(()) => board.ring(),
            Err(error) => log::error!("that cannot be told: {error}"),
        }
    }

    /// What waits behind the turn, where that many things do.
    fn behind(&self, waiting: usize) -> store::Result<Behind> {
        match waiting {
            0 => Ok(Behind::default()),
            _ => self.outfit.store.behind(self.session),
        }
    }

    /// Where what the machine says is written down.
    fn ledger(&self) -> Ledger<'_> {
        Ledger {
            store: &self.outfit.store,
            bot: self.outfit.bot,
            session: self.session,
            name: &self.name,
            now: unix_now(),
        }
    }

    /// Whether somebody who waits for a place gets this one, before the session that has had a turn in it has another one.
    fn gives_way(&self) -> bool {
        let has_answered = self.standing == Standing::Works { has_answered: true };
        let can_leave = self.machine.rested(Instant::now()).is_some();
        has_answered && can_leave && self.outfit.slots.gives_way(&self.registry, self.session)
    }

    /// Whether the conversation of a process that has rested has gone on without it.
    fn has_gone_on_elsewhere(&self) -> store::Result<bool> {
        let Some(rested) = self.machine.rested(Instant::now()) else {
            return Ok(false);
        };
        let Some(session) = self.outfit.store.session(self.session)? else {
            return Ok(false);
        };
        let setup = &self.outfit.setup;
        Ok(setup.has_gone_on_elsewhere(&session, rested, self.heard))
    }

    /// Notes when a turn begins, so that what its tools start can be told from what was there before.
    fn turn_begins(&mut self) {
        match process::now_ticks() {
            Ok(ticks) => self.turn_began = ticks,
            // Rather nothing is ended than what was there before.
            Err(error) => {
                log::warn!("the time since the boot cannot be read: {error}");
                self.turn_began = u64::MAX;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
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

/// How a process ended, in words.
fn in_words(ended: &Ended) -> String {
    let status = ended.status;
    if ended.out_of_memory {
        return "signal 9, out of memory".to_owned();
    }
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {number}, {signal}"),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => "an unknown end".to_owned(),
    }
}
