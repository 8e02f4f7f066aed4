//! What sessions cost chappe itself: memory and threads with few and with many that have no process, and with some that
//! have one; and what chappe does while nobody wants anything of it.
//!
//! All is looked at in one chappe, as sessions become more: what it needs for each of them, and does not give back, shows
//! in the lines for each one more. The chats are there before the first session, so that they do not count as sessions.

use std::fs;
use std::time::{Duration, Instant};

use chappe::loopback::botapi::Person;

use crate::daemon::{Daemon, KEPT, Setup, executable, new_folder, pause, until};
use crate::figures::{bytes, heading, line, millis, remark};
use crate::looks::{self, Holds, Process, Used, nanos};

/// How many people make sessions, each in a chat of their own: in one chat the pace that chappe keeps would hold the
/// answers up, about one message a second.
const PEOPLE: i64 = 20;

/// After so long without a change in their number no thread is about to end or to begin.
const QUIET: Duration = Duration::from_millis(300);

/// After so long without a call chappe has nothing left to say: what waits for the pace of a chat goes out each second.
const SAID_ALL: Duration = Duration::from_secs(2);

/// How many sessions there are, and how long is looked on while nothing happens.
#[derive(Clone, Copy)]
pub struct Numbers {
    /// Without a process, ever more of them.
    pub asleep: [u32; 3],
    /// With a process. At most [`PEOPLE`].
    pub live: u32,
    pub idle: Duration,
}

/// Measures and prints.
pub fn measure(numbers: &Numbers) {
    let mut town = Town::start("idle_timeout = \"100ms\"\n");
    let none = town.look();
    let mut asleep = Vec::new();
    let mut idle = Vec::new();
    for sessions in numbers.asleep {
        town.grow(sessions);
        until("every process to end", || {
            town.claudes().is_empty().then_some(())
        });
        asleep.push((sessions, town.look()));
        if [numbers.asleep[0], numbers.asleep[2]].contains(&sessions) {
            idle.push(town.idle(numbers.idle));
        }
    }
    drop(town);
    let mut town = Town::start(KEPT);
    let none_live = town.look();
    town.grow(numbers.live);
    assert_eq!(town.claudes().len(), numbers.live as usize);
    let live = town.look();
    drop(town);

    heading(
        "chappe's memory and threads",
        &["RSS", "PSS", "private", "threads"],
    );
    line("no session", &cells(&none));
    for (sessions, holds) in &asleep {
        line(&format!("{sessions} suspended"), &cells(holds));
    }
    for pair in asleep.windows(2) {
        let ((few, before), (many, after)) = (pair[0], pair[1]);
        let name = format!("  for each one more, from {few} to {many}");
        line(&name, &each_more(&before, &after, many - few));
    }
    line("no session, in another chappe", &cells(&none_live));
    line(&format!("{} live", numbers.live), &cells(&live));
    line(
        "  for each of them",
        &each_more(&none_live, &live, numbers.live),
    );
    remark(
        "Without Claude's processes. Every session was made by /new and has answered one prompt of the stand-in.",
    );
    if none.shares.is_none() {
        remark(
            "PSS cannot be read: chappe closes its /proc to its own user, so only root sees it.",
        );
    }

    heading(
        &format!("{} s in which nothing happens", numbers.idle.as_secs_f64()),
        &[numbers.asleep[0], numbers.asleep[2]]
            .map(|sessions| format!("{sessions} asleep"))
            .each_ref()
            .map(String::as_str),
    );
    let row = |name: &str, of: fn(&Idle) -> String| {
        line(name, &idle.iter().map(of).collect::<Vec<_>>());
    };
    row("time on a core", |idle| {
        millis(nanos(idle.used.on_core.into()))
    });
    row("context switches, voluntary", |idle| {
        idle.used.waited.to_string()
    });
    row("context switches, not voluntary", |idle| {
        idle.used.gave_way.to_string()
    });
    row("calls to the Bot API", |idle| idle.calls.to_string());
}

fn cells(holds: &Holds) -> Vec<String> {
    let shares = |of: fn(&looks::Shares) -> u64| {
        let bytes_of = holds.shares.as_ref().map(of);
        bytes_of.map_or("?".to_owned(), |of| bytes(of as f64))
    };
    vec![
        bytes(holds.resident as f64),
        shares(|shares| shares.proportional),
        shares(|shares| shares.private),
        holds.threads.to_string(),
    ]
}

fn each_more(before: &Holds, after: &Holds, sessions: u32) -> Vec<String> {
    let each = |before: u64, after: u64| (after as f64 - before as f64) / f64::from(sessions);
    let shares = |of: fn(&looks::Shares) -> u64| {
        let both = before.shares.as_ref().zip(after.shares.as_ref());
        both.map_or("?".to_owned(), |(before, after)| {
            bytes(each(of(before), of(after)))
        })
    };
    vec![
        bytes(each(before.resident, after.resident)),
        shares(|shares| shares.proportional),
        shares(|shares| shares.private),
        format!("{:.2}", each(before.threads, after.threads)),
    ]
}

/// What chappe did while nobody wanted anything of it.
struct Idle {
    used: Used,
    calls: u64,
}

/// A chappe with people who make sessions.
struct Town {
    daemon: Daemon,
    sessions: u32,
}

impl Town {
    fn start(kept: &str) -> Town {
        let folder = new_folder();
        // A copy, as the actual Claude is another file too: what both had of the same one would be shared in memory.
        let stand_in = folder.path().join("claude-stand-in");
        fs::copy(executable(), &stand_in).expect("the executable can be copied");
        let setup = Setup {
            people: PEOPLE,
            claude: vec![stand_in.display().to_string(), "stand-in".to_owned()],
            extra_args: Vec::new(),
            environment: Vec::new(),
            // As many places as there are people, whatever memory this host has left.
            sessions: format!("{kept}max_live = {PEOPLE}\nmin_free_memory = \"0\"\n"),
            under: Vec::new(),
        };
        let daemon = Daemon::start(folder, &setup);
        for person in &daemon.people {
            daemon.api.say(person, "/sessions");
        }
        for person in &daemon.people {
            daemon.wait("every chat to be known", |view| {
                view.from_bot(person.chat).next().map(drop)
            });
        }
        Town {
            daemon,
            sessions: 0,
        }
    }

    /// Makes sessions until there are so many; each answers a prompt.
    fn grow(&mut self, sessions: u32) {
        while self.sessions < sessions {
            let last = sessions.min(self.sessions + PEOPLE as u32);
            let new: Vec<(u32, &Person)> = (self.sessions..last).zip(&self.daemon.people).collect();
            for (number, person) in &new {
                self.daemon.api.say(person, &format!("/new s{number}"));
                let prompt = format!("[[text answer {number}.]]");
                self.daemon.api.say(person, &prompt);
            }
            for (number, person) in &new {
                let (made, answer) = (format!("s{number} is ready"), format!("answer {number}."));
                self.daemon.wait("a session and its answer", |view| {
                    let shows = |text: &String| {
                        let mut shown = view.from_bot(person.chat);
                        shown.any(|shown| shown.text.contains(text.as_str()))
                    };
                    [&made, &answer].into_iter().all(shows).then_some(())
                });
            }
            self.sessions = last;
        }
    }

    fn claudes(&self) -> Vec<Process> {
        let mut below = looks::below(self.daemon.pid);
        below.retain(|process| process.has_argument("--session-id="));
        below
    }

    /// Looks once no thread comes or goes any more.
    fn look(&self) -> Holds {
        let (mut threads, mut since) = (0, Instant::now());
        until("chappe to be quiet", || {
            let holds = Holds::of(self.daemon.pid);
            if holds.threads != threads {
                (threads, since) = (holds.threads, Instant::now());
            }
            (since.elapsed() >= QUIET).then_some(holds)
        })
    }

    /// What is used while nobody does anything.
    fn idle(&self, time: Duration) -> Idle {
        until("chappe to have said all", || {
            let last = self.daemon.api.calls().pop();
            let quiet = last.is_none_or(|call| call.when.elapsed() >= SAID_ALL);
            quiet.then_some(())
        });
        let (calls, before) = (self.calls(), Used::of(self.daemon.pid));
        // The time itself is what is measured over.
        pause(time);
        Idle {
            used: Used::of(self.daemon.pid).since(&before),
            calls: self.calls() - calls,
        }
    }

    /// How many calls the Bot API has got so far.
    fn calls(&self) -> u64 {
        let calls = self.daemon.api.calls();
        calls.last().map_or(0, |call| call.seq + 1)
    }
}
