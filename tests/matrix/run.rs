//! Runs a cell: a host of its own, chappe with its order, the people, and a watch that starts chappe again when it dies.
//!
//! What is right is judged in `verdict`; what is looked at there is gathered here, at the moment of a death and at the end.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chappe::loopback::botapi::Person;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags};

use crate::cell::{Cell, Fault, Story};
use crate::host::{Chappe, Host, USER, chappe, processes_of, write_program};
use crate::person::{Asked, Player, number, pause};
use crate::stories;
use crate::verdict;

/// How often chappe is looked at, to see whether it has died.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long all may take to become quiet once all is answered.
const QUIET_MAX: Duration = Duration::from_secs(90);

/// How often chappe may die in a cell. It is ordered to once or twice.
const DEATHS_MAX: u32 = 6;

/// The second person.
const OTHER: i64 = 1002;

/// What a person of a story may want of the watch.
pub struct Orders {
    restart: AtomicBool,
    /// By how many seconds the clock of the next chappe is off.
    clock: AtomicI64,
    lives: AtomicU32,
}

impl Orders {
    /// The same, and lets the next chappe believe that so many seconds have passed meanwhile.
    pub fn restart_after(&self, seconds: i64) {
        self.clock.store(seconds, Ordering::SeqCst);
        self.restart();
    }

    /// Stops chappe in order and starts it again; returns when that is done.
    pub fn restart(&self) {
        let before = self.lives.load(Ordering::SeqCst);
        self.restart.store(true, Ordering::SeqCst);
        let end = Instant::now() + QUIET_MAX;
        while self.lives.load(Ordering::SeqCst) == before && Instant::now() < end {
            pause(LOOK_EVERY * 5);
        }
    }
}

/// What was seen in the instant after chappe had died.
#[derive(Clone, Debug, Default)]
pub struct Death {
    /// Texts that were on their way to Telegram.
    pub sending: Vec<String>,
    /// What the store had noted of tools, and all that stood in Claude's transcripts.
    pub acted: String,
    pub transcripts: String,
    /// The effects that tools had had.
    pub done: String,
    /// Whether everything died with it.
    pub with_tree: bool,
}

/// What there is to be judged of a cell.
pub struct Played {
    pub asked: Vec<Asked>,
    pub deaths: Vec<Death>,
    /// Why it did not come to its end, in words.
    pub stuck: Vec<String>,
    /// How often each point was passed in the last chappe that had orders, by name.
    pub passed: Vec<String>,
    pub log: String,
}

/// A cell's host. It must outlive what is judged.
pub fn host(cell: &Cell) -> Host {
    let mut host = Host::new();
    // The stand-in counts its errors for as long as its process lives.
    let idle_timeout = match cell.story {
        Story::Trouble | Story::Refusals => "5s",
        _ => "300ms",
    };
    host.sessions = format!(
        "stop_grace = \"500ms\"\nshutdown_grace = \"1s\"\nretry_delay = \"50ms\"\nbatch_window = \"60ms\"\n\
         idle_timeout = {idle_timeout:?}\n"
    );
    let folder = host.folder.path().to_owned();
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("the folder can be written");
    let done = folder.join("done");
    for name in ["act", "ask"] {
        let script = format!(
            "#!/bin/sh\n[ \"$2\" = --unless-done ] && grep -qxF \"$1\" {done:?} 2>/dev/null && exit 0\n\
             echo \"$1\" >>{done:?}\n"
        );
        write_program(&bin.join(name), &script);
    }
    // Starts are noted, so that two at once for one session would be seen; and fail as long as the host is broken.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {chappe:?} stand-in \"$@\";; esac\n\
         [ -e {folder:?}/broken ] && {{ echo broken >&2; exit 7; }}\n\
         exec 9>{folder:?}/one-of-$(basename \"$PWD\")\n\
         flock --nonblock 9 || echo \"two at once in $PWD\" >>{folder:?}/starts\n\
         exec {chappe:?} stand-in \"$@\"\n",
        chappe = chappe(),
    );
    let program = folder.join("claude.sh");
    write_program(&program, &script);
    host.claude = format!(
        "command = [{program:?}]\nextra_args = [\"--allowedTools=Bash({} *)\"]\nenv = {{ CLAUDE_CONFIG_DIR = {:?} }}\n",
        bin.join("act").display(),
        folder.join("claude")
    );
    let clock = folder.join("clock");
    host.environment
        .push(("CHAPPE_CLOCK".to_owned(), clock.display().to_string()));
    if cell.people > 1 {
        host.allowed_users.push(OTHER);
    }
    host
}

/// Plays the cell on its host.
pub fn play(cell: &Cell, host: &Host) -> Played {
    let people = [("ada", USER, "Ada"), ("bob", OTHER, "Bob")];
    let orders = Orders {
        restart: AtomicBool::new(false),
        clock: AtomicI64::new(0),
        lives: AtomicU32::new(0),
    };
    let over = AtomicU32::new(0);
    let (report, reports) = crossbeam_channel::unbounded();
    let mut played = std::thread::scope(|scope| {
        for (prefix, id, name) in people.into_iter().take(cell.people) {
            let (report, over, orders) = (report.clone(), &over, &orders);
            scope.spawn(move || {
                let _over = CountUp(over);
                let player = Player::new(host, Person::private(id, name), prefix);
                let stuck = stories::play(cell.story, &player, orders).err();
                let _ = report.send((player.asked.into_inner(), stuck));
            });
        }
        watch(cell, host, &orders, &|| {
            over.load(Ordering::SeqCst) == cell.people as u32
        })
    });
    drop(report);
    for (asked, stuck) in reports {
        played.asked.extend(asked);
        played.stuck.extend(stuck);
    }
    played
}

/// Counts a person as done, also where they panic.
struct CountUp<'a>(&'a AtomicU32);

impl Drop for CountUp<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Starts chappe, and again whenever it has died, until all is over and quiet; then it is stopped in order.
fn watch(cell: &Cell, host: &Host, orders: &Orders, is_over: &dyn Fn() -> bool) -> Played {
    let mut played = Played {
        asked: Vec::new(),
        deaths: Vec::new(),
        stuck: Vec::new(),
        passed: Vec::new(),
        log: String::new(),
    };
    // What each chappe is ordered, in turn: how the story begins, then what the cell is about, then nothing.
    let first = cell.story.begins_with();
    let mut faults = Vec::from_iter(first.map(|(order, fault)| (order.to_owned(), fault)));
    faults.push((cell.order(), cell.fault));
    let mut faults = faults.into_iter();
    let mut quiet_by = None;
    let mut now_ordered = faults.next();
    let trace = host.folder.path().join("trace");
    let mut running = start(host, now_ordered.as_ref(), &trace);
    loop {
        if let Some(status) = running.has_ended() {
            let fault = now_ordered
                .as_ref()
                .map_or(Fault::KilledAlone, |(_, fault)| *fault);
            if fault == Fault::KilledWithTree {
                kill_all(host);
            }
            played
                .deaths
                .push(look(host, fault == Fault::KilledWithTree));
            keep_log(&mut played, &running, &format!("{status}"));
            if played.deaths.len() as u32 > DEATHS_MAX {
                played.stuck.push(format!("chappe keeps dying: {status}"));
                break;
            }
            keep_trace(&mut played, &trace, now_ordered.is_some());
            now_ordered = faults.next();
            let clock = orders.clock.load(Ordering::SeqCst);
            let _ = fs::write(host.folder.path().join("clock"), clock.to_string());
            running = start(host, now_ordered.as_ref(), &trace);
            orders.lives.fetch_add(1, Ordering::SeqCst);
        }
        if orders.restart.swap(false, Ordering::SeqCst) {
            running.signal(Signal::SIGTERM);
        }
        if is_over() {
            let by = *quiet_by.get_or_insert_with(|| Instant::now() + QUIET_MAX);
            if number(host, IS_QUIET) == Some(1) {
                break;
            }
            if Instant::now() > by {
                played
                    .stuck
                    .push(format!("it does not become quiet: {}", open_rows(host)));
                break;
            }
            pause(LOOK_EVERY * 10);
        }
        pause(LOOK_EVERY);
    }
    keep_trace(&mut played, &trace, now_ordered.is_some());
    running.signal(Signal::SIGTERM);
    let end = running.end();
    played.log.push_str(&end.stderr);
    // Where the order is about the end itself, chappe dies of it, or leaves what it could not write down.
    let fault = now_ordered
        .filter(|(order, _)| !order.is_empty())
        .map(|(_, fault)| fault);
    let is_cut_short = match fault {
        None => false,
        Some(Fault::Error) => end.code == Some(0) && number(host, verdict::NOTED) != Some(0),
        Some(_) => end.code.is_none(),
    };
    if !is_cut_short {
        if end.code != Some(0) {
            played
                .stuck
                .push(format!("chappe ended with {:?}", end.code));
        }
        return played;
    }
    if end.code.is_none() {
        let with_tree = fault == Some(Fault::KilledWithTree);
        if with_tree {
            kill_all(host);
        }
        played.deaths.push(look(host, with_tree));
    }
    // The next one finds what was left, and ends in order. Before it runs, a signal ends it out of order.
    let mut last = start(host, None, &trace);
    let by = Instant::now() + QUIET_MAX;
    let runs = |last: &Chappe| last.log().contains("runs for bot");
    while (!runs(&last) || number(host, IS_QUIET) != Some(1))
        && Instant::now() < by
        && last.has_ended().is_none()
    {
        pause(LOOK_EVERY * 10);
    }
    last.signal(Signal::SIGTERM);
    let end = last.end();
    played.log.push_str(&end.stderr);
    if end.code != Some(0) {
        played
            .stuck
            .push(format!("the last chappe ended with {:?}", end.code));
    }
    played
}

fn start(host: &Host, ordered: Option<&(String, Fault)>, trace: &Path) -> Chappe {
    let order = ordered.map_or(String::new(), |(order, _)| order.clone());
    host.start_with(&[
        ("CHAPPE_FAIL", order),
        ("CHAPPE_FAIL_TRACE", trace.display().to_string()),
    ])
}

fn keep_log(played: &mut Played, chappe: &Chappe, status: &str) {
    played.log.push_str(&chappe.log());
    played.log.push_str(&format!("\n=== ended: {status}\n"));
}

/// Keeps what was passed by the chappe that had the cell's order, and begins anew.
fn keep_trace(played: &mut Played, trace: &Path, is_ordered: bool) {
    if let (true, Ok(passed)) = (is_ordered, fs::read_to_string(trace)) {
        played.passed = passed.lines().map(str::to_owned).collect();
        let _ = fs::write(trace, "");
    }
}

/// Kills everything that is left of the host.
pub fn kill_all(host: &Host) {
    loop {
        let left = processes_of(host.folder.path());
        if left.is_empty() {
            return;
        }
        for pid in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Looks at what there is in the moment of a death. A copy of the database is read, so that nothing of it changes.
fn look(host: &Host, with_tree: bool) -> Death {
    let mut death = Death {
        with_tree,
        ..Death::default()
    };
    let copy = tempfile::tempdir().expect("a temporary folder can be made");
    for file in ["chappe.db", "chappe.db-wal"] {
        // There is none before the first one was made.
        let _ = fs::copy(host.state_dir().join(file), copy.path().join(file));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    if let Ok(database) = Connection::open_with_flags(copy.path().join("chappe.db"), flags) {
        let column = |query: &str| -> Vec<String> {
            let Ok(mut statement) = database.prepare(query) else {
                return Vec::new();
            };
            let rows = statement.query_map([], |row| row.get(0));
            rows.map_or(Vec::new(), |rows| rows.flatten().collect())
        };
        death.sending = column("SELECT post FROM outbox WHERE state = 'sending'");
        death.acted = column("SELECT acted FROM prompt").join("\n");
    }
    death.done = fs::read_to_string(host.folder.path().join("done")).unwrap_or_default();
    death.transcripts = transcripts(host);
    death
}

/// All that stands in Claude's transcripts.
pub fn transcripts(host: &Host) -> String {
    let mut all = String::new();
    let projects = host.folder.path().join("claude/projects");
    for folder in fs::read_dir(projects).into_iter().flatten().flatten() {
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            all.push_str(&fs::read_to_string(file.path()).unwrap_or_default());
        }
    }
    all
}

/// Nothing waits, nothing runs, nothing is asked, nothing is on its way.
pub const IS_QUIET: &str = "SELECT NOT EXISTS (SELECT 1 FROM inbox WHERE state = 'waiting')
    AND NOT EXISTS (SELECT 1 FROM prompt WHERE state != 'closed')
    AND NOT EXISTS (SELECT 1 FROM outbox WHERE state IN ('waiting', 'sending'))
    AND NOT EXISTS (SELECT 1 FROM request WHERE state = 'open' OR told = 0)
    AND NOT EXISTS (SELECT 1 FROM hold) AND NOT EXISTS (SELECT 1 FROM session WHERE stop != 0)";

/// What is not quiet, in numbers.
pub fn open_rows(host: &Host) -> String {
    let tables = [
        ("inbox", "state = 'waiting'"),
        ("prompt", "state != 'closed'"),
        ("outbox", "state IN ('waiting', 'sending')"),
        ("request", "state = 'open' OR told = 0"),
        ("hold", "1"),
        ("session", "stop != 0"),
    ];
    let counts = tables.map(|(table, open)| {
        let query = format!("SELECT count(*) FROM {table} WHERE {open}");
        format!("{table} {}", number(host, &query).unwrap_or(-1))
    });
    counts.join(", ")
}
