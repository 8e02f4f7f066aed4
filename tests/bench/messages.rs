//! The way of a message and of its answer, through chappe and on the bare path, one after the other.
//!
//! Two things are timed. *In*: from the moment in which a person's message is put into the Bot API, where a long poll is
//! held, to the moment in which the child has read it. *Out*: from just before the child writes its `result` to the
//! moment in which the Bot API has read the request that brings the answer.
//!
//! Each message comes alone, on a quiet chappe, and to another session than the one before it. So nothing waits for the
//! pace that chappe keeps in a chat (about one message a second): in each chat there is less than that.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chappe::loopback::botapi::{BotApi, Person};
use serde_json::Value;

use crate::child::{ANSWER, PROMPT};
use crate::daemon::{
    Daemon, KEPT, PATIENCE, Setup, Started, call_with, new_folder, pause, this_program,
};
use crate::figures::{Sample, each, each_kilobytes, heading, line, millis, ratio, remark};
use crate::looks::{Clocks, Used, nanos};
use crate::{AS_CHILD, AS_RELAY};

/// How many sessions there are, each with a live child.
const SESSIONS: i64 = 4;

/// How long all is left alone after a message, so that the next one finds it quiet.
const REST: Duration = Duration::from_millis(50);

/// The same before what was used is looked at: what was put off is done then.
const LONG_REST: Duration = Duration::from_millis(500);

/// From so much on a clock counts as set.
const SET_MIN: Duration = Duration::from_micros(200);

const RELAY_TOKEN: &str = "78:loopback-loopback-loopback-loopback";

/// Chappe with the child of the bench, and every session awake.
pub struct Awake {
    pub daemon: Daemon,
    notes: PathBuf,
}

impl Awake {
    pub fn start(under: impl FnOnce(&Path) -> Vec<String>) -> Awake {
        Awake::start_in(new_folder(), under)
    }

    /// The same where no fsync waits for a disk: its state is in memory. None where there is no such place.
    fn start_in_memory() -> Option<Awake> {
        let folder = tempfile::tempdir_in(MEMORY).ok()?;
        Some(Awake::start_in(folder, |_| Vec::new()))
    }

    fn start_in(folder: tempfile::TempDir, under: impl FnOnce(&Path) -> Vec<String>) -> Awake {
        let notes = folder.path().join("notes");
        let setup = Setup {
            people: SESSIONS,
            claude: child_command(&notes),
            extra_args: Vec::new(),
            environment: Vec::new(),
            sessions: KEPT.to_owned(),
            under: under(folder.path()),
        };
        let daemon = Daemon::start(folder, &setup);
        for (number, person) in (FIRST_UNTIMED..).zip(&daemon.people) {
            exchange(&daemon.api, person, number);
        }
        pause(LONG_REST);
        Awake { daemon, notes }
    }

    /// The person whose turn it is to write.
    pub fn person(&self, number: u32) -> &Person {
        &self.daemon.people[number as usize % self.daemon.people.len()]
    }
}

/// A file system without a disk.
pub const MEMORY: &str = "/dev/shm";

/// Messages with such numbers only wake whoever gets them.
const FIRST_UNTIMED: u32 = 1_000_000;

/// The child of the bench, with the file for its notes.
pub fn child_command(notes: &Path) -> Vec<String> {
    let program = this_program();
    [&program, Path::new(AS_CHILD), notes]
        .map(|part| part.display().to_string())
        .into()
}

/// The relay, with a Bot API of its own.
struct Bare {
    // The relay first: it ends before the server that it talks to.
    relay: Started,
    api: BotApi,
    person: Person,
    notes: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bare {
    fn start() -> Bare {
        let folder = new_folder();
        let api = BotApi::start(RELAY_TOKEN).expect("loopback has a free port");
        let person = Person::private(1001, "Ada");
        let notes = folder.path().join("notes");
        let mut command = Command::new(this_program());
        command
            .args([AS_RELAY, &api.url(), RELAY_TOKEN, &person.chat.to_string()])
            .args(child_command(&notes));
        let relay = Started::spawn(command);
        for number in FIRST_UNTIMED..FIRST_UNTIMED + 3 {
            exchange(&api, &person, number);
        }
        Bare {
            relay,
            api,
            person,
            notes,
            _folder: folder,
        }
    }
}

/// When a message was written, and when its answer came in.
#[derive(Clone, Copy)]
pub struct Exchange {
    written: Instant,
    answered: Instant,
}

/// Writes a message and waits for its answer.
pub fn exchange(api: &BotApi, person: &Person, number: u32) -> Exchange {
    let answer = format!("{ANSWER}{number}.");
    let written = Instant::now();
    api.say(person, &format!("{PROMPT}{number}"));
    let came = api.wait(PATIENCE, &answer, |view| {
        let brings = |params: &Value| params.to_string().contains(&answer);
        call_with(view, written, person.chat, brings).map(|call| call.when)
    });
    let answered = came.unwrap_or_else(|seen| panic!("{seen}"));
    pause(REST);
    Exchange { written, answered }
}

/// Both ways, of all messages.
struct Ways {
    inward: Sample,
    outward: Sample,
}

impl Ways {
    /// Joins what the Bot API has seen with what the child has noted.
    fn new(exchanges: &[(u32, Exchange)], notes: &Path, clocks: &Clocks) -> Ways {
        let noted = all_noted(notes);
        let between = |from: u128, to: u128| nanos(to.saturating_sub(from));
        let ways = exchanges.iter().map(|(number, exchange)| {
            let (arrived, result) = noted[number];
            (
                between(clocks.unix(exchange.written), arrived),
                between(result, clocks.unix(exchange.answered)),
            )
        });
        let (inward, outward) = ways.unzip();
        Ways {
            inward: Sample::new(inward),
            outward: Sample::new(outward),
        }
    }
}

/// All that a child has noted, by number.
pub fn all_noted(notes: &Path) -> HashMap<u32, (u128, u128)> {
    let notes = fs::read_to_string(notes).expect("the child has made notes");
    notes.lines().map(noted).collect()
}

/// A line of the child's notes: the number, when the prompt had been read, when the result was written.
fn noted(line: &str) -> (u32, (u128, u128)) {
    let mut fields = line.split(' ').map(str::parse::<u128>);
    let mut next = || {
        fields
            .next()
            .and_then(Result::ok)
            .expect("the child notes numbers")
    };
    let number = u32::try_from(next()).expect("messages have small numbers");
    (number, (next(), next()))
}

/// Measures and prints.
pub fn measure(messages: u32) {
    let awake = Awake::start(|_| Vec::new());
    let in_memory = Awake::start_in_memory();
    let bare = Bare::start();
    let clocks = Clocks::read();
    let looks = || (Used::of(awake.daemon.pid), Used::of(bare.relay.pid()));
    let before = looks();
    let (mut by_chappe, mut by_relay) = (Vec::new(), Vec::new());
    let mut without_fsync = Vec::new();
    for number in 0..messages {
        let person = awake.person(number);
        by_chappe.push((number, exchange(&awake.daemon.api, person, number)));
        if let Some(in_memory) = &in_memory {
            let person = in_memory.person(number);
            without_fsync.push((number, exchange(&in_memory.daemon.api, person, number)));
        }
        by_relay.push((number, exchange(&bare.api, &bare.person, number)));
    }
    pause(LONG_REST);
    let after = looks();
    let chappe = Ways::new(&by_chappe, &awake.notes, &clocks);
    let relay = Ways::new(&by_relay, &bare.notes, &clocks);
    let memory = in_memory.map(|awake| Ways::new(&without_fsync, &awake.notes, &clocks));

    heading(
        &format!("The way of {messages} messages, one at a time"),
        &["median", "p99", "worst"],
    );
    let of_memory = |way: fn(&Ways) -> &Sample| memory.as_ref().map(way);
    for (name, chappe, memory, relay) in [
        (
            "in: update at the Bot API → child's stdin",
            &chappe.inward,
            of_memory(|ways| &ways.inward),
            &relay.inward,
        ),
        (
            "out: result written → request at the Bot API",
            &chappe.outward,
            of_memory(|ways| &ways.outward),
            &relay.outward,
        ),
    ] {
        let figures = |sample: &Sample| [sample.median(), sample.p99(), sample.worst()];
        line(name, &figures(chappe).map(millis));
        if let Some(memory) = memory {
            line(
                "  the same without fsync (state in memory)",
                &figures(memory).map(millis),
            );
        }
        line("  the bare path", &figures(relay).map(millis));
        let (chappe, relay) = (figures(chappe), figures(relay));
        let ratios = [0, 1, 2].map(|column| ratio(chappe[column], relay[column]));
        line("  chappe to bare", &ratios);
    }
    remark(&format!(
        "{SESSIONS} sessions, each with a live child; batch_window = \"0ms\"; turns last 100 ms. Nothing is held up by the pace"
    ));
    remark(
        "that chappe keeps in a chat: each chat has less than a message a second. The first message, which starts a",
    );
    remark("child, is not counted.");
    let set = clocks.set_since();
    if set >= SET_MIN {
        remark(&format!(
            "The clock was set by {} meanwhile: the times are wrong by up to that.",
            millis(set)
        ));
    }
    print_used(
        messages,
        &after.0.since(&before.0),
        &after.1.since(&before.1),
    );
}

fn print_used(messages: u32, chappe: &Used, relay: &Used) {
    heading(
        "Used for each message with its answer",
        &["chappe", "bare path"],
    );
    let row = |name: &str, of: fn(&Used) -> u64| {
        line(
            name,
            &[each(of(chappe), messages), each(of(relay), messages)],
        );
    };
    row("context switches, voluntary", |used| used.waited);
    row("context switches, not voluntary", |used| used.gave_way);
    let micros = |used: &Used| format!("{} µs", each(used.on_core / 1000, messages));
    line("time on a core", &[micros(chappe), micros(relay)]);
    match (chappe.io, relay.io) {
        (Some(chappe), Some(relay)) => {
            let row = |name: &str, one: String, other: String| line(name, &[one, other]);
            row(
                "write calls (files and pipes)",
                each(chappe.writes, messages),
                each(relay.writes, messages),
            );
            row(
                "bytes in them",
                each_kilobytes(chappe.written, messages),
                each_kilobytes(relay.written, messages),
            );
            row(
                "bytes that go to the disk",
                each_kilobytes(chappe.to_disk, messages),
                each_kilobytes(relay.to_disk, messages),
            );
        }
        _ => remark(
            "What is written cannot be read: chappe closes its /proc to its own user, so only root sees it.",
        ),
    }
}
