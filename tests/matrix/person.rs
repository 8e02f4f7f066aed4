//! A person in a story: says something, presses what there is to press, and waits until it is answered.
//!
//! Knows nothing of chappe's insides but what a story has to wait for; what is right is judged elsewhere.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use chappe::loopback::botapi::{Person, Shown};
use rusqlite::types::FromSql;

use crate::host::{Host, processes_of};

/// How long something in a story may take, with all restarts and pauses in it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long chats and database are left alone between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What is pressed wherever it is offered. Everything else is left alone.
const PRESSED: [&str; 8] = [
    "Allow once",
    "Green",
    "Run",
    "Run all",
    "Try again",
    "Try now",
    "Continue",
    "Go on",
];

/// What is said where Claude knows nothing of a conversation.
pub const FORGOTTEN: &str = "Claude has no conversation with this id";

/// Something that was said, and how its answer is known.
#[derive(Clone, Debug)]
pub struct Asked {
    pub chat: i64,
    /// Stands in its answer and in nothing else that the bot writes.
    pub needle: String,
    /// How often it may be answered: once, or for what was stopped not at all.
    pub may_be_stopped: bool,
}

/// Someone who plays a story.
pub struct Player<'a> {
    pub host: &'a Host,
    pub person: Person,
    /// What all that they say begins with.
    pub prefix: &'static str,
    pub asked: RefCell<Vec<Asked>>,
    pressed: RefCell<BTreeSet<(i64, String)>>,
}

impl<'a> Player<'a> {
    pub fn new(host: &'a Host, person: Person, prefix: &'static str) -> Player<'a> {
        Player {
            host,
            person,
            prefix,
            asked: RefCell::default(),
            pressed: RefCell::default(),
        }
    }

    /// Says a plain text, which is repeated in its answer.
    pub fn says(&self, text: &str) {
        let text = format!("{} {text}", self.prefix);
        self.host.api.say(&self.person, &text);
        self.expect(text, false);
    }

    /// Says a text in bold, which is repeated in its answer with or without that.
    pub fn says_formatted(&self, text: &str) {
        let text = format!("{} {text}", self.prefix);
        self.host.api.say(&self.person, &format!("**{text}**"));
        self.expect(text, false);
    }

    /// Says something that ends with an answer of its own.
    pub fn wants(&self, script: &str, answer: &str, may_be_stopped: bool) {
        let answer = format!("{} {answer}", self.prefix);
        let text = format!("{script} [[text {answer}]]");
        self.host.api.say(&self.person, &text);
        self.expect(answer, may_be_stopped);
    }

    /// Says something that needs no answer, such as a command of chappe's.
    pub fn commands(&self, text: &str) {
        self.host.api.say(&self.person, text);
    }

    fn expect(&self, needle: String, may_be_stopped: bool) {
        self.asked.borrow_mut().push(Asked {
            chat: self.person.chat,
            needle,
            may_be_stopped,
        });
    }

    /// Waits until all that was said is answered, but what may be stopped.
    pub fn hears(&self) -> Result<(), String> {
        let asked = self.asked.borrow().clone();
        let open = |shown: &[Shown]| {
            let mut open = asked.iter().filter(|asked| {
                !asked.may_be_stopped && !shown.iter().any(|one| answers(one, &asked.needle))
            });
            open.next().map(|asked| asked.needle.clone())
        };
        self.waits("all answers", |shown| open(shown).is_none())
            .map_err(|error| {
                let open = open(&self.host.api.messages(self.person.chat));
                format!("{error}; no answer with {open:?}")
            })
    }

    /// Waits until something stands in the chat, and presses meanwhile what there is to press.
    pub fn waits(
        &self,
        what: &str,
        mut stands: impl FnMut(&[Shown]) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.host.api.messages(self.person.chat);
            if stands(&shown) {
                return Ok(());
            }
            self.press_all(&shown);
            if Instant::now() >= deadline {
                let prefix = self.prefix;
                let processes = states(self.host);
                return Err(format!(
                    "{prefix} waited in vain for {what}; processes: {processes:?}"
                ));
            }
            pause(LOOK_EVERY);
        }
    }

    /// Waits until a message of the bot says something, pressing nothing; None where what was asked last is answered
    /// before that.
    pub fn sees(&self, text: &str) -> Result<Option<Shown>, String> {
        let deadline = Instant::now() + PATIENCE;
        let last = self.asked.borrow().last().map(|asked| asked.needle.clone());
        while Instant::now() < deadline {
            let shown = self.host.api.messages(self.person.chat);
            let says =
                |one: &&Shown| one.from_bot && one.text.contains(text) && !one.buttons.is_empty();
            if let Some(found) = shown.iter().find(says) {
                return Ok(Some(found.clone()));
            }
            let is_answered = |needle: &String| shown.iter().any(|one| answers(one, needle));
            if last.as_ref().is_some_and(is_answered) {
                return Ok(None);
            }
            pause(LOOK_EVERY);
        }
        Err(format!("{} waited in vain for {text:?}", self.prefix))
    }

    /// The same person in a topic of the chat. What they say there is theirs as well.
    pub fn says_in_topic(&self, topic: i64, script: &str, answer: &str) {
        let answer = format!("{} {answer}", self.prefix);
        let text = format!("{script} [[text {answer}]]");
        self.host.api.say(&self.person.in_topic(topic), &text);
        self.expect(answer, false);
    }

    /// Waits until a query for one number finds something else than 0, or all is answered.
    pub fn waits_for_row(&self, query: &str) {
        let deadline = Instant::now() + PATIENCE;
        while number(self.host, query).unwrap_or(0) == 0 && Instant::now() < deadline {
            pause(LOOK_EVERY);
        }
    }

    /// Presses what is offered, each button once.
    pub fn press_all(&self, shown: &[Shown]) {
        for message in shown.iter().filter(|message| message.from_bot) {
            // Trying again does not bring back what Claude had not written down.
            let pressed: &[&str] = match message.text.contains(FORGOTTEN) {
                true => &["Start fresh"],
                false => &PRESSED,
            };
            let wanted = message
                .buttons
                .iter()
                .flatten()
                .find(|(label, _)| pressed.contains(&label.as_str()));
            if let Some((_, data)) = wanted
                && self.pressed.borrow_mut().insert((message.id, data.clone()))
            {
                self.host.api.press(&self.person, message.id, data);
            }
        }
    }
}

/// Whether a message of the bot answers what is known by the needle.
pub fn answers(shown: &Shown, needle: &str) -> bool {
    shown.from_bot && is_speech(&shown.text) && shown.text.contains(needle)
}

/// Whether a text is something that Claude says, and not a word of chappe's about it.
fn is_speech(text: &str) -> bool {
    !["⏳", "✓", "✗", "⚠"].iter().any(|sign| text.starts_with(sign))
        // A request shows the command, and says who asks.
        && !text.contains("wants to ")
}

/// What each process of the host is at: a frozen one explains what did not come.
fn states(host: &Host) -> Vec<String> {
    let state = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut lines = status.lines();
        let state = lines.find_map(|line| line.strip_prefix("State:"));
        format!("{pid} {}", state.unwrap_or(" gone").trim())
    };
    processes_of(host.folder.path())
        .into_iter()
        .map(state)
        .collect()
}

/// One number from the database, if it can be read just now.
pub fn number(host: &Host, query: &str) -> Option<i64> {
    value(host, query)
}

/// One text from the database, if it can be read just now.
pub fn text(host: &Host, query: &str) -> Option<String> {
    value(host, query)
}

fn value<T: FromSql>(host: &Host, query: &str) -> Option<T> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let path = host.state_dir().join("chappe.db");
    let database = rusqlite::Connection::open_with_flags(path, flags).ok()?;
    database.busy_timeout(Duration::from_secs(5)).ok()?;
    database.query_row(query, [], |row| row.get(0)).ok()
}

/// Lets time pass until the next look at what announces itself to nobody.
pub fn pause(time: Duration) {
    let _ = crossbeam_channel::never::<()>().recv_timeout(time);
}
