//! What the kernel knows: of this host, of a process and what it used, of the processes below it. And the clock that
//! processes share.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time in nanoseconds.
pub fn unix_nanos() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos())
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
pub struct Clocks {
    at: Instant,
    unix: u128,
}

impl Clocks {
    /// Looks at both. Taken again where something came in between.
    pub fn read() -> Clocks {
        let looks = (0..32).map(|_| {
            let before = Instant::now();
            let unix = unix_nanos();
            (before.elapsed(), Clocks { at: before, unix })
        });
        let best = looks.min_by_key(|(took, _)| *took);
        best.expect("it has looked").1
    }

    /// A moment in Unix time, in nanoseconds.
    pub fn unix(&self, moment: Instant) -> u128 {
        match moment.checked_duration_since(self.at) {
            Some(later) => self.unix + later.as_nanos(),
            None => self.unix - self.at.duration_since(moment).as_nanos(),
        }
    }

    /// How far Unix time has been set since.
    pub fn set_since(&self) -> Duration {
        let now = Clocks::read();
        nanos(now.unix.abs_diff(self.unix(now.at)))
    }
}

/// A difference of [`unix_nanos`].
pub fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A line about this host: what the figures depend on.
pub fn host(state: &Path) -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!(
        "{} build · {cores} cores · Linux {} · state on {} · load {}",
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
        read("/proc/sys/kernel/osrelease").trim(),
        file_system(state),
        load.join(" "),
    )
}

/// The kind of file system that a path is on.
fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = mounts.lines().filter_map(|line| {
        let (mount, device) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        path.starts_with(point)
            .then_some((point.len(), device.split(' ').next()?))
    });
    // Of two at one point the later one lies on top.
    let nearest = below.max_by_key(|(length, _)| *length);
    nearest.map_or("?", |(_, kind)| kind).to_owned()
}

/// What a process has used so far, with all its threads that live.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Switches because a thread waited for something, and because it had to give way.
    pub waited: u64,
    pub gave_way: u64,
    /// Time on a core, in nanoseconds; 0 where the kernel does not count it.
    pub on_core: u64,
    /// None where `/proc/<pid>/io` may not be read: chappe closes itself to other programs of its user.
    pub io: Option<Io>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Io {
    /// Calls that write, and their bytes: files and pipes. What goes to a socket by `send` does not count.
    pub writes: u64,
    pub written: u64,
    /// Bytes that have to go to a disk.
    pub to_disk: u64,
}

impl Used {
    pub fn of(pid: i32) -> Used {
        let mut used = Used {
            io: io(pid),
            ..Used::default()
        };
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
            return used;
        };
        for thread in threads.flatten() {
            // A thread that ends between two looks counts nothing.
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            used.waited += field(&status, "voluntary_ctxt_switches:");
            used.gave_way += field(&status, "nonvoluntary_ctxt_switches:");
            let on_core = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let first = on_core.split_whitespace().next();
            used.on_core += first.and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        }
        used
    }

    /// What was used since an earlier look.
    pub fn since(&self, before: &Used) -> Used {
        let less = |now: u64, then: u64| now.saturating_sub(then);
        Used {
            waited: less(self.waited, before.waited),
            gave_way: less(self.gave_way, before.gave_way),
            on_core: less(self.on_core, before.on_core),
            io: self.io.zip(before.io).map(|(now, then)| Io {
                writes: less(now.writes, then.writes),
                written: less(now.written, then.written),
                to_disk: less(now.to_disk, then.to_disk),
            }),
        }
    }
}

fn io(pid: i32) -> Option<Io> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    Some(Io {
        writes: field(&text, "syscw:"),
        written: field(&text, "wchar:"),
        to_disk: field(&text, "write_bytes:"),
    })
}

/// How many bytes a process has written so far; none when it is gone.
pub fn written(pid: i32) -> Option<u64> {
    io(pid).map(|io| io.written)
}

/// The number behind a name at the beginning of a line, whatever its unit.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// What a process holds at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Holds {
    pub threads: u64,
    /// Bytes that are in memory now, whoever else has them too.
    pub resident: u64,
    /// None where `smaps_rollup` may not be read: chappe closes itself to other programs of its user.
    pub shares: Option<Shares>,
}

#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Its share, in bytes, of what several processes have in memory, and all that it has alone (PSS).
    pub proportional: u64,
    /// What it has alone.
    pub private: u64,
}

impl Holds {
    pub fn of(pid: i32) -> Holds {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
        let bytes = |text: &str, name: &str| field(text, name) * 1024;
        Holds {
            threads: field(&status, "Threads:"),
            resident: bytes(&status, "VmRSS:"),
            shares: rollup.map(|text| Shares {
                proportional: bytes(&text, "Pss:"),
                private: bytes(&text, "Private_Clean:") + bytes(&text, "Private_Dirty:"),
            }),
        }
    }
}

/// A process, known by when it started as well: its number may be another's later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub name: String,
    start: u64,
}

impl Process {
    /// A process that lives; what only waits to be reaped does not.
    fn read(pid: i32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let alive = !matches!(*fields.first()?, "Z" | "X");
        alive.then_some(Process {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            name: name.to_owned(),
            start: fields.get(19)?.parse().ok()?,
        })
    }

    pub fn lives(&self) -> bool {
        Process::read(self.pid).is_some_and(|now| now.start == self.start)
    }

    /// Whether an argument begins so.
    pub fn has_argument(&self, start: &str) -> bool {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|argument| argument.starts_with(start.as_bytes()))
    }
}

/// All that lives below a process, parents before children.
pub fn below(pid: i32) -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut others: Vec<Process> = pids.filter_map(Process::read).collect();
    let mut family: Vec<Process> = Vec::new();
    let mut at = 0;
    loop {
        let parent = match at {
            0 => pid,
            _ => match family.get(at - 1) {
                Some(process) => process.pid,
                None => return family,
            },
        };
        let (children, rest) = others
            .into_iter()
            .partition(|process| process.parent == parent);
        family.extend(children);
        others = rest;
        at += 1;
    }
}
