//! Commands that really run: `/bin/sh -c` in a session of its own, as the real CLI runs its tools.
//!
//! Killing the process group of the stand-in does therefore not reach them, which is what a bridge has to cope with.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::engine::Engine;
use super::input::{self, Input, ToolEnd};

/// `chappe stand-in <this flag> COMMAND` becomes the shell. `setsid` needs a process between fork and exec, and without unsafe
/// code that has to be one of ours.
pub(super) const RUN_FLAG: &str = "--run-in-session-of-its-own";

/// How long a command may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// A command that runs.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) pid: Pid,
    /// It has been asked to end.
    pub(super) is_stopped: bool,
}

/// Leaves the session and becomes the shell. Returns only if that fails.
pub(super) fn run_in_session_of_its_own(command: &OsStr) -> ExitCode {
    if let Err(error) = nix::unistd::setsid() {
        eprintln!("setsid: {error}");
    }
    let error = Command::new("/bin/sh").arg("-c").arg(command).exec();
    eprintln!("/bin/sh: {error}");
    ExitCode::from(126)
}

/// Signals a command and everything that it started and that did not leave its group.
pub(super) fn kill(pid: Pid, signal: Signal) {
    if killpg(pid, signal).is_err() {
        // It has not left our session yet.
        let _ = nix::sys::signal::kill(pid, signal);
    }
}

impl Engine {
    /// Starts a command. Its end comes as a [`ToolEnd`] with this id.
    pub(super) fn start_command(&mut self, id: &str, command: &str) {
        let sender = self.intake.sender.clone();
        let spawned = env::current_exe().and_then(|program| {
            Command::new(program)
                .args(["stand-in", RUN_FLAG, command])
                .current_dir(&self.surroundings.cwd)
                .env("CLAUDECODE", "1")
                .env("CLAUDE_CODE_CHILD_SESSION", "1")
                .env("CLAUDE_CODE_SESSION_ID", &self.wire.session_id)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        });
        let id = id.to_owned();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                let end = ToolEnd {
                    id,
                    stdout: String::new(),
                    stderr: error.to_string(),
                    code: None,
                };
                let _ = sender.send(Input::ToolEnded(end));
                return;
            }
        };
        let pid = i32::try_from(child.id()).expect("process ids fit into an i32");
        let program = Program {
            pid: Pid::from_raw(pid),
            is_stopped: false,
        };
        self.work.programs.insert(id.clone(), program);
        let wait = move || {
            let end = match child.wait_with_output() {
                Ok(output) => ToolEnd {
                    id,
                    stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                    stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
                    code: output
                        .status
                        .code()
                        .or_else(|| output.status.signal().map(|signal| 128 + signal)),
                },
                Err(error) => ToolEnd {
                    id,
                    stdout: String::new(),
                    stderr: error.to_string(),
                    code: None,
                },
            };
            let _ = sender.send(Input::ToolEnded(end));
        };
        thread::Builder::new()
            .name("tool".to_owned())
            .spawn(wait)
            .expect("a thread can be started");
    }

    /// Asks a command to end, and sees to it that it does.
    pub(super) fn stop_command(&mut self, id: &str) {
        self.close_lasting(id, "stopped");
        let Some(program) = self.work.programs.get_mut(id) else {
            return;
        };
        program.is_stopped = true;
        kill(program.pid, Signal::SIGTERM);
        input::later(
            &self.intake.sender,
            GRACE,
            Input::Overdue { id: id.to_owned() },
        );
    }
}
