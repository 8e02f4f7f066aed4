//! Runs the real CLI against the stand-in, and speaks stream-json with it as chappe does.
//!
//! It shares no code with chappe: a mistake there must not hide here.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::LIMIT;
use crate::cli;
use crate::messages_api::{Kind, MessagesApi, Request};

/// A stand-in, and a folder for a CLI's configuration and work.
pub struct Bench {
    claude: PathBuf,
    pub api: MessagesApi,
    folder: TempDir,
}

/// A running CLI that is spoken to in stream-json, as chappe does.
pub struct Claude {
    child: Child,
    /// `None` once it is closed.
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    pub seen: Vec<Value>,
    stderr: PathBuf,
}

impl Bench {
    /// `None` without a CLI; the skipped test is named on stderr.
    pub fn new(test: &str) -> Option<Bench> {
        let claude = cli::real_claude(test)?;
        let bench = Bench {
            claude,
            api: MessagesApi::start(),
            folder: TempDir::new().expect("a temporary folder"),
        };
        std::fs::create_dir(bench.cwd()).expect("a new folder");
        Some(bench)
    }

    pub fn cwd(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn claude(&self, arguments: &[&str]) -> Claude {
        self.claude_with(arguments, &[])
    }

    pub fn claude_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Claude {
        let stderr = self.folder.path().join("stderr");
        let mut child = Command::new(&self.claude)
            .args([
                "-p",
                "--input-format",
                "stream-json",
                "--output-format",
                "stream-json",
                "--verbose",
            ])
            .args(["--permission-prompt-tool", "stdio"])
            .args(arguments)
            .current_dir(self.cwd())
            .env_clear()
            .envs(cli::environment(
                &self.api.url(),
                &self.folder.path().join("config"),
            ))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&stderr).expect("the folder can be written"))
            .spawn()
            .expect("the CLI starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let (sender, lines) = mpsc::channel();
        // It ends with the CLI's stdout, or with the test.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line)
                    .unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Claude {
            stdin: child.stdin.take(),
            child,
            lines,
            seen: Vec::new(),
            stderr,
        }
    }

    /// The requests of turns, so far.
    pub fn turns(&self) -> Vec<Request> {
        self.api
            .requests()
            .into_iter()
            .filter(|request| request.kind == Kind::Turn)
            .collect()
    }
}

impl Claude {
    pub fn write(&mut self, line: &Value) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        writeln!(stdin, "{line}").expect("the CLI reads its stdin");
    }

    pub fn say(&mut self, text: &str) {
        self.write(&json!({"type": "user", "message": {"role": "user", "content": text}}));
    }

    /// Says it and returns the text of the turn's result.
    pub fn ask(&mut self, text: &str) -> String {
        self.say(text);
        let result = self.result();
        assert_eq!(result["is_error"], false, "{result}");
        result["result"]
            .as_str()
            .expect("a result has a text")
            .to_owned()
    }

    /// Waits for the next line that `wanted` accepts, past all others.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        while let Ok(line) = self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.seen.push(line.clone());
            if wanted(&line) {
                return line;
            }
        }
        let seen: Vec<String> = self.seen.iter().map(Value::to_string).collect();
        let stderr = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        panic!("no {what}; seen:\n{}\nstderr:\n{stderr}", seen.join("\n"));
    }

    pub fn result(&mut self) -> Value {
        self.wait("result", |line| line["type"] == "result")
    }

    pub fn permission_request(&mut self, tool: &str) -> Value {
        self.wait("permission request", |line| {
            line["request"]["tool_name"] == tool
        })
    }

    pub fn answer(&mut self, request: &Value, response: &Value) {
        self.write(&json!({"type": "control_response", "response": {
            "subtype": "success", "request_id": request["request_id"], "response": response,
        }}));
    }

    /// Closes stdin, which asks the CLI to end, and waits until its stdout is closed too.
    pub fn finish(mut self) {
        self.stdin = None;
        self.drain();
    }

    /// Sends SIGTERM, and waits until stdout is closed.
    pub fn terminate(&mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a pid fits"));
        kill(pid, Signal::SIGTERM).expect("it was not reaped yet");
        self.drain();
    }

    fn drain(&mut self) {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("the CLI does not end"),
            }
        }
    }
}

impl Drop for Claude {
    fn drop(&mut self) {
        // It has ended already, or a test has failed or is done with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
