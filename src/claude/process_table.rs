//! The host's processes, as `/proc` shows them: who lives, since when, whose child it is, what its environment says.
//!
//! A number alone names nobody, because the kernel gives it away again. An [`Identity`] does, and only by it is anybody
//! signalled here. What is to be signalled is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::thread;

/// How much of a command line is of use to a person, in characters.
const COMMAND_MAX: usize = 80;

/// A process that cannot be taken for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub pid: i32,
    /// When it started, in clock ticks after boot.
    pub start: u64,
}

impl Identity {
    /// Who has this number now; None where nobody has. A zombie still has its own.
    pub fn of(pid: i32) -> Option<Identity> {
        Entry::read(pid).map(|entry| entry.identity)
    }

    /// Whether it still runs; a zombie does not.
    pub fn lives(self) -> bool {
        start_time(self.pid) == Some(self.start)
    }

    /// Signals it if it still runs.
    pub fn signal(self, signal: Signal) {
        // Between the look and the signal the number would have to go all the way round.
        if self.lives() {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// What it runs, as a person would have typed it; the first `COMMAND_MAX` characters. None where it is gone.
    pub fn command(self) -> Option<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).ok()?;
        let words: Vec<_> = bytes
            .split(|&byte| byte == 0)
            .filter(|word| !word.is_empty())
            .map(String::from_utf8_lossy)
            .collect();
        let line = words.join(" ");
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(line.chars().take(COMMAND_MAX).collect()).filter(|line: &String| !line.is_empty())
    }

    /// Its environment as it was when its program began: empty where it is gone, in the middle of an exec, or closed to
    /// us.
    pub fn environment(self) -> Environment {
        let bytes = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        Environment(bytes)
    }
}

/// The environment of a process.
pub struct Environment(Vec<u8>);

impl Environment {
    /// The value of a variable; None where it is not set, or is no UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut entries = self.0.split(|&byte| byte == 0);
        let value = entries.find_map(|entry| {
            entry
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
        })?;
        std::str::from_utf8(value).ok()
    }
}

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub identity: Identity,
    pub parent: i32,
    pub group: i32,
    /// The kernel's session, as `setsid` makes one.
    pub session: i32,
    /// Whether it has ended and waits to be reaped.
    pub is_zombie: bool,
}

impl Entry {
    /// The entry of a process, dead or alive; None where nobody has this number.
    pub fn read(pid: i32) -> Option<Entry> {
        Entry::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: i32, stat: &str) -> Option<Entry> {
        // The second field is the program's name in parentheses and may hold anything, also spaces and parentheses.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let is_zombie = matches!(fields.next()?, "Z" | "X");
        let mut number = || fields.next()?.parse().ok();
        let (parent, group, session) = (number()?, number()?, number()?);
        let start = fields.nth(15)?.parse().ok()?;
        Some(Entry {
            identity: Identity { pid, start },
            parent,
            group,
            session,
            is_zombie,
        })
    }
}

/// All processes at one time, or nearly so: they are read one after the other.
pub struct Table(BTreeMap<i32, Entry>);

impl Table {
    /// Reads the table; empty where there is no `/proc`.
    pub fn read() -> Table {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let entries = pids.filter_map(|pid| Some((pid, Entry::read(pid)?)));
        Table(entries.collect())
    }

    /// The processes that run.
    pub fn living(&self) -> impl Iterator<Item = &Entry> {
        self.0.values().filter(|entry| !entry.is_zombie)
    }

    /// The children of a process, dead or alive.
    pub fn children(&self, parent: i32) -> impl Iterator<Item = &Entry> {
        self.0.values().filter(move |entry| entry.parent == parent)
    }

    /// The entry of a process, dead or alive.
    pub fn get(&self, who: Identity) -> Option<&Entry> {
        self.0.get(&who.pid).filter(|entry| entry.identity == who)
    }

    /// Those of `roots` that run, and all their descendants; never the one who asks.
    pub fn family(&self, roots: impl IntoIterator<Item = Identity>) -> BTreeSet<Identity> {
        let own = std::process::id() as i32;
        let runs =
            |who: &Identity| who.pid != own && self.get(*who).is_some_and(|entry| !entry.is_zombie);
        let mut family = BTreeSet::new();
        let mut open: Vec<Identity> = roots.into_iter().filter(runs).collect();
        while let Some(member) = open.pop() {
            if family.insert(member) {
                let children = self.children(member.pid).map(|child| child.identity);
                open.extend(children.filter(runs));
            }
        }
        family
    }

    /// Everything that runs and belongs to a process by descent or because it is in the group that the process leads;
    /// not the process itself. Nothing once it has been reaped: then the group may be another one's.
    pub fn relatives(&self, of: Identity) -> BTreeSet<Identity> {
        if self.get(of).is_none() {
            return BTreeSet::new();
        }
        let group = self.living().filter(|entry| entry.group == of.pid);
        let roots: Vec<Identity> = group.map(|entry| entry.identity).chain([of]).collect();
        let mut family = self.family(roots);
        family.remove(&of);
        family
    }
}

/// When a live process started, in clock ticks after boot; None where there is none (a zombie is none).
pub fn start_time(pid: i32) -> Option<u64> {
    let entry = Entry::read(pid).filter(|entry| !entry.is_zombie)?;
    Some(entry.identity.start)
}

/// The present in the unit of [`Identity::start`]: clock ticks after boot.
///
/// Fails where the host has no thread to give.
pub fn now_ticks() -> io::Result<u64> {
    // What has just started has started now. /proc/uptime would be cheaper, but in containers it often tells the age of
    // the container, while the start times stay those of the host.
    let started = thread::spawn("ticks", || {
        let stat = fs::read_to_string("/proc/thread-self/stat").ok()?;
        Entry::parse(0, &stat).map(|entry| entry.identity.start)
    })?;
    let ticks = started.join().ok().flatten();
    ticks.ok_or_else(|| io::Error::other("the start of a thread cannot be read"))
}

/// The kernel's id of this boot; empty where it cannot be read.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Identity {
        Identity::of(std::process::id() as i32).expect("we live")
    }

    fn table(entries: &[(i32, i32, i32)]) -> Table {
        let entries = entries.iter().map(|&(pid, parent, group)| {
            let identity = Identity {
                pid,
                start: pid as u64,
            };
            let entry = Entry {
                identity,
                parent,
                group,
                session: group,
                is_zombie: false,
            };
            (pid, entry)
        });
        Table(entries.collect())
    }

    fn who(pid: i32) -> Identity {
        Identity {
            pid,
            start: pid as u64,
        }
    }

    fn pids(family: BTreeSet<Identity>) -> Vec<i32> {
        family.into_iter().map(|member| member.pid).collect()
    }

    #[test]
    fn a_line_of_the_kernel_is_read_whatever_the_program_is_called() {
        let rest = "S 11 12 13 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 20";
        for name in ["sh", "a) b (Z 1", ")", "", "(", "1 2 3"] {
            let entry = Entry::parse(10, &format!("10 ({name}) {rest}"));
            let expected = Entry {
                identity: Identity {
                    pid: 10,
                    start: 4711,
                },
                parent: 11,
                group: 12,
                session: 13,
                is_zombie: false,
            };
            assert_eq!(entry, Some(expected), "{name:?}");
        }
        assert_eq!(Entry::parse(10, "10 (sh) S 11 12"), None);
        assert_eq!(Entry::parse(10, ""), None);
    }

    #[test]
    fn a_family_is_the_roots_that_run_and_all_below_them() {
        let mut table = table(&[(2, 1, 2), (3, 2, 2), (4, 3, 4), (5, 1, 5), (6, 5, 5)]);
        assert_eq!(pids(table.family([who(2)])), [2, 3, 4]);
        assert_eq!(pids(table.family([who(3), who(6)])), [3, 4, 6]);
        let other = Identity { pid: 2, start: 9 };
        assert!(table.family([other]).is_empty(), "another of this number");
        table.0.get_mut(&3).expect("it is there").is_zombie = true;
        assert_eq!(pids(table.family([who(2)])), [2]);
    }

    #[test]
    fn relatives_are_descendants_and_the_group_without_its_leader() {
        // 4 and 6 have lost their parents; 4 is still in the group.
        let table = table(&[(2, 1, 2), (3, 2, 3), (4, 1, 2), (5, 4, 5), (6, 1, 6)]);
        assert_eq!(pids(table.relatives(who(2))), [3, 4, 5]);
        let former = Identity { pid: 2, start: 1 };
        assert!(table.relatives(former).is_empty());
    }

    #[test]
    fn nobody_is_of_his_own_family() {
        let own = own();
        assert!(Table::read().get(own).is_some(), "we are in the table");
        let family = Table::read().family([own]);
        assert!(!family.contains(&own), "{family:?}");
    }

    #[test]
    fn the_present_is_neither_before_nor_after_what_happens() {
        let before = now_ticks().expect("a thread");
        let started = thread::spawn("now", || {
            let stat = fs::read_to_string("/proc/thread-self/stat").expect("we live");
            Entry::parse(0, &stat).expect("it is whole").identity.start
        });
        let started = started.expect("a thread").join().expect("no panic");
        let after = now_ticks().expect("a thread");
        assert!(before <= started && started <= after);
        assert!(own().start <= before);
    }

    #[test]
    fn an_environment_is_looked_up_by_whole_names() {
        let environment = Environment(b"AB=1\0A=2\0C=\0D\0E=a=b\0F=\xff\0".to_vec());
        let get = |name| environment.get(name);
        assert_eq!(
            (get("A"), get("AB"), get("C")),
            (Some("2"), Some("1"), Some(""))
        );
        assert_eq!((get("D"), get("E"), get("F")), (None, Some("a=b"), None));
        assert_eq!(get(""), None);
    }

    #[test]
    fn a_boot_has_an_id() {
        let id = boot_id();
        assert_eq!(id.len(), 36, "{id}");
        assert_eq!(id, boot_id());
    }
}
