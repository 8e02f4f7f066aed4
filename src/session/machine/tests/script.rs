//! Scripts: lines that say what happens to a session, and the actions that follow under each of them.
//!
//! Time is virtual: it stands still but for `wait`, which goes from deadline to deadline and ticks as the owner would.
//! Whatever has a number here has an id made of it: prompt 1 is written with the uuid `u1`. Which prompts are open in
//! the store follows from the actions; the words of a line are read in `words`, actions are put into words in `shown`.

mod shown;
mod words;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::super::*;
use crate::chat::{Block, ChatId, Place, PromptId};
use crate::claude::protocol::Message;
use crate::session::recovery::Facts;
pub use words::can_use;
use words::{cut, seconds};

/// More ticks within one `wait` would be a machine that runs in circles.
const TICKS_MAX: usize = 20;

/// What every script begins with unless it says otherwise.
pub fn settings() -> Settings {
    Settings {
        stop_grace: Duration::from_secs(5),
        shutdown_grace: Duration::from_secs(20),
        retries: 3,
        retry_delay: Duration::from_secs(1),
        ask_first: false,
    }
}

pub fn prompt(number: i64, text: &str) -> Prompt {
    Prompt {
        id: PromptId(number),
        uuid: format!("u{number}"),
        text: text.to_owned(),
        place: Place {
            chat: ChatId(7),
            topic: None,
        },
        attempts: 1,
        tries: 0,
        is_command: false,
        steered: None,
    }
}

/// Plays `before` unseen, then the script, and shows it with the actions under each line, and with the deadline
/// wherever it changes.
///
/// The first lines may be settings: `idle never` or `idle 0s` (10 minutes otherwise), `retries 1` (3), `asks first`.
pub fn check(before: &str, script: &str) -> String {
    let mut play = Play::new();
    play.lines(before);
    play.shown.clear();
    play.lines(script);
    play.shown
}

pub const NOTHING: &str = "";

/// Until the process runs and has not answered.
pub const STARTING: &str = "
    work 1
    prepared
    started
";

/// Until the process waits for a prompt.
pub const OPEN: &str = "
    work 0
    work 1
    prepared
    started
    initialized
    given nothing
";

/// Until prompt 1 is written, and Claude has not taken it.
pub const GIVEN: &str = "
    work 1
    prepared
    started
    initialized
    given 1 hi
";

/// Until Claude works on prompt 1, at 0 s.
pub const BUSY: &str = "
    work 1
    prepared
    started
    initialized
    given 1 hi
    lifecycle started 1
";

/// Until prompt 1 was cut off by a crash and what became of it is being looked at, at 1 s.
pub const CUT_OFF: &str = "
    work 1
    prepared
    started
    initialized
    given 1 hi
    lifecycle started 1
    exit 137
    wait 1s
";

struct Play {
    settings: Settings,
    /// What the process is to be like, as the store has it.
    manner: Manner,
    moves: Moves,
    machine: Machine,
    base: Instant,
    now: Instant,
    waiting: usize,
    to_steer: usize,
    held: bool,
    held_until: Option<Instant>,
    /// Whether the host has a place for the process; then nothing is shown of that.
    has_room: bool,
    /// The prompts that are open in the store.
    open: BTreeMap<i64, Prompt>,
    /// Tool and input of each request, as it was asked.
    asked: HashMap<String, (String, String)>,
    /// How many messages of Claude's there were.
    messages: usize,
    due: Option<Instant>,
    shown: String,
}

impl Play {
    fn new() -> Play {
        let base = Instant::now();
        Play {
            settings: settings(),
            moves: Moves::No,
            manner: Manner {
                mode: "default".to_owned(),
                idle_timeout: Some(Duration::from_secs(600)),
                ..Manner::default()
            },
            machine: Machine::new(settings()),
            base,
            now: base,
            waiting: 0,
            to_steer: 0,
            held: false,
            held_until: None,
            has_room: true,
            open: BTreeMap::new(),
            asked: HashMap::new(),
            messages: 0,
            due: None,
            shown: String::new(),
        }
    }

    fn lines(&mut self, script: &str) {
        for line in script.lines().map(str::trim) {
            if !line.is_empty() {
                self.line(line);
            }
        }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.shown, "> {line}").expect("a string takes all");
        let (word, rest) = cut(line);
        match word {
            "idle" => {
                self.manner.idle_timeout = (rest != "never").then(|| seconds(rest));
            }
            "retries" => {
                self.settings.retries = words::number(rest);
                self.machine = Machine::new(self.settings.clone());
            }
            "asks" => {
                self.settings.ask_first = true;
                self.machine = Machine::new(self.settings.clone());
            }
            // chappe is started again over the same store.
            "restart" => self.machine = Machine::new(self.settings.clone()),
            // The host has a place from now on, or none.
            "room" => self.has_room = rest != "none",
            "wait" => self.wait(seconds(rest)),
            _ => {
                let event = self.event(word, rest);
                self.handle(event);
            }
        }
    }

    /// Lets time pass, with a tick at each deadline.
    fn wait(&mut self, how_long: Duration) {
        let until = self.now + how_long;
        for _ in 0..TICKS_MAX {
            let Some(due) = self.machine.deadline().filter(|due| *due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            let at = self.offset(self.now);
            writeln!(self.shown, "  at {at}:").expect("a string takes all");
            self.handle(Event::Tick);
        }
        panic!("ticks do not move it on:\n{}", self.shown);
    }

    fn handle(&mut self, event: Event) {
        let mut actions = VecDeque::from(self.machine.handle(self.now, event));
        while let Some(action) = actions.pop_front() {
            if action == Action::AskRoom && self.has_room {
                let granted = Event::Room(Room::Granted);
                actions.extend(self.machine.handle(self.now, granted));
                continue;
            }
            match &action {
                Action::Finish(Finished {
                    prompt, steered, ..
                }) => self.closes(prompt.id, steered),
                Action::TakeBack(prompt) => self.closes(*prompt, &[]),
                Action::ContinueAs {
                    prompt, steered, ..
                } => self.closes(*prompt, steered),
                _ => {}
            }
            let action = self.action(&action);
            writeln!(self.shown, "    {action}").expect("a string takes all");
        }
        let due = self.machine.deadline();
        if due != self.due {
            self.due = due;
            let due = due.map_or_else(
                || "nothing is due".to_owned(),
                |due| format!("due at {}", self.offset(due)),
            );
            writeln!(self.shown, "    ({due})").expect("a string takes all");
        }
    }

    fn closes(&mut self, prompt: PromptId, steered: &[PromptId]) {
        for id in steered.iter().chain([&prompt]) {
            self.open.remove(&id.0);
        }
    }

    fn offset(&self, at: Instant) -> String {
        // A deadline in the past would be a negative offset, and is shown as what it is.
        match at.checked_duration_since(self.base) {
            Some(since) => format!("{since:?}"),
            None => "a time before the script".to_owned(),
        }
    }
}
