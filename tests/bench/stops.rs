//! How long a stop takes: from the person's `/stop` at the Bot API until the process tree is silent.
//!
//! Silent means: the last byte that Claude writes for that turn has been written, and the last process that its tools had
//! started has gone. Claude itself stays, as it should. Both are looked at about every millisecond, so the figures are
//! that exact. In the place of Claude stands the stand-in, which answers an interruption at once: what is measured is
//! chappe, the host, and what the stand-in must wait for.

use std::time::{Duration, Instant};

use chappe::loopback::botapi::{Person, Shown};

use crate::daemon::{Daemon, KEPT, Setup, executable, new_folder, pause, until};
use crate::figures::{Sample, heading, line, millis, remark};
use crate::looks::{self, Process, written};

/// So long without a byte, a process or a word is silence.
const SILENCE: Duration = Duration::from_millis(100);

/// How many sessions take turns, and how long all is left alone after a stop: so no chat gets more than a message a
/// second, and nothing is held up by the pace that chappe keeps in a chat.
const SESSIONS: i64 = 4;
const REST: Duration = Duration::from_millis(400);

/// A state in which a turn can be stopped.
struct State {
    name: &'static str,
    /// What the stand-in is told.
    prompt: &'static str,
    sign: Sign,
}

/// How it is seen that a turn is in its state.
#[derive(Clone, Copy)]
enum Sign {
    /// Claude has written at so many different moments.
    Writes(u32),
    /// It has begun, and writes nothing any more.
    WritesNothing,
    /// A process of this name runs below Claude.
    Runs(&'static str),
    /// A message with buttons stands in the chat.
    Asks,
}

const STATES: [State; 6] = [
    State {
        name: "while it streams text",
        prompt: "[[slow 20]] [[say 100000]]",
        sign: Sign::Writes(20),
    },
    State {
        name: "in a tool",
        prompt: r#"[[tool Bash {"command":"sleep 600"}]]"#,
        sign: Sign::Runs("sleep"),
    },
    State {
        name: "in a tool that ignores SIGTERM",
        prompt: r#"[[tool Bash {"command":"trap '' TERM; sleep 600"}]]"#,
        sign: Sign::Runs("sleep"),
    },
    State {
        name: "with an open request",
        prompt: r#"[[tool Bash {"command":"touch made"}]]"#,
        sign: Sign::Asks,
    },
    State {
        name: "while the API does not answer",
        prompt: "[[hang]]",
        sign: Sign::WritesNothing,
    },
    State {
        name: "while it waits to try the API again",
        prompt: "[[error 500]]",
        sign: Sign::Writes(6),
    },
];

/// Measures and prints.
pub fn measure(stops: u32) {
    let daemon = Daemon::start(new_folder(), &setup());
    for person in &daemon.people {
        daemon.api.say(person, "[[text awake]]");
        daemon.wait("every session to be awake", |view| {
            let mut shown = view.from_bot(person.chat);
            shown.find(|shown| shown.text.contains("awake")).map(drop)
        });
    }
    let claudes: Vec<Process> = looks::below(daemon.pid)
        .into_iter()
        .filter(|process| process.has_argument("--session-id="))
        .collect();
    heading(
        &format!("From a stop to silence, {stops} stops each"),
        &["median", "worst"],
    );
    let mut people = daemon.people.iter().cycle();
    for state in &STATES {
        let stops = (0..stops).zip(people.by_ref());
        let silent = Sample::new(
            stops
                .map(|(_, person)| stop(&daemon, &claudes, person, state))
                .collect(),
        );
        line(state.name, &[silent.median(), silent.worst()].map(millis));
    }
    remark(
        "Silent: Claude's last byte of the turn is written and the last process of its tools is gone; Claude stays.",
    );
    remark(
        "The stand-in gives a tool 2 s after SIGTERM, and tells chappe of the end of the turn only then.",
    );
}

fn setup() -> Setup {
    Setup {
        people: SESSIONS,
        claude: vec![executable().display().to_string(), "stand-in".to_owned()],
        // So that the tools run unasked; the one that asks is another.
        extra_args: vec!["--allowedTools=Bash(sleep:*),Bash(trap:*)".to_owned()],
        environment: [
            // So that it does not give the API up before it is stopped.
            ("CLAUDE_CODE_MAX_RETRIES", "1000000"),
            // What the real one sets for its tools, and by which chappe knows them.
            ("CLAUDE_CODE_CHILD_SESSION", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        sessions: KEPT.to_owned(),
        under: Vec::new(),
    }
}

/// What was seen of a process tree last, and since when nothing has changed in it.
struct Tree<'c> {
    claudes: &'c [Process],
    tools: Vec<Process>,
    written: u64,
    changed: Instant,
    changes: u32,
}

impl<'c> Tree<'c> {
    fn new(claudes: &'c [Process]) -> Tree<'c> {
        Tree {
            claudes,
            tools: Vec::new(),
            written: all_written(claudes),
            changed: Instant::now(),
            changes: 0,
        }
    }

    /// Looks whether Claude has written, and which of the tools still live.
    fn look(&mut self) {
        let written = all_written(self.claudes);
        let tools = self.tools.len();
        self.tools.retain(Process::lives);
        if (written, tools) != (self.written, self.tools.len()) {
            self.written = written;
            self.changed = Instant::now();
            self.changes += 1;
        }
    }

    /// Looks for processes that were started. Takes longer.
    fn find_tools(&mut self, chappe: i32) {
        self.tools = looks::below(chappe)
            .into_iter()
            .filter(|process| !self.claudes.contains(process))
            .collect();
    }

    fn is_silent(&self) -> bool {
        self.tools.is_empty() && self.changed.elapsed() >= SILENCE
    }
}

/// Of all of them: the others are quiet.
fn all_written(claudes: &[Process]) -> u64 {
    claudes
        .iter()
        .filter_map(|claude| written(claude.pid))
        .sum()
}

/// Lets a turn come into its state, stops it, and waits for silence.
fn stop(daemon: &Daemon, claudes: &[Process], person: &Person, state: &State) -> Duration {
    let mut tree = Tree::new(claudes);
    let asked = Instant::now();
    let prompt = daemon.api.say(person, state.prompt);
    daemon.wait("the turn to begin", |view| {
        let mut typing = view.calls_of("sendChatAction");
        typing
            .any(|call| call.when >= asked && call.params["chat_id"] == person.chat)
            .then_some(())
    });
    until(state.name, || {
        tree.look();
        let is_there = match state.sign {
            Sign::Writes(times) => tree.changes >= times,
            Sign::WritesNothing => tree.is_silent(),
            Sign::Runs(name) => {
                tree.find_tools(daemon.pid);
                tree.tools.iter().any(|process| process.name == name)
            }
            Sign::Asks => {
                let shown = daemon.api.messages(person.chat);
                let asks = |shown: &Shown| shown.id > prompt && !shown.buttons.is_empty();
                shown.iter().any(asks)
            }
        };
        is_there.then_some(())
    });

    let stopped = Instant::now();
    daemon.api.say(person, "/stop");
    let silent = until("silence", || {
        tree.look();
        if !tree.is_silent() || tree.changed < stopped {
            return None;
        }
        // The last look is a thorough one: a tool may have started another.
        tree.find_tools(daemon.pid);
        tree.tools.is_empty().then_some(tree.changed)
    });
    pause(REST);
    silent - stopped
}
