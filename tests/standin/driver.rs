//! Runs the stand-in as a bridge does: pipes, a thread per stream, and limits on every wait.
//!
//! Nothing here knows how the stand-in works inside.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything takes, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What a bridge passes in front of the session's id.
pub const PIPES: [&str; 10] = [
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--permission-prompt-tool",
    "stdio",
    "--replay-user-messages",
    "--include-partial-messages",
];

/// A home and a project directory that outlive the processes started in them.
pub struct Home {
    dir: TempDir,
    pub env: Vec<(OsString, OsString)>,
}

impl Home {
    pub fn new() -> Home {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join("project")).expect("a project directory");
        let mut home = Home {
            dir,
            env: Vec::new(),
        };
        home.set("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1");
        home.set("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1");
        home.set("CLAUDE_CODE_ENABLE_TODO_TOOLS", "1");
        home.set("IS_SANDBOX", "1");
        home
    }

    /// Sets a variable of the environment for processes that are started later.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.into()));
    }

    pub fn unset(&mut self, name: &str) {
        self.env.retain(|(known, _)| known != name);
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// A new session with the bridge's flags and `more`.
    pub fn start(&self, more: &[&str]) -> Claude {
        let id = uuid::Uuid::new_v4().to_string();
        self.start_as("--session-id", &id, more)
    }

    pub fn resume(&self, id: &str, more: &[&str]) -> Claude {
        self.start_as("--resume", id, more)
    }

    pub fn start_as(&self, flag: &str, id: &str, more: &[&str]) -> Claude {
        let mut args = PIPES.to_vec();
        args.extend([flag, id]);
        args.extend(more);
        self.run(id, &args)
    }

    /// Any command line.
    pub fn run(&self, id: &str, args: &[&str]) -> Claude {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chappe"));
        command
            .arg("stand-in")
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("CLAUDE_CONFIG_DIR", self.config())
            .envs(self.env.iter().cloned())
            .current_dir(self.project())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Claude::new(command.spawn().expect("the stand-in starts"), id)
    }

    /// The rows of a session's file; none if there is no file.
    pub fn transcript(&self, id: &str) -> Vec<Value> {
        let folders = std::fs::read_dir(self.config().join("projects"));
        let file = folders
            .into_iter()
            .flatten()
            .flatten()
            .map(|folder| folder.path().join(format!("{id}.jsonl")))
            .find(|path| path.is_file());
        let Some(path) = file else {
            return Vec::new();
        };
        let text = std::fs::read_to_string(path).expect("the file can be read");
        // The last row may be in the middle of being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("rows are JSON"))
            .collect()
    }

    /// What the rows of a session are, without those that say nothing of the conversation.
    pub fn kept(&self, id: &str) -> Vec<String> {
        let is_said = |row: &&Value| row["type"] == "user" || row["type"] == "assistant";
        let rows = self.transcript(id);
        rows.iter()
            .filter(is_said)
            .map(|row| match row["message"]["content"][0]["type"].as_str() {
                Some(kind) => format!("{}/{kind}", row["type"].as_str().unwrap_or("?")),
                None => row["message"]["content"].as_str().unwrap_or("?").to_owned(),
            })
            .collect()
    }

    /// Waits until a session's file holds a row.
    pub fn wait_for_row(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) {
        let until = Instant::now() + LIMIT;
        while !self.transcript(id).iter().any(&wanted) {
            assert!(Instant::now() < until, "no row for {what}");
            thread::yield_now();
        }
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    pub status: ExitStatus,
    pub stderr: String,
    pub lines: Vec<Value>,
}

/// A running stand-in.
pub struct Claude {
    pub id: String,
    pid: Pid,
    stdin: Option<ChildStdin>,
    stdout: Receiver<Value>,
    stderr: Receiver<String>,
    exit: Receiver<ExitStatus>,
    /// Every line so far, in order.
    pub lines: Vec<Value>,
    /// How many of them a wait has gone past.
    passed: usize,
    ended: bool,
}

impl Claude {
    fn new(mut child: Child, id: &str) -> Claude {
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let (lines, stdout_lines) = mpsc::channel();
        let (text, stderr_text) = mpsc::channel();
        let (status, exit) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line);
                // What is no JSON is kept as a string.
                let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(&*text));
                if lines.send(value).is_err() {
                    return;
                }
            }
        });
        thread::spawn(move || {
            let mut all = String::new();
            let _ = stderr.read_to_string(&mut all);
            let _ = text.send(all);
        });
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        thread::spawn(move || {
            let _ = status.send(child.wait().expect("the process can be waited for"));
        });
        Claude {
            id: id.to_owned(),
            pid,
            stdin,
            stdout: stdout_lines,
            stderr: stderr_text,
            exit,
            lines: Vec::new(),
            passed: 0,
            ended: false,
        }
    }

    /// Writes bytes as they are. A process that has ended does not mind.
    pub fn raw(&mut self, text: &str) {
        let _ = self
            .stdin
            .as_mut()
            .expect("stdin is open")
            .write_all(text.as_bytes());
    }

    pub fn send(&mut self, line: &Value) {
        self.raw(&format!("{line}\n"));
    }

    /// Sends a message under a fresh uuid.
    pub fn user(&mut self, text: &str) -> String {
        let uuid = uuid::Uuid::new_v4().to_string();
        self.user_as(&uuid, text);
        uuid
    }

    pub fn user_as(&mut self, uuid: &str, text: &str) {
        self.send(&user_line(uuid, text));
    }

    pub fn control(&mut self, request: Value) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.send(&json!({ "type": "control_request", "request_id": id, "request": request }));
        id
    }

    /// Sends a request and returns the answer.
    pub fn ask(&mut self, request: Value) -> Value {
        let id = self.control(request);
        let line = self.wait("the answer to a request", |line| {
            line["type"] == "control_response" && line["response"]["request_id"] == id.as_str()
        });
        line["response"].clone()
    }

    /// Answers a request of the stand-in.
    pub fn reply(&mut self, request: &Value, response: Value) {
        let inner = json!({ "subtype": "success", "request_id": request["request_id"], "response": response });
        self.send(&json!({ "type": "control_response", "response": inner }));
    }

    pub fn allow(&mut self, request: &Value) {
        self.reply(
            request,
            json!({ "behavior": "allow", "updatedInput": request["request"]["input"] }),
        );
    }

    /// Waits for a line, from where the last wait stopped.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + LIMIT;
        loop {
            while let Some(line) = self.lines.get(self.passed) {
                self.passed += 1;
                if wanted(line) {
                    return line.clone();
                }
            }
            match self
                .stdout
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.lines.push(line),
                Err(error) => {
                    let what_came: Vec<String> = self.lines.iter().map(short).collect();
                    panic!("no {what} ({error}); what came:\n{}", what_came.join("\n"));
                }
            }
        }
    }

    /// Waits for a line wherever it stands, for lines whose order is not fixed. Later waits are not affected.
    pub fn anywhere(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let passed = std::mem::replace(&mut self.passed, 0);
        let line = self.wait(what, wanted);
        self.passed = passed;
        line
    }

    pub fn wait_type(&mut self, kind: &str) -> Value {
        self.wait(kind, |line| line["type"] == kind)
    }

    pub fn system(&mut self, subtype: &str) -> Value {
        self.wait(subtype, |line| {
            line["type"] == "system" && line["subtype"] == subtype
        })
    }

    pub fn state(&mut self, state: &str) {
        self.wait(state, |line| {
            line["subtype"] == "session_state_changed" && line["state"] == state
        });
    }

    pub fn lifecycle(&mut self, uuid: &str, state: &str) {
        self.wait(state, |line| {
            line["command_uuid"] == uuid && line["state"] == state
        });
    }

    /// The next delta of a text.
    pub fn delta(&mut self) -> Value {
        self.wait("a delta", |line| {
            line["event"]["type"] == "content_block_delta"
        })
    }

    pub fn request(&mut self) -> Value {
        self.wait_type("control_request")
    }

    /// The next result, after which the stand-in is idle.
    pub fn result(&mut self) -> Value {
        self.wait_type("result")
    }

    /// Sends a message and waits for its result.
    pub fn turn(&mut self, text: &str) -> Value {
        self.user(text);
        self.result()
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("the process is there");
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Takes stdin away, to be written to by another thread.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("stdin is open")
    }

    /// Waits for the end, without causing it.
    pub fn wait_end(mut self) -> End {
        let until = Instant::now() + LIMIT;
        loop {
            match self
                .stdout
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the process did not end"),
            }
        }
        let stderr = self.stderr.recv_timeout(LIMIT).expect("stderr ends");
        let status = self.exit.recv_timeout(LIMIT).expect("the process ends");
        self.ended = true;
        End {
            status,
            stderr,
            lines: std::mem::take(&mut self.lines),
        }
    }

    /// Closes stdin and waits for the end.
    pub fn end(mut self) -> End {
        self.close_stdin();
        self.wait_end()
    }
}

impl Drop for Claude {
    fn drop(&mut self) {
        if !self.ended {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}

pub fn user_line(uuid: &str, text: &str) -> Value {
    let message = json!({ "role": "user", "content": text });
    json!({ "type": "user", "message": message, "parent_tool_use_id": null, "uuid": uuid })
}

/// A line in a few words: what it is, not what it says.
pub fn short(line: &Value) -> String {
    let kind = line["type"].as_str().unwrap_or("?");
    let what = match kind {
        "command_lifecycle" => line["state"].clone(),
        "control_request" => line["request"]["subtype"].clone(),
        "control_response" => line["response"]["subtype"].clone(),
        "stream_event" => line["event"]["type"].clone(),
        "assistant" => line["message"]["content"][0]["type"].clone(),
        "user" if line["isReplay"] == Value::Bool(true) => Value::from("replay"),
        "user" => line["message"]["content"][0]["type"].clone(),
        _ => line["subtype"].clone(),
    };
    let what = what.as_str().unwrap_or("");
    let state = if kind == "system" {
        line["state"].as_str().unwrap_or("")
    } else {
        ""
    };
    [kind, what, state]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join("/")
}

/// All lines in a few words.
pub fn sequence(lines: &[Value]) -> Vec<String> {
    lines.iter().map(short).collect()
}

/// Waits until a file holds something, and returns it.
pub fn wait_for_file(path: &Path) -> String {
    let until = Instant::now() + LIMIT;
    loop {
        if let Ok(text) = std::fs::read_to_string(path)
            && text.ends_with('\n')
        {
            return text;
        }
        assert!(Instant::now() < until, "{} did not appear", path.display());
        thread::yield_now();
    }
}

/// Ends a process that a test has left behind on purpose.
pub fn end_process(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the process still lives");
    wait_until_gone(pid);
}

/// Waits until a process is gone.
pub fn wait_until_gone(pid: i32) {
    let until = Instant::now() + LIMIT;
    while is_alive(pid) {
        assert!(Instant::now() < until, "process {pid} still lives");
        thread::yield_now();
    }
}

/// A process that nobody has reaped yet is dead all the same.
fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
