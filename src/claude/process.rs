//! The `claude` process: starts it, reads and writes its pipes with a thread each, signals it, reaps it.
//!
//! It knows nothing of what the lines mean. The process is signalled only before it is reaped, and both are done by
//! whoever holds the [`Process`], so a signal can never hit a stranger that got the same number. End of stdout and end
//! of the process are separate facts: a tool's child may hold the pipe for longer than `claude` lives.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::thread;

/// The longest line of stdout that is kept, in bytes; of a longer one only the length is told. The longest that were
/// seen are a few hundred kB.
pub const LINE_MAX: usize = 8 * 1024 * 1024;

/// Lines that wait for the owner. When it is full the reader waits, and `claude` keeps the rest in its own memory.
const LINES_MAX: usize = 32;

/// Lines that wait to be written. When it is full the process does not read, and [`Process::write`] says so.
const WRITES_MAX: usize = 64;

/// The longest line of stderr that is kept, in bytes.
const STDERR_LINE_MAX: usize = 2 * 1024;

/// How long the readers wait for the pipes to run dry once the process has ended.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// How often something is looked at that does not announce itself.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a dead process's reader may wait for its owner in all. Longer than any store is likely to fail for a moment,
/// and an end for output that never ends.
const OWNER_MAX: Duration = Duration::from_secs(60);

/// Marks the process and everything it starts, in their environment.
const MARK: &str = "CHAPPE_RUN";

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
    pub folder: PathBuf,
    /// The whole environment; nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// A uuid, the same for each process of a session and for no other: by it everything that it leaves behind is found,
    /// also by a chappe that did not start it.
    pub mark: String,
    /// What the threads' names begin with.
    pub name: String,
}

/// What a process has to say. `Exited` comes last.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// A line of stdout, without its end.
    Line(Vec<u8>),
    /// A line of stdout that was too long to keep; its length in bytes, without its end.
    TooLong(usize),
    /// A line of stderr. Lines are dropped when the owner does not keep up.
    Stderr(String),
    /// The process has ended and stdout has been read to its end, or for 2 s nothing more came. It must be reaped now.
    Exited,
}

/// The process takes no more input: it is gone, or it does not read.
#[derive(Debug, PartialEq, Eq)]
pub struct NotReading;

/// A live `claude` and its four threads. Dropping it kills the process and reaps it.
pub struct Process {
    child: Child,
    pid: Pid,
    mark: String,
    /// None once stdin is closed, or is to be closed when what waits has been written.
    input: Option<Sender<String>>,
    said: Receiver<Said>,
    reaped: bool,
}

impl Process {
    /// Starts the process in a group of its own.
    ///
    /// Fails where the program or the folder is not there, or the host has no process or thread to give.
    pub fn start(launch: &Launch) -> io::Result<Process> {
        let (program, arguments) = launch
            .argv
            .split_first()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&launch.folder)
            .env_clear()
            .envs(launch.environment.iter().cloned())
            .env(MARK, &launch.mark)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = Pid::from_raw(child.id() as i32);
        let (stdin, stdout, stderr) =
            match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
                (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
                _ => unreachable!("all three were asked for as pipes"),
            };
        let (input, lines_in) = bounded(WRITES_MAX);
        let (say, said) = bounded(LINES_MAX);
        // From here on the process dies with this value, also when a thread cannot be started.
        let process = Process {
            child,
            pid,
            mark: launch.mark.clone(),
            input: Some(input),
            said,
            reaped: false,
        };
        first_to_go(pid);
        let (stdout_open, stdout_done) = bounded::<()>(0);
        let (stderr_open, stderr_done) = bounded::<()>(0);
        let name = &launch.name;
        // None of the four is joined: a tool's child may hold a pipe open for ever, and then its reader stays with it.
        thread::spawn(format!("{name}-in"), move || write_lines(stdin, &lines_in))?;
        let say_line = say.clone();
        let waits_for_owner = Arc::new(AtomicBool::new(false));
        let saying = Arc::clone(&waits_for_owner);
        thread::spawn(format!("{name}-out"), move || {
            let _open = stdout_open;
            read_lines(
                BufReader::with_capacity(64 * 1024, stdout),
                LINE_MAX,
                |line| {
                    saying.store(true, Ordering::Relaxed);
                    let heard = say_line.send(line).is_ok();
                    saying.store(false, Ordering::Relaxed);
                    heard
                },
            );
        })?;
        let say_stderr = say.clone();
        thread::spawn(format!("{name}-err"), move || {
            let _open = stderr_open;
            read_lines(
                BufReader::with_capacity(4 * 1024, stderr),
                STDERR_LINE_MAX,
                |line| {
                    if let Said::Line(bytes) = line {
                        let _ = say_stderr
                            .try_send(Said::Stderr(String::from_utf8_lossy(&bytes).into_owned()));
                    }
                    true
                },
            );
        })?;
        let mark = launch.mark.clone();
        thread::spawn(format!("{name}-wait"), move || {
            wait_for_exit(pid);
            // First, so that nothing it left behind goes on writing into the pipe.
            sweep(&mark);
            let left = run_dry(&stdout_done, DRAIN_MAX, || {
                waits_for_owner.load(Ordering::Relaxed)
            });
            // Its reader waits for nobody.
            run_dry(&stderr_done, left, || false);
            let _ = say.send(Said::Exited);
        })?;
        Ok(process)
    }

    /// What the process says, in order.
    pub fn said(&self) -> &Receiver<Said> {
        &self.said
    }

    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Writes a line; its end is added. Never blocks.
    pub fn write(&self, line: String) -> Result<(), NotReading> {
        self.input
            .as_ref()
            .ok_or(NotReading)?
            .try_send(line)
            .map_err(|_| NotReading)
    }

    /// Closes stdin, after what waits has been written.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Signals the process and its group. Nothing happens where it has been reaped.
    pub fn signal(&self, signal: Signal) {
        if self.reaped {
            return;
        }
        match killpg(self.pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => log::warn!("cannot signal {}: {errno}", self.pid),
        }
    }

    /// TEMP
    pub fn end_tools(&self, _since: u64) {}

    /// Reaps the process after [`Said::Exited`], and ends whatever it has left behind.
    pub fn reap(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap_or_else(|error| {
            log::warn!("cannot reap {}: {error}", self.pid);
            ExitStatus::from_raw(0)
        });
        self.reaped = true;
        sweep(&self.mark);
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::SIGKILL);
            self.reap();
        }
    }
}

/// Blocks until the process has ended, and leaves it to be reaped.
fn wait_for_exit(pid: Pid) {
    while let Err(Errno::EINTR) = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    {
    }
}

/// Waits until a reader has come to the end of its pipe, or has waited for it in vain for `limit`; returns what is left
/// of that. The time in which the reader waits for its owner counts apart: what the process has said would be lost.
fn run_dry(
    done: &Receiver<()>,
    limit: Duration,
    mut waits_for_owner: impl FnMut() -> bool,
) -> Duration {
    let mut left = limit;
    let mut left_for_owner = OWNER_MAX;
    while !left.is_zero() && !left_for_owner.is_zero() {
        // Nothing is ever sent here: it is over when the reader drops its end.
        if done.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        if waits_for_owner() {
            left_for_owner = left_for_owner.saturating_sub(LOOK_EVERY);
        } else {
            left = left.saturating_sub(LOOK_EVERY);
        }
    }
    left
}

/// Writes lines until the channel or the pipe closes; stdin closes with it.
fn write_lines(mut stdin: ChildStdin, lines: &Receiver<String>) {
    for line in lines {
        let mut bytes = line.into_bytes();
        bytes.push(b'\n');
        if stdin.write_all(&bytes).is_err() {
            // The process closed its end. That it has ended is told by the one who waits for it.
            return;
        }
    }
}

/// Reads lines of at most `longest` bytes until the pipe ends or nobody listens.
fn read_lines(mut pipe: impl BufRead, longest: usize, mut tell: impl FnMut(Said) -> bool) {
    loop {
        let mut line = Vec::new();
        match pipe
            .by_ref()
            .take(longest as u64)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let said = if line.last() == Some(&b'\n') {
            line.pop();
            Said::Line(line)
        } else if line.len() < longest {
            // The pipe ended in the middle of a line. What there is may still be a whole message.
            Said::Line(line)
        } else {
            match skip_line(&mut pipe) {
                Ok(rest) => Said::TooLong(line.len() + rest),
                Err(_) => return,
            }
        };
        if !tell(said) {
            return;
        }
    }
}

/// Skips the rest of a line without keeping it; returns its length, without its end.
fn skip_line(pipe: &mut impl BufRead) -> io::Result<usize> {
    let mut skipped = 0;
    loop {
        let buffer = pipe.fill_buf()?;
        let (length, end) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at, Some(at + 1)),
            None if buffer.is_empty() => (0, Some(0)),
            None => (buffer.len(), None),
        };
        pipe.consume(end.unwrap_or(length));
        skipped += length;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// Lets the kernel take this process before chappe when memory runs out.
fn first_to_go(pid: Pid) {
    // Best effort: some containers do not allow it.
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), "500");
}

/// Kills every process that carries the mark. Claude's Bash tools make process groups and sessions of their own, which
/// a signal to Claude's group does not reach, and they outlive a `claude` that was killed.
pub fn sweep(mark: &str) {
    // What is killed may have been in the middle of a fork, so it is looked again until nothing is found.
    for _ in 0..10 {
        let left = marked(Path::new("/proc"), mark);
        if left.is_empty() {
            return;
        }
        log::info!("ending {} processes that claude left behind", left.len());
        for pid in left {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// The live processes whose environment holds the mark.
fn marked(proc: &Path, mark: &str) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir(proc) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| mark_of(proc, *pid).as_deref() == Some(mark))
        .map(Pid::from_raw)
        .collect()
}

/// The mark in a live process's environment. A zombie's reads as empty, so what has been killed has none any more.
fn mark_of(proc: &Path, pid: i32) -> Option<String> {
    let environ = fs::read(proc.join(pid.to_string()).join("environ")).ok()?;
    environ.split(|&byte| byte == 0).find_map(|entry| {
        let mark = entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(mark.to_vec()).ok()
    })
}

/// TEMP
pub fn now_ticks() -> u64 {
    0
}

/// When a live process started, in clock ticks after boot; None where there is none (a zombie is none).
pub fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything, also spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The kernel's id of this boot; empty where it cannot be read.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Ends a process of a former chappe that still serves the session: it gets `by_itself` to end by itself (without its
/// stdin it will, at the end of its turn), then SIGTERM, then SIGKILL, with `step` after each. Blocks until it is
/// gone; returns false if not even SIGKILL has helped. What it leaves behind is ended as well.
pub fn end_leftover(pid: i32, start: u64, boot: &str, by_itself: Duration, step: Duration) -> bool {
    if boot != boot_id() || start_time(pid) != Some(start) {
        return true;
    }
    // Read while it lives: afterwards it has no environment any more.
    let mark = mark_of(Path::new("/proc"), pid);
    let is_gone = end_by_signals(pid, start, by_itself, step);
    if let Some(mark) = mark.filter(|_| is_gone) {
        sweep(&mark);
    }
    is_gone
}

fn end_by_signals(pid: i32, start: u64, by_itself: Duration, step: Duration) -> bool {
    let is_gone_within = |wait: Duration| {
        // It is nobody's child here, so there is nothing to wait on but its entry in /proc.
        for _ in 0..=wait.as_millis() / LOOK_EVERY.as_millis() {
            if start_time(pid) != Some(start) {
                return true;
            }
            let _ = crossbeam_channel::never::<()>().recv_timeout(LOOK_EVERY);
        }
        false
    };
    if is_gone_within(by_itself) {
        return true;
    }
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        log::info!("a claude of a former chappe still runs as {pid}; sending {signal}");
        let _ = killpg(Pid::from_raw(pid), signal);
        if is_gone_within(step) {
            return true;
        }
    }
    false
}

/// What a program is known by on disk: where it stands, and when it was last replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(Vec<Stand>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stand {
    file: PathBuf,
    device: u64,
    inode: u64,
    length: u64,
    /// Of its entry (`ctime`), in seconds and nanoseconds. The other time is set by installers, npm's to the same
    /// moment for all versions.
    changed: (i64, i64),
}

/// The fingerprint of every part of a command that is a program. Programs without a slash are looked for in `path`.
pub fn fingerprint(command: &[String], path: &OsStr) -> Fingerprint {
    let find = |name: &String| -> Option<PathBuf> {
        if name.contains('/') {
            return Some(PathBuf::from(name));
        }
        let folders = path.as_bytes().split(|&byte| byte == b':');
        folders
            .map(|folder| Path::new(OsStr::from_bytes(folder)).join(name))
            .find(|file| file.is_file())
    };
    let parts = command.iter().filter_map(find).filter_map(|file| {
        let meta = fs::metadata(&file).ok()?;
        Some(Stand {
            file,
            device: meta.dev(),
            inode: meta.ino(),
            length: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    });
    Fingerprint(parts.collect())
}

/// Runs a program that prints a line and ends, and returns the line. Blocks for at most `limit`.
pub fn first_line(launch: &Launch, limit: Duration) -> io::Result<String> {
    let mut process = Process::start(launch)?;
    process.close_input();
    let timeout = crossbeam_channel::after(limit);
    let mut words = String::new();
    loop {
        crossbeam_channel::select! {
            recv(process.said()) -> said => match said {
                Ok(Said::Line(line)) => return Ok(String::from_utf8_lossy(&line).into_owned()),
                Ok(Said::Stderr(line)) => words = line,
                Ok(Said::TooLong(_)) => {}
                Ok(Said::Exited) | Err(_) => return Err(io::Error::other(format!("it printed nothing {words}"))),
            },
            recv(timeout) -> _ => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
mod tests;
