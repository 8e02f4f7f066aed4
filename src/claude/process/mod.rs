//! The `claude` process: starts it, reads and writes its pipes with a thread each, signals it, reaps it.
//!
//! It knows nothing of what the lines mean. The process is signalled only before it is reaped, and both are done by
//! whoever holds the [`Process`], so a signal can never hit a stranger that got the same number.
//!
//! - `pipes`: lines in and out;
//! - `sweep`: what a process has left behind is found and ended;
//! - `tools`: what Claude's tools have started is ended, and Claude itself lives on;
//! - `leftover`: a process of a former chappe is ended;
//! - `memory`: how much there is, and whether the kernel kills for want of it;
//! - `program`: which program it is, and its version.

mod leftover;
mod memory;
mod pipes;
mod program;
mod sweep;
mod tools;

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::process_table::{Identity, Table};
use super::reaper::{self, Claim};
use crate::failpoint;
use crate::thread;

use pipes::{read_lines, run_dry, write_lines};
use sweep::Kin;

pub use super::process_table::{boot_id, now_ticks, start_time};
pub use leftover::end_leftover;
pub use memory::memory;
pub use program::{Fingerprint, fingerprint, first_line};
pub use sweep::sweep;

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

/// How long after SIGTERM nobody is killed: until then Claude writes down what it has said (30 to 100 ms in 2.1.197).
const KILL_AFTER_MIN: Duration = Duration::from_millis(200);

/// How long a process may take to die of SIGKILL. One that waits for a dead disk may take for ever.
const KILLED_MAX: Duration = Duration::from_secs(5);

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

/// A live `claude` and its four threads. Dropping it ends the process within a moment and reaps it.
pub struct Process {
    child: Child,
    identity: Identity,
    mark: String,
    name: String,
    /// What it has started, as far as it was seen.
    kin: Arc<Kin>,
    /// None once it is reaped, or given up.
    claim: Option<Claim>,
    /// None once stdin is closed, or is to be closed when what waits has been written.
    input: Option<Sender<String>>,
    said: Receiver<Said>,
    /// What was ended as soon as it had ended itself, as command lines.
    swept: Receiver<Vec<String>>,
    /// How often the kernel had killed for want of memory when it was started.
    memory_kills: Option<u64>,
}

/// How a process has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it had left running and was ended with it, as command lines.
    pub swept: Vec<String>,
    pub status: ExitStatus,
    /// It seems that the kernel has killed it because memory had run out.
    pub out_of_memory: bool,
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
        let (mut child, claim) = reaper::spawn(|| {
            if failpoint::before("spawn").is_some() {
                return Err(Errno::EAGAIN.into());
            }
            Command::new(program)
                .args(arguments)
                .current_dir(&launch.folder)
                .env_clear()
                .envs(launch.environment.iter().cloned())
                .env(MARK, &launch.mark)
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        })?;
        let pid = child.id() as i32;
        // It is claimed, so dead or alive it is still there; without a /proc this is nobody.
        let identity = Identity::of(pid).unwrap_or(Identity { pid, start: 0 });
        let kin = Arc::new(Kin::default());
        let (stdin, stdout, stderr) =
            match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
                (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
                _ => unreachable!("all three were asked for as pipes"),
            };
        let (input, lines_in) = bounded(WRITES_MAX);
        let (say, said) = bounded(LINES_MAX);
        let (tell_swept, swept) = bounded(1);
        // From here on the process dies with this value, also when a thread cannot be started.
        let process = Process {
            child,
            identity,
            mark: launch.mark.clone(),
            name: launch.name.clone(),
            kin: Arc::clone(&kin),
            claim: Some(claim),
            input: Some(input),
            said,
            swept,
            memory_kills: memory::kills(),
        };
        first_to_go(pid);
        if failpoint::after("spawn").is_some() {
            return Err(Errno::EAGAIN.into());
        }
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
            wait_for_exit(Pid::from_raw(pid));
            // First, so that nothing it left behind goes on writing into the pipe.
            let swept = sweep::sweep_after(Some(&mark), identity, &kin);
            let _ = tell_swept.send(swept);
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
        self.identity.pid
    }

    /// Writes a line; its end is added. Never blocks.
    pub fn write(&self, line: String) -> Result<(), NotReading> {
        self.input
            .as_ref()
            .ok_or(NotReading)?
            .try_send(line)
            .map_err(|_| NotReading)
    }

    /// Closes stdin, after what waits has been written. Claude will end, at the latest with its turn.
    pub fn close_input(&mut self) {
        let _ = failpoint::before("close-input");
        self.note_kin();
        self.input = None;
        let _ = failpoint::after("close-input");
    }

    /// Signals the process and its group. Nothing happens where it has been reaped.
    pub fn signal(&self, signal: Signal) {
        if self.claim.is_none() {
            return;
        }
        // While their parents live: afterwards nobody can tell whose they were.
        self.note_kin();
        let _ = failpoint::before("signal");
        let pid = self.pid();
        match killpg(Pid::from_raw(pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => log::warn!("cannot signal {pid}: {errno}"),
        }
        let _ = failpoint::after("signal");
    }

    /// Ends what Claude's tools have started since a time (see [`now_ticks`]): with SIGTERM, and after 2 s with SIGKILL.
    /// Neither Claude itself nor its MCP servers. Returns at once; a thread of its own, which ends with its work, does it.
    ///
    /// What a tool has put into a session of its own *and* cut off from its parent *and* robbed of its environment is
    /// not found before Claude itself ends.
    pub fn end_tools(&self, since: u64) {
        // Not joined: it has an end of its own, and signals nobody by a number alone.
        drop(self.ending_tools(since));
    }

    /// The thread that ends them; None where there is nothing to do or no thread.
    fn ending_tools(&self, since: u64) -> Option<JoinHandle<()>> {
        self.claim.as_ref()?;
        let spawned = now_ticks().and_then(|until| {
            let tools = tools::Tools {
                claude: self.identity,
                mark: self.mark.clone(),
                since,
                until,
                kin: Arc::clone(&self.kin),
            };
            thread::spawn(format!("{}-tools", self.name), move || tools.end())
        });
        spawned
            .inspect_err(|error| log::warn!("the tools of {} cannot be ended: {error}", self.pid()))
            .ok()
    }

    /// Reaps the process after [`Said::Exited`], and ends whatever it has left behind.
    pub fn reap(&mut self) -> Ended {
        let _ = failpoint::before("reap");
        let status = self.child.wait().unwrap_or_else(|error| {
            log::warn!("cannot reap {}: {error}", self.pid());
            ExitStatus::from_raw(0)
        });
        self.claim = None;
        let mut swept = self.swept.try_recv().unwrap_or_default();
        swept.extend(sweep::sweep_after(
            Some(&self.mark),
            self.identity,
            &self.kin,
        ));
        let _ = failpoint::after("reap");
        let kills = self.memory_kills.zip(memory::kills());
        Ended {
            swept,
            status,
            out_of_memory: status.signal() == Some(Signal::SIGKILL as i32)
                && kills.is_some_and(|(before, after)| after > before),
        }
    }

    fn note_kin(&self) {
        self.kin.note(&Table::read(), self.identity);
    }

    /// Waits until the process has ended, and leaves it to be reaped. Returns whether it has.
    fn ends_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        while waitid(Id::Pid(Pid::from_raw(self.pid())), look) == Ok(WaitStatus::StillAlive) {
            if Instant::now() >= deadline {
                return false;
            }
            pause(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.claim.is_none() {
            return;
        }
        for (signal, limit) in [
            (Signal::SIGTERM, KILL_AFTER_MIN),
            (Signal::SIGKILL, KILLED_MAX),
        ] {
            self.signal(signal);
            if self.ends_within(limit) {
                self.reap();
                return;
            }
        }
        // Nobody waits for it any longer; without a claim it is reaped when it dies after all.
        log::error!("{} does not even end by SIGKILL", self.pid());
    }
}

/// Lets time pass until the next look at what announces itself to nobody.
fn pause(time: Duration) {
    let _ = never::<()>().recv_timeout(time);
}

/// Blocks until the process has ended, and leaves it to be reaped.
fn wait_for_exit(pid: Pid) {
    while let Err(Errno::EINTR) = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    {
    }
}

/// Lets the kernel take this process before chappe when memory runs out.
fn first_to_go(pid: i32) {
    // Best effort: some containers do not allow it.
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), "500");
}

#[cfg(test)]
mod tests;
