//! Random walks over what people decide: the real store, the real machine, what Claude asks and what people press.
//!
//! Whatever happens and in whatever order: a request is answered to the process that asked it, at most once, as a press
//! that was for it has decided; and none is left open for ever. What is modelled here is only what is outside of chappe:
//! `claude`, the people with their chats ([`people`]), and the threads between ([`owner`]); what must be true stands in
//! [`checks`]. A walk that fails is made as short as it can be, and its steps are its seed.
//!
//! A further way in which people decide is one more [`Deed`], and one function in [`people`] that ends in
//! [`World::decided`].

mod checks;
mod claude;
mod owner;
mod people;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::chat::{ChatId, MessageId, Permit, Place, RowId, TopicId};
use crate::session::machine::{Event, Machine, Settings};
use checks::Ask;
use claude::{Claude, Does};
use people::{Deed, Flying, Notice, Shown};

const BOT: BotId = BotId(7);
/// Where sessions are talked to, and by whom.
const SIDES: [(Place, i64); 3] = [
    (place(1, None), 1),
    (place(1, Some(5)), 1),
    (place(2, None), 2),
];
const MAY_SPEAK: [i64; 2] = [1, 2];
const STRANGER: i64 = 3;
/// More rounds than this without an end would be a circle.
const ROUNDS_MAX: usize = 400;
const STEPS_MAX: usize = 70;

const fn place(chat: i64, topic: Option<i64>) -> Place {
    Place {
        chat: ChatId(chat),
        topic: match topic {
            Some(topic) => Some(TopicId(topic)),
            None => None,
        },
    }
}

/// What can happen next. What cannot happen now is left out; the numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    People(Deed),
    Claude(usize, Does),
    /// What comes next when all goes well.
    Onward(usize),
    /// The owner looks at the store, or reads so many lines.
    Look(usize),
    Hear(usize, usize),
    /// Claude reads what was written to it.
    Read(usize),
    /// The preparation ends; the number says what became of a prompt that was cut off.
    Prepared(usize, u8),
    /// A message begins to go out, and arrives or not; and chappe hears of that, or not.
    Send {
        which: usize,
        arrives: bool,
    },
    Sent {
        which: usize,
        heard: bool,
    },
    /// Telegram will never take it.
    Refuse {
        which: usize,
    },
    /// Nobody has decided the oldest request for long.
    TimeOut(usize),
    Wait(u64),
    /// What people do after so many more actions, whoever is in the middle of something then.
    Meanwhile {
        after: usize,
        deeds: Vec<Deed>,
    },
    /// chappe dies after so many more actions, with its processes or without, and starts again.
    Die {
        after: usize,
        leaves: bool,
    },
    /// chappe is stopped in order.
    Shutdown,
}

fn deed() -> impl Strategy<Value = Deed> {
    let which = any::<usize>;
    prop_oneof![
        3 => (0..3_usize, any::<bool>()).prop_map(|(side, steers)| Deed::Write { side, steers }),
        12 => (which(), people::from(), people::by(), prop::bool::weighted(0.2))
            .prop_map(|(button, from, by, twice)| Deed::Press { button, from, by, twice }),
        2 => (0..3_usize).prop_map(|side| Deed::Stop { side }),
        8 => (which(), words::to(), words::says(), people::by(), prop::bool::weighted(0.2))
            .prop_map(|(shown, to, says, by, twice)| Deed::Reply { shown, to, says, by, twice }),
        12 => (which(), people::from(), people::by(), prop::bool::weighted(0.2))
            .prop_map(|(button, from, by, twice)| Deed::Pick { button, from, by, twice }),
        4 => (which(), people::from(), people::by(), prop::bool::weighted(0.2))
            .prop_map(|(notice, from, by, twice)| Deed::WithThat { notice, from, by, twice }),
    ]
}

/// What comes at once, as after a while without a network.
fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let stop = |side| {
        let write = Deed::Write {
            side,
            steers: false,
        };
        vec![Deed::Stop { side }, write]
    };
    prop_oneof![
        prop::collection::vec(deed(), 1..4),
        (0..3_usize).prop_map(stop)
    ]
}

fn several() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(any::<bool>(), 1..4)
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        3 => Just(Does::Initialized),
        4 => prop::bool::weighted(0.2).prop_map(|unasked| Does::Begin { unasked }),
        8 => (0..4_usize, any::<bool>()).prop_map(|(permits, agent)| Does::Ask { permits, agent }),
        6 => several().prop_map(|several| Does::Question { several }),
        4 => any::<bool>().prop_map(|agent| Does::Plan { agent }),
        3 => any::<usize>().prop_map(Does::Withdraw),
        2 => Just(Does::ToolResult),
        2 => Just(Does::Result),
        1 => Just(Does::AgentStarts),
        1 => Just(Does::AgentEnds),
        2 => any::<bool>().prop_map(|unheard| Does::Exit { unheard }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let side = || 0..3_usize;
    let which = any::<usize>;
    prop_oneof![
        10 => deed().prop_map(Step::People),
        4 => (1..4_usize, deeds()).prop_map(|(after, deeds)| Step::Meanwhile { after, deeds }),
        12 => (side(), does()).prop_map(|(side, does)| Step::Claude(side, does)),
        16 => side().prop_map(Step::Onward),
        4 => side().prop_map(Step::Look),
        4 => (side(), 1..4_usize).prop_map(|(side, lines)| Step::Hear(side, lines)),
        3 => side().prop_map(Step::Read),
        2 => (side(), 0..4_u8).prop_map(|(side, seen)| Step::Prepared(side, seen)),
        6 => (which(), prop::bool::weighted(0.85)).prop_map(|(which, arrives)| Step::Send { which, arrives }),
        6 => (which(), prop::bool::weighted(0.8)).prop_map(|(which, heard)| Step::Sent { which, heard }),
        1 => which().prop_map(|which| Step::Refuse { which }),
        2 => side().prop_map(Step::TimeOut),
        2 => (0..20_u64).prop_map(Step::Wait),
        1 => (0..6_usize, any::<bool>()).prop_map(|(after, leaves)| Step::Die { after, leaves }),
        1 => Just(Step::Shutdown),
    ]
}

/// Claude asks for something, which is shown: what seldom follows one another by chance.
fn scene() -> impl Strategy<Value = Vec<Step>> {
    let ask = prop_oneof![
        2 => (1..3_usize).prop_map(|asks| (asks, Does::Ask { permits: asks, agent: asks > 1 })),
        2 => (1..3_usize, several()).prop_map(|(asks, several)| (asks, Does::Question { several })),
        1 => any::<bool>().prop_map(|agent| (1, Does::Plan { agent })),
    ];
    (0..3_usize, any::<bool>(), ask).prop_map(|(side, steers, (asks, ask))| {
        let mut steps = vec![Step::People(Deed::Write { side, steers })];
        steps.extend(vec![Step::Onward(side); 9]);
        steps.extend(vec![Step::Claude(side, ask); asks]);
        steps.push(Step::Hear(side, 4));
        steps
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = step().prop_map(|step| vec![step]);
    prop::collection::vec(prop_oneof![10 => one, 1 => scene()], 1..STEPS_MAX)
        .prop_map(|steps| steps.concat())
}

/// A session: its owner, and its process.
struct Side {
    session: SessionId,
    place: Place,
    user: i64,
    machine: Option<Machine>,
    events: VecDeque<Event>,
    /// Something new is in the store, and the owner has not looked yet.
    bell: bool,
    /// The number of the last stop: what has a higher one was written after it.
    stopped: i64,
    preparing: Option<Vec<PromptId>>,
    /// Requests that a timer runs for.
    timed: VecDeque<String>,
    process: Option<Claude>,
}

struct World {
    store: Store,
    base: Instant,
    now: Instant,
    sides: Vec<Side>,
    /// Everything that any process has asked for.
    asks: Vec<Ask>,
    /// Messages of ours with buttons of a request, as they stand in their chats.
    shown: Vec<Shown>,
    /// Messages of ours that offer to deny a request with a message that waits for it.
    notices: Vec<Notice>,
    /// Of those, which have been pressed; and which buttons of questions have counted.
    used: BTreeSet<RowId>,
    picked: BTreeSet<String>,
    /// The requests as the store counts them, from 1.
    stored: Vec<usize>,
    /// Where a request is shown, and by which row.
    shown_by: BTreeMap<usize, (Place, RowId)>,
    /// What was written and is given to Claude, and what became the answer to a request, and so never is.
    given: BTreeSet<String>,
    spent: BTreeSet<String>,
    /// How many questions each request had behind it when a text was written.
    written: BTreeMap<String, Vec<usize>>,
    /// The highest number of a message by which chappe knows one of its own, in each chat.
    newest: BTreeMap<ChatId, i64>,
    /// What is on its way out.
    flying: Vec<Flying>,
    /// How often each row went out, and by which number chappe knows it.
    rows: BTreeMap<RowId, (i64, Option<MessageId>)>,
    /// What people do after so many more actions.
    meanwhile: Option<(usize, Vec<Deed>)>,
    times_out: bool,
    /// Which chappe it is.
    epoch: u32,
    /// After how many more actions it dies, and whether it leaves its processes.
    dies: Option<(usize, bool)>,
    ends: bool,
    /// Whether something may stand in the store that was not looked at.
    touched: bool,
    counter: i64,
    trace: VecDeque<String>,
}

impl World {
    fn new(times_out: bool) -> World {
        let base = Instant::now();
        let mut world = World {
            store: Store::in_memory(),
            base,
            now: base,
            sides: Vec::new(),
            asks: Vec::new(),
            shown: Vec::new(),
            notices: Vec::new(),
            used: BTreeSet::new(),
            picked: BTreeSet::new(),
            stored: Vec::new(),
            shown_by: BTreeMap::new(),
            given: BTreeSet::new(),
            spent: BTreeSet::new(),
            written: BTreeMap::new(),
            newest: BTreeMap::new(),
            flying: Vec::new(),
            rows: BTreeMap::new(),
            meanwhile: None,
            times_out,
            epoch: 0,
            dies: None,
            ends: false,
            touched: true,
            counter: 0,
            trace: VecDeque::new(),
        };
        for (place, user) in SIDES {
            let session = world.make_session(place);
            world.sides.push(Side {
                session,
                place,
                user,
                machine: None,
                events: VecDeque::new(),
                bell: false,
                stopped: 0,
                preparing: None,
                timed: VecDeque::new(),
                process: None,
            });
        }
        world
    }

    fn number(&mut self) -> i64 {
        self.counter += 1;
        self.counter
    }

    /// By the clock that stands in the store, in seconds.
    fn unix(&self) -> i64 {
        1_800_000_000 + self.now.duration_since(self.base).as_secs() as i64
    }

    fn step(&mut self, step: &Step) {
        self.note(format!("{step:?}"));
        match *step {
            Step::People(ref deed) => self.people(deed),
            Step::Meanwhile { after, ref deeds } => self.meanwhile = Some((after, deeds.clone())),
            Step::Claude(side, ref does) => self.claude(side, does),
            Step::Onward(side) => {
                self.onward(side);
            }
            Step::Look(side) => self.look(side),
            Step::Hear(side, lines) => self.hear(side, lines),
            Step::Read(side) => self.read(side),
            Step::Prepared(side, seen) => self.prepared(side, seen),
            Step::Send { which, arrives } => self.send(which, arrives),
            Step::Sent { which, heard } => self.sent(which, heard),
            Step::Refuse { which } => self.refuse(which),
            Step::TimeOut(side) => self.time_out(side),
            Step::Wait(seconds) => self.wait(Duration::from_secs(seconds)),
            Step::Die { after: 0, leaves } => self.restart(leaves),
            Step::Die { after, leaves } => self.dies = Some((after, leaves)),
            Step::Shutdown => self.shutdown(),
        }
        self.check();
    }

    /// What comes next for a session when all goes well; returns whether there was anything.
    fn onward(&mut self, at: usize) -> bool {
        let side = &self.sides[at];
        if side.preparing.is_some() {
            self.prepared(at, 0);
        } else if side.bell {
            self.look(at);
        } else if let Some(process) = &side.process {
            if process.ending {
                self.claude(at, &Does::Exit { unheard: false });
            } else if !process.stdin.is_empty() {
                self.read(at);
            } else if !process.out.is_empty() {
                self.hear(at, usize::MAX);
            } else if !process.answered {
                self.claude(at, &Does::Initialized);
            } else if process.turn.is_some() && process.asks().next().is_none() {
                self.claude(at, &Does::Result);
            } else if process.turn.is_none() && !process.queue.is_empty() {
                self.claude(at, &Does::Begin { unasked: false });
            } else {
                return self.goes_out();
            }
        } else {
            let due = side.machine.as_ref().and_then(Machine::deadline);
            let Some(due) = due else {
                return self.goes_out();
            };
            self.wait(due.saturating_duration_since(self.now));
        }
        true
    }

    /// From here on everybody does what is their part, until nothing is left to do.
    fn settle(&mut self) {
        self.dies = None;
        for _ in 0..ROUNDS_MAX {
            self.note("settling".to_owned());
            let mut any = false;
            for side in 0..self.sides.len() {
                any |= self.onward(side);
            }
            self.check();
            if any {
                continue;
            }
            if self.ends && self.sides.iter().all(|side| side.machine.is_none()) {
                self.restart(false);
            } else if !self.somebody_decides() && !self.agents_end() {
                return;
            }
            self.check();
        }
        self.fail("it does not settle");
    }

    fn note(&mut self, what: String) {
        if self.trace.len() == 80 {
            self.trace.pop_front();
        }
        self.trace.push_back(what);
    }

    fn ensure(&self, is_so: bool, complaint: &str) {
        if !is_so {
            self.fail(complaint);
        }
    }

    fn fail(&self, complaint: &str) -> ! {
        let trace: Vec<&str> = self.trace.iter().map(String::as_str).collect();
        panic!("{complaint}; before that:\n{}", trace.join("\n"));
    }
}

proptest! {
    // An eighth of what is usual, or of what the environment says: a store is slow.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: ProptestConfig::default().cases / 8,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_request_is_answered_once_by_a_press_that_was_for_it_or_is_closed(
        times_out in any::<bool>(),
        steps in steps(),
    ) {
        let mut world = World::new(times_out);
        for step in &steps {
            world.step(step);
        }
        world.settle();
        world.ensure_nothing_is_open();
    }
}
