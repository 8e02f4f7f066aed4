//! A world for random walks: an owner, a store, a host and a process, as the machine sees them.
//!
//! What can happen is said by [`Step`]; what must hold after each of them stands in `checks`, and what comes next when
//! all goes well in `course`. Actions are performed by `owner`, as the real one does.

mod checks;
mod claude;
mod course;
mod owner;
mod process;
mod rivals;
mod step;
mod store;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::super::*;
use crate::chat::{Block, Outcome, PromptId};
use crate::claude::protocol::Message;
use crate::claude::trace::Trace;
use crate::session::recovery::{Acted, Facts};
use claude::{Claude, Conversation};
pub use claude::{How, Wish};
pub use rivals::Does;
use rivals::Rivals;
pub use step::{Choice, Death, Failure, Seen, Step, Stray};
pub use store::Press;
use store::{Request, Store};

/// How much of what happened is shown when a walk fails.
const TRACE_MAX: usize = 60;

/// More events without time going by would be a machine that runs in circles.
const CIRCLE_MAX: usize = 50;

/// What happened and what was wanted, for the one who reads why a walk failed.
#[derive(Debug)]
enum Noted {
    Step(#[expect(dead_code, reason = "it is shown")] Step),
    /// When it came, counted from the beginning.
    Event(
        #[expect(dead_code, reason = "it is shown")] Duration,
        #[expect(dead_code, reason = "it is shown")] Event,
    ),
    Action(#[expect(dead_code, reason = "it is shown")] Action),
}

pub struct World {
    settings: Settings,
    machine: Option<Machine>,
    base: Instant,
    now: Instant,
    store: Store,
    conversation: Conversation,
    /// What the process is like.
    has: Manner,
    /// Something new is in the store, and the owner has not looked yet.
    bell: bool,
    /// The prompts that a preparation looks at.
    preparing: Option<Vec<i64>>,
    /// The places, and the other sessions that want them.
    rivals: Rivals,
    spawn_will_fail: Option<Failure>,
    shutdown_will_overtake: bool,
    process: Option<Claude>,
    /// The process of a chappe that has died, and whether it ends its turn.
    leftover: Option<(Claude, bool)>,
    /// The prompts that this chappe has closed because of a stop.
    stopped: BTreeSet<i64>,
    /// How many more things chappe does before it dies.
    dies: Option<(usize, Death)>,
    /// How often it has.
    deaths: u32,
    shown: Option<PromptId>,
    /// When a stop was said that is not carried out.
    stop: Option<Instant>,
    shutdown: Option<Instant>,
    hurry: Option<Instant>,
    /// The walk slept over deadlines for so long, which nobody can hold against the machine.
    overslept: Duration,
    /// Whether the thread of the last owner has ended because chappe ends.
    over: bool,
    /// A line came that belongs to nothing, so that what follows need not fit.
    is_confused: bool,
    events: VecDeque<Event>,
    /// What has reached the chat as an answer or unasked, and what it cost.
    delivered: BTreeSet<String>,
    spent: f64,
    counter: u32,
    /// How many actions were done.
    done: usize,
    trace: VecDeque<Noted>,
}

impl World {
    pub fn new(settings: Settings, idle_timeout: Option<Duration>) -> World {
        let base = Instant::now();
        World {
            settings,
            machine: None,
            base,
            now: base,
            store: Store::for_process(Manner {
                mode: "default".to_owned(),
                idle_timeout,
                ..Manner::default()
            }),
            has: Manner::default(),
            conversation: Conversation::default(),
            bell: false,
            preparing: None,
            rivals: Rivals::new(),
            spawn_will_fail: None,
            shutdown_will_overtake: false,
            process: None,
            leftover: None,
            stopped: BTreeSet::new(),
            dies: None,
            deaths: 0,
            shown: None,
            stop: None,
            shutdown: None,
            hurry: None,
            overslept: Duration::ZERO,
            over: false,
            is_confused: false,
            events: VecDeque::new(),
            delivered: BTreeSet::new(),
            spent: 0.0,
            counter: 0,
            done: 0,
            trace: VecDeque::new(),
        }
    }

    /// What happens, then what must be true whatever has happened.
    pub fn step(&mut self, step: &Step) {
        self.note(Noted::Step(step.clone()));
        self.happens(step);
        self.check();
    }

    fn happens(&mut self, step: &Step) {
        match step {
            Step::Onward => {
                if let Some(step) = self.next_in_order() {
                    self.happens(&step);
                }
            }
            Step::Message => {
                self.store.message();
                self.ring();
            }
            Step::SendNow => {
                self.store.send_now();
                self.ring();
            }
            Step::Choose(choice) => {
                self.store.choose(choice);
                self.ring();
            }
            Step::Gather => self.store.gathers = true,
            Step::Command => self.store.next_is_command = true,
            Step::Look => self.look(),
            Step::Decide(which, verdict) => {
                let requests = self.store.requests.values_mut();
                let mut open: Vec<_> = requests
                    .filter(|request| **request == Request::Open)
                    .collect();
                if !open.is_empty() {
                    let which = which % open.len();
                    *open[which] = Request::Decided(*verdict);
                    self.ring();
                }
            }
            Step::Stop => {
                // Who waits for a place hears that it need not, any more.
                let waits = self.store.left() > 0;
                let is_told = self.store.stop();
                if is_told {
                    self.stop.get_or_insert(self.now);
                }
                if is_told || waits {
                    self.ring();
                }
            }
            Step::Press(press) => {
                self.store.press(*press);
                if self.store.stop {
                    self.stop.get_or_insert(self.now);
                }
                self.ring();
            }
            Step::Rival(which, does) => self.rival(*which, *does),
            Step::Prepared(outcome) => self.prepared(*outcome),
            Step::SpawnWillFail(failure) => self.spawn_will_fail = Some(*failure),
            Step::Exit { loses, words } => self.exit(*loses, *words),
            Step::StopReading => {
                if let Some(claude) = &mut self.process {
                    claude.reads = false;
                }
            }
            Step::Wait(how_long) => self.wait(*how_long),
            Step::Oversleep(how_long) => {
                self.now += *how_long;
                self.overslept += *how_long;
            }
            Step::Shutdown => {
                self.shutdown.get_or_insert(self.now);
                self.handle(Event::Shutdown);
            }
            Step::ShutdownWhileGiving => self.shutdown_will_overtake = true,
            Step::Hurry => {
                self.shutdown.get_or_insert(self.now);
                self.hurry.get_or_insert(self.now);
                self.handle(Event::Hurry);
            }
            Step::Die { after: 0, with } => drop(self.die(*with)),
            Step::Die { after, with } => self.dies = Some((*after, *with)),
            Step::Stray(stray) => {
                if self.process.is_some() {
                    self.is_confused = true;
                    let message = self.stray(stray);
                    self.said(message);
                }
            }
            of_the_process => self.claude_does(of_the_process),
        }
    }

    /// The preparation ends, and with it what was left of a former chappe.
    fn prepared(&mut self, outcome: Result<Seen, Failure>) {
        let Some(ids) = self.preparing.take() else {
            return;
        };
        self.end_leftover();
        self.handle(match outcome {
            Ok(seen) => {
                let open = ids.into_iter().filter(|id| self.store.is_open(*id));
                Event::Prepared(
                    open.map(|id| (PromptId(id), self.facts(id, seen)))
                        .collect(),
                )
            }
            Err(failure) => Event::NotPrepared(trouble(failure)),
        });
    }

    fn facts(&self, id: i64, seen: Seen) -> Facts {
        let row = &self.store.rows[&id];
        let nothing_acted = !row.acted;
        let acted = Acted {
            tool: "Bash".to_owned(),
            input: "ls".to_owned(),
        };
        Facts {
            prompt: "hi".to_owned(),
            is_command: row.is_command,
            trace: match seen {
                Seen::TheTruth => self.conversation.trace(&format!("u{id}")),
                Seen::Nothing => Trace::Unreadable,
                Seen::TooLittle => Trace::Missing,
            },
            acted: if nothing_acted { vec![] } else { vec![acted] },
            had_turns: self.store.said,
        }
    }

    /// Without input it ends its turn and works off what is queued, unless it is broken off.
    fn end_leftover(&mut self) {
        let Some((claude, finishes)) = self.leftover.take() else {
            return;
        };
        for uuid in claude.works_on() {
            let known = self.conversation.0.entry(uuid.clone()).or_default();
            if finishes {
                let turn = claude.turn.as_ref();
                let turn = turn.filter(|turn| turn.is_about(uuid));
                known.finished = Some(turn.map_or_else(Vec::new, |turn| turn.said.clone()));
                known.refused = !claude.asked.is_empty();
            }
        }
    }

    fn wait(&mut self, how_long: Duration) {
        let until = self.now + how_long;
        for _ in 0..CIRCLE_MAX {
            if self.process.as_ref().is_some_and(|claude| claude.killed) {
                // What was killed is gone before time goes by, and only then.
                self.exit(false, 0);
            }
            if self.bell {
                self.look();
            }
            let held_until = self.store.held.as_ref().and_then(|held| held.until);
            let due = match &self.machine {
                Some(machine) => machine.deadline(),
                None => held_until.filter(|_| self.shutdown.is_none() && !self.over),
            };
            let Some(due) = due.filter(|due| *due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            if self.machine.is_some() {
                self.tick();
            } else {
                self.ring();
            }
            self.check();
        }
        self.fail("ticks do not move it on");
    }

    fn tick(&mut self) {
        let before = self.done;
        self.handle(Event::Tick);
        let did_nothing = self.done == before;
        let due = self.machine.as_ref().and_then(Machine::deadline);
        let again = due.is_some_and(|due| due <= self.now);
        self.ensure(!(did_nothing && again), "a deadline comes again and again");
    }

    fn exit(&mut self, loses: bool, words: u8) {
        let Some(claude) = self.process.take() else {
            return;
        };
        self.store.has_process = false;
        self.remembers(&claude, loses);
        let (unasked, deaths) = (self.heard_unasked(&claude), self.deaths);
        self.handle(Event::Exited {
            how: "exit code 1".to_owned(),
            last_words: format!("boom {words}"),
        });
        if self.deaths == deaths && !self.is_confused {
            for text in &unasked {
                let told = self.delivered.contains(text);
                self.ensure(told, "what Claude said unasked is lost with its process");
            }
        }
    }

    /// What chappe has heard of a turn that nobody has asked for, until a prompt was taken into it: what is said then is
    /// that prompt's. It is in no transcript that is looked at. Of a turn that begins in a process that is being ended,
    /// nobody can tell that it is not of a prompt.
    fn heard_unasked(&self, claude: &Claude) -> Vec<String> {
        let turn = claude.turn.as_ref();
        let turn = turn.filter(|turn| turn.uuid.is_none() && !turn.is_late);
        let said = turn
            .into_iter()
            .flat_map(|turn| match turn.joined.is_empty() {
                true => &turn.said,
                false => &turn.said_before,
            });
        let is_unread = |text: &String| {
            let mut unread = claude.out.iter();
            unread.any(|line| matches!(line, Message::Assistant(said) if said.message_id == *text))
        };
        let heard = said.filter(|text| self.machine.is_some() && !is_unread(text));
        heard.cloned().collect()
    }

    /// What was written last may be lost with a process.
    fn remembers(&mut self, claude: &Claude, loses: bool) {
        let turn = claude.turn.as_ref().filter(|_| loses);
        for uuid in turn
            .into_iter()
            .flat_map(|turn| turn.uuid.iter().chain(&turn.joined))
        {
            self.conversation.0.remove(uuid);
        }
    }

    /// chappe dies, and is started again; not while it ends, for then it is as good as dead.
    fn die(&mut self, with: Death) -> bool {
        self.dies = None;
        if self.machine.is_none() || self.shutdown.is_some() || self.over {
            return false;
        }
        self.deaths += 1;
        self.machine = None;
        self.events.clear();
        self.bell = false;
        self.preparing = None;
        // The places are forgotten with it.
        self.rivals = Rivals::new();
        self.shown = None;
        self.shutdown_will_overtake = false;
        // Nobody knows what a chappe that has died was about to do.
        self.stopped.clear();
        if let Some(claude) = self.process.take() {
            match with {
                Death::Both => self.remembers(&claude, false),
                Death::LeavesIt { finishes } => self.leftover = Some((claude, finishes)),
            }
        }
        self.begins();
        true
    }

    /// A new chappe looks for what a former one has left.
    fn begins(&mut self) {
        if self.store.is_broken() {
            self.store.release(Press::Retry);
        }
        let something = self.store.left() > 0
            || self.store.open().next().is_some()
            || self.store.stop
            || self.store.is_asked();
        if something {
            self.ring();
        }
    }

    fn note(&mut self, what: Noted) {
        if self.trace.len() == TRACE_MAX {
            self.trace.pop_front();
        }
        self.trace.push_back(what);
    }
}

fn trouble(failure: Failure) -> Trouble {
    match failure {
        Failure::ForGood => Trouble::NotStarted {
            cause: "no".to_owned(),
            cure: None,
            of_conversation: false,
        },
        Failure::HostIsFull => Trouble::HostIsFull {
            cause: "no".to_owned(),
        },
    }
}
