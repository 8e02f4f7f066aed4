//! Who else has a session of Claude open: a `claude` in a terminal, say, while chappe wants to go on with it.
//!
//! Claude itself locks nothing: two processes may go on with one session, and what one of them has said is lost. So it
//! is looked for before, by what `/proc` and Claude's own list say. Reads only: nobody is signalled here, and nothing
//! that Claude wrote is put right.
//!
//! The signs are those of 2.1.197 and 2.1.330, the same in a terminal and over pipes. A live `claude` keeps
//! `sessions/<pid>.json` below its config directory, with its `sessionId`, and with its start as the kernel counts it
//! (`procStart`); it is there 0.3 to 0.7 s after the start, follows a `/clear` and a choice from the list of `--resume`,
//! and is left behind by SIGKILL. Until `--continue` or such a choice has found its session (50 to 100 ms, or as long as
//! a person looks at the list) it names one that never comes to be, and while it is written it may be torn. Before that
//! only the arguments tell. The transcript is not kept open, the environment names no session, and there is no lock.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use serde_json::Value;
use uuid::Uuid;

use super::process_table::{Entry, Table};
use super::transcript::{self, Kept};

/// The longest record of Claude's list that is read, in bytes. Those seen have less than 1 kB.
const RECORD_MAX: u64 = 64 * 1024;

/// Somebody who has a session open, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: i32,
    /// Whether it is known to have this very session open. Otherwise it is a `claude` that works in the folder, and
    /// nothing tells what it has open.
    pub certain: bool,
}

/// Finds a process that has the session open and is none of ours; one that certainly has rather than one that may have.
///
/// `config_dir` is Claude's, `folder` the session's working directory. `ours` are the pids of processes that are not
/// meant; what they have started is not meant either, as long as its parents live. In doubt there is rather one too
/// many: a stale answer costs a question, a missed one costs messages.
///
/// Costs one look at every process of the host, a few milliseconds. What cannot be read there, because it is another
/// user's, is passed over. Who starts in the same moment may be missed.
pub fn holder(config_dir: &Path, session: &str, folder: &Path, ours: &[i32]) -> Option<Holder> {
    // First the processes, then what is written about them: what is written may be older than they are, but says so.
    let table = Table::read();
    let parents = table
        .living()
        .map(|entry| (entry.identity.pid, entry.parent))
        .collect();
    let wanted = Wanted {
        config_dir,
        session,
        folder,
    };
    let mut doubtful = None;
    for entry in table.living() {
        let pid = entry.identity.pid;
        if is_of(pid, ours, &parents) {
            continue;
        }
        let found = wanted.look_at(entry).filter(|_| entry.identity.lives());
        match found {
            Some(true) => return Some(Holder { pid, certain: true }),
            Some(false) if doubtful.is_none() => {
                doubtful = Some(Holder {
                    pid,
                    certain: false,
                });
            }
            _ => {}
        }
    }
    doubtful
}

/// Whether a process is one of these, or descends from one.
fn is_of(pid: i32, roots: &[i32], parents: &BTreeMap<i32, i32>) -> bool {
    let mut member = Some(pid);
    // The table is read over some time, so that it might hold a circle.
    for _ in 0..=parents.len() {
        let Some(pid) = member else { return false };
        if roots.contains(&pid) {
            return true;
        }
        member = parents.get(&pid).copied();
    }
    false
}

/// What is looked for.
struct Wanted<'a> {
    config_dir: &'a Path,
    session: &'a str,
    folder: &'a Path,
}

impl Wanted<'_> {
    /// Whether a process has the session open: certainly, or perhaps. None: no.
    fn look_at(&self, entry: &Entry) -> Option<bool> {
        let pid = entry.identity.pid;
        let argv = argv(pid);
        // A thread of the kernel, or gone.
        if argv.is_empty() {
            return None;
        }
        let record = Record::read(self.config_dir, pid);
        if let Some(record) = &record
            && record.start == Some(entry.identity.start)
        {
            // It is about this process, whatever its program is called.
            if record.session == self.session {
                return Some(true);
            }
            return self.may_choose(pid, &argv, record).then_some(false);
        }
        if !is_claude(pid, &argv) || self.is_of_another_claude(entry) {
            return None;
        }
        // Between fork and exec a tool looks like its parent, which is looked at itself.
        if self::argv(entry.parent) == argv {
            return None;
        }
        // From a version that does not write down its start: it may be about a former process of this number.
        if record.is_some_and(|record| record.start.is_none() && record.session == self.session) {
            return Some(false);
        }
        match opened(&argv, self.session) {
            Opened::This => Some(true),
            Opened::Another => None,
            Opened::Chosen | Opened::Unknown => self.is_here(pid).then_some(false),
        }
    }

    /// Whether a process may not have opened yet what it is going to: it is to choose, and until it has, the record names
    /// a session that never comes to be.
    fn may_choose(&self, pid: i32, argv: &[String], record: &Record) -> bool {
        opened(argv, self.session) == Opened::Chosen
            && self.is_here(pid)
            && transcript::kept(self.config_dir, &record.session) == Kept::Nothing
    }

    /// Whether a process works in the session's folder, as far as that may be seen.
    fn is_here(&self, pid: i32) -> bool {
        is_same(&format!("/proc/{pid}/cwd"), self.folder) == Some(true)
    }

    /// Whether it is known that a process keeps its sessions in another config directory, by its environment.
    fn is_of_another_claude(&self, entry: &Entry) -> bool {
        let environment = entry.identity.environment();
        let config_dir = match environment.get("CLAUDE_CONFIG_DIR") {
            Some(config_dir) => config_dir.to_owned(),
            None => match environment.get("HOME") {
                Some(home) => format!("{home}/.claude"),
                None => return false,
            },
        };
        // What is relative depends on where it was when it started.
        if !config_dir.starts_with('/') {
            return false;
        }
        // As it sees it: in a container the same path means something else.
        let config_dir = format!("/proc/{}/root{config_dir}", entry.identity.pid);
        is_same(&config_dir, self.config_dir) == Some(false)
    }
}

/// Whether two paths lead to the same file or folder; None where that cannot be told.
fn is_same(theirs: &str, ours: &Path) -> Option<bool> {
    let ours = fs::metadata(ours).ok()?;
    let theirs = match fs::metadata(theirs) {
        Ok(theirs) => theirs,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    Some((theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()))
}

/// What Claude has written down about one of its processes.
struct Record {
    session: String,
    /// When the process started, in clock ticks after boot; None where it is not said.
    start: Option<u64>,
}

impl Record {
    /// The record of whoever had this number last; None where there is none, or it is torn.
    fn read(config_dir: &Path, pid: i32) -> Option<Record> {
        let file = File::open(config_dir.join(format!("sessions/{pid}.json"))).ok()?;
        let record: Value = serde_json::from_reader(file.take(RECORD_MAX)).ok()?;
        let start = &record["procStart"];
        Some(Record {
            session: record["sessionId"].as_str()?.to_owned(),
            start: match start.as_str() {
                Some(text) => text.parse().ok(),
                None => start.as_u64(),
            },
        })
    }
}

/// A process's program and arguments as they were given to it; empty where they cannot be read.
fn argv(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix('\0').unwrap_or(&text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split('\0').map(str::to_owned).collect()
}

/// What a `claude` is called with that talks to nobody itself: what it hosts or serves is a process of its own.
const WITHOUT_SESSION: &[&str] = &["daemon", "mcp", "--bg-pty-host"];

/// Whether what runs there is a Claude Code that may have a session, by what it was started as.
fn is_claude(pid: i32, argv: &[String]) -> bool {
    let Some((program, arguments)) = argv.split_first() else {
        return false;
    };
    let first = arguments.first().map_or("", String::as_str);
    // By the name it was called by, never by the program alone: the same file is its own `rg` as well. In the background
    // 2.1.330 calls itself `claude bg-spare`.
    if is_claude_path(program) || program.starts_with("claude ") {
        return !WITHOUT_SESSION.contains(&first);
    }
    // A script, of which the kernel says the name, or what an interpreter of JavaScript was given.
    let mut operands = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'));
    let is_script = || {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim_end() == "claude" || matches!(file_name(program), "node" | "nodejs" | "bun")
    };
    operands.next().is_some_and(|script| is_claude_path(script)) && is_script()
}

/// Whether a path is one under which Claude Code is installed: `claude` and npm's `claude.exe`, the `cli.js` of older
/// packages, and `claude/versions/<version>`, to which the native installer's `claude` is a link.
fn is_claude_path(path: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    let is = |back: usize, name: &str| {
        let part = parts.len().checked_sub(back).and_then(|at| parts.get(at));
        part.is_some_and(|part| part.as_os_str() == name)
    };
    is(1, "claude")
        || is(1, "claude.exe")
        || (is(1, "cli.js") && is(2, "claude-code"))
        || (is(2, "versions") && is(3, "claude"))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Which session a `claude` has opened, by its arguments.
#[derive(Debug, PartialEq, Eq)]
enum Opened {
    This,
    Another,
    /// The newest one, or one chosen from a list or by its title.
    Chosen,
    /// A new one, unless another one was chosen later.
    Unknown,
}

/// What the arguments say. What is only talked about, in a prompt say, is not opened.
fn opened(argv: &[String], session: &str) -> Opened {
    let arguments = argv.iter().map(String::as_str);
    let mut arguments = arguments.take_while(|argument| *argument != "--");
    // A fork reads one session and goes on with another one.
    let is_fork = arguments
        .clone()
        .any(|argument| argument == "--fork-session");
    let mut opened = Opened::Unknown;
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (argument, None),
        };
        let is_resume = matches!(flag, "--resume" | "-r") && !is_fork;
        if is_resume || flag == "--session-id" {
            let next = || arguments.clone().next();
            let value = value.or_else(next).unwrap_or_default();
            // Also as a part: `--resume` may be given a file.
            if value.contains(session) {
                return Opened::This;
            }
            let is_id = Uuid::try_parse(value).is_ok();
            opened = if is_id {
                Opened::Another
            } else {
                Opened::Chosen
            };
        } else if matches!(flag, "--continue" | "-c") && !is_fork {
            opened = Opened::Chosen;
        }
    }
    opened
}

#[cfg(test)]
mod tests;
